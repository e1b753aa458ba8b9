// Copies the text of an element: <button data-copy="its id" hidden>. Without the script the text can be selected.
"use strict";
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    const said = button.parentElement.querySelector("[data-copied]");
    if (said) said.hidden = false;
  });
}
