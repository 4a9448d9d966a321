// The pulse: knows how far the log has come, and whether the server can be reached.
//
// One long-poll asks for whatever comes after the head. An answer is a hint that something changed;
// who shows something reads it again. Listeners are told `beat` with the head, and `change` when the
// connection is lost or back. While the tab is hidden nothing is asked.

import { Problem, at, read } from "./api.js";
import { pause, shown } from "./waiting.js";

const WAIT_S = 25;
const LONGEST_PAUSE_MS = 5000;

export const LOST = "lost";
export const LIVE = "live";

class Connection extends EventTarget {
  head = 0;
  state = LIVE;
  #following = null;

  /** Follow the log until `signal` says otherwise. */
  async follow(signal) {
    this.#following?.abort();
    this.#following = new AbortController();
    const both = AbortSignal.any([signal, this.#following.signal]);
    this.head = 0;
    let failures = 0;
    while (!both.aborted) {
      try {
        await shown(both);
        await this.#beat(both);
        failures = 0;
      } catch (error) {
        if (both.aborted) return;
        if (error instanceof Problem && error.status < 500 && error.status !== 429) return;
        failures += 1;
        this.#is(LOST);
        await pause(Math.min(250 * 2 ** failures, LONGEST_PAUSE_MS), both).catch(() => {});
      }
    }
  }

  async #beat(signal) {
    // The first question, and the first after a loss, is not to wait for its answer.
    const waits = this.head && this.state === LIVE;
    const query = { after: waits ? this.head : Math.max(this.head - 1, 0), limit: 1 };
    const page = await read(at("/v1/events", waits ? { ...query, wait: WAIT_S } : query), {
      signal: waits ? signal : AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    });
    const grown = page.head > this.head;
    const back = this.#is(LIVE);
    this.head = page.head;
    if (grown || back) this.dispatchEvent(new Event("beat"));
  }

  /** The server was seen not to answer, by somebody else. */
  isLost() {
    this.#is(LOST);
  }

  #is(state) {
    if (this.state === state) return false;
    this.state = state;
    this.dispatchEvent(new Event("change"));
    return true;
  }
}

export const connection = new Connection();

/**
 * Call `refresh` now and after each beat: never twice at a time, and at most once in `everyMs`, so
 * that the cost of a view does not grow with the rate of events. What changes without an event (lags,
 * leases, signatures) is also asked for each `quietMs`. A failure is `refresh`'s own to show.
 */
export function keepFresh(refresh, signal, everyMs = 1000, quietMs = 0) {
  let wanted = true;
  let running = false;
  const run = async () => {
    if (running) return;
    running = true;
    while (wanted && !signal.aborted) {
      wanted = false;
      await refresh();
      await pause(everyMs, signal).catch(() => {});
    }
    running = false;
  };
  const want = () => {
    wanted = true;
    run();
  };
  connection.addEventListener("beat", want, { signal });
  if (quietMs) {
    const timer = setInterval(
      () => document.hidden || connection.state === LOST || want(),
      quietMs,
    );
    signal.addEventListener("abort", () => clearInterval(timer));
  }
  run();
  return want;
}
