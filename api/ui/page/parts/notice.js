// What a view shows in the place of what it has not got: nothing yet, nothing at all, or why not.

import { Problem, Unreachable } from "./api.js";
import { h } from "./dom.js";

/** While something is on its way. Says so to screen readers only when it takes a while. */
export const loading = (what = "Loading") =>
  h(
    "div",
    { class: "notice loading", role: "status" },
    h("span", { class: "sr" }, `${what} …`),
    h("i"),
    h("i"),
    h("i"),
  );

/** There is nothing, and that is no fault. */
export const empty = (title, ...more) =>
  h(
    "div",
    { class: "notice" },
    h("p", { class: "title" }, title),
    more.length ? h("p", {}, more) : null,
  );

/** What went wrong, and what can be done about it. */
export function failure(error, again) {
  if (error instanceof Unreachable) {
    return h(
      "div",
      { class: "notice", role: "status" },
      h("p", { class: "title" }, "The server cannot be reached"),
      h("p", {}, "This goes on by itself as soon as it answers."),
    );
  }
  if (error instanceof Problem && error.status === 403) {
    return h(
      "div",
      { class: "notice", role: "status" },
      h("p", { class: "title" }, "Your key does not reach this"),
      h("p", {}, error.detail || error.message),
    );
  }
  if (error instanceof Problem && error.status === 404) {
    return h(
      "div",
      { class: "notice", role: "status" },
      h("p", { class: "title" }, "There is nothing here"),
      h(
        "p",
        {},
        error.detail || error.message,
        " It may have been deleted, or it is another organization's.",
      ),
    );
  }
  const known = error instanceof Problem;
  return h(
    "div",
    { class: "notice", role: "alert" },
    h("p", { class: "title" }, known ? error.message : "Something went wrong on this page"),
    h("p", {}, known ? error.detail : String(error.message ?? error)),
    known && error.requestId
      ? h("p", { class: "soft" }, "Request ", h("code", {}, error.requestId))
      : null,
    again ? h("button", { type: "button", onclick: again }, "Try again") : null,
  );
}
