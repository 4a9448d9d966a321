// Events that must have no hole: streamed from a position, resumed at it whatever happens between.

import { Problem, Unreachable, at, request } from "./api.js";
import { connection } from "./connection.js";
import { jsonLines } from "./lines.js";
import { pause, shown, untilHidden } from "./waiting.js";

const AGAIN_MS = 250;
const LONGEST_PAUSE_MS = 5000;

/**
 * Follow the events of `path` (with `query`) after a position, for as long as `signal` allows. Each
 * batch goes to `take(events, position)`, in order; none twice and none left out, also over lost
 * connections, because the position to go on from is only moved by what was taken. Stops with a
 * `Problem` that asking again would not solve.
 */
export async function follow(path, { after = 0, query = {}, signal, take, organization }) {
  let position = after;
  let failures = 0;
  while (!signal.aborted) {
    const [visible, release] = untilHidden(signal);
    let wait = AGAIN_MS;
    try {
      await shown(signal);
      const address = at(path, { ...query, after: position, follow: true });
      const answer = await request(address, {
        signal: visible,
        organization,
        headers: { Accept: "application/x-ndjson" },
      });
      for await (const lines of jsonLines(answer.body)) {
        failures = 0;
        const events = lines.filter((line) => line.position > position);
        const through = lines.at(-1).heartbeat?.scanned_through ?? lines.at(-1).position;
        if (signal.aborted) return;
        position = Math.max(position, through);
        take(events, position);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
      if (visible.aborted) continue; // the tab was hidden: go on when it is shown
      if (error instanceof Unreachable) connection.isLost();
      failures += 1;
      wait = error.retryAfterS * 1000 || Math.min(AGAIN_MS * 2 ** failures, LONGEST_PAUSE_MS);
    } finally {
      release();
    }
    await pause(wait, signal).catch(() => {});
  }
}
