// Events as the very bytes that were served, cut out of pages without decoding what is in them.

import { Problem, at, part, read, request } from "../parts/api.js";

const START = new TextEncoder().encode('{"events":[');
const END = new TextEncoder().encode('],"next_after":');
const MOST = 1000;

/** The line at a position: `{position, bytes}`. */
export async function lineAt(position, signal) {
  const answer = await request(at("/v1/events", { after: Math.max(position - 1, 0), limit: 1 }), { signal });
  const page = new Uint8Array(await answer.arrayBuffer());
  const told = JSON.parse(new TextDecoder().decode(page)).events[0];
  if (!told || told.position !== position) {
    throw new Problem(404, { title: "There is no such event", detail: `Position ${position} is not in the log, or not yours to see.` });
  }
  return { position, bytes: page.slice(START.length, lastIndexOf(page, END)) };
}

/** The lines of an execution, at most a thousand, in order. */
export async function linesOf(execution, signal) {
  const { events } = await read(at(`/v1/executions/${part(execution)}/events`, { limit: MOST }), { signal });
  const lines = [];
  for (const event of events) lines.push(await lineAt(event.position, signal));
  return lines;
}

function lastIndexOf(bytes, wanted) {
  for (let at = bytes.length - wanted.length; at >= 0; at -= 1) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
