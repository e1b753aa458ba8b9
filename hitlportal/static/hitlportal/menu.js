/* The account menu closes by Escape and by a click elsewhere, as menus do. Without this script it
   still opens and closes by its own button. */
"use strict";
(() => {
  const close = (menu, focus) => {
    menu.open = false;
    if (focus) menu.querySelector("summary").focus();
  };
  /* On a narrow window the navigation scrolls sideways: begin at the present page. */
  document.addEventListener("DOMContentLoaded", () => {
    const nav = document.querySelector(".topnav");
    const here = nav && nav.querySelector("[aria-current]");
    if (here) nav.scrollLeft = Math.max(0, here.offsetLeft - nav.offsetLeft - 16);
  });
  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) close(menu, false);
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach((menu) => close(menu, true));
  });
})();
