/* Pause the polling of a page that is hidden, and poll at once when it is visible again. Also
   report when a review page is closed. */
"use strict";
(() => {
  const isLive = (element) => element && element.matches && element.matches('[hx-trigger*="every"]');

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && isLive(event.detail.elt)) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    document.querySelectorAll('[hx-trigger*="back"]').forEach((element) => window.htmx.trigger(element, "back"));
  });
  window.addEventListener("pagehide", () => {
    const form = document.getElementById("looking");
    if (!form) return;
    const said = new FormData(form);
    said.set("left", "1");
    navigator.sendBeacon(form.getAttribute("hx-post"), said);
  });
})();
