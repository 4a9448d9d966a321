// Events that must have no hole: followed from a position, resumed at it whatever happens between.

import { Problem, Unreachable, at, read } from "./api.js";
import { connection } from "./connection.js";
import { pause, shown } from "./waiting.js";

const WAIT_S = 25;
const LONGEST_PAUSE_MS = 5000;

/**
 * Follow the events of `path` (with `query`) after a position, for as long as `signal` allows. Each
 * batch goes to `take(events, page)`, in order; none twice and none left out, also over lost
 * connections, because the position to go on from is only moved by what was taken. Stops with a
 * `Problem` that asking again would not solve.
 */
export async function follow(path, { after = 0, query = {}, signal, take, organization, limit = 200 }) {
  let position = after;
  let failures = 0;
  let caughtUp = false;
  while (!signal.aborted) {
    try {
      await shown(signal);
      const page = await read(at(path, { ...query, after: position, limit, wait: caughtUp ? WAIT_S : "" }), { signal, organization });
      failures = 0;
      caughtUp = page.events.length < limit;
      if (page.events.length || page.next_after > position) take(page.events, page);
      position = Math.max(position, page.next_after);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
      if (error instanceof Unreachable) connection.isLost();
      caughtUp = false;
      failures += 1;
      await pause(error.retryAfterS * 1000 || Math.min(200 * 2 ** failures, LONGEST_PAUSE_MS), signal).catch(() => {});
    }
  }
}
