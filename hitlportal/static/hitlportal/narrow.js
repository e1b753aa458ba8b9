/* Leave something out of a plan: collect what stays, ask the server for a statement, sign it with a
   passkey, hand it in. Nothing is preselected, and Enter decides nothing. */
"use strict";
(() => {
  const { usePasskey, postJson, tell, opened, word } = window.hitl;
  const say = (key, values) => word("narrow", key, values);
  const steps = (form) => [...form.querySelectorAll("[data-step]")];
  const isOut = (step) => step.querySelector("[data-leave]").checked;

  /* The parameters of a step that get smaller. */
  const smallerOf = (step) => {
    const found = {};
    for (const list of step.querySelectorAll("[data-list]")) {
      const members = [...list.querySelectorAll("[data-member]")];
      if (members.some((each) => each.checked)) {
        found[list.dataset.list] = members.filter((each) => !each.checked).map((each) => JSON.parse(each.dataset.value));
      }
    }
    for (const input of step.querySelectorAll("[data-number]")) {
      if (input.value !== "" && input.value !== input.max) found[input.dataset.number] = Number(input.value);
    }
    for (const input of step.querySelectorAll("[data-truth]")) {
      if (input.checked) found[input.dataset.truth] = input.dataset.value !== "true";
    }
    return found;
  };

  const keptOf = (form) =>
    steps(form).filter((step) => !isOut(step))
      .map((step) => ({ step: Number(step.dataset.step), smaller: smallerOf(step) }));

  /* The fields for names: of kept steps on one target only the first is asked for. */
  const asked = (form) => {
    const found = new Map();
    for (const step of steps(form).filter((each) => !isOut(each))) {
      const field = step.querySelector("[data-target]");
      if (field && !found.has(field.dataset.target)) found.set(field.dataset.target, field);
    }
    return [...found.values()];
  };

  const typedIn = (form) => asked(form).map((field) => field.querySelector("[data-name]"));

  /* The first thing that is missing: [words, element to go to], or null. */
  const missing = (form) => {
    const kept = keptOf(form);
    const first = form.querySelector("[data-leave]");
    if (!kept.length) return [say("everything"), first];
    const changed = kept.some((each) => Object.keys(each.smaller).length);
    if (kept.length === steps(form).length && !changed) return [say("nothing"), first];
    for (const { step, smaller } of kept) {
      const element = form.querySelector(`[data-step="${step}"]`);
      const empty = Object.keys(smaller).find((name) => Array.isArray(smaller[name]) && !smaller[name].length);
      if (empty) return [say("list"), element.querySelector(`[data-list="${empty}"] input`)];
      const wrong = [...element.querySelectorAll("[data-number]")].find((input) => !input.checkValidity());
      if (wrong) return [say("number"), wrong];
    }
    const had = opened();
    const closed = form.dataset.open.split(" ").filter(Boolean).find((sha256) => !had.includes(sha256));
    if (closed) return [say("open"), document.querySelector(`[data-artefact="${closed}"] summary`)];
    const untyped = typedIn(form).find((input) => input.value !== input.dataset.name);
    if (untyped) return [say("type"), untyped];
    const no = ["diagnosis", "scope", "steps"].find((name) => !form.elements[name].checked);
    if (no) return [say("verdicts"), form.elements[no]];
    if (!form.elements.slot.value) return [say("slot"), form.querySelector("[name=slot]")];
    if (form.elements.reason.value.trim().length < 10) return [say("text"), form.elements.reason];
    return null;
  };

  const sign = async (form) => {
    const token = form.elements.csrfmiddlewaretoken.value;
    const started = await postJson(form.getAttribute("action"), {
      kept: keptOf(form),
      verdicts: { diagnosis: "yes", scope: "yes", action: "yes" },
      reason: form.elements.reason.value.trim(),
      slot: form.elements.slot.value,
      round: Number(form.dataset.round),
      look: Number(form.dataset.look),
      opened: opened(),
      typed: typedIn(form).map((input) => input.value),
    }, token);
    const assertion = await usePasskey(started.options);
    return postJson(form.dataset.sign, { session: started.session, assertion }, token);
  };

  const show = (form) => {
    for (const step of steps(form)) step.toggleAttribute("data-out", isOut(step));
    const now = asked(form);
    for (const field of form.querySelectorAll("[data-target]")) field.hidden = !now.includes(field);
    form.querySelector("[data-left]").textContent =
      say("left", { left: keptOf(form).length, all: steps(form).length });
  };

  const reloadLink = () => {
    const link = document.createElement("a");
    link.href = location.pathname;
    link.textContent = say("reload");
    return link;
  };

  const drive = (form) => {
    const error = form.querySelector("[data-error]");
    const button = form.querySelector("[data-go]");
    button.addEventListener("click", async () => {
      const lacking = missing(form);
      error.textContent = lacking ? lacking[0] : "";
      if (lacking) {
        lacking[1].focus();
        return;
      }
      button.disabled = true;
      button.dataset.busy = "";
      try {
        location.assign((await sign(form)).next);
      } catch (problem) {
        tell(error, problem);
        if (problem.body && problem.body.reload) error.append(" ", reloadLink());
        delete button.dataset.busy;
        button.disabled = false;
        button.focus();
      }
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      error.textContent = "";
      show(form);
    });
    show(form);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("narrowing");
    if (form) drive(form);
  });
})();
