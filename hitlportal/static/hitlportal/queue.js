/* The queue by keyboard, and its refresh without losing place, focus, selection or scroll. Without
   this script everything is still there: links, a form, and the list as it was when it was loaded. */
"use strict";
(() => {
  const list = () => document.getElementById("queue");
  const rows = () => [...list().querySelectorAll(".queuerow")].filter((row) => row.checkVisibility());

  // -- keys ---------------------------------------------------------------------------------------
  const OFF = "hitl-keys-off";
  const keysOn = () => localStorage.getItem(OFF) === null;
  let last = "";  // the row that had the focus last

  const go = (step) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.id === last);
    const next = at < 0 ? all[0] : all[Math.min(Math.max(at + step, 0), all.length - 1)];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  const help = () => document.getElementById("keys").showModal();
  /* Take the incident of the row with the focus, as its button does. */
  const take = () => {
    const row = document.activeElement && document.activeElement.closest(".queuerow");
    const button = row && row.parentElement.querySelector(".claim button");
    if (button) button.click();
  };
  const KEYS = {
    t: take,
    j: () => go(1),
    k: () => go(-1),
    "/": () => document.getElementById("find").focus(),
    "?": help,
  };
  /* The focus leaves a closed dialog with the next frame only; keys work until then, too. */
  const typing = (element) => element.closest("input, select, textarea, [contenteditable], dialog[open], details.menu[open]");

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const element = event.target instanceof Element ? event.target : document.body;
    if (event.key === "Escape" && element.id === "find") {
      (document.getElementById(last) || document.getElementById("main")).focus({ preventScroll: true });
    }
    if (typing(element) || !keysOn() || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest && event.target.closest(".queuerow");
    if (row) last = row.id;
  });

  // -- refresh ------------------------------------------------------------------------------------
  let before = null;

  const selecting = () => {
    const chosen = document.getSelection();
    return chosen && !chosen.isCollapsed && chosen.rangeCount > 0 && chosen.getRangeAt(0).intersectsNode(list());
  };
  /* Restore the open groups, the row with the focus, and the position of rows in the window. For a
     row that moved to another section (decided, ended), use its neighbour. */
  const sectionOf = (row) => row.closest("section").getAttribute("aria-labelledby");
  const top = (row) => row.getBoundingClientRect().top;
  const same = ({ id, section }) => {
    const row = document.getElementById(id);
    return row && sectionOf(row) === section ? row : null;
  };
  const remember = () => {
    const all = rows();
    const focused = document.activeElement && document.activeElement.closest(".queuerow");
    const seen = all.filter((row) => top(row) > -row.offsetHeight && top(row) < innerHeight);
    const nearest = focused && seen.includes(focused) ? [focused, ...seen] : seen;
    return {
      open: [...list().querySelectorAll("details[open]")].map((details) => details.id),
      focused: focused ? { id: focused.id, section: sectionOf(focused) } : null,
      next: focused ? all.slice(all.indexOf(focused) + 1).concat(all.slice(0, all.indexOf(focused)).reverse()).map((row) => ({ id: row.id, section: sectionOf(row) })) : [],
      mine: list().dataset.mine,
      places: nearest.map((row) => ({ id: row.id, section: sectionOf(row), top: top(row) })),
    };
  };
  const restore = (was) => {
    was.open.forEach((id) => {
      const details = document.getElementById(id);
      if (details) details.open = true;
    });
    if (was.focused) {
      const row = [was.focused, ...was.next].map(same).find((found) => found) || document.getElementById("main");
      row.focus({ preventScroll: true });
    }
    const place = was.places.find(same);
    if (place && scrollY > 0) scrollBy(0, top(same(place)) - place.top);
    const mine = list().dataset.mine;
    if (mine !== was.mine) document.getElementById("changed").textContent = window.hitl.word("queue", "mine", { count: mine });
  };

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== list()) return;
    // Text of the list is selected, maybe to copy it: wait for the next poll, in 15 seconds.
    if (selecting()) event.detail.shouldSwap = false;
    before = event.detail.shouldSwap ? remember() : null;
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (before) restore(before);
    before = null;
  });

  const stalled = (yes) => () => { document.getElementById("stalled").hidden = !yes; };
  ["htmx:sendError", "htmx:responseError", "htmx:timeout"].forEach((name) => document.addEventListener(name, stalled(true)));
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.status < 400) stalled(false)();
  });

  // -- filters ------------------------------------------------------------------------------------
  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("filters");
    form.querySelector("button").hidden = true;
    form.addEventListener("change", (event) => {
      if (event.target.matches("select")) form.requestSubmit();
    });
    // The address has only the chosen filters.
    form.addEventListener("formdata", (event) => {
      for (const [key, value] of [...event.formData]) if (!value) event.formData.delete(key);
    });
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
