// How an execution, a step or a run stands: one word, one shape, one colour, never colour alone.

import { h, s } from "./dom.js";

const SHAPES = {
  waiting: () => s("circle", { cx: 6, cy: 6, r: 3.6, fill: "none", "stroke-width": 1.6 }),
  running: () => s("circle", { cx: 6, cy: 6, r: 4, stroke: "none", fill: "currentColor" }),
  paused: () => s("path", { d: "M4 3v6M8 3v6", "stroke-width": 2 }),
  stopping: () => s("path", { d: "M3 6h6", "stroke-width": 2 }),
  ok: () => s("path", { d: "M2.5 6.5 5 9l4.5-6", "stroke-width": 1.8, fill: "none" }),
  warning: () =>
    s("path", {
      d: "M6 1.8 11 10.4H1Z",
      "stroke-linejoin": "round",
      stroke: "none",
      fill: "currentColor",
    }),
  error: () => s("path", { d: "m3 3 6 6M9 3 3 9", "stroke-width": 2 }),
  aborted: () =>
    s("path", { d: "M3 9 9 3M6 1.8a4.2 4.2 0 1 0 .01 0Z", "stroke-width": 1.4, fill: "none" }),
};

/** The kind of state something is in: what its shape and colour are named after. */
export function kindOf({ status, outcome }) {
  switch (status) {
    case "finished":
      return outcome ?? "ok";
    case "running":
    case "aborted":
    case "paused":
      return status;
    case "pausing":
    case "aborting":
      return "stopping";
    default:
      return "waiting";
  }
}

const WAITS = {
  worker: "needs a worker",
  time: "waits for time",
  dependency: "waits for others",
  capacity: "waits for room",
};

/** The word for a state. */
export function wordOf({ status, outcome, waiting_for: waitingFor }) {
  if (status === "finished") return outcome ?? "finished";
  if (status === "pending" && waitingFor) return WAITS[waitingFor] ?? "waits";
  return status;
}

/** The drawing of a kind. */
export function shape(kind) {
  return s(
    "svg",
    {
      class: `shape ${kind}`,
      viewBox: "0 0 12 12",
      "aria-hidden": "true",
      stroke: "currentColor",
      "stroke-linecap": "round",
    },
    (SHAPES[kind] ?? SHAPES.waiting)(),
  );
}

/** Shape and word; call `restate` when it changes. */
export function state(what) {
  const element = h("span", { class: "state" });
  restate(element, what);
  return element;
}

export function restate(element, what) {
  const kind = kindOf(what);
  const word = wordOf(what);
  if (element.dataset.kind === kind && element.dataset.word === word) return;
  element.dataset.kind = kind;
  element.dataset.word = word;
  element.replaceChildren(shape(kind), h("span", {}, word));
}
