// A table of the system's parts, with a name for those who do not see it.

import { h } from "../../parts/dom.js";

/** A table from heads `[word, class]` and rows. */
export function table(caption, heads, rows) {
  return h(
    "table",
    {},
    h("caption", { class: "sr" }, caption),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map(([word, kind]) =>
          word
            ? h("th", { scope: "col", class: kind }, word)
            : h("td", { class: kind }, h("span", { class: "sr" }, "Actions")),
        ),
      ),
    ),
    h("tbody", {}, rows),
  );
}
