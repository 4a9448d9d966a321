// Text that others wrote: isolated from the page's own direction, clipped where it is long.

import { h } from "./dom.js";

const SHOWN = 240;
const NUMBER = new Intl.NumberFormat();

/** A whole number, for people. */
export const number = (value) => NUMBER.format(value);

/** A count and its noun: `1 event`, `2 events`. */
export const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

/** A name on one line, cut off by the layout where it has no room; whole on hover. */
export function name(text, attributes = {}) {
  const told = String(text);
  return h("bdi", { class: "name", title: told.slice(0, 1000), ...attributes }, told.slice(0, 400));
}

/** Text of any length: its beginning, and all of it for who asks. */
export function words(text, { shown = SHOWN, mono = false } = {}) {
  const told = String(text);
  const body = h("bdi", { class: mono ? "words mono" : "words", dir: "auto" }, told);
  if (told.length <= shown) return body;
  body.textContent = `${told.slice(0, shown)}…`;
  const more = h("button", {
    type: "button",
    class: "more",
    "aria-expanded": "false",
    onclick: () => {
      const opens = more.getAttribute("aria-expanded") === "false";
      more.setAttribute("aria-expanded", String(opens));
      more.textContent = opens ? "Show less" : label;
      body.textContent = opens ? told : `${told.slice(0, shown)}…`;
    },
  });
  const label = `Show all ${number(told.length)} characters`;
  more.textContent = label;
  return h("span", { class: "clipped" }, body, " ", more);
}

/** A document as JSON, indented; long ones are clipped as text is. */
export function asDocument(value, shown = 1600) {
  if (value === undefined || value === null) return h("span", { class: "none" }, "none");
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const made = words(text, { shown, mono: true });
  return h("div", { class: "document" }, made);
}

/** A digest or id: its ends, whole on hover and when copied. */
export function digest(hex, shown = 12) {
  return h(
    "code",
    { class: "digest", title: hex },
    hex.length > shown ? `${hex.slice(0, shown)}…` : hex,
  );
}
