/* Keeps relative times current. The server drew each of them already; without this script they
   only stop moving. The words are those of templatetags/portal.py. */
"use strict";
(() => {
  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const days = Math.floor(whole / 86400);
    const hours = Math.floor((whole % 86400) / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
    if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
    return minutes ? `${minutes} min` : `${whole % 60} s`;
  };

  const say = {
    ago: (at, now) => (now - at < 1000 ? "just now" : `${span((now - at) / 1000)} ago`),
    until: (at, now) => (at > now ? `${span((at - now) / 1000)} left` : `${span((now - at) / 1000)} over`),
  };

  // A deadline is the server's; a laptop that is ten minutes off must not show ten minutes more.
  let skew = 0;
  const tick = () => {
    const now = Date.now() + skew;
    for (const element of document.querySelectorAll("time[data-clock]")) {
      const at = Date.parse(element.dateTime);
      const text = say[element.dataset.clock](at, now);
      if (element.textContent !== text) element.textContent = text;
      if (element.dataset.clock === "until") element.classList.toggle("tone-bad", at - now < 300000);
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    skew = Number(document.body.dataset.now || 0) * 1000 - Date.now();
    tick();
    setInterval(tick, 1000);
  });
  document.addEventListener("htmx:afterSwap", tick);
})();
