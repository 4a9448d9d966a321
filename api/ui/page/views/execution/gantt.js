// The chart of an execution: its own lane, and one for each step with a bar for each attempt.

import { fill, h, s } from "../../parts/dom.js";
import { name } from "../../parts/text.js";
import { lasting } from "../../parts/times.js";
import { lanes, sums } from "./lanes.js";

const TICKS = 4;
const NICE = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5,
  36e5, 72e5, 144e5, 288e5, 432e5, 864e5, 1728e5, 6048e5, 2592e6,
];
const SQUEEZED = 0.7;
const SOME_STEPS = 24;
const KINDS = {
  waiting: "waits for",
  running: "runs",
  stopping: "is stopping",
  paused: "is paused",
};

export class Gantt extends HTMLElement {
  #events = [];
  #seen = null;
  #at = null;
  #timer = 0;
  #whole = null;
  #all = false;

  /** Show these events; `at` is the instant (ms) that the reader looks at, or null for the newest. */
  show(events, at) {
    this.#events = events;
    this.#at = at;
    this.#seen = lanes(events);
    this.#draw();
    clearInterval(this.#timer);
    if (this.#seen.to === null)
      this.#timer = setInterval(() => document.hidden || this.#draw(), 500);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  #draw() {
    const { from, to, phases, steps } = this.#seen;
    if (from === null) return;
    const now = to ?? Math.max(Date.now(), Date.parse(this.#events.at(-1).occurred_at));
    const start = phases.find((each) => each.kind === "running")?.from ?? from;
    const squeezes = (start - from) / Math.max(now - from, 1) > SQUEEZED && now > start;
    const whole = this.#whole ?? !squeezes;
    const begin = whole ? from : start - (now - start) * 0.04;
    const end = Math.max(now, begin + 1);
    const x = (ms) => ((Math.min(Math.max(ms, begin), end) - begin) / (end - begin)) * 100;
    const told = sums(phases, now);
    const lane = (label, detail, bars, spoken) => [
      h(
        "div",
        { class: "lane-name" },
        label,
        detail ? h("span", { class: "soft" }, " ", detail) : null,
      ),
      this.#lane(bars, x, spoken, end),
    ];
    const shown = this.#all || steps.length <= SOME_STEPS ? steps : steps.slice(0, SOME_STEPS);
    fill(
      this,
      h(
        "div",
        { class: "heading" },
        h("h2", {}, "Time"),
        h(
          "span",
          { class: "legend" },
          key("running", `ran ${lasting(told.running)}`),
          key("waiting", `waited ${lasting(told.waiting)}`),
          told.paused ? key("paused", `paused ${lasting(told.paused)}`) : null,
        ),
        squeezes
          ? h(
              "button",
              {
                type: "button",
                class: "plain push",
                onclick: () => {
                  this.#whole = !whole;
                  this.#draw();
                },
              },
              whole
                ? "From the first start on"
                : `From the creation on, ${lasting(start - from)} earlier`,
            )
          : null,
      ),
      h(
        "div",
        { class: "lanes" },
        axis(begin, end, from),
        lane(
          "Execution",
          "",
          phases.map((each) => ({
            ...each,
            title: `${KINDS[each.kind]} ${each.kind === "running" && each.why ? `on ${each.why}` : each.why}: ${lasting((each.to ?? now) - each.from)}`,
          })),
          `Ran ${lasting(told.running)}, waited ${lasting(told.waiting)}`,
        ),
        shown.map((step) =>
          lane(
            h("span", { class: "soft index" }, `${step.index}`),
            name(step.name),
            step.bars.map((bar) => ({
              ...bar,
              kind: bar.to === null ? "running" : (bar.outcome ?? "ok"),
              title: `attempt ${bar.attempt}: ${bar.to === null ? "running" : bar.outcome === "cut" ? "cut off" : bar.outcome}, ${lasting((bar.to ?? now) - bar.from)}`,
            })),
            step.bars.length
              ? step.bars
                  .map(
                    (bar) => `attempt ${bar.attempt} took ${lasting((bar.to ?? now) - bar.from)}`,
                  )
                  .join(", ")
              : step.done
                ? "done by the execution that this one restarts"
                : "not begun",
          ),
        ),
      ),
      shown.length < steps.length
        ? h(
            "button",
            {
              type: "button",
              class: "plain",
              onclick: () => {
                this.#all = true;
                this.#draw();
              },
            },
            `Show all ${steps.length} steps`,
          )
        : null,
    );
  }

  #lane(bars, x, spoken, end) {
    const drawing = s("svg", { class: "lane", role: "img", "aria-label": spoken, height: 18 });
    for (const bar of bars) {
      const left = x(bar.from);
      const width = x(bar.to ?? end) - left;
      if (width <= 0 && left <= 0) continue; // before what is shown
      const open = bar.to === null ? " open" : "";
      const rect = s(
        "rect",
        { class: `part ${bar.kind}${open}`, x: `${left}%`, y: 4, height: 10, rx: 2 },
        s("title", {}, bar.title),
      );
      rect.style.width = `max(2px, ${Math.max(0, width)}%)`;
      drawing.append(rect);
    }
    if (this.#at !== null)
      drawing.append(
        s("line", {
          class: "looked-at",
          x1: `${x(this.#at)}%`,
          x2: `${x(this.#at)}%`,
          y1: 0,
          y2: 18,
        }),
      );
    return drawing;
  }
}

const key = (kind, words) => h("span", { class: `key ${kind}` }, words);

/** Round marks, counted from the creation. */
function axis(begin, end, zero) {
  const span = end - begin;
  const stride = NICE.find((each) => span / each <= TICKS) ?? NICE.at(-1);
  const marks = [];
  for (let at = Math.ceil((begin - zero) / stride) * stride + zero; at <= end; at += stride)
    marks.push(at);
  const element = h(
    "div",
    { class: "axis", "aria-hidden": "true" },
    marks.map((at) => h("span", {}, at === zero ? "0" : brief(at - zero))),
  );
  [...element.children].forEach((mark, index) =>
    mark.style.setProperty("--at", `${((marks[index] - begin) / span) * 100}%`),
  );
  return [h("div", {}), element];
}

function brief(ms) {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${ms / 1000} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

customElements.define("execution-gantt", Gantt);
