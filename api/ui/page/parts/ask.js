// Dialogs: say what something will do before it is done.

import { h } from "./dom.js";

/**
 * Open a dialog with content and two buttons. `act` runs when the visitor agrees; the dialog stays,
 * with the reason, when it fails. Gives what `act` gave, or undefined when it was called off.
 */
export function ask({ title, content = [], verb, danger = false, act }) {
  const flaw = h("p", { class: "flaw", role: "alert" });
  const agree = h("button", { class: danger ? "strong danger" : "strong", type: "submit" }, verb);
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "ask-title" }, title),
    content,
    flaw,
    h("footer", {}, h("button", { type: "button", onclick: () => box.close() }, "Leave it"), agree),
  );
  const box = h("dialog", { class: "ask", "aria-labelledby": "ask-title" }, form);
  document.body.append(box);
  box.showModal();
  return new Promise((resolve) => {
    let result;
    box.addEventListener("close", () => {
      box.remove();
      resolve(result);
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      agree.disabled = true;
      flaw.textContent = "";
      try {
        result = await act(new FormData(form));
        box.close();
      } catch (error) {
        flaw.textContent = [error.message, error.detail].filter(Boolean).join(" ");
        agree.disabled = false;
      }
    });
  });
}
