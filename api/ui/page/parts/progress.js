// How far something has come: a bar with its words beside it.

import { h, say } from "./dom.js";
import { number } from "./text.js";
import { short } from "./times.js";

/** The percent that progress tells, or that its counts do; null when nothing tells. */
export function percentOf(progress = {}) {
  const { percent, total_items: total, processed_items: processed } = progress;
  if (percent !== null && percent !== undefined) return Math.min(100, Math.max(0, percent));
  return total && processed !== undefined ? Math.min(100, (100 * processed) / total) : null;
}

/** A bar for an open execution; `redraw` brings it up to date. */
export function bar() {
  const fill = h("i", {});
  const track = h(
    "span",
    { class: "track", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 },
    fill,
  );
  const told = h("span", { class: "told" });
  const more = h("span", { class: "told wide-inline" });
  const element = h("span", { class: "bar" }, track, told, more);
  Object.assign(element, { fill, track, told, more });
  return element;
}

export function redraw(element, { progress, seconds_left: left, status }) {
  const percent = percentOf(progress);
  const { fill, track, told, more } = element;
  element.hidden = status === "pending" && percent === null;
  track.classList.toggle("untold", percent === null);
  fill.style.width = percent === null ? "" : `${percent}%`;
  track.setAttribute("aria-label", "Progress");
  if (percent === null) track.removeAttribute("aria-valuenow");
  else track.setAttribute("aria-valuenow", Math.round(percent));
  const words = [];
  if (progress?.total_items && progress.processed_items !== undefined) {
    words.push(`${number(progress.processed_items)} of ${number(progress.total_items)}`);
  }
  if (left !== null && left !== undefined)
    words.push(left < 1 ? "nearly done" : `${short(left * 1000)} left`);
  say(told, percent === null ? "" : `${Math.floor(percent)} %`);
  say(more, words.join(" · "));
}
