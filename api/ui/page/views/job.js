// One job: what it is, when it is due, how its last hundred runs went, and a way to run it.

import { to } from "../parts/address.js";
import { at, part, read } from "../parts/api.js";
import { connection, keepFresh } from "../parts/connection.js";
import { fill, h } from "../parts/dom.js";
import { state } from "../parts/state.js";
import { asDocument, name, number, words } from "../parts/text.js";
import { lasting, time } from "../parts/times.js";
import { View } from "../parts/view.js";
import { askAndRun } from "./job/run-form.js";
import { drawStrip } from "./job/strip.js";

const RUNS = 100;
const LISTED = 10;
const PAST = 20;

class JobView extends View {
  async open() {
    const id = this.route.path[1];
    this.organization = this.route.query.get("organization") || undefined;
    this.path = `/v1/jobs/${part(id)}`;
    document.title = `${id.slice(0, 60)} · Job ledger`;
    const found = await this.load(() => this.#ask());
    if (!found) return;
    this.#draw(found.job);
    this.#show(found);
    keepFresh(() => this.attempt(async () => this.#show(await this.#ask()), null), this.signal);
  }

  async #ask() {
    const options = {
      covering: connection.head,
      signal: this.signal,
      organization: this.organization,
    };
    const [job, history, statistics, due] = await Promise.all([
      read(this.path, options),
      read(at(`${this.path}/history`, { limit: RUNS }), options),
      read(`${this.path}/statistics`, options),
      read(at(`${this.path}/due-times`, { limit: PAST }), options),
    ]);
    return { job, history, statistics, due };
  }

  #draw(job) {
    const run = this.may("operator", "admin")
      ? h(
          "button",
          {
            type: "button",
            class: "strong",
            onclick: () => askAndRun(this.job, this.organization),
          },
          "Run",
        )
      : null;
    this.about = h("div", {});
    this.strip = h("div", {});
    this.runs = h("div", {});
    this.due = h("div", {});
    this.definition = h("div", { class: "stack about" });
    fill(
      this,
      h(
        "div",
        { class: "top" },
        h("h1", {}, h("bdi", {}, job.job_id)),
        h("div", { class: "push" }, run),
      ),
      this.about,
      h("section", {}, h("h2", {}, "Last runs"), this.strip),
      h(
        "div",
        { class: "halves" },
        h("div", { class: "stack" }, this.runs, this.due),
        this.definition,
      ),
    );
  }

  #show({ job, history, statistics, due }) {
    this.job = job;
    const runs = history.executions;
    this.#once(this.about, [job.version, statistics], () => this.#facts(job, statistics));
    if (!this.strip.contains(document.activeElement)) {
      this.#once(this.strip, runs, () => {
        const place = h("div", {});
        drawStrip(place, runs);
        return [...place.childNodes];
      });
    }
    this.#once(this.runs, runs.slice(0, LISTED), () => this.#recent(runs));
    this.#once(this.due, due, () => dueTimes(job, due));
    this.#once(this.definition, job.version, () => definition(job));
  }

  /** Draw again only what is told differently, so that what is opened stays open. */
  #once(place, told, make) {
    const text = JSON.stringify(told);
    if (place.told === text) return;
    place.told = text;
    fill(place, make());
  }

  #facts(job, { counts, typical_s: typical }) {
    const fact = (title, ...value) => h("div", {}, h("dt", {}, title), h("dd", {}, ...value));
    const closed = counts.ok + counts.warning + counts.error + counts.aborted;
    return [
      job.definition.description
        ? h("p", { class: "lead" }, words(job.definition.description))
        : null,
      h(
        "dl",
        { class: "facts" },
        fact("Runs", number(closed + counts.open)),
        fact("Open now", number(counts.open)),
        fact(
          "Ended well",
          closed
            ? `${((100 * (counts.ok + counts.warning)) / closed).toFixed(closed > 999 ? 1 : 0)} %`
            : "–",
        ),
        fact("Failed", number(counts.error)),
        fact("Aborted", number(counts.aborted)),
        fact("Takes", typical === undefined ? "–" : lasting(typical * 1000)),
        job.schedule
          ? fact(
              "Due next",
              job.schedule.paused ? "paused" : time(job.next_due_at?.[0], { relative: true }),
            )
          : null,
      ),
    ];
  }

  #recent(runs) {
    if (!runs.length) return null;
    return h(
      "section",
      {},
      h(
        "div",
        { class: "heading" },
        h("h2", {}, "Newest"),
        h("a", { class: "push soft", href: to("executions", { job_id: this.job.job_id }) }, "All"),
      ),
      h(
        "ul",
        { class: "recent" },
        runs
          .slice(0, LISTED)
          .map((run) =>
            h(
              "li",
              {},
              h(
                "a",
                { href: to("executions", run.uuid) },
                state(run),
                h("span", { class: "soft" }, `#${run.number}`),
              ),
              h(
                "span",
                { class: "soft" },
                run.duration_ms === undefined ? "" : lasting(run.duration_ms),
              ),
              h("span", { class: "soft number" }, time(run.created_at, { relative: true })),
            ),
          ),
      ),
    );
  }
}

function dueTimes(job, { next = [], past = [] }) {
  if (!job.schedule && !past.length && !job.definition.after?.length) return null;
  return h(
    "section",
    {},
    h("h2", {}, "Due times"),
    job.schedule ? h("p", { class: "soft" }, schedule(job.schedule)) : null,
    next.length
      ? h(
          "ul",
          { class: "due" },
          next.map((each) =>
            h("li", {}, time(each), h("span", { class: "soft" }, time(each, { relative: true }))),
          ),
        )
      : null,
    past.length ? h("h3", { class: "heading after" }, "What became of the last ones") : null,
    past.length
      ? h(
          "ul",
          { class: "due" },
          past.map((each) =>
            h(
              "li",
              {},
              time(each.due_at ?? each.at),
              each.execution
                ? h("a", { href: to("executions", each.execution) }, "ran")
                : h(
                    "span",
                    { class: "skipped" },
                    "skipped: ",
                    words(each.reason.replaceAll("_", " ")),
                  ),
            ),
          ),
        )
      : null,
  );
}

function schedule({ cron, at: instants = [], time_zone: zone = "UTC", overlap = "skip", paused }) {
  const when = cron
    ? [h("code", {}, cron), ` in ${zone}`]
    : `${number(instants.length)} single instants`;
  const while_ = {
    skip: "skipped while one runs",
    queue: "queued while one runs",
    cancel_old: "cancels the one that runs",
  }[overlap];
  return [when, `, ${while_}`, paused ? ", paused" : ""];
}

function definition({ definition: made, version, modified_at: modified }) {
  const { steps = [], parameters = [], policies = {}, tags = [], labels = {}, after = [] } = made;
  return [
    h(
      "section",
      {},
      h("h2", {}, "Steps"),
      h(
        "ol",
        { class: "steps plan" },
        steps.map((step, index) =>
          h(
            "li",
            {},
            h("span", { class: "soft" }, index + 1),
            h(
              "span",
              { class: "what" },
              name(step.step_id),
              " ",
              h(
                "span",
                { class: "soft" },
                step.include ? ["the steps of ", name(step.include)] : name(step.step_type_id),
              ),
            ),
            h("span", { class: "soft" }, step.timeout_s ? lasting(step.timeout_s * 1000) : ""),
            step.description ? h("div", { class: "said soft" }, words(step.description)) : null,
          ),
        ),
      ),
    ),
    parameters.length
      ? h(
          "section",
          {},
          h("h2", {}, "Parameters"),
          h(
            "dl",
            { class: "pairs" },
            parameters.map((each) => [
              h("dt", {}, h("bdi", {}, each.name)),
              h(
                "dd",
                {},
                `${each.type ?? "string"}${each.required ? ", required" : ""}`,
                each.default !== undefined && each.default !== null
                  ? [", by default ", words(JSON.stringify(each.default), { mono: true })]
                  : null,
                each.description ? h("div", { class: "soft" }, words(each.description)) : null,
              ),
            ]),
          ),
        )
      : null,
    after.length
      ? h(
          "section",
          {},
          h("h2", {}, made.data_driven ? "Follows by itself" : "Comes after"),
          h(
            "p",
            {},
            after.map((each, index) => [
              index ? ", " : "",
              h("a", { href: to("jobs", each) }, h("bdi", {}, each)),
            ]),
          ),
        )
      : null,
    Object.keys(policies).length
      ? h(
          "section",
          {},
          h("h2", {}, "Policies"),
          h(
            "dl",
            { class: "pairs" },
            Object.entries(policies).map(([title, value]) => [
              h("dt", {}, title),
              h(
                "dd",
                {},
                typeof value === "object"
                  ? h("code", {}, JSON.stringify(value))
                  : String(value).replaceAll("_", " "),
              ),
            ]),
          ),
        )
      : null,
    tags.length || Object.keys(labels).length
      ? h(
          "section",
          {},
          h("h2", {}, "Tags and labels"),
          h(
            "div",
            { class: "tags" },
            tags.map((each) => h("bdi", { class: "tag" }, each)),
            Object.entries(labels).map(([title, value]) =>
              h("bdi", { class: "tag" }, `${title}=${value}`),
            ),
          ),
        )
      : null,
    h(
      "section",
      {},
      h(
        "details",
        {},
        h(
          "summary",
          {},
          h("h2", { class: "inline" }, "Definition"),
          h("span", { class: "soft" }, ` version ${version}, `, time(modified, { relative: true })),
        ),
        asDocument(made, 20_000),
      ),
    ),
  ];
}

customElements.define("job-view", JobView);
export default JobView;
