/* The texts of scripts are in the page, in the reader's language: <template data-words="name"> with
   <p data-word="key">text</p>. A {name} in a text is filled with the value of that name. */
"use strict";
(() => {
  const kept = new Map();

  const find = (group, key) => {
    const place = document.querySelector(`template[data-words="${group}"]`);
    const found = place && place.content.querySelector(`[data-word="${key}"]`);
    return found ? found.textContent : "";
  };

  const word = (group, key, values = {}) => {
    const at = `${group} ${key}`;
    if (!kept.has(at)) kept.set(at, find(group, key));
    return kept.get(at).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  };

  window.hitl = Object.assign(window.hitl || {}, { word });
})();
