// Verifies the proof of an entry in this browser, out of the bytes on the page: leaf, path, root,
// signature (C2SP tlog-proof, RFC 9162 2.1.3.2, C2SP signed-note). What the server thinks of them
// plays no part. The key is the one in the field: put yours there.
"use strict";
(() => {
  const panel = document.querySelector("[data-verify]");
  if (!panel) return;
  const steps = panel.querySelector("[data-steps]");
  const result = panel.querySelector("[data-result]");
  const field = panel.querySelector("[data-vkey]");
  const utf8 = new TextEncoder();
  const word = (key, values) => window.hitl.word("verify", key, values);

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const hex = (value) => Array.from(value, (b) => b.toString(16).padStart(2, "0")).join("");
  const same = (a, b) => a.length === b.length && a.every((value, at) => value === b[at]);
  const join = (...parts) => {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) { whole.set(part, at); at += part.length; }
    return whole;
  };
  const sha256 = async (...parts) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
  const node = (left, right) => sha256(Uint8Array.of(1), left, right);

  const parse = (text) => {
    const cut = text.indexOf("\n\n");
    const [header, ...lines] = text.slice(0, cut).split("\n");
    if (header !== "c2sp.org/tlog-proof@v1") throw new Error(word("no-proof"));
    if (lines[0].startsWith("extra ")) lines.shift();
    const index = Number(/^index (\d+)$/.exec(lines.shift())[1]);
    const note = text.slice(cut + 2);
    const end = note.lastIndexOf("\n\n");
    const [origin, size, root] = note.slice(0, end + 1).split("\n");
    return {
      index, hashes: lines.map(bytes), text: note.slice(0, end + 1), origin,
      size: Number(size), root: bytes(root), signatures: note.slice(end + 2).trim().split("\n"),
    };
  };

  const rootOf = async (leaf, index, size, hashes) => {
    if (index < 0 || index >= size) throw new Error(word("no-leaf"));
    let at = index, last = size - 1, found = leaf;
    for (const sibling of hashes) {
      if (last === 0) throw new Error(word("too-long"));
      if (at % 2 === 1 || at === last) {
        found = await node(sibling, found);
        while (at % 2 === 0 && at !== 0) { at = Math.floor(at / 2); last = Math.floor(last / 2); }
      } else {
        found = await node(found, sibling);
      }
      at = Math.floor(at / 2);
      last = Math.floor(last / 2);
    }
    if (last !== 0) throw new Error(word("too-short"));
    return found;
  };

  const keyOf = async (vkey) => {
    const match = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey.trim());
    if (!match) throw new Error(word("key-form"));
    const data = bytes(match[3]);
    if (data.length !== 33 || data[0] !== 1) throw new Error(word("key-kind"));
    const id = (await sha256(utf8.encode(match[1] + "\n"), data)).slice(0, 4);
    if (hex(id) !== match[2]) throw new Error(word("key-id"));
    return { name: match[1], id, raw: data.slice(1) };
  };

  const signed = async (proof, key) => {
    if (key.name !== proof.origin) throw new Error(word("other-log", { key: key.name, log: proof.origin }));
    const line = proof.signatures
      .filter((text) => text.startsWith(`— ${key.name} `))
      .map((text) => bytes(text.split(" ")[2]))
      .find((data) => same(data.slice(0, 4), key.id));
    if (!line) throw new Error(word("unsigned"));
    let imported;
    try {
      imported = await crypto.subtle.importKey("raw", key.raw, { name: "Ed25519" }, false, ["verify"]);
    } catch {
      return null; // this browser has no Ed25519
    }
    if (!await crypto.subtle.verify({ name: "Ed25519" }, imported, line.slice(4), utf8.encode(proof.text))) {
      throw new Error(word("signature"));
    }
    return true;
  };

  const say = (word, text) => {
    const item = document.createElement("li");
    item.className = word;
    item.textContent = text;
    steps.append(item);
  };

  const verify = async () => {
    steps.replaceChildren();
    let outcome = "holds", last = "";
    try {
      const body = bytes(document.getElementById("entry-body").value);
      const proof = parse(document.getElementById("proof-text").textContent);
      const leaf = await sha256(Uint8Array.of(0), body);
      say("pass", word("leaf", { size: body.length, hash: hex(leaf) }));
      const root = await rootOf(leaf, proof.index, proof.size, proof.hashes);
      if (!same(root, proof.root)) throw new Error(word("path"));
      say("pass", word("root", { index: proof.index, size: proof.size, hash: hex(root) }));
      if (!field.value.trim()) throw new Error(word("no-key"));
      const answer = await signed(proof, await keyOf(field.value));
      if (answer) {
        say("pass", word("head", { log: proof.origin }));
      } else {
        say("warn", word("no-ed25519"));
        outcome = "unknown";
      }
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
      say("fail", last);
      outcome = "fails";
    }
    result.textContent = word(outcome);
    result.className = `verdict ${outcome}`;
    panel.dataset.state = outcome;
  };

  panel.querySelector("[data-again]").addEventListener("click", verify);
  field.addEventListener("change", verify);
  panel.querySelector("[data-script]").hidden = false;
  verify();
})();
