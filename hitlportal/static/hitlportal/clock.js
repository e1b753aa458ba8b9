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

  // Use the server's clock: a laptop that is ten minutes off must not show ten minutes more.
  let skew = 0;
  const tick = () => {
    const now = Date.now() + skew;
    for (const element of document.querySelectorAll("time[data-clock]")) {
      const at = Date.parse(element.dateTime);
      const text = say[element.dataset.clock](at, now);
      if (element.textContent !== text) element.textContent = text;
      if (element.dataset.clock === "until") {
        element.classList.toggle("tone-bad", at - now < 300000);
        if (element.parentElement.matches(".clock")) element.parentElement.classList.toggle("soon", at - now < 300000);
      }
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    skew = Number(document.body.dataset.now || 0) * 1000 - Date.now();
    tick();
    setInterval(tick, 1000);
  });
  document.addEventListener("htmx:afterSwap", tick);
})();
