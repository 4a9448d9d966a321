// The stream: events as they are recorded, newest on top; filtered, paused, and read from any position.

import { go, to } from "../parts/address.js";
import { at, read } from "../parts/api.js";
import { connection } from "../parts/connection.js";
import { fill, h } from "../parts/dom.js";
import { follow } from "../parts/feed.js";
import { empty } from "../parts/notice.js";
import { asDocument, count, number } from "../parts/text.js";
import { time } from "../parts/times.js";
import { View } from "../parts/view.js";
import { settled } from "../parts/waiting.js";
import { gist } from "./execution/history.js";

const SHOWN = 200;
const RECENT = 60;
const RECENT_FILTERED = 5000;
const QUIET_MS = 400;
const FILTERS = ["types", "job_id", "execution_id", "organization"];
const TYPES = [
  "execution.created",
  "execution.scheduled",
  "execution.released",
  "execution.started",
  "execution.progressed",
  "execution.pause_requested",
  "execution.paused",
  "execution.resumed",
  "execution.cancel_requested",
  "execution.canceled",
  "execution.lease_lost",
  "execution.retry_scheduled",
  "execution.finished",
  "execution.described",
  "execution.output_set",
  "execution.deleted",
  "execution.erased",
  "step.started",
  "step.progressed",
  "step.finished",
  "report.refused",
  "job.defined",
  "job.changed",
  "job.schedule_set",
  "job.schedule_cleared",
  "job.schedule_skipped",
  "job.schedule_fired",
  "job.follow_skipped",
  "job.retired",
  "key.created",
  "key.revoked",
];

class StreamView extends View {
  #following = null;
  #position = 0; // everything up to here was taken
  #waiting = []; // taken, not drawn yet
  #drawing = 0;
  #seen = 0;

  async open() {
    this.list = h("ol", { class: "tail", "aria-label": "Events, newest first" });
    this.none = h("div", {});
    this.told = h("span", { class: "stream-state", role: "status" });
    this.flow = h("button", {
      type: "button",
      onclick: () => (this.#following ? this.#pause() : this.#start(this.#position)),
    });
    fill(
      this,
      h("div", { class: "top" }, h("h1", {}, "Stream")),
      this.#bar(),
      this.none,
      this.list,
    );
    await this.#begin();
  }

  moved() {
    this.#begin();
  }

  /** Begin at what the address says: after a position, or a little before the head. */
  async #begin() {
    this.#pause();
    fill(this.list);
    this.#waiting = [];
    this.#seen = 0;
    const after = this.route.query.get("after");
    if (after !== null && /^\d+$/.test(after)) return this.#page(Number(after));
    const filtered = FILTERS.some((each) => this.route.query.has(each));
    const head = await this.load(
      async () => (await read(at("/v1/events", { limit: 1 }), { signal: this.signal })).head,
      this.none,
    );
    if (head === undefined) return undefined;
    fill(this.none);
    return this.#start(Math.max(0, head - (filtered ? RECENT_FILTERED : RECENT)));
  }

  #query() {
    return Object.fromEntries(FILTERS.map((each) => [each, this.route.query.get(each)]));
  }

  /** Read one page after a position and stand still there. */
  async #page(after) {
    this.#position = after;
    await this.attempt(async () => {
      const page = await read(at("/v1/events", { ...this.#query(), after, limit: SHOWN / 2 }), {
        signal: this.signal,
      });
      this.#position = page.next_after;
      this.#take(page.events);
    }, this.none);
    this.#tell();
  }

  #start(after) {
    this.#position = after;
    const ends = new AbortController();
    this.#following = ends;
    this.#tell();
    return this.attempt(
      () =>
        follow("/v1/events", {
          after,
          query: this.#query(),
          signal: AbortSignal.any([this.signal, ends.signal]),
          take: (events, position) => {
            if (ends.signal.aborted) return;
            this.#position = position;
            this.#take(events);
          },
        }),
      this.none,
    );
  }

  #pause() {
    this.#following?.abort();
    this.#following = null;
    this.#tell();
  }

  #take(events) {
    this.#seen += events.length;
    this.#waiting.push(...events);
    this.#drawing ||= requestAnimationFrame(() => this.#drawn());
  }

  /** Put what came since the last frame on top; of more than fit, only the newest are made. */
  #drawn() {
    this.#drawing = 0;
    const passed = Math.max(0, this.#waiting.length - SHOWN);
    const fresh = this.#waiting.slice(passed).reverse();
    this.#waiting = [];
    if (passed)
      this.list.prepend(h("li", { class: "passed" }, `${count(passed, "event")} went by`));
    this.list.prepend(...fresh.map(makeRow));
    while (this.list.children.length > SHOWN) this.list.lastElementChild.remove();
    this.#tell();
  }

  #tell() {
    if (!this.flow) return;
    const running = Boolean(this.#following);
    this.flow.textContent = running ? "Pause" : "Go on";
    const behind = Math.max(0, connection.head - this.#position);
    fill(
      this.told,
      running
        ? `${count(this.#seen, "event")}, through ${number(this.#position)}`
        : `Paused at ${number(this.#position)}${behind ? `, ${number(behind)} behind` : ""}`,
    );
    if (this.#position && !this.list.firstChild && !this.#waiting.length)
      fill(this.none, empty("Nothing here matches, so far."));
    else if (this.none.querySelector(".title") && this.list.firstChild) fill(this.none);
  }

  #bar() {
    const { query } = this.route;
    const input = (named, label, attributes = {}) => {
      const control = h("input", {
        id: `s-${named}`,
        name: named,
        autocomplete: "off",
        spellcheck: "false",
        ...attributes,
      });
      control.value = query.get(named) ?? "";
      return h(
        "div",
        { class: `field ${attributes.class ?? ""}` },
        h("label", { for: control.id }, label),
        control,
      );
    };
    const apply = () => {
      const told = Object.fromEntries(
        FILTERS.map((each) => [each, form.elements[each]?.value.trim().replaceAll(" ", "")]),
      );
      const address = to("stream", told);
      if (address !== location.pathname + location.search) go(address, { replace: true });
    };
    const soon = settled(apply, QUIET_MS);
    const jump = h("input", {
      id: "s-jump",
      inputmode: "numeric",
      pattern: "\\d*",
      autocomplete: "off",
      placeholder: "position",
    });
    const several = this.me.organizations.length > 1 || this.me.organizations.includes("*");
    const form = h(
      "form",
      {
        class: "stream-bar",
        role: "search",
        onsubmit: (event) => {
          event.preventDefault();
          if (document.activeElement === jump) this.#jump(jump.value);
          else apply();
        },
        oninput: (event) => event.target !== jump && soon(),
      },
      input("types", "Types", { list: "event-types" }),
      h(
        "datalist",
        { id: "event-types" },
        TYPES.map((each) => h("option", { value: each })),
      ),
      input("job_id", "Job"),
      input("execution_id", "Execution"),
      several ? input("organization", "Organization") : null,
      h("div", { class: "field jump" }, h("label", { for: "s-jump" }, "Jump to"), jump),
      this.flow,
      h(
        "button",
        {
          type: "button",
          onclick: () => {
            go(to("stream", this.#query()));
            this.#begin();
          },
        },
        "Newest",
      ),
      this.told,
    );
    return form;
  }

  #jump(value) {
    if (!/^\d+$/.test(value.trim())) return;
    go(to("stream", { ...this.#query(), after: Math.max(0, Number(value) - 1) }));
  }
}

function makeRow(event) {
  const [kind, ...rest] = event.stream.split("/");
  const of = kind === "execution" ? rest[0].slice(0, 8) : rest.at(-1);
  const row = h(
    "li",
    { "data-position": event.position },
    h(
      "details",
      {},
      h(
        "summary",
        {},
        h("span", { class: "position" }, number(event.position)),
        time(event.recorded_at),
        h("span", { class: "type" }, event.type),
        h("bdi", { class: "of" }, of.slice(0, 80)),
        h("bdi", { class: "gist", dir: "auto" }, gist(event).slice(0, 300)),
      ),
    ),
  );
  const details = row.firstElementChild;
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(inside(event, kind, rest));
  });
  return row;
}

function inside(event, kind, rest) {
  return h(
    "div",
    { class: "inside" },
    h(
      "p",
      { class: "buttons soft" },
      kind === "execution"
        ? h(
            "a",
            { href: to("executions", rest[0], { at: event.position }) },
            "The execution at that point",
          )
        : null,
      kind === "job"
        ? h(
            "a",
            {
              href: to("jobs", rest.at(-1), {
                organization: event.organization === "default" ? "" : event.organization,
              }),
            },
            "The job",
          )
        : null,
      h("a", { href: to("audit", { position: event.position }) }, "Prove it"),
      h(
        "span",
        {},
        "by ",
        h("bdi", {}, event.actor || "–"),
        `, ${event.organization}, happened `,
        time(event.occurred_at),
      ),
    ),
    event.data === null
      ? h("p", { class: "soft" }, "Its content was erased; its entry and proofs stay.")
      : asDocument(event.data, 3000),
  );
}

customElements.define("stream-view", StreamView);
export default StreamView;
