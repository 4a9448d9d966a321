// Jobs by name, each with how it has been doing and when it is due next.

import { to } from "../parts/address.js";
import { at, read } from "../parts/api.js";
import { connection, keepFresh } from "../parts/connection.js";
import { fill, h, keyed } from "../parts/dom.js";
import { empty } from "../parts/notice.js";
import { state } from "../parts/state.js";
import { name, number } from "../parts/text.js";
import { time } from "../parts/times.js";
import { View } from "../parts/view.js";

const ROWS = 100;
const EVERY_MS = 2000;

class JobsView extends View {
  async open() {
    this.list = h("div", {});
    this.rows = h("tbody", {});
    fill(this, h("div", { class: "top" }, h("h1", {}, "Jobs")), this.list);
    await this.load(async () => this.#show(await this.#ask()), this.list);
    keepFresh(
      () => this.attempt(async () => this.#show(await this.#ask()), null),
      this.signal,
      EVERY_MS,
    );
  }

  moved() {
    this.attempt(async () => this.#show(await this.#ask()), this.list);
  }

  #ask() {
    const { query } = this.route;
    return read(
      at("/v1/jobs", { limit: ROWS, after: query.get("after"), tag: query.getAll("tag") }),
      { covering: connection.head, signal: this.signal },
    );
  }

  #show(page) {
    const { query } = this.route;
    if (!page.jobs.length) {
      fill(
        this.list,
        query.size
          ? empty("Nothing here.", h("a", { href: to("jobs") }, "Show all"))
          : empty(
              "No job is defined yet.",
              "Define one with ",
              h("code", {}, "POST /v1/jobs"),
              " or ",
              h("code", {}, "jobledger job define"),
              ".",
            ),
      );
      return;
    }
    keyed(
      this.rows,
      page.jobs,
      (job) => `${job.organization}/${job.job_id}`,
      () => h("tr", {}),
      (row, job) => this.#update(row, job),
    );
    this.table ??= h(
      "table",
      {},
      h("caption", { class: "sr" }, "Jobs by name"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Job"),
          h("th", { scope: "col", class: "c-last" }, "Last run"),
          h("th", { scope: "col", class: "number wide c-count" }, "Open"),
          h("th", { scope: "col", class: "number wide c-count" }, "Ok"),
          h("th", { scope: "col", class: "number wide c-count" }, "Failed"),
          h("th", { scope: "col", class: "number c-due" }, "Due next"),
        ),
      ),
      this.rows,
    );
    this.pager ??= h("nav", { class: "pager", "aria-label": "Pages" });
    fill(
      this.pager,
      query.get("after")
        ? h("a", { href: to("jobs", { tag: query.getAll("tag") }) }, "First")
        : null,
      page.next
        ? h("a", { href: to("jobs", { tag: query.getAll("tag"), after: page.next }) }, "Next")
        : null,
    );
    this.pager.hidden = !this.pager.firstChild;
    if (this.table.parentElement !== this.list) fill(this.list, this.table, this.pager);
  }

  #update(row, job) {
    const told = JSON.stringify([job.version, job.last, job.counts, job.next_due_at]);
    if (row.dataset.told === told) return;
    row.dataset.told = told;
    const { counts = {}, definition, last, organization } = job;
    const foreign = organization === this.me.default_organization ? "" : organization;
    const failed = (counts.error ?? 0) + (counts.aborted ?? 0);
    fill(
      row,
      h(
        "th",
        { scope: "row", class: "of" },
        h("a", { href: to("jobs", job.job_id, { organization: foreign }) }, name(job.job_id)),
        definition.description || definition.name
          ? h(
              "bdi",
              { class: "under", dir: "auto" },
              (definition.description || definition.name).slice(0, 200),
            )
          : null,
      ),
      h(
        "td",
        {},
        last
          ? h("a", { href: to("executions", last.uuid) }, state(last))
          : h("span", { class: "none" }, "never"),
      ),
      h(
        "td",
        { class: counts.open ? "number wide" : "number wide soft" },
        number(counts.open ?? 0),
      ),
      h("td", { class: "number wide soft" }, number((counts.ok ?? 0) + (counts.warning ?? 0))),
      h("td", { class: "number wide soft" }, number(failed)),
      h(
        "td",
        { class: "number soft" },
        job.schedule?.paused ? "paused" : time(job.next_due_at?.[0], { relative: true }),
      ),
    );
  }
}

customElements.define("jobs-view", JobsView);
export default JobsView;
