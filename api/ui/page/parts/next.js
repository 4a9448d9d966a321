// What an open execution waits for: who must act, until when, and what the ledger does otherwise.

import { h } from "./dom.js";
import { clock, time } from "./times.js";
import { to } from "./address.js";

const WHO = {
  worker: "the worker",
  ledger: "the ledger",
  user: "somebody",
  upstream: "what it waits for",
};
const OTHERWISE = {
  released: "a worker may take it",
  timed_out: "it is closed as timed out",
  no_worker: "it is closed for want of a worker",
  canceled: "it is closed by force",
  paused: "its worker is cut off and it is paused",
  deleted: "it is deleted",
};

/** In a few words, for a row. */
export function inShort({ next, waiting_for: waitingFor, ready_at: readyAt, worker }) {
  if (waitingFor === "time" && readyAt) return `at ${clock(readyAt)}`;
  if (!next) return "";
  const who = next.who === "worker" && worker ? worker : (WHO[next.who] ?? next.who);
  return `${who}, until ${clock(next.at)}`;
}

/** Whole, for one execution. */
export function inFull({ next, waiting_for: waitingFor, waits_for: waitsFor = [] }) {
  if (!next) return null;
  const links = waitingFor === "dependency" ? waitsFor.slice(0, 20) : [];
  return h(
    "span",
    {},
    `${(WHO[next.who] ?? next.who).replace(/^./, (letter) => letter.toUpperCase())} must act until `,
    time(next.at),
    next.otherwise ? `; otherwise ${OTHERWISE[next.otherwise] ?? next.otherwise}.` : ".",
    links.length ? " Waits for " : null,
    links.map((uuid, index) => [
      index ? ", " : "",
      h("a", { href: to("executions", uuid) }, h("code", {}, uuid.slice(0, 8))),
    ]),
  );
}
