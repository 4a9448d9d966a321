// Instants and durations: shown in the reader's zone, with the exact instant on hover.

import { h } from "./dom.js";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const YEAR = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  year: "numeric",
});
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const LIVELY_MS = 1000;

/** An element that shows an instant: how long ago or until then (`relative`), or as a clock does. */
export function time(iso, { relative = false } = {}) {
  if (!iso) return h("span", { class: "none" }, "–");
  const element = h("time", {});
  element.relative = relative;
  if (relative) element.classList.add("relative");
  retime(element, iso);
  return element;
}

/** Let a time element show another instant. */
export function retime(element, iso) {
  if (element.dateTime === iso) return;
  element.dateTime = iso;
  element.title = exactly(iso);
  show(element);
}

function show(element) {
  const text = element.relative ? from(element.dateTime, Date.now()) : clock(element.dateTime);
  if (element.textContent !== text) element.textContent = text;
}

setInterval(() => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("time.relative")) show(element);
}, LIVELY_MS);

/** Everything there is to say about an instant: in the reader's zone, and as recorded. */
export const exactly = (iso) => `${FULL.format(new Date(iso))} (${ZONE})\n${iso}`;

/** The time of day, with the day where it isn't today. */
export function clock(iso) {
  const then = new Date(iso);
  const now = new Date();
  if (then.toDateString() === now.toDateString()) return CLOCK.format(then);
  const day = then.getFullYear() === now.getFullYear() ? DAY : YEAR;
  return `${day.format(then)}, ${CLOCK.format(then).slice(0, 5)}`;
}

/** Hours and minutes, without a day. */
export const minute = (iso) => CLOCK.format(new Date(iso)).slice(0, 5);

/** How far an instant is from now, in words that take little room. */
export function from(iso, nowMs) {
  const ms = nowMs - Date.parse(iso);
  if (Math.abs(ms) < 1000) return "now";
  return ms > 0 ? `${short(ms)} ago` : `in ${short(-ms)}`;
}

/** A duration in its largest unit. */
export function short(ms) {
  const seconds = ms / 1000;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** A duration as exactly as is of use. */
export function lasting(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  const [hours, minutes, rest] = [
    Math.floor(seconds / 3600),
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
}
