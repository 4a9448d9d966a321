// The ledger itself: its views, who holds work, who follows the log, and which keys there are.

import { at, read } from "../parts/api.js";
import { keepFresh } from "../parts/connection.js";
import { fill, h } from "../parts/dom.js";
import { failure, loading } from "../parts/notice.js";
import { View } from "../parts/view.js";
import { consumers } from "./system/consumers.js";
import { keys } from "./system/keys.js";
import { projections } from "./system/projections.js";
import { webhooks } from "./system/webhooks.js";
import { workers } from "./system/workers.js";

const EVERY_MS = 2000;
const QUIET_MS = 5000;
const LISTED = 50;

/** A part: its title, where it is read, what draws it, and who may see it. */
const PARTS = [
  ["Views", "/v1/projections", projections],
  ["Workers", "/v1/workers", workers],
  ["Consumers", at("/v1/consumers", { limit: LISTED }), consumers],
  ["Webhooks", at("/v1/webhooks", { limit: LISTED }), webhooks, ["operator", "admin"]],
  ["Keys", at("/v1/keys", { limit: LISTED }), keys, ["admin"]],
];

class SystemView extends View {
  async open() {
    fill(this, h("div", { class: "top" }, h("h1", {}, "System")));
    for (const [title, path, draw, roles] of PARTS) {
      if (!roles || this.may(...roles)) this.#part(title, path, draw);
    }
  }

  /** A section that looks after itself: it loads, stays fresh, and fails alone. */
  #part(title, path, draw) {
    const place = h("div", {}, loading(title));
    this.append(h("section", { "aria-label": title }, h("h2", {}, title), place));
    const refresh = async () => {
      try {
        const told = await read(path, { signal: this.signal });
        const text = JSON.stringify(told);
        if (place.told === text) return;
        place.told = text;
        fill(place, draw(told, this.me));
      } catch (error) {
        if (this.signal.aborted || place.told) return;
        fill(place, failure(error));
      }
    };
    keepFresh(refresh, this.signal, EVERY_MS, QUIET_MS);
  }
}

customElements.define("system-view", SystemView);
export default SystemView;
