/* The keys of the review page. A verdict takes two keys, its digit and y or n, so that no single
   slip answers a question; nothing is ever decided by Enter. */
"use strict";
(() => {
  const OFF = "hitl-keys-off";
  const keysOn = () => localStorage.getItem(OFF) === null;
  const VERDICTS = { 1: "diagnosis", 2: "scope", 3: "action" };
  let asked = "";  // the verdict whose digit was pressed last

  const choose = (digit) => {
    const verdict = document.getElementById(`verdict-${VERDICTS[digit]}`);
    if (!verdict) return;
    asked = VERDICTS[digit];
    document.querySelectorAll(".tile.asked").forEach((tile) => tile.classList.remove("asked"));
    const tile = verdict.closest(".tile");
    tile.classList.add("asked");
    tile.scrollIntoView({ block: "nearest" });
  };
  const answer = (value) => {
    const input = asked && document.querySelector(`#verdict-${asked} input[value="${value}"]`);
    if (!input) return;
    input.click();
    document.querySelectorAll(".tile.asked").forEach((tile) => tile.classList.remove("asked"));
    asked = "";
  };
  const press = (selector) => {
    const button = document.querySelector(selector);
    if (button && !button.disabled) button.click();
  };
  const evidence = () => {
    const place = document.getElementById("evidence");
    const away = place.getBoundingClientRect().top > innerHeight / 2;
    if (away) window.hitl.show(place);
    else scrollTo({ top: 0 });
  };
  const help = () => document.getElementById("keys").showModal();

  const KEYS = {
    1: () => choose(1), 2: () => choose(2), 3: () => choose(3),
    y: () => answer("yes"), n: () => answer("no"),
    a: () => press("#decision .actions [data-decision=approve]"),
    r: () => press("#decision [data-reason=reject]"),
    t: () => press("#decision [data-reason=return]"),
    o: () => press("[data-open-next]"),
    e: evidence,
    u: () => document.getElementById("next").click(),
    "?": help,
  };
  /* A radio button takes no letters, so keys work there, too. So they do while the focus is still in a
     dialog that was just closed: the browser moves it with the next frame only. */
  const typing = (element) =>
    element.closest("input:not([type=radio]):not([type=checkbox]), select, textarea, [contenteditable], dialog[open], details.menu[open]");

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.repeat) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const element = event.target instanceof Element ? event.target : document.body;
    if (typing(element) || !keysOn() || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  document.addEventListener("DOMContentLoaded", () => {
    const open = document.getElementById("keys-open");
    open.hidden = false;
    open.addEventListener("click", help);
    const on = document.getElementById("keys-on");
    on.checked = keysOn();
    on.addEventListener("change", () => {
      if (on.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "1");
    });
  });
})();
