// The views of the log: how far each has come, what it set aside, and its repair.

import { act, part } from "../../parts/api.js";
import { ask } from "../../parts/ask.js";
import { h } from "../../parts/dom.js";
import { shape } from "../../parts/state.js";
import { count, name, number, words } from "../../parts/text.js";
import { table } from "./table.js";

export function projections({ projections: list, head }, me) {
  const admin = me.roles.includes("admin") && me.organizations.includes("*");
  return table(
    "How far each view has come",
    [
      ["View"],
      ["State", "c-mid"],
      ["Behind", "number c-small"],
      ["Set aside", "number wide c-small"],
      ["Owner", "wider c-mid"],
      ["", "number wide c-mid"],
    ],
    list.map((each) => {
      const parked = each.quarantine ?? [];
      const rebuilding = each.rebuilding_at !== undefined;
      return [
        h(
          "tr",
          {},
          h(
            "th",
            { scope: "row", class: "of" },
            each.name,
            h("span", { class: "soft" }, ` v${each.version}`),
          ),
          h(
            "td",
            {},
            h(
              "span",
              { class: "state" },
              shape(each.error ? "error" : rebuilding ? "running" : each.lag ? "waiting" : "ok"),
              h(
                "span",
                {},
                rebuilding
                  ? `rebuilding, ${Math.floor((100 * each.rebuilding_at) / Math.max(head, 1))} %`
                  : each.state === "running"
                    ? each.lag
                      ? "catching up"
                      : "up to date"
                    : each.state,
              ),
            ),
          ),
          h("td", { class: "number" }, number(each.lag)),
          h("td", { class: "number wide" }, number(parked.length)),
          h("td", { class: "wider soft" }, name(each.owner || "–")),
          h(
            "td",
            { class: "number wide" },
            admin && parked.length
              ? [
                  h(
                    "button",
                    {
                      type: "button",
                      class: "plain",
                      "aria-label": `Take in again what ${each.name} has set aside`,
                      onclick: () => replay(each.name),
                    },
                    "Replay",
                  ),
                  " ",
                ]
              : null,
            admin && !rebuilding
              ? h(
                  "button",
                  {
                    type: "button",
                    class: "plain",
                    "aria-label": `Rebuild ${each.name}`,
                    onclick: () => rebuild(each.name),
                  },
                  "Rebuild",
                )
              : null,
          ),
        ),
        each.error || parked.length
          ? h(
              "tr",
              {},
              h(
                "td",
                { colspan: 6, class: "folds" },
                each.error ? h("p", { class: "banner bad" }, words(each.error)) : null,
                parked
                  .slice(0, 20)
                  .map((row) =>
                    h(
                      "p",
                      { class: "soft" },
                      h("bdi", {}, row.stream),
                      ` from ${number(row.from_position)}, tried ${count(row.attempts, "time")}: `,
                      words(row.error),
                    ),
                  ),
              ),
            )
          : null,
      ];
    }),
  );
}

const rebuild = (view) =>
  ask({
    title: `Rebuild ${view}?`,
    content: h(
      "ul",
      {},
      h(
        "li",
        {},
        "The whole log is folded again beside the view that answers now, which goes on answering.",
      ),
      h("li", {}, "When it has caught up it takes the other's place, at once."),
    ),
    verb: "Rebuild it",
    act: () => act("POST", `/v1/projections/${part(view)}/rebuild`),
  });

const replay = (view) =>
  ask({
    title: `Take in again what ${view} has set aside?`,
    content: h(
      "ul",
      {},
      h("li", {}, "The streams that it could not take in are folded again, from where it stopped."),
    ),
    verb: "Take it in again",
    act: () => act("POST", `/v1/projections/${part(view)}/replay`, {}),
  });
