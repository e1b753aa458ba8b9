/* Enrolling and removing passkeys. Forms marked data-enrol: start (the server checks and gives
   options) → with data-prove, first use a passkey that the person has → create the new one →
   finish. Forms marked data-confirm: use a passkey, then finish. What was typed stays typed. */
"use strict";
(() => {
  const { createPasskey, usePasskey, postJson, tell } = window.hitl;

  const typed = (form) => {
    const data = Object.fromEntries(new FormData(form));
    delete data.csrfmiddlewaretoken;
    return data;
  };

  /* Run the ceremonies one by one: each needs its own gesture; the server enforces the order. */
  const enrol = async (form) => {
    const token = form.elements.csrfmiddlewaretoken.value;
    const body = typed(form);
    const started = await postJson(form.getAttribute("action"), body, token);
    if (started.prove) body.assertion = await usePasskey(started.prove);
    if (started.create) body.credential = await createPasskey(started.create);
    return postJson(form.dataset.finish, body, token);
  };

  const showErrors = (form, problem) => {
    const fields = (problem.body && problem.body.fields) || {};
    for (const [name, words] of Object.entries(fields)) {
      const control = form.elements[name];
      if (!control) continue;
      control.setAttribute("aria-invalid", "true");
      const line = document.createElement("p");
      line.className = "errors";
      line.dataset.fieldError = "";
      line.textContent = words.join(" ");
      control.closest(".field").append(line);
    }
    tell(form.querySelector("[data-error]"), problem);
    const first = Object.keys(fields)[0];
    if (first && form.elements[first]) form.elements[first].focus();
  };

  const clearErrors = (form) => {
    form.querySelectorAll("[data-field-error]").forEach((line) => line.remove());
    form.querySelectorAll("[aria-invalid]").forEach((control) => control.removeAttribute("aria-invalid"));
    form.querySelector("[data-error]").textContent = "";
  };

  const drive = (form) => {
    const button = form.querySelector("button[type=submit]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      clearErrors(form);
      button.disabled = true;
      try {
        const answer = await enrol(form);
        location.assign(answer.next);
      } catch (problem) {
        button.disabled = false;
        showErrors(form, problem);
      }
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("form[data-enrol], form[data-confirm]").forEach(drive);
  });
})();
