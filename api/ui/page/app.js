// The frame: who visits, where they are, whether the server is there, and the view they look at.

import { MOVED, followLinks, here, to } from "./parts/address.js";
import { SIGNED_OUT, Unreachable, read } from "./parts/api.js";
import { LOST, connection } from "./parts/connection.js";
import { fill, h, say } from "./parts/dom.js";
import { forget, key, takeFromAddress } from "./parts/key.js";
import { failure, loading } from "./parts/notice.js";
import { number } from "./parts/text.js";
import { pause } from "./parts/waiting.js";

/** What is there to see: its word, its module, and what is shown for an address below it. */
const VIEWS = {
  now: ["Now", "now.js"],
  executions: ["Executions", "executions.js", "execution.js"],
  jobs: ["Jobs", "jobs.js", "job.js"],
  stream: ["Stream", "stream.js"],
  audit: ["Audit", "audit.js"],
  system: ["System", "system.js"],
};
const RETRY_MS = 1000;

class LedgerPage extends HTMLElement {
  #me = null;
  #links = new Map();
  #visit = null;
  #shown = null;

  connectedCallback() {
    takeFromAddress();
    followLinks();
    window.addEventListener("popstate", () => this.#show());
    window.addEventListener(MOVED, () => this.#show());
    window.addEventListener(
      SIGNED_OUT,
      () => this.#me && this.#signIn("Your key is not valid any more."),
    );
    connection.addEventListener("beat", () => this.#tellConnection());
    connection.addEventListener("change", () => this.#tellConnection());
    if (key()) this.#enter();
    else this.#signIn();
  }

  async #signIn(words = "") {
    this.#visit?.abort();
    this.#me = null;
    this.#shown = null;
    const { SignIn } = await import("./views/sign-in.js");
    fill(this, new SignIn(words, () => this.#enter()));
  }

  async #enter() {
    this.#visit?.abort();
    this.#visit = new AbortController();
    const { signal } = this.#visit;
    fill(this, loading());
    while (!this.#me) {
      try {
        this.#me = await read("/v1/me", { signal });
      } catch (error) {
        if (signal.aborted || error.status === 401) return;
        fill(
          this,
          failure(error, () => this.#enter()),
        );
        if (!(error instanceof Unreachable)) return;
        await pause(RETRY_MS, signal).catch(() => {});
      }
    }
    this.#draw();
    connection.follow(signal);
    this.#show();
  }

  #draw() {
    this.#links.clear();
    for (const [view, [word]] of Object.entries(VIEWS)) {
      this.#links.set(view, h("a", { href: to(view) }, word));
    }
    this.head = h(
      "a",
      { class: "head", href: to("stream"), title: "Position of the newest event" },
      "–",
    );
    this.lost = h("p", { class: "lost", role: "status", hidden: true });
    this.view = h("main", { id: "view", tabindex: -1 });
    fill(
      this,
      h(
        "a",
        { class: "skip", href: "#view", onclick: (event) => this.#skip(event) },
        "Skip to the content",
      ),
      h(
        "header",
        { class: "frame" },
        h("a", { class: "brand", href: to("now"), "aria-label": "Job ledger, now" }, "Ledger"),
        h("nav", { "aria-label": "Views" }, ...this.#links.values()),
        h("div", { class: "visitor" }, this.head, this.#account()),
      ),
      this.lost,
      this.view,
    );
    this.#tellConnection();
  }

  #account() {
    const { name, roles, organizations } = this.#me;
    const all = organizations.includes("*");
    return h(
      "details",
      { class: "account" },
      h("summary", { "aria-label": `Signed in as ${name}` }, h("bdi", {}, name)),
      h(
        "div",
        { class: "sheet" },
        h(
          "dl",
          {},
          h("dt", {}, "Roles"),
          h("dd", {}, roles.join(", ")),
          h("dt", {}, "Organizations"),
          h("dd", {}, all ? "all" : organizations.join(", ")),
        ),
        h("a", { href: "/docs", target: "_blank", rel: "noopener" }, "API reference"),
        h(
          "button",
          {
            type: "button",
            onclick: () => {
              forget();
              this.#signIn();
            },
          },
          "Sign out",
        ),
      ),
    );
  }

  #skip(event) {
    event.preventDefault();
    this.view.focus();
  }

  #tellConnection() {
    if (!this.head) return;
    const lost = connection.state === LOST;
    this.head.classList.toggle("off", lost);
    say(this.head, connection.head ? number(connection.head) : "–");
    this.lost.hidden = !lost;
    say(
      this.lost,
      lost
        ? "The connection is lost. What you see may be old; this goes on by itself when the server is back."
        : "",
    );
  }

  async #show() {
    if (!this.#me) return;
    const { path, query } = here();
    const name = path[0] in VIEWS ? path[0] : "now";
    for (const [view, link] of this.#links) {
      if (view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.querySelector(".account")?.removeAttribute("open");
    const current = this.view.firstElementChild;
    const place = path.join("/");
    if (place === this.#shown && current?.moved) {
      current.route = { path, query };
      current.moved();
      return;
    }
    const first = this.#shown === null;
    this.#shown = place;
    const [word, list, one] = VIEWS[name];
    document.title = `${word} · Job ledger`;
    try {
      const { default: Shown } = await import(`./views/${path.length > 1 && one ? one : list}`);
      if (this.#shown !== place) return;
      const view = new Shown();
      Object.assign(view, { route: { path, query }, me: this.#me });
      fill(this.view, view);
      if (!first) this.view.focus({ preventScroll: true });
      window.scrollTo(0, 0);
      await view.open();
    } catch (error) {
      console.error(error);
      fill(
        this.view,
        failure(error, () => location.reload()),
      );
    }
  }
}

customElements.define("ledger-page", LedgerPage);
