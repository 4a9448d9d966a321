// Events as the very bytes that were served: lines of the stream, not decoded and written anew.

import { Problem, at, part, request } from "../parts/api.js";

const LINES = { Accept: "application/x-ndjson" };
const NEWLINE = 10;

/** The line at a position: `{position, bytes}`. */
export async function lineAt(position, signal) {
  const [line] = await lines(
    at("/v1/events", { after: Math.max(position - 1, 0), limit: 1 }),
    signal,
  );
  if (line?.position === position) return line;
  throw new Problem(404, {
    title: "There is no such event",
    detail: `Position ${position} is not in the log, or not yours to see.`,
  });
}

/** The lines of an execution, in order. */
export const linesOf = (execution, signal) =>
  lines(`/v1/executions/${part(execution)}/events`, signal);

async function lines(address, signal) {
  const answer = await request(address, { signal, headers: LINES });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const found = [];
  for (let from = 0, to; from < bytes.length; from = to + 1) {
    to = bytes.indexOf(NEWLINE, from);
    if (to < 0) to = bytes.length;
    const line = bytes.slice(from, to);
    const { position } = JSON.parse(new TextDecoder().decode(line));
    if (position) found.push({ position, bytes: line });
  }
  return found;
}
