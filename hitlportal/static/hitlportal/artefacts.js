/* Artefacts on the review page: a citation links to its artefact and opens it; an artefact that was
   loaded in full counts as opened. */
"use strict";
(() => {
  const opened = () =>
    [...document.querySelectorAll("[data-artefact][data-opened]")].map((element) => element.dataset.artefact);

  const open = (target) => {
    const details = target.querySelector("details[data-artefact]");
    if (details) details.open = true;
    target.focus({ preventScroll: true });
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#artefact-"]');
    if (!link) return;
    const target = document.getElementById(link.hash.slice(1));
    if (target) open(target);
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    const details = event.target.closest("details[data-artefact]");
    if (!details) return;
    details.dataset.opened = "";
    document.dispatchEvent(new CustomEvent("hitl:opened"));
  });

  window.hitl = Object.assign(window.hitl || {}, { opened });
})();
