/* Forms marked data-step-up: ask the server what is signed, show it, sign it with a passkey, and then
   submit the form with the signed statement. What was typed survives any failure. */
"use strict";
(() => {
  const { usePasskey, tell, word } = window.hitl;

  const begin = async (form) => {
    let response;
    try {
      response = await fetch(form.getAttribute("action") || window.location.href, {
        method: "POST",
        credentials: "same-origin",
        headers: { Accept: "application/json", "X-Step-Up": "begin" },
        body: new FormData(form),
      });
    } catch {
      throw new Error(word("passkey", "unreachable"));
    }
    if (response.redirected || response.status === 401) throw new Error(word("passkey", "signed-out"));
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const said = answer.detail || answer.title || word("passkey", "status", { status: response.status });
    throw Object.assign(new Error(said), { body: answer });
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-step-up]")) return;
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    const error = form.querySelector("[data-step-up-error]");
    const words = form.querySelector("[data-step-up-words]");
    if (button.disabled) return;
    error.textContent = "";
    button.disabled = true;
    button.dataset.busy = "";
    try {
      const started = await begin(form);
      words.textContent = started.words;
      const assertion = await usePasskey(started.options);
      form.elements.step_up_statement.value = started.statement;
      form.elements.step_up_assertion.value = JSON.stringify(assertion);
      form.submit();
    } catch (problem) {
      // Such a form has a place at each field for what is wrong there: only the server's page says it.
      if (problem.body && form.dataset.stepUp === "again") {
        form.submit();
        return;
      }
      words.textContent = "";
      tell(error, problem);
      delete button.dataset.busy;
      button.disabled = false;
      button.focus();
    }
  });
})();
