// Who follows the log by name, how far they are, and what they could not handle.

import { act, at, part, read } from "../../parts/api.js";
import { ask } from "../../parts/ask.js";
import { h } from "../../parts/dom.js";
import { empty } from "../../parts/notice.js";
import { count, name, number, words } from "../../parts/text.js";
import { table } from "./table.js";

const LISTED = 50;

export function consumers({ consumers: list, head, next }) {
  if (!list.length)
    return empty(
      "Nobody follows the log by name.",
      "A consumer keeps its position here, however often it comes and goes.",
    );
  return [
    table(
      "Consumers and how far they are",
      [
        ["Consumer"],
        ["Behind", "number c-small"],
        ["Members", "number wide c-small"],
        ["Retrying", "number wide c-small"],
        ["Set aside", "number c-small"],
      ],
      list.map((each) =>
        h(
          "tr",
          {},
          h(
            "th",
            { scope: "row", class: "of" },
            name(each.name),
            h(
              "span",
              { class: "under" },
              [
                `at ${number(each.position)} of ${number(head)}`,
                each.types?.length ? each.types.join(", ") : "",
                each.job_id ? `job ${each.job_id}` : "",
              ]
                .filter(Boolean)
                .join(" · "),
            ),
          ),
          h("td", { class: "number" }, number(each.lag)),
          h("td", { class: "number wide" }, number(each.member_count)),
          h("td", { class: "number wide" }, number(each.retrying)),
          h(
            "td",
            { class: "number" },
            each.parked
              ? h(
                  "button",
                  { type: "button", class: "plain", onclick: () => parked(each) },
                  number(each.parked),
                )
              : "0",
          ),
        ),
      ),
    ),
    next ? h("p", { class: "soft" }, `The first ${list.length} are shown.`) : null,
  ];
}

/** Show what a consumer could not handle, and offer to hand it out again. */
async function parked(consumer) {
  const path = `/v1/consumers/${part(consumer.name)}/parked`;
  const { streams, next } = await read(at(path, { limit: LISTED }), {
    organization: consumer.organization === "*" ? undefined : consumer.organization,
  });
  await ask({
    title: ["Set aside by ", h("bdi", {}, consumer.name)],
    content: [
      h(
        "ul",
        {},
        streams.map((each) =>
          h(
            "li",
            {},
            h("code", { class: "whole" }, h("bdi", {}, each.stream)),
            ` at ${number(each.position)}, tried ${count(each.attempts, "time")}, ${count(each.waiting, "event")} waiting`,
            each.reason ? [": ", words(each.reason)] : null,
          ),
        ),
      ),
      next ? h("p", { class: "soft" }, `The first ${streams.length} are shown.`) : null,
      h("p", {}, "Handed out again, each goes on with the event that could not be handled."),
    ],
    verb: "Hand all out again",
    act: () =>
      act(
        "POST",
        `${path}/replay`,
        {},
        { organization: consumer.organization === "*" ? undefined : consumer.organization },
      ),
  });
}
