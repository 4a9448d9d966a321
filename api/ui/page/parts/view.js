// What every view is: an element that lives as long as its address, and says what it could not do.

import { connection } from "./connection.js";
import { Unreachable } from "./api.js";
import { fill } from "./dom.js";
import { failure, loading } from "./notice.js";

export class View extends HTMLElement {
  #ends = new AbortController();

  /** Aborted when the view goes: hand it to every request and listener. */
  get signal() {
    return this.#ends.signal;
  }

  /** Set by the frame before `open`: the address, what its path names, and who visits. */
  route = { path: [], query: new URLSearchParams() };
  me = null;

  /** Whether the visitor has one of these roles. */
  may(...roles) {
    return roles.some((role) => this.me.roles.includes(role));
  }

  disconnectedCallback() {
    this.#ends.abort();
  }

  /** Run `work` and show in `place` why it failed; while the connection is lost, again when it is back. */
  async attempt(work, place = this, again = null) {
    try {
      return await work();
    } catch (error) {
      if (this.signal.aborted || error.name === "AbortError") return undefined;
      if (error instanceof Unreachable) connection.isLost();
      else if (!error.status) console.error(error);
      if (place) fill(place, failure(error, again));
      return undefined;
    }
  }

  /** Load what the view cannot do without; shows that it is under way, and tries again when it can. */
  async load(work, place = this) {
    fill(place, loading());
    let loaded = false;
    const run = () =>
      this.attempt(
        async () => {
          const found = await work();
          loaded = true;
          return found;
        },
        place,
        () => this.load(work, place),
      );
    const found = await run();
    if (loaded || this.signal.aborted) return found;
    return new Promise((resolve) => {
      const back = async () => {
        const late = await run();
        if (!loaded) return;
        connection.removeEventListener("beat", back);
        resolve(late);
      };
      connection.addEventListener("beat", back, { signal: this.signal });
    });
  }
}
