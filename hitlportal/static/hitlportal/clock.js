/* Keeps relative times current. The server renders each of them; without this script they
   do not update. The texts come from the server, in the page (templatetags/portal.py). */
"use strict";
(() => {
  const { word } = window.hitl;
  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const days = Math.floor(whole / 86400);
    const hours = Math.floor((whole % 86400) / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    const form = days ? (hours ? "days-hours" : "days")
      : hours ? (minutes ? "hours-minutes" : "hours")
      : minutes ? "minutes" : "seconds";
    return word("clock", form, { days, hours, minutes, seconds: whole % 60 });
  };

  const say = {
    ago: (at, now) => (now - at < 1000 ? word("clock", "now") : word("clock", "ago", { span: span((now - at) / 1000) })),
    until: (at, now) => word("clock", at > now ? "left" : "over", { span: span(Math.abs(at - now) / 1000) }),
  };

  /* On the pages of the queue and of a review, a deadline of less than five minutes stands before the
     tab's title, so that it is seen from another tab, and in a mark that covers nothing clickable. */
  const SOON = 300000;
  const WARNS = ["queue", "review"];
  let plain = "";
  let shown = "";
  const warn = (now) => {
    if (!WARNS.includes(document.body.dataset.page)) return;
    if (document.title !== shown) plain = document.title; // htmx may have brought another one
    const left = Array.from(document.querySelectorAll('main time[data-clock="until"]'))
      .map((element) => Date.parse(element.dateTime) - now)
      .filter((span) => span > 0 && span <= SOON);
    // Cut as the page's own times are; never "0 min".
    const minutes = left.length ? Math.floor(Math.min(...left) / 60000) || "<1" : 0;
    shown = minutes ? `${word("clock", "soon", { minutes })} ${plain}` : plain;
    if (document.title !== shown) document.title = shown;
    const place = document.querySelector("[data-soon]");
    if (!place) return;
    const said = minutes ? word("clock", `soon-${document.body.dataset.page}`, { minutes }) : "";
    if (place.textContent !== said) place.textContent = said;
    place.hidden = !minutes;
  };

  // Use the server's clock: a laptop that is ten minutes off must not show ten minutes more.
  let skew = 0;
  const tick = () => {
    const now = Date.now() + skew;
    for (const element of document.querySelectorAll("time[data-clock]")) {
      const at = Date.parse(element.dateTime);
      const text = say[element.dataset.clock](at, now);
      if (element.textContent !== text) element.textContent = text;
      if (element.dataset.clock === "until") {
        element.classList.toggle("tone-bad", at - now < SOON);
        if (element.parentElement.matches(".clock")) element.parentElement.classList.toggle("soon", at - now < SOON);
      }
    }
    warn(now);
  };

  document.addEventListener("DOMContentLoaded", () => {
    skew = Number(document.body.dataset.now || 0) * 1000 - Date.now();
    tick();
    setInterval(tick, 1000);
  });
  document.addEventListener("htmx:afterSwap", tick);
})();
