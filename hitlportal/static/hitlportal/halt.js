/* Signing about a run (halt it, undo it, settle it, answer one that waits): ask the server for what is signed, sign it with
   a passkey, hand it in. The forms come and go while the page is open, so the document listens, not
   the form. What was typed survives any failure. */
"use strict";
(() => {
  const { usePasskey, postJson, tell, word } = window.hitl;

  const halt = async (form) => {
    const token = form.elements.csrfmiddlewaretoken.value;
    const given = new FormData(form);
    const said = (name) => given.get(name) || "";
    const asked = { decision: said("decision"), found: said("found"), reason: said("reason") };
    /* An answer to a run that waits is about what this page shows of it. */
    if (said("seen")) {
      asked.step = Number(said("step"));
      asked.seen = said("seen");
      asked.longer_s = Number(said("longer_s"));
    }
    const started = await postJson(form.getAttribute("action"), asked, token);
    const assertion = await usePasskey(started.options);
    return postJson(form.dataset.halt, { session: started.session, assertion }, token);
  };

  /* It came too late: the page, as it stands now, says how the run ended. */
  const result = () => {
    const link = document.createElement("a");
    link.href = location.pathname;
    link.textContent = word("halt", "result");
    return link;
  };

  /* Only who waits longer says for how long. */
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (event.target.name !== "decision" || !form || !form.elements.longer_s) return;
    form.elements.longer_s.required = event.target.value === "longer";
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-halt]")) return;
    event.preventDefault();
    const error = form.querySelector("[data-error]");
    const button = form.querySelector("button[type=submit]");
    if (button.disabled) return;
    error.textContent = "";
    button.disabled = true;
    button.dataset.busy = "";
    try {
      location.assign((await halt(form)).next);
    } catch (problem) {
      tell(error, problem);
      if (problem.body && problem.body.reload) error.append(" ", result());
      delete button.dataset.busy;
      button.disabled = false;
      button.focus();
    }
  });
})();
