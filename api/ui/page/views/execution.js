// One execution: its time, its history with a slider over it, and what is known of it at that point.

import { note, to } from "../parts/address.js";
import { Problem, at, part, read } from "../parts/api.js";
import { connection } from "../parts/connection.js";
import { fill, h, say } from "../parts/dom.js";
import { follow } from "../parts/feed.js";
import { bar, redraw } from "../parts/progress.js";
import { restate, state } from "../parts/state.js";
import { clock } from "../parts/times.js";
import { count } from "../parts/text.js";
import { View } from "../parts/view.js";
import { pause, settled } from "../parts/waiting.js";
import { about, facts } from "./execution/about.js";
import { actions } from "./execution/actions.js";
import "./execution/gantt.js";
import "./execution/history.js";

const REFRESH_MS = 250;
const SEEK_MS = 60;
const MOST_EVENTS = 2000;
const CHANGES = 1000;
const MANY_REPORTS = 40;

class ExecutionView extends View {
  #events = [];
  #past = new Map(); // position to the state as of it, for what the slider has passed
  #changes = new Map(); // position to what the event there changed
  #brief = null; // whether reports of progress are left out; null: the reader has not said
  #telling = false; // whether all events tell what they changed
  #index = null; // the event that is looked at; null for now
  #stale = false;
  #reading = false;
  #all = false;

  async open() {
    const [, id] = this.route.path;
    this.path = `/v1/executions/${part(id)}`;
    this.execution = await this.load(() =>
      read(this.path, { covering: connection.head, signal: this.signal }),
    );
    if (!this.execution) return;
    document.title = `${this.execution.job_id.slice(0, 60) || "Erased"} #${this.execution.number} · Job ledger`;
    this.#draw();
    this.#show();
    this.attempt(() => this.#follow(), this.history);
  }

  async #follow() {
    const ends = new AbortController();
    const signal = AbortSignal.any([this.signal, ends.signal]);
    await follow(`${this.path}/events`, {
      signal,
      take: (events) => {
        const known = this.#events.at(-1)?.version ?? 0;
        this.#events.push(...events.filter((event) => event.version > known));
        if (this.#events.length >= MOST_EVENTS && !this.#all) ends.abort();
        this.#seekAddress();
        this.#show();
        this.#refresh();
      },
    });
  }

  #seekAddress() {
    const wanted = Number(this.route.query.get("at"));
    if (!wanted || this.#index !== null) return;
    const found = this.#events.findIndex((event) => event.position === wanted);
    if (found >= 0) this.#seek(found);
  }

  /** Read the execution again, as often as its events ask for it, but not at each of them. */
  async #refresh() {
    this.#stale = true;
    if (this.#reading) return;
    this.#reading = true;
    while (this.#stale && !this.signal.aborted) {
      this.#stale = false;
      const covering = this.#events.at(-1)?.position ?? 0;
      try {
        this.execution = await read(this.path, { covering, signal: this.signal });
        if (this.#telling) await this.#learn(covering);
        if (this.#index === null) this.#show();
      } catch (error) {
        if (this.signal.aborted) return;
        if (error instanceof Problem && error.status === 404) return void fill(this, this.#gone());
        this.#stale = true;
      }
      await pause(REFRESH_MS, this.signal).catch(() => {});
    }
    this.#reading = false;
  }

  #gone() {
    return h(
      "div",
      { class: "notice" },
      h("p", { class: "title" }, "This execution was deleted"),
      h(
        "p",
        {},
        "Its history stays in the log, for auditors. ",
        h("a", { href: to("executions") }, "See the others"),
        ".",
      ),
    );
  }

  #draw() {
    const { job_id: jobId, number, organization } = this.execution;
    const job = jobId
      ? h(
          "a",
          {
            href: to("jobs", jobId, {
              organization: organization === this.me.default_organization ? "" : organization,
            }),
          },
          h("bdi", {}, jobId.slice(0, 200)),
        )
      : "Erased";
    this.state = state(this.execution);
    this.bar = bar();
    this.buttons = h("div", { class: "push", role: "group", "aria-label": "Actions" });
    this.past = h("p", { class: "banner", role: "status", hidden: true });
    this.facts = h("div", {});
    this.about = h("div", { class: "stack about" });
    this.gantt = document.createElement("execution-gantt");
    this.slider = document.createElement("history-slider");
    this.history = document.createElement("event-history");
    this.more = h("p", { class: "soft" });
    this.counted = h("span", { class: "soft" });
    this.briefly = h("button", {
      type: "button",
      class: "plain",
      hidden: true,
      onclick: () => this.#shorten(!this.#isBrief()),
    });
    this.telling = h(
      "button",
      {
        type: "button",
        class: "plain push",
        "aria-pressed": "false",
        onclick: () => this.#tellAll(),
      },
      "What each changed",
    );
    for (const each of [this.slider, this.history])
      each.addEventListener("seek", (event) => this.#seek(event.detail));
    fill(
      this,
      h(
        "div",
        { class: "top" },
        h("h1", {}, job, h("span", { class: "soft" }, ` #${number}`)),
        this.state,
        this.bar,
        this.buttons,
      ),
      this.facts,
      h("section", { class: "time", "aria-label": "Time" }, this.gantt, this.slider, this.past),
      h(
        "div",
        { class: "halves" },
        h(
          "section",
          { "aria-label": "History" },
          h(
            "div",
            { class: "heading" },
            h("h2", {}, "History"),
            this.counted,
            this.briefly,
            this.telling,
          ),
          this.history,
          this.more,
        ),
        h("section", { "aria-label": "State" }, this.about),
      ),
    );
  }

  #seek(index) {
    const last = this.#events.length - 1;
    this.#index =
      index === null || (index >= last && this.#index === null) ? null : Math.min(index, last);
    const query = new URLSearchParams(location.search);
    if (this.#index === null) query.delete("at");
    else query.set("at", this.#events[this.#index].position);
    this.route.query = query;
    note(query);
    this.#show();
    if (this.#index !== null) this.#look();
  }

  #look = settled(() => this.attempt(() => this.#lookNow(), this.about), SEEK_MS);

  async #lookNow() {
    const index = this.#index;
    if (index === null) return;
    await Promise.all([this.#asOf(index), this.#learn(this.#events[index].position)]);
    if (this.#index === index) this.#show();
  }

  async #asOf(index) {
    const { position } = this.#events[index];
    if (!this.#past.has(position)) {
      this.#past.set(
        position,
        await read(at(this.path, { as_of: position }), { signal: this.signal }),
      );
    }
    return this.#past.get(position);
  }

  /** Learn what the events up to a position changed, as far as it is not known yet. */
  async #learn(position) {
    let after = Math.max(0, ...this.#changes.keys());
    while (after < position) {
      const page = await read(at(`${this.path}/changes`, { after, limit: CHANGES }), {
        signal: this.signal,
      });
      for (const event of page.events) this.#changes.set(event.position, event);
      if (!page.events.length || page.next_after <= after) return;
      after = page.next_after;
      if (!page.more) return;
    }
  }

  #reports() {
    return this.#events.filter((event) => event.type.endsWith("progressed")).length;
  }

  #isBrief() {
    return this.#brief ?? this.#reports() > MANY_REPORTS;
  }

  #shorten(brief) {
    this.#brief = brief;
    this.#show();
  }

  #tellAll() {
    this.#telling = !this.#telling;
    this.telling.setAttribute("aria-pressed", String(this.#telling));
    this.attempt(async () => {
      if (this.#telling) await this.#learn(this.#events.at(-1)?.position ?? 0);
      this.#show();
    }, null);
  }

  #show() {
    const index = this.#index;
    const event = index === null ? null : this.#events[index];
    const shown = event ? this.#past.get(event.position) : this.execution;
    this.gantt.show(this.#events, event ? Date.parse(event.occurred_at) : null);
    this.slider.show(this.#events, index);
    this.history.show(this.#events, index, this.#changes, this.#telling);
    this.counted.textContent = count(this.#events.length, "event");
    const reports = this.#reports();
    this.history.brief = this.#isBrief();
    this.briefly.hidden = !reports;
    say(
      this.briefly,
      this.#isBrief() ? `Show ${count(reports, "report")} of progress` : "Hide progress",
    );
    this.#offerMore();
    this.past.hidden = !event;
    if (event)
      fill(
        this.past,
        `This is how it was after event ${event.version}, ${clock(event.occurred_at)}, not how it is now.`,
      );
    fill(this.buttons, event ? null : actions(this.execution, this.me, () => this.#refresh()));
    if (!shown) return;
    restate(this.state, shown);
    this.bar.hidden = !["running", "pausing", "aborting"].includes(shown.status);
    if (!this.bar.hidden) redraw(this.bar, shown);
    fill(
      this.facts,
      shown.deleted
        ? h("p", { class: "banner" }, "This execution was deleted. Only auditors see it.")
        : null,
      facts(shown),
    );
    this.#keepOpen(() => fill(this.about, about(shown)));
  }

  /** Redraw without closing what the reader has opened or unfolded. */
  #keepOpen(redrawing) {
    const told = JSON.stringify([
      this.#index,
      this.#index === null ? this.execution : this.#events[this.#index].position,
    ]);
    if (told === this.told) return;
    this.told = told;
    const opened = [...this.about.querySelectorAll("details")].map((each) => each.open);
    redrawing();
    const made = this.about.querySelectorAll("details");
    if (made.length === opened.length)
      made.forEach((each, index) => {
        each.open = opened[index];
      });
  }

  #offerMore() {
    if (this.#events.length < MOST_EVENTS || this.#all) return void fill(this.more);
    if (this.more.firstChild) return;
    const more = h(
      "button",
      {
        type: "button",
        onclick: () => {
          this.#all = true;
          fill(this.more);
          this.attempt(() => this.#followOn(), this.more);
        },
      },
      "Load the later ones too",
    );
    fill(this.more, `The first ${this.#events.length} events are shown. `, more);
  }

  #followOn() {
    return follow(`${this.path}/events`, {
      after: this.#events.at(-1).position,
      signal: this.signal,
      take: (events) => {
        this.#events.push(...events);
        this.#show();
        this.#refresh();
      },
    });
  }
}

customElements.define("execution-view", ExecutionView);
export default ExecutionView;
