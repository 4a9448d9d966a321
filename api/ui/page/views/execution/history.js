// An execution's history: a slider over its events, and each event with what it changed.

import { to as address } from "../../parts/address.js";
import { fill, h, keyed } from "../../parts/dom.js";
import { asDocument, count, number, words } from "../../parts/text.js";
import { exactly, lasting, time } from "../../parts/times.js";

const SHOWN_CHANGES = 40;

/** What an event says of itself, in a few words. */
export function gist({ type, data }) {
  if (data === null || data === undefined) return "content erased";
  switch (type) {
    case "execution.created":
      return `${count(data.steps?.length ?? 0, "step")}, ${data.trigger || "rest"}`;
    case "execution.scheduled":
      return `not before ${data.run_at ?? ""}`;
    case "execution.started":
      return [data.attempt > 1 ? `attempt ${data.attempt}` : "", data.worker]
        .filter(Boolean)
        .join(", ");
    case "execution.progressed":
    case "step.progressed":
      return [data.index ? `step ${data.index}` : "", told(data.progress)]
        .filter(Boolean)
        .join(": ");
    case "step.started":
      return `step ${data.index}${data.attempt > 1 ? `, attempt ${data.attempt}` : ""}`;
    case "step.finished":
      return [`step ${data.index}: ${data.outcome}`, data.message].filter(Boolean).join(", ");
    case "execution.finished":
      return [data.outcome, data.exit_code, data.message].filter(Boolean).join(", ");
    case "execution.canceled":
      return [data.cause ?? "user", data.message, data.enforced ? "by force" : ""]
        .filter(Boolean)
        .join(", ");
    case "execution.lease_lost":
      return [data.worker, data.reason ?? "expired"].filter(Boolean).join(", ");
    case "execution.retry_scheduled":
      return [`attempt ${data.attempt}`, data.reason, data.message].filter(Boolean).join(", ");
    case "execution.output_set":
      return Object.keys(data).join(", ");
    case "report.refused":
      return [data.worker, (data.reports ?? []).join(", ")].filter(Boolean).join(": ");
    case "job.schedule_skipped":
    case "job.follow_skipped":
      return data.reason ?? "";
    default:
      return data.reason || data.job_id || data.name || "";
  }
}

function told(progress = {}) {
  const counts = progress.total_items
    ? `${number(progress.processed_items ?? 0)} of ${number(progress.total_items)}`
    : "";
  const percent = progress.percent !== undefined ? `${Math.round(progress.percent)} %` : "";
  return [percent, counts, progress.message].filter(Boolean).join(", ");
}

/** The slider. Tells `seek` with an index into the events, or null for the newest. */
export class Slider extends HTMLElement {
  #events = [];

  connectedCallback() {
    if (this.range) return;
    const step = (by) => () => this.#seek(Number(this.range.value) - 1 + by);
    this.range = h("input", {
      type: "range",
      min: 1,
      step: 1,
      id: "as-of",
      "aria-label": "State as of event",
      oninput: () => this.#seek(Number(this.range.value) - 1),
    });
    this.back = h(
      "button",
      { type: "button", "aria-label": "One event earlier", onclick: step(-1) },
      "‹",
    );
    this.on = h(
      "button",
      { type: "button", "aria-label": "One event later", onclick: step(1) },
      "›",
    );
    this.told = h("output", { for: "as-of" });
    this.now = h(
      "button",
      {
        type: "button",
        onclick: () => this.dispatchEvent(new CustomEvent("seek", { detail: null })),
      },
      "Now",
    );
    fill(this, this.back, this.range, this.on, this.told, this.now);
  }

  #seek(index) {
    const last = this.#events.length - 1;
    this.dispatchEvent(new CustomEvent("seek", { detail: Math.min(Math.max(index, 0), last) }));
  }

  /** Show that the reader looks at the event of an index; null for the newest. */
  show(events, index) {
    this.#events = events;
    const at = index ?? events.length - 1;
    const event = events[at];
    this.range.max = events.length;
    this.range.value = at + 1;
    this.range.disabled = events.length < 2;
    this.back.disabled = at <= 0;
    this.on.disabled = at >= events.length - 1;
    this.now.disabled = index === null;
    if (!event) return;
    this.range.setAttribute("aria-valuetext", `event ${at + 1} of ${events.length}, ${event.type}`);
    fill(
      this.told,
      h("b", {}, `${number(at + 1)} of ${number(events.length)}`),
      " ",
      event.type.replace("execution.", ""),
    );
  }
}

/** The list of events. Tells `seek` like the slider. */
export class History extends HTMLElement {
  #list = h("ol", { class: "events" });
  #start = 0;

  connectedCallback() {
    if (!this.#list.isConnected) this.append(this.#list);
  }

  /** Leave out reports of progress, or do not. */
  set brief(brief) {
    this.#list.classList.toggle("brief", brief);
  }

  /**
   * Show events. `index` is the one looked at (null: the newest), `changes` what each changed, by
   * position, as far as that is known; with `telling` all of them say it.
   */
  show(events, index, changes, telling) {
    this.#start = events.length ? Date.parse(events[0].occurred_at) : 0;
    const at = index ?? events.length - 1;
    keyed(
      this.#list,
      events,
      (event) => event.position,
      (event) => this.#make(event, events),
      (row, event) => {
        const looked = index !== null && events[at] === event;
        row.classList.toggle("looked", looked);
        row.classList.toggle("later", index !== null && event.position > events[at].position);
        row.button.setAttribute("aria-current", looked ? "true" : "false");
        const known = changes.get(event.position);
        const told = `${looked}${telling}${Boolean(known)}`;
        if (row.told === told) return;
        row.told = told;
        row.detail.hidden = !looked && !telling;
        fill(
          row.detail,
          known && (looked || telling) ? changed(known) : null,
          looked ? envelope(event) : null,
        );
      },
    );
  }

  #make(event, events) {
    const row = h("li", { class: event.type.endsWith("progressed") ? "minor" : null });
    const words = gist(event);
    row.button = h(
      "button",
      {
        type: "button",
        class: "event",
        title: exactly(event.occurred_at),
        onclick: () =>
          this.dispatchEvent(new CustomEvent("seek", { detail: events.indexOf(event) })),
      },
      h("span", { class: "version" }, event.version),
      h("span", { class: "type" }, event.type),
      h("bdi", { class: "gist", dir: "auto" }, words.slice(0, 300)),
      h(
        "span",
        { class: "after" },
        `+${lasting(Math.max(0, Date.parse(event.occurred_at) - this.#start))}`,
      ),
    );
    row.detail = h("div", { class: "detail", hidden: true });
    row.append(row.button, row.detail);
    return row;
  }
}

function changed({ changes = [], problem }) {
  if (problem)
    return h("p", { class: "banner bad" }, words(`What it changed cannot be told: ${problem}.`));
  if (!changes.length) return h("p", { class: "soft" }, "It changed nothing that is shown.");
  const value = (it) =>
    it === null || it === undefined
      ? h("span", { class: "none" }, "–")
      : words(typeof it === "string" ? it : JSON.stringify(it), { shown: 160, mono: true });
  const shown = changes.slice(0, SHOWN_CHANGES);
  return [
    h(
      "dl",
      { class: "changes" },
      shown.map(({ field, from, to }) =>
        h(
          "div",
          {},
          h("dt", {}, h("code", {}, h("bdi", {}, field))),
          h(
            "dd",
            {},
            from === null
              ? null
              : [
                  value(from),
                  h(
                    "span",
                    { class: "arrow" },
                    h("span", { "aria-hidden": "true" }, " → "),
                    h("span", { class: "sr" }, " became "),
                  ),
                ],
            value(to),
          ),
        ),
      ),
    ),
    shown.length < changes.length
      ? h("p", { class: "soft" }, `and ${count(changes.length - shown.length, "part")} more`)
      : null,
  ];
}

function envelope(event) {
  return h(
    "details",
    { class: "envelope" },
    h("summary", { class: "soft" }, "As recorded"),
    h(
      "dl",
      { class: "pairs" },
      h("dt", {}, "Position"),
      h(
        "dd",
        {},
        number(event.position),
        " · ",
        h("a", { href: address("audit", { position: event.position }) }, "prove it"),
      ),
      h("dt", {}, "Happened"),
      h("dd", {}, time(event.occurred_at)),
      h("dt", {}, "Recorded"),
      h("dd", {}, time(event.recorded_at)),
      h("dt", {}, "By"),
      h("dd", {}, h("bdi", {}, event.actor || "–")),
      h("dt", {}, "Digest"),
      h("dd", {}, h("code", {}, event.data_digest)),
    ),
    event.data === null
      ? h("p", { class: "soft" }, "Its content was erased; its entry and proofs stay.")
      : asDocument(event.data, 1200),
  );
}

customElements.define("history-slider", Slider);
customElements.define("event-history", History);
