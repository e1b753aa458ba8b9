/* The decision: collect verdicts, ask the server for a statement, sign it with a passkey, hand it
   in. Nothing is preselected, Enter decides nothing, and what was typed survives any failure. */
"use strict";
(() => {
  const KEYS = ["diagnosis", "scope", "action"];
  const { usePasskey, postJson, tell, opened, word } = window.hitl;
  const say = (key) => word("review", key);

  const verdictsOf = (form) =>
    Object.fromEntries(KEYS.map((key) => [key, form.elements[key].value || ""]));

  /* Artefacts that an approval asks to have opened, and fields for names. The server asks again. */
  const toOpen = (form) => form.dataset.open.split(" ").filter(Boolean);
  const typedIn = (form) => [...form.querySelectorAll("[name=typed]")];

  const unseen = (form) => {
    const had = opened();
    const closed = toOpen(form).find((sha256) => !had.includes(sha256));
    if (closed) return [say("open"), document.querySelector(`[data-artefact="${closed}"] summary`)];
    const wrong = typedIn(form).find((input) => input.value !== input.dataset.name);
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
      return [say("disputed-part"), form.querySelector("[data-decision=return]")];
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

  const showVerdicts = (form) => {
    const verdicts = verdictsOf(form);
    for (const key of KEYS) {
      const item = form.querySelector(`[data-recap="${key}"]`);
      item.className = verdicts[key];
      item.querySelector("[data-given]").textContent = say(verdicts[key] || "none");
    }
    const approve = form.querySelector("[data-decision=approve]");
    const ready = KEYS.every((key) => verdicts[key] === "yes") && !unseen(form);
    const count = form.querySelector("[data-opened-count]");
    if (count) count.textContent = toOpen(form).filter((sha256) => opened().includes(sha256)).length;
    approve.classList.toggle("primary", ready);
    approve.setAttribute("aria-disabled", String(!ready));
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
      opened: opened(),
      typed: typedIn(form).map((input) => input.value),
    }, token);
    const assertion = await usePasskey(started.options);
    return postJson(form.dataset.sign, { session: started.session, assertion }, token);
  };

  /* A draft of the reason is kept for this tab, so that loading a new round loses no words.
     Verdicts are not kept: what they were about may have changed. */
  const draft = (form) => `hitl-reason-${form.dataset.proposal}`;
  const keepDraft = (form) =>
    sessionStorage.setItem(draft(form), JSON.stringify({ code: form.elements.code.value, text: form.elements.text.value }));
  const readDraft = (form) => {
    const kept = JSON.parse(sessionStorage.getItem(draft(form)) || "null");
    if (!kept) return;
    form.elements.code.value = kept.code;
    form.elements.text.value = kept.text;
  };

  const drive = (form) => {
    const error = form.querySelector("[data-error]");
    const buttons = [...form.querySelectorAll("[data-decision]")];

    const press = async (button) => {
      const decision = button.dataset.decision;
      const lacking = missing(form, decision);
      error.textContent = lacking ? lacking[0] : "";
      if (lacking) {
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
    document.addEventListener("change", (event) => {
      if (event.target.form !== form) return;
      showVerdicts(form);
      error.textContent = "";
    });
    form.addEventListener("input", () => {
      keepDraft(form);
      showVerdicts(form);
      error.textContent = "";
    });
    document.addEventListener("hitl:opened", () => showVerdicts(form));
    readDraft(form);
    showVerdicts(form);
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
