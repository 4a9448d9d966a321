// The steps of a check, as a list that can be read down to each hash, and what they come to.

import { h } from "../../parts/dom.js";
import { shape } from "../../parts/state.js";

const WORDS = { true: "holds", false: "does not hold", null: "noted" };
const KINDS = { true: "ok", false: "error", null: "waiting" };

/** A list of steps; those that fail stand open. */
export function stepList(steps) {
  return h(
    "ol",
    { class: "proof" },
    steps.map(({ ok, title, lines }) =>
      h(
        "li",
        { class: ok === false ? "bad" : null },
        h(
          "details",
          { open: ok === false },
          h(
            "summary",
            {},
            shape(KINDS[ok]),
            h("span", { class: "sr" }, `${WORDS[ok]}: `),
            h("bdi", {}, title),
          ),
          lines.length ? h("pre", {}, h("bdi", {}, lines.join("\n"))) : null,
        ),
      ),
    ),
  );
}

/** What a check comes to, in one sentence. */
export const verdict = (ok, words) =>
  h(
    "p",
    { class: `banner verdict ${ok ? "good" : "bad"}`, role: "status" },
    shape(ok ? "ok" : "error"),
    words,
  );
