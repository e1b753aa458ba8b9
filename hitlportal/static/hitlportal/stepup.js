/* Forms marked data-step-up, or that hold such an element: ask the server what is signed, show it, sign it
   with a passkey, and then submit the form with the signed statement. What was typed survives any failure. */
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
    const marked = form.matches("[data-step-up]") ? form : form.querySelector("[data-step-up]");
    if (!marked) return;
    event.preventDefault();
    const button = form.querySelector("button[type=submit], input[type=submit]");
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
      // Such a form says itself what is wrong at each field: only the server's page knows.
      if (problem.body && marked.dataset.stepUp === "again") {
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
