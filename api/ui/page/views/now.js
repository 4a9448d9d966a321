// What runs and what waits at this moment, and whether the ledger itself keeps up.

import { to } from "../parts/address.js";
import { at, read } from "../parts/api.js";
import { connection, keepFresh } from "../parts/connection.js";
import { fill, h, keyed, say } from "../parts/dom.js";
import { inShort } from "../parts/next.js";
import { empty } from "../parts/notice.js";
import { drawPlot } from "../parts/plot.js";
import { bar, redraw } from "../parts/progress.js";
import { restate, state } from "../parts/state.js";
import { name, number } from "../parts/text.js";
import { retime, time } from "../parts/times.js";
import { View } from "../parts/view.js";

const ROWS = 50;
const MINUTES = 60;
const LEDGER_MS = 5000;
const STATUSES = ["running", "pending", "pausing", "paused", "aborting"];
const WORDS = { pending: "waiting" };

class NowView extends View {
  async open() {
    this.drawn = false;
    await this.load(async () => this.#show(await this.#ask()));
    keepFresh(() => this.attempt(async () => this.#show(await this.#ask()), null), this.signal);
    keepFresh(
      () => this.attempt(() => this.#showLedger(), null),
      this.signal,
      LEDGER_MS,
      LEDGER_MS,
    );
  }

  moved() {
    this.attempt(async () => this.#show(await this.#ask()));
  }

  async #ask() {
    const { query } = this.route;
    const options = { covering: connection.head, signal: this.signal };
    const [active, activity] = await Promise.all([
      read(
        at("/v1/executions/active", {
          limit: ROWS,
          after: query.get("after"),
          status: query.get("status"),
        }),
        options,
      ),
      read(at("/v1/activity", { minutes: MINUTES }), options),
    ]);
    return { active, activity };
  }

  #draw() {
    this.counts = h("nav", { class: "counts", "aria-label": "Open executions by status" });
    this.plot = h("figure", { class: "plot" });
    this.ledger = h("dl", { class: "facts ledger" });
    this.rows = h("tbody", {});
    this.table = h(
      "table",
      { class: "open" },
      h("caption", { class: "sr" }, "Open executions, newest first"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col", class: "c-state" }, "State"),
          h("th", { scope: "col" }, "Execution"),
          h("th", { scope: "col", class: "c-progress" }, "Progress"),
          h("th", { scope: "col", class: "wide c-next" }, "Must act next"),
          h("th", { scope: "col", class: "number wide c-since" }, "Since"),
        ),
      ),
      this.rows,
    );
    this.none = h("div", {});
    this.pager = h("nav", { class: "pager", "aria-label": "Pages" });
    fill(
      this,
      h("div", { class: "top" }, h("h1", {}, "Now")),
      h(
        "div",
        { class: "over" },
        h("section", { "aria-label": "Starts and ends by the minute" }, this.plot, legend()),
        h("section", { "aria-label": "The ledger" }, this.ledger),
      ),
      h(
        "section",
        { class: "open-list", "aria-label": "Open executions" },
        this.counts,
        this.table,
        this.none,
        this.pager,
      ),
    );
    this.drawn = true;
  }

  #show({ active, activity }) {
    if (!this.drawn) this.#draw();
    const { query } = this.route;
    this.#showCounts(activity.open, query.get("status"));
    drawPlot(this.plot, activity.minutes);
    keyed(this.rows, active.executions, (each) => each.uuid, makeRow, updateRow);
    this.table.hidden = active.executions.length === 0;
    fill(this.none, active.executions.length ? null : this.#nothing(query));
    const more = active.next
      ? h("a", { href: to("now", { status: query.get("status"), after: active.next }) }, "Older")
      : null;
    const first = query.get("after")
      ? h("a", { href: to("now", { status: query.get("status") }) }, "Newest")
      : null;
    fill(this.pager, first, more);
    this.pager.hidden = !first && !more;
  }

  #nothing(query) {
    if (query.get("after") || query.get("status"))
      return empty("Nothing here any more.", h("a", { href: to("now") }, "Show all that is open"));
    return empty(
      "Nothing is open.",
      "What runs or waits appears here by itself. ",
      h("a", { href: to("jobs") }, "Run a job"),
      " or ",
      h("a", { href: to("executions") }, "see what ran"),
      ".",
    );
  }

  #showCounts(open, chosen) {
    const all = Object.values(open).reduce((sum, each) => sum + each, 0);
    const shown = STATUSES.filter(
      (each) => open[each] || each === chosen || each === "running" || each === "pending",
    );
    const link = (status, word, value) =>
      h(
        "a",
        {
          href: to("now", { status }),
          "aria-current": (status ?? null) === chosen ? "true" : null,
        },
        h("b", {}, number(value)),
        ` ${word}`,
      );
    fill(
      this.counts,
      link(null, "open", all),
      ...shown.map((each) => link(each, WORDS[each] ?? each, open[each] ?? 0)),
    );
  }

  async #showLedger() {
    const [{ projections, head }, tree] = await Promise.all([
      read("/v1/projections", { signal: this.signal }),
      read("/v1/tree", { signal: this.signal }),
    ]);
    const slowest = projections.reduce((worst, each) => (each.lag > worst.lag ? each : worst), {
      lag: 0,
      name: "",
    });
    const parked = projections.reduce((sum, each) => sum + (each.quarantine?.length ?? 0), 0);
    const signed = tree.signed;
    const fact = (title, ...value) => h("div", {}, h("dt", {}, title), h("dd", {}, ...value));
    fill(
      this.ledger,
      fact("Newest event", h("a", { href: to("stream") }, `position ${number(head)}`)),
      fact("Views", slowest.lag ? `${slowest.name}: ${number(slowest.lag)} behind` : "up to date"),
      fact(
        "Set aside",
        parked ? h("a", { href: to("system") }, `${number(parked)} streams`) : "nothing",
      ),
      fact(
        "Tree head",
        h("a", { href: to("audit") }, number((signed ?? tree).size)),
        signed ? [", signed ", time(signed.signed_at, { relative: true })] : ", not signed",
      ),
    );
  }
}

function legend() {
  const entry = (kind, word) => h("span", { class: `key ${kind}` }, word);
  return h(
    "span",
    { class: "legend", "aria-hidden": "true" },
    entry("starts", "started"),
    entry("ends", "finished"),
    entry("aborts", "aborted"),
  );
}

function makeRow(item) {
  const row = h("tr", {});
  row.state = state(item);
  row.bar = bar();
  row.next = h("td", { class: "wide soft" });
  row.since = time(item.started_at ?? item.created_at, { relative: true });
  row.append(
    h("td", {}, row.state),
    h(
      "th",
      { scope: "row", class: "of" },
      h(
        "a",
        { href: to("executions", item.uuid) },
        name(item.job_id),
        " ",
        h("span", { class: "soft" }, `#${item.number}`),
      ),
    ),
    h("td", {}, row.bar),
    row.next,
    h("td", { class: "number soft wide" }, row.since),
  );
  return row;
}

function updateRow(row, item) {
  restate(row.state, item);
  redraw(row.bar, item);
  say(row.next, inShort(item));
  retime(row.since, item.started_at ?? item.created_at);
}

customElements.define("now-view", NowView);
export default NowView;
