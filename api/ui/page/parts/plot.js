// A small plot of counts by the minute: starts upwards, ends downwards, on one scale.

import { fill, h, s } from "./dom.js";
import { count } from "./text.js";
import { minute } from "./times.js";

const HEIGHT = 36; // of each half
const GAP = 0.28;

/** Draw `minutes` of `{at, started, finished, aborted}`, oldest first, into a figure. */
export function drawPlot(figure, minutes) {
  const most = Math.max(
    1,
    ...minutes.map((each) => Math.max(each.started, each.finished + each.aborted)),
  );
  const scale = (value) => (value ? Math.max(1, (value / most) * HEIGHT) : 0);
  const drawing = s("svg", {
    viewBox: `0 0 ${minutes.length} ${2 * HEIGHT + 1}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": inWords(minutes),
  });
  minutes.forEach((each, index) => {
    const bar = (from, height, kind) =>
      height
        ? s("rect", { x: index + GAP / 2, width: 1 - GAP, y: from, height, class: kind })
        : null;
    const ends = scale(each.finished);
    drawing.append(
      s(
        "g",
        {},
        s(
          "title",
          {},
          `${minute(each.at)}: ${each.started} started, ${each.finished} finished, ${each.aborted} aborted`,
        ),
        s("rect", { x: index, width: 1, y: 0, height: 2 * HEIGHT + 1, class: "reach" }),
        ...[
          bar(HEIGHT - scale(each.started), scale(each.started), "starts"),
          bar(HEIGHT + 1, ends, "ends"),
          bar(HEIGHT + 1 + ends, scale(each.aborted), "aborts"),
        ].filter(Boolean),
      ),
    );
  });
  drawing.append(
    s("line", { x1: 0, x2: minutes.length, y1: HEIGHT + 0.5, y2: HEIGHT + 0.5, class: "zero" }),
  );
  fill(
    figure,
    drawing,
    h(
      "figcaption",
      {},
      h("span", {}, minutes.length ? minute(minutes[0].at) : ""),
      h("span", {}, `most in a minute: ${most}`),
      h("span", {}, "now"),
    ),
  );
}

function inWords(minutes) {
  const sum = (name) => minutes.reduce((total, each) => total + each[name], 0);
  return `In the last ${count(minutes.length, "minute")}: ${sum("started")} started, ${sum("finished")} finished, ${sum("aborted")} aborted`;
}
