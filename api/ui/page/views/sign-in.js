// Signing in with a key, which stays in this tab.

import { fill, h } from "../parts/dom.js";
import { forget, keep } from "../parts/key.js";
import { read } from "../parts/api.js";

export class SignIn extends HTMLElement {
  constructor(words, enter) {
    super();
    this.words = words;
    this.enter = enter;
  }

  connectedCallback() {
    document.title = "Sign in · Job ledger";
    const flaw = h("p", { class: "flaw", role: "alert" }, this.words);
    const field = h("input", {
      id: "key",
      type: "password",
      autocomplete: "off",
      spellcheck: "false",
      required: true,
      "aria-describedby": "about-key",
    });
    const enter = h("button", { class: "strong", type: "submit" }, "Sign in");
    const form = h(
      "form",
      {
        onsubmit: async (event) => {
          event.preventDefault();
          enter.disabled = true;
          keep(field.value.trim());
          try {
            await read("/v1/me");
            this.enter();
          } catch (error) {
            forget();
            flaw.textContent = error.status === 401 ? "No such key." : error.message;
            enter.disabled = false;
            field.focus();
          }
        },
      },
      h("h1", {}, "Job ledger"),
      h("label", { for: "key" }, "Access key"),
      field,
      h(
        "p",
        { id: "about-key", class: "soft" },
        "It stays in this tab and is forgotten with it. The server wrote the first one to ",
        h("code", {}, "credentials.json"),
        " in its data directory.",
      ),
      flaw,
      enter,
    );
    fill(this, h("main", {}, form));
    field.focus();
  }
}

customElements.define("sign-in", SignIn);
