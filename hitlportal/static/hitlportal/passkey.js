/* Passkey ceremonies. Adds {createPasskey, usePasskey, postJson, tell} to window.hitl and
   drives forms marked data-passkey="get" (sign-in: fill a hidden field, submit the form).
   Options and results travel as the JSON of WebAuthn Level 3; where a browser lacks
   parse…FromJSON, the same is done by hand. Results are always read by hand. */
"use strict";
(() => {
  const { word } = window.hitl;
  const toBytes = (text) => {
    const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
    const binary = atob(base64.padEnd(Math.ceil(base64.length / 4) * 4, "="));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  };

  const toText = (buffer) => {
    let binary = "";
    for (const byte of new Uint8Array(buffer)) binary += String.fromCharCode(byte);
    return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const withBytes = (list) => (list || []).map((item) => ({ ...item, id: toBytes(item.id) }));

  const creationOptions = (json) => {
    if (window.PublicKeyCredential.parseCreationOptionsFromJSON) {
      return PublicKeyCredential.parseCreationOptionsFromJSON(json);
    }
    return {
      ...json,
      challenge: toBytes(json.challenge),
      user: { ...json.user, id: toBytes(json.user.id) },
      excludeCredentials: withBytes(json.excludeCredentials),
    };
  };

  const requestOptions = (json) => {
    if (window.PublicKeyCredential.parseRequestOptionsFromJSON) {
      return PublicKeyCredential.parseRequestOptionsFromJSON(json);
    }
    return { ...json, challenge: toBytes(json.challenge), allowCredentials: withBytes(json.allowCredentials) };
  };

  /* A getter of the browser throws "Illegal invocation" on an object that an extension made. */
  const guarded = (read) => {
    try { return read(); } catch { return undefined; }
  };

  /* Read only what the server needs. Not by toJSON: an extension that wraps an answer gives it the
     browser's prototype, whose toJSON and getters then throw. */
  const credentialJson = (credential) => {
    const rawId = toText(guarded(() => credential.rawId) || toBytes(credential.id));
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      const value = guarded(() => credential.response[name]);
      if (value) response[name] = toText(value);
    }
    const extensions = guarded(() => credential.getClientExtensionResults()) || {};
    const rk = Boolean(extensions.credProps && extensions.credProps.rk);
    return { id: rawId, rawId, type: "public-key", clientExtensionResults: { credProps: { rk } }, response };
  };

  const needPasskeys = () => {
    if (!window.PublicKeyCredential) {
      throw new Error(word("passkey", "none"));
    }
  };

  // Servers wrap options as {publicKey: …} or not; both are taken.
  const inner = (json) => json.publicKey || json;

  const createPasskey = async (json) => {
    needPasskeys();
    return credentialJson(await navigator.credentials.create({ publicKey: creationOptions(inner(json)) }));
  };

  const usePasskey = async (json) => {
    needPasskeys();
    return credentialJson(await navigator.credentials.get({ publicKey: requestOptions(inner(json)) }));
  };

  const REASONS = ["NotAllowedError", "InvalidStateError", "SecurityError", "NotSupportedError", "AbortError"];

  /* Describe an error of a ceremony or of postJson. */
  const explain = (error) =>
    (REASONS.includes(error.name) && word("passkey", error.name)) || error.message || word("passkey", "failed");

  /* The same, into an element. What is on record is in the language of the record. */
  const tell = (element, error) => {
    const body = error.body || {};
    if (!body.recorded) {
      element.textContent = explain(error);
      return;
    }
    const recorded = document.createElement("span");
    recorded.lang = "en";
    recorded.textContent = `${body.recorded.replace(/\.$/, "")}.`;
    element.replaceChildren(`${body.title.replace(/\.$/, "")}: `, recorded, ` ${body.advice}`);
  };

  class Problem extends Error {
    constructor(status, body) {
      super(body.detail || body.title || word("passkey", "status", { status }));
      this.name = "Problem";
      this.status = status;
      this.body = body;
    }
  }

  const send = async (url, body, token) => {
    let response;
    try {
      response = await fetch(url, {
        method: "POST",
        credentials: "same-origin",
        headers: {
          "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token,
          "X-Page-Person": document.body.dataset.person || "",
        },
        body: JSON.stringify(body),
      });
    } catch {
      throw new Error(word("passkey", "unreachable"));
    }
    if (response.redirected || response.status === 401) {
      throw new Problem(401, { detail: word("passkey", "signed-out") });
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Problem(response.status, answer);
    return answer;
  };

  /* POST JSON, return JSON. Throws Problem with the server's words. When the person of this page signed
     in anew meanwhile, the server gives the new token, and the request is sent once more. */
  const postJson = async (url, body, token) => {
    try {
      return await send(url, body, token);
    } catch (problem) {
      const fresh = problem.body && problem.body.token;
      if (!fresh) throw problem;
      document.querySelectorAll("[name=csrfmiddlewaretoken]").forEach((input) => { input.value = fresh; });
      return send(url, body, fresh);
    }
  };

  Object.assign(window.hitl, { createPasskey, usePasskey, postJson, tell });

  const driveSignIn = (form) => {
    const options = JSON.parse(document.getElementById(form.dataset.options).textContent);
    const error = form.querySelector("[data-passkey-error]");
    const button = form.querySelector("button[type=submit]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      error.textContent = "";
      button.dataset.busy = "";
      try {
        form.elements.credential.value = JSON.stringify(await usePasskey(options));
        form.submit();
      } catch (problem) {
        tell(error, problem);
        delete button.dataset.busy;
      }
    });
  };

  /* Sign-in by passkey alone: the device finds the passkey. Shown only where it can. */
  const driveAlone = (form) => {
    if (!window.PublicKeyCredential) return;
    form.hidden = false;
    const error = form.querySelector("[data-passkey-error]");
    const button = form.querySelector("button[type=submit]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      error.textContent = "";
      button.dataset.busy = "";
      try {
        const answer = await fetch(form.getAttribute("action"), {
          credentials: "same-origin",
          headers: { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" },
        }).catch(() => { throw new Error(word("passkey", "unreachable")); });
        if (!answer.ok) throw new Error(word("passkey", "status", { status: answer.status }));
        const options = (await answer.json()).request_options;
        form.elements.credential.value = JSON.stringify(await usePasskey(options));
        form.submit();
      } catch (problem) {
        tell(error, problem);
        delete button.dataset.busy;
      }
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll('form[data-passkey="get"]').forEach(driveSignIn);
    document.querySelectorAll('form[data-passkey="alone"]').forEach(driveAlone);
  });
})();
