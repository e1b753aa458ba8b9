/* The decision: collect verdicts, ask the server for a statement, sign it with a passkey, hand it
   in. Nothing is preselected, Enter decides nothing, and what was typed survives any failure. */
"use strict";
(() => {
  const KEYS = ["diagnosis", "scope", "action"];
  const { usePasskey, postJson, tell, opened, show, word } = window.hitl;
  const say = (key, values) => word("review", key, values);

  const verdictsOf = (form) =>
    Object.fromEntries(KEYS.map((key) => [key, form.elements[key].value || ""]));

  /* Artefacts that an approval asks to have opened, and fields for names. The server asks again. */
  const toOpen = (form) => form.dataset.open.split(" ").filter(Boolean);
  const closedOf = (form) => {
    const had = opened();
    return toOpen(form).filter((sha256) => !had.includes(sha256));
  };
  const artefact = (sha256) => document.querySelector(`[data-artefact="${sha256}"]`);
  const typedIn = (form) => [...form.elements].filter((element) => element.name === "typed");
  const wrongNames = (form) => typedIn(form).filter((input) => input.value !== input.dataset.name);

  const unseen = (form) => {
    if (closedOf(form).length) return [say("open"), document.querySelector("[data-open-next]")];
    const [wrong] = wrongNames(form);
    return wrong ? [say("type"), wrong] : null;
  };

  /* The first thing that is missing for this decision: [words, element to go to], or null. */
  const missing = (form, decision) => {
    const verdicts = verdictsOf(form);
    const open = KEYS.find((key) => !verdicts[key]);
    if (open) return [say(`missing-${open}`), document.querySelector(`#verdict-${open} input`)];
    if (verdicts.action === "yes" && (verdicts.diagnosis === "no" || verdicts.scope === "no")) {
      return [say("disagree"), document.querySelector("#verdict-action input")];
    }
    if (decision === "approve" && KEYS.some((key) => verdicts[key] !== "yes")) {
      return [say("disputed-part"), form.querySelector("[data-reason=return]")];
    }
    const slot = form.elements.slot;
    if (!slot.value) return [say("slot"), form.querySelector("[name=slot]")];
    if (decision === "approve") return unseen(form);
    const code = form.elements.code;
    const chosen = code.selectedOptions[0];
    if (!code.value || chosen.dataset.for !== decision) {
      return [say(`reason-${decision}`), code];
    }
    if (form.elements.text.value.trim().length < 10) return [say("text"), form.elements.text];
    return null;
  };

  /* Everything that an approval still needs, in a few words. */
  const hint = (form) => {
    const verdicts = Object.values(verdictsOf(form));
    const count = (list, one, many) => (list === 1 ? [say(one)] : list ? [say(many, { count: list })] : []);
    const needs = [
      ...count(verdicts.filter((verdict) => !verdict).length, "need-answer", "need-answers"),
      ...(form.elements.slot.value ? [] : [say("need-slot")]),
      ...count(closedOf(form).length, "need-artefact", "need-artefacts"),
      ...count(wrongNames(form).length, "need-name", "need-names"),
    ];
    if (verdicts.includes("no")) return say("disputed");
    return needs.length ? say("need", { list: needs.join(", ") }) : say("ready");
  };

  const refresh = (form) => {
    const verdicts = verdictsOf(form);
    for (const key of KEYS) document.getElementById(`tile-${key}`).dataset.answer = verdicts[key];
    const approve = form.querySelector("[data-decision=approve]");
    const ready = KEYS.every((key) => verdicts[key] === "yes") && form.elements.slot.value && !unseen(form);
    approve.classList.toggle("primary", Boolean(ready));
    approve.setAttribute("aria-disabled", String(!ready));
    const line = form.querySelector("[data-hint]");
    const words = hint(form);
    if (line.textContent !== words) line.textContent = words;
    const count = document.querySelector("[data-opened-count]");
    if (count) count.textContent = toOpen(form).length - closedOf(form).length;
    const next = document.querySelector("[data-open-next]");
    if (next) next.disabled = !closedOf(form).length;
  };

  const reasonFor = (form, decision) =>
    decision === "approve" && !form.elements.code.value && !form.elements.text.value.trim()
      ? { code: "", text: "" }
      : { code: form.elements.code.value, text: form.elements.text.value.trim() };

  const decide = async (form, decision) => {
    const token = form.elements.csrfmiddlewaretoken.value;
    // Not form.action: the verdict on the action is an input of that name and would hide it.
    const started = await postJson(form.getAttribute("action"), {
      decision,
      verdicts: verdictsOf(form),
      reason: reasonFor(form, decision),
      slot: form.elements.slot.value,
      round: Number(form.dataset.round),
      look: Number(form.dataset.look),
      opened: opened(),
      typed: typedIn(form).map((input) => input.value),
    }, token);
    const assertion = await usePasskey(started.options);
    return postJson(form.dataset.sign, { session: started.session, assertion }, token);
  };

  /* A draft of the reason is kept for this tab, so that loading a new round loses no words.
     Verdicts are kept by drafts.js, which offers them again only for what they were about. */
  const draft = (form) => `hitl-reason-${form.dataset.proposal}`;
  const keepDraft = (form) =>
    sessionStorage.setItem(draft(form), JSON.stringify({ code: form.elements.code.value, text: form.elements.text.value }));
  const readDraft = (form) => {
    const kept = JSON.parse(sessionStorage.getItem(draft(form)) || "null");
    if (!kept) return;
    form.elements.code.value = kept.code;
    form.elements.text.value = kept.text;
  };

  /* The panel of the reason belongs to reject or return, whichever opened it. */
  const panelOf = (form) => {
    const panel = form.querySelector("#reason-panel");
    const buttons = [...form.querySelectorAll("[data-reason]")];
    const close = () => {
      if (panel.hidden) return;
      const [from] = buttons.filter((button) => button.getAttribute("aria-expanded") === "true");
      panel.hidden = true;
      buttons.forEach((button) => button.setAttribute("aria-expanded", "false"));
      if (panel.contains(document.activeElement) || document.activeElement === document.body) from.focus();
    };
    const open = (decision) => {
      panel.hidden = false;
      buttons.forEach((button) => button.setAttribute("aria-expanded", String(button.dataset.reason === decision)));
      panel.querySelectorAll("[data-for]").forEach((each) => { each.hidden = each.dataset.for !== decision; });
      const chosen = form.elements.code.selectedOptions[0];
      if (chosen && chosen.dataset.for && chosen.dataset.for !== decision) form.elements.code.value = "";
      form.elements.code.focus();
    };
    buttons.forEach((button) => button.addEventListener("click", () => {
      if (button.getAttribute("aria-expanded") === "true") close();
      else open(button.dataset.reason);
    }));
    panel.querySelector("[data-close]").addEventListener("click", close);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
    });
    return { close };
  };

  const drive = (form) => {
    const buttons = [...form.querySelectorAll("[data-decision]")];
    const errors = () => document.querySelectorAll("[data-error], [data-reason-error]");
    const errorOf = (decision) => form.querySelector(decision === "approve" ? "[data-error]" : "[data-reason-error]");
    const clear = () => errors().forEach((error) => { error.textContent = ""; });
    const panel = panelOf(form);

    const press = async (button) => {
      const decision = button.dataset.decision;
      const error = errorOf(decision);
      const lacking = missing(form, decision);
      clear();
      if (decision === "approve") panel.close();
      if (lacking) {
        error.textContent = lacking[0];
        lacking[1].focus();
        return;
      }
      buttons.forEach((each) => { each.disabled = true; });
      button.dataset.busy = "";
      try {
        const answer = await decide(form, decision);
        sessionStorage.removeItem(draft(form));
        location.assign(answer.next);
      } catch (problem) {
        tell(error, problem);
        if (problem.body && problem.body.reload) error.append(" ", reloadLink());
        delete button.dataset.busy;
        buttons.forEach((each) => { each.disabled = false; });
        button.focus();
      }
    };

    buttons.forEach((button) => button.addEventListener("click", () => press(button)));
    form.addEventListener("submit", (event) => event.preventDefault());
    const changed = (event) => {
      if (event.target.form !== form) return;
      if (event.type === "input") keepDraft(form);
      refresh(form);
      clear();
    };
    document.addEventListener("change", changed);
    document.addEventListener("input", changed);
    document.addEventListener("hitl:opened", () => { refresh(form); clear(); });
    const next = document.querySelector("[data-open-next]");
    if (next) {
      next.addEventListener("click", () => {
        const [closed] = closedOf(form);
        if (closed && artefact(closed)) show(artefact(closed).closest("li"));
      });
    }
    readDraft(form);
    refresh(form);
  };

  const reloadLink = () => {
    const link = document.createElement("a");
    link.href = location.pathname;
    link.textContent = say("reload");
    return link;
  };

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("decision");
    if (form) drive(form);
  });
})();
