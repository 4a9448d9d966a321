// What a proof comes to, in words and in steps.

import { to } from "../../parts/address.js";
import { h } from "../../parts/dom.js";
import { count, name, number } from "../../parts/text.js";
import { stepList, verdict } from "./steps.js";

/** What the proofs of some events come to: the verdict, the head's steps, and each event's. */
export function resultOf(results, anchor) {
  const bad = results.filter((each) => !each.ok);
  const erased = results.filter((each) => each.erased);
  const ok = anchor.ok && !bad.length;
  const one = results.length === 1;
  const words = ok
    ? `${one ? "This event is" : `All ${number(results.length)} events are`} in the log of ${count(anchor.head.size, "event")}, as ${one ? "it was" : "they were"} recorded.`
    : bad.length
      ? `${one ? "This event is" : `${number(bad.length)} of ${number(results.length)} events are`} not what the tree says. It was changed, or this is not the log it claims to be.`
      : "The tree head itself does not hold.";
  return [
    verdict(ok, words),
    erased.length
      ? h(
          "p",
          { class: "banner" },
          `The content of ${one ? "it" : `${number(erased.length)} of them`} was erased. That is on record, and no damage: the entries are proven.`,
        )
      : null,
    h("h3", {}, "The head"),
    stepList(anchor.steps),
    results.map((each) =>
      one
        ? [h("h3", {}, "The event"), stepList(each.steps)]
        : h(
            "details",
            { class: each.ok ? "event-proof" : "event-proof bad", open: !each.ok },
            h(
              "summary",
              {},
              each.ok ? "✓ " : "✕ ",
              h("b", {}, number(each.line.position)),
              " ",
              name(each.told?.type ?? "unreadable"),
              each.erased ? h("span", { class: "soft" }, " erased") : null,
            ),
            stepList(each.steps),
          ),
    ),
    one && results[0].told?.stream.startsWith("execution/")
      ? h(
          "p",
          {},
          h(
            "a",
            {
              href: to("executions", results[0].told.stream.slice(10), {
                at: results[0].told.position,
              }),
            },
            "See what it says",
          ),
        )
      : null,
  ];
}
