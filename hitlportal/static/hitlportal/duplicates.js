/* Return several duplicates: for each selected one, ask the server for a statement, sign it with a
   passkey, hand it in; then the next. The first that fails stops it, and nothing typed is lost. */
"use strict";
(() => {
  const KEYS = ["diagnosis", "scope", "action"];
  const { usePasskey, postJson, tell, word } = window.hitl;
  const chosen = (form) => [...form.querySelectorAll("[name=proposal]:checked:not(:disabled)")];

  const giveBack = async (form, box) => {
    const token = form.elements.csrfmiddlewaretoken.value;
    const started = await postJson(box.dataset.start, {
      decision: "return",
      verdicts: Object.fromEntries(KEYS.map((key) => [key, form.elements[key].value])),
      reason: { code: form.elements.code.value, text: form.elements.text.value.trim() },
      slot: box.dataset.slot,
      round: Number(box.dataset.round),
      opened: [],
      typed: [],
    }, token);
    const assertion = await usePasskey(started.options);
    await postJson(box.dataset.sign, { session: started.session, assertion }, token);
    box.disabled = true;
    box.closest("li").classList.add("returned");
  };

  const drive = (form) => {
    const error = form.querySelector("[data-error]");
    const status = form.querySelector("[data-status]");
    const button = form.querySelector("button[type=submit]");
    const all = form.querySelector("[data-all]");
    all.hidden = false;
    all.addEventListener("click", () => {
      form.querySelectorAll("[name=proposal]:not(:disabled)").forEach((box) => { box.checked = true; });
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      error.textContent = "";
      const boxes = chosen(form);
      if (!boxes.length) {
        error.textContent = word("duplicates", "none");
        form.querySelector("[name=proposal]").focus();
        return;
      }
      button.disabled = true;
      let done = 0;
      try {
        for (const box of boxes) {
          status.textContent = word("duplicates", "signing", { number: done + 1, count: boxes.length });
          await giveBack(form, box);
          done += 1;
        }
        location.assign(form.dataset.done);
      } catch (problem) {
        tell(error, problem);
        status.textContent = word("duplicates", "stopped", { done, count: boxes.length });
        button.disabled = false;
        button.focus();
      }
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("duplicates");
    if (form) drive(form);
  });
})();
