/* A verdict that was given and not signed is kept for this tab. When the page is loaded again and what
   the verdict judged is unchanged, it is offered as a draft beside the question. It is never
   selected by itself: the person takes it over by a click or a key. */
"use strict";
(() => {
  const KEYS = ["diagnosis", "scope", "action"];
  const say = (key, values) => window.hitl.word("review", key, values);
  const place = (form, key) => `hitl-verdict-${form.dataset.proposal}-${key}`;
  const judged = (form, key) => form.getAttribute(`data-judged-${key}`);

  const keep = (form, key, verdict) =>
    sessionStorage.setItem(place(form, key), JSON.stringify({ judged: judged(form, key), verdict, round: form.dataset.round }));

  const kept = (form, key) => {
    try {
      const found = JSON.parse(sessionStorage.getItem(place(form, key)) || "null");
      return found && found.judged === judged(form, key) && ["yes", "no"].includes(found.verdict) ? found : null;
    } catch {
      return null;
    }
  };

  const offer = (form, key, draft) => {
    const fieldset = document.getElementById(`verdict-${key}`);
    const input = [...form.elements[key]].find((each) => each.value === draft.verdict);
    if (!fieldset || !input) return;
    const line = document.createElement("p");
    line.className = "small verdictdraft";
    line.append(say("draft", { round: draft.round, verdict: say(draft.verdict) }), " ");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn sm";
    button.textContent = say("take");
    button.setAttribute("aria-label", `${say("take")}: ${say("draft", { round: draft.round, verdict: say(draft.verdict) })}`);
    button.addEventListener("click", () => {
      input.checked = true;
      input.dispatchEvent(new Event("change", { bubbles: true }));
      input.focus();
    });
    line.append(button);
    fieldset.append(line);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("decision");
    if (!form) return;
    for (const key of KEYS) {
      const draft = kept(form, key);
      if (draft) offer(form, key, draft);
    }
    document.addEventListener("change", (event) => {
      if (event.target.form !== form || !KEYS.includes(event.target.name)) return;
      keep(form, event.target.name, event.target.value);
      const line = document.querySelector(`#verdict-${event.target.name} .verdictdraft`);
      if (line) line.remove();
    });
  });
})();
