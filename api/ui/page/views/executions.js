// Executions, newest first: filters live in the address, rows change by themselves.

import { go, to } from "../parts/address.js";
import { at, read } from "../parts/api.js";
import { connection, keepFresh } from "../parts/connection.js";
import { fill, h, keyed, say } from "../parts/dom.js";
import { empty } from "../parts/notice.js";
import { restate, state } from "../parts/state.js";
import { name } from "../parts/text.js";
import { lasting, retime, time } from "../parts/times.js";
import { View } from "../parts/view.js";
import { settled } from "../parts/waiting.js";

const ROWS = 50;
const QUIET_MS = 350;
const STATUSES = ["pending", "running", "pausing", "paused", "aborting", "aborted", "finished"];
const OUTCOMES = ["ok", "warning", "error"];
const TRIGGERS = ["rest", "schedule", "sequence", "restart"];
const FILTERS = [
  "job_id",
  "status",
  "outcome",
  "user",
  "trigger",
  "tag",
  "label",
  "created_after",
  "created_before",
  "deleted",
];

class ExecutionsView extends View {
  async open() {
    this.rows = h("tbody", {});
    this.list = h("div", {});
    fill(this, h("div", { class: "top" }, h("h1", {}, "Executions")), this.#filters(), this.list);
    await this.load(async () => this.#show(await this.#ask()), this.list);
    keepFresh(() => this.attempt(async () => this.#show(await this.#ask()), null), this.signal);
  }

  /** The address changed below this view: other filters, or another page. */
  moved() {
    for (const field of this.form.elements) {
      if (!field.name) continue;
      if (field.type === "checkbox") field.checked = this.route.query.get(field.name) === "true";
      else if (document.activeElement !== field)
        field.value = shownAs(field, this.route.query.get(field.name) ?? "");
    }
    this.attempt(async () => this.#show(await this.#ask()), this.list);
  }

  #wanted() {
    return Object.fromEntries(FILTERS.map((each) => [each, this.route.query.getAll(each)]));
  }

  async #ask() {
    const query = {
      ...this.#wanted(),
      short: true,
      limit: ROWS,
      after: this.route.query.get("after"),
    };
    const asked = location.search;
    const page = await read(at("/v1/executions", query), {
      covering: connection.head,
      signal: this.signal,
    });
    return { page, asked };
  }

  #show({ page, asked }) {
    if (asked !== location.search) return; // another page was asked for meanwhile
    const { query } = this.route;
    keyed(this.rows, page.executions, (each) => each.uuid, makeRow, updateRow);
    const filtered = FILTERS.some((each) => query.has(each));
    const older = page.next
      ? h("a", { href: to("executions", { ...this.#wanted(), after: page.next }) }, "Older")
      : null;
    const newest = query.get("after")
      ? h("a", { href: to("executions", this.#wanted()) }, "Newest")
      : null;
    if (!page.executions.length) {
      fill(
        this.list,
        filtered || newest
          ? empty("Nothing matches.", h("a", { href: to("executions") }, "Show all"))
          : empty("Nothing has run yet.", h("a", { href: to("jobs") }, "Run a job")),
      );
      return;
    }
    this.table ??= table(this.rows);
    this.pager ??= h("nav", { class: "pager", "aria-label": "Pages" });
    fill(this.pager, newest, older);
    this.pager.hidden = !newest && !older;
    if (this.table.parentElement !== this.list) fill(this.list, this.table, this.pager);
  }

  #filters() {
    const { query } = this.route;
    const apply = () => {
      const told = {};
      for (const field of this.form.elements) {
        if (!field.name) continue;
        if (field.type === "checkbox") told[field.name] = field.checked ? "true" : "";
        else if (field.type === "datetime-local")
          told[field.name] = field.value ? new Date(field.value).toISOString() : "";
        else told[field.name] = field.value.trim();
      }
      const address = to("executions", told);
      if (address !== location.pathname + location.search) go(address, { replace: true });
    };
    const soon = settled(apply, QUIET_MS);
    const field = (label, control, long = false) =>
      h(
        "div",
        { class: long ? "field long" : "field" },
        h("label", { for: control.id }, label),
        control,
      );
    const input = (named, attributes = {}) => {
      const made = h("input", {
        id: `f-${named}`,
        name: named,
        autocomplete: "off",
        spellcheck: "false",
        ...attributes,
      });
      made.value = shownAs(made, query.get(named) ?? "");
      return made;
    };
    const select = (named, choices) => {
      const made = h(
        "select",
        { id: `f-${named}`, name: named },
        h("option", { value: "" }, "any"),
        ...choices.map((each) => h("option", { value: each }, each)),
      );
      made.value = query.get(named) ?? "";
      return made;
    };
    const deleted = h("input", { type: "checkbox", id: "f-deleted", name: "deleted" });
    deleted.checked = query.get("deleted") === "true";
    const later = ["user", "trigger", "tag", "label", "created_after", "created_before", "deleted"];
    this.form = h(
      "form",
      {
        role: "search",
        oninput: soon,
        onsubmit: (event) => {
          event.preventDefault();
          apply();
        },
      },
      h(
        "div",
        { class: "filters" },
        field("Job", input("job_id"), true),
        field("Status", select("status", STATUSES)),
        field("Outcome", select("outcome", OUTCOMES)),
      ),
      h(
        "details",
        { class: "further", open: later.some((each) => query.has(each)) },
        h("summary", { class: "soft" }, "More filters"),
        h(
          "div",
          { class: "filters" },
          field("User", input("user")),
          field("Started by", select("trigger", TRIGGERS)),
          field("Tag", input("tag")),
          field("Label", input("label", { placeholder: "name=value" })),
          field("Created after", input("created_after", { type: "datetime-local", step: 1 })),
          field("Created before", input("created_before", { type: "datetime-local", step: 1 })),
          this.may("auditor", "admin")
            ? h(
                "div",
                { class: "check" },
                deleted,
                " ",
                h("label", { for: "f-deleted" }, "Deleted ones too"),
              )
            : null,
        ),
      ),
    );
    return this.form;
  }
}

/** What a field shows for a value of the address: instants in the reader's own zone. */
function shownAs(field, value) {
  if (field.type !== "datetime-local" || !value) return value;
  const then = new Date(value);
  if (Number.isNaN(then.valueOf())) return "";
  return new Date(then - then.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function table(rows) {
  return h(
    "table",
    { class: "runs" },
    h("caption", { class: "sr" }, "Executions, newest first"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col", class: "c-state" }, "State"),
        h("th", { scope: "col" }, "Execution"),
        h("th", { scope: "col", class: "wider c-by" }, "Started by"),
        h("th", { scope: "col", class: "number wide c-lasting" }, "Took"),
        h("th", { scope: "col", class: "number c-since" }, "Created"),
      ),
    ),
    rows,
  );
}

function makeRow(item) {
  const row = h("tr", {});
  row.state = state(item);
  row.lasting = h("td", { class: "number wide" });
  row.tags = h("span", { class: "wide inline-tags" });
  row.created = time(item.created_at, { relative: true });
  row.append(
    h("td", {}, row.state),
    h(
      "th",
      { scope: "row", class: "of" },
      h(
        "a",
        { href: to("executions", item.uuid) },
        name(item.name || item.job_id),
        " ",
        h("span", { class: "soft" }, `#${item.number}`),
      ),
      " ",
      row.tags,
    ),
    h(
      "td",
      { class: "wider soft" },
      item.trigger === "rest" ? name(item.user || "–") : item.trigger,
    ),
    row.lasting,
    h("td", { class: "number soft" }, row.created),
  );
  return row;
}

function updateRow(row, item) {
  restate(row.state, item);
  row.state.title = item.message ? item.message.slice(0, 500) : "";
  retime(row.created, item.created_at);
  say(
    row.lasting,
    item.duration_ms === undefined ? (item.started_at ? "" : "–") : lasting(item.duration_ms),
  );
  const told = [...(item.deleted ? ["deleted"] : []), ...(item.tags ?? []).slice(0, 3)].join(
    "\u0000",
  );
  if (row.tags.dataset.told === told) return;
  row.tags.dataset.told = told;
  fill(
    row.tags,
    told ? told.split("\u0000").map((each) => h("bdi", { class: "tag" }, each)) : null,
  );
}

customElements.define("executions-view", ExecutionsView);
export default ExecutionsView;
