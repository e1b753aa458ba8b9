/* Artefacts on the review page: a link to something that is folded unfolds it; an artefact that was
   loaded in full counts as opened. */
"use strict";
(() => {
  const opened = () =>
    [...document.querySelectorAll("[data-artefact][data-opened]")].map((element) => element.dataset.artefact);

  /* Unfold whatever the element lies in. */
  const unfold = (element) => {
    for (let each = element; each; each = each.parentElement) {
      if (each.tagName === "DETAILS") each.open = true;
    }
  };

  const show = (target) => {
    unfold(target);
    const artefact = target.querySelector(":scope > details[data-artefact]");
    if (artefact) artefact.open = true;
    if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: artefact ? "nearest" : "start" });
  };

  const follow = (hash) => {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (target) show(target);
    return target;
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && follow(link.hash)) event.preventDefault();
  });
  document.addEventListener("DOMContentLoaded", () => {
    if (location.hash) follow(location.hash);
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    const details = event.target.closest("details[data-artefact]");
    if (!details) return;
    details.dataset.opened = "";
    document.dispatchEvent(new CustomEvent("hitl:opened"));
  });

  window.hitl = Object.assign(window.hitl || {}, { opened, show });
})();
