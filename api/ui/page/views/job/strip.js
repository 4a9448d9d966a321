// A strip of a job's last runs, oldest first: length is duration, colour is outcome.

import { to } from "../../parts/address.js";
import { fill, h } from "../../parts/dom.js";
import { kindOf, wordOf } from "../../parts/state.js";
import { count } from "../../parts/text.js";
import { clock, lasting } from "../../parts/times.js";

const SHORTEST = 6; // percent of the height

/** Draw `runs` (newest first, as the history gives them) into `place`. */
export function drawStrip(place, runs) {
  const oldest = [...runs].reverse();
  const now = Date.now();
  const ms = (run) =>
    run.duration_ms ?? (run.started_at ? Math.max(0, now - Date.parse(run.started_at)) : 0);
  const longest = Math.max(1, ...oldest.map(ms));
  const closed = oldest.filter((run) => run.status === "finished" || run.status === "aborted");
  const well = closed.filter((run) => run.status === "finished" && run.outcome !== "error").length;
  const durations = closed
    .filter((run) => run.status === "finished")
    .map((run) => run.duration_ms)
    .filter((each) => each !== undefined)
    .sort((a, b) => a - b);
  const bars = oldest.map((run) => {
    const bar = h("i", { class: kindOf(run) });
    bar.style.height = `${SHORTEST + (100 - SHORTEST) * Math.sqrt(ms(run) / longest)}%`;
    const told = `#${run.number}, ${clock(run.created_at)}: ${wordOf(run)}${run.duration_ms === undefined ? "" : `, ${lasting(run.duration_ms)}`}`;
    return h(
      "a",
      { href: to("executions", run.uuid), title: told, "aria-label": told, tabindex: -1 },
      bar,
    );
  });
  const strip = h(
    "div",
    {
      class: "strip",
      role: "group",
      "aria-label": `Last ${count(oldest.length, "run")}, oldest first; arrow keys move between them`,
    },
    bars,
  );
  if (bars.length) bars.at(-1).tabIndex = 0;
  strip.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -bars.length, End: bars.length }[event.key];
    if (!by) return;
    event.preventDefault();
    const at = Math.min(Math.max(bars.indexOf(document.activeElement) + by, 0), bars.length - 1);
    for (const bar of bars) bar.tabIndex = -1;
    bars[at].tabIndex = 0;
    bars[at].focus();
  });
  fill(
    place,
    strip,
    h(
      "p",
      { class: "soft told-strip" },
      closed.length ? h("b", {}, `${Math.round((100 * well) / closed.length)} %`) : null,
      closed.length
        ? ` of the last ${count(closed.length, "run")} ended well`
        : "None has ended yet",
      durations.length
        ? ` · half took less than ${lasting(durations[Math.floor(durations.length / 2)])}, the longest ${lasting(durations.at(-1))}`
        : null,
    ),
  );
}
