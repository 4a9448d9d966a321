// Who has events brought to them, how that goes, and what was tried.

import { act, at, part, read } from "../../parts/api.js";
import { ask } from "../../parts/ask.js";
import { h } from "../../parts/dom.js";
import { empty } from "../../parts/notice.js";
import { shape } from "../../parts/state.js";
import { count, name, number, words } from "../../parts/text.js";
import { time } from "../../parts/times.js";
import { table } from "./table.js";

const LISTED = 50;

export function webhooks({ webhooks: list, next }) {
  if (!list.length)
    return empty(
      "Nobody has events brought to them.",
      "A webhook is made with ",
      h("code", {}, "POST /v1/webhooks"),
      ".",
    );
  return [
    table(
      "Webhooks and how they fare",
      [
        ["Webhook"],
        ["State", "c-mid"],
        ["Behind", "number c-small"],
        ["Set aside", "number wide c-small"],
        ["Last success", "number wide c-mid"],
      ],
      list.map((each) => {
        const broken = each.state === "disabled" ? "error" : each.failures ? "warning" : "ok";
        const word =
          each.state === "disabled"
            ? "disabled"
            : each.failures
              ? `failed ${count(each.failures, "time")}`
              : "well";
        return h(
          "tr",
          {},
          h(
            "th",
            { scope: "row", class: "of" },
            h(
              "button",
              {
                type: "button",
                class: "plain named",
                "aria-label": `Deliveries of ${each.name}`,
                onclick: () => deliveries(each),
              },
              name(each.name),
            ),
            h("bdi", { class: "under" }, each.url.slice(0, 200)),
          ),
          h(
            "td",
            {},
            h(
              "span",
              { class: "state", title: each.last_error || each.reason || "" },
              shape(broken),
              h("span", {}, word),
            ),
          ),
          h("td", { class: "number" }, number(each.lag)),
          h("td", { class: "number wide" }, number(each.parked)),
          h("td", { class: "number wide soft" }, time(each.last_success_at, { relative: true })),
        );
      }),
    ),
    next ? h("p", { class: "soft" }, `The first ${list.length} are shown.`) : null,
  ];
}

/** Show what was tried for a webhook, newest first. */
async function deliveries(webhook) {
  const organization = webhook.organization === "*" ? undefined : webhook.organization;
  const path = `/v1/webhooks/${part(webhook.name)}`;
  const { deliveries: tried } = await read(at(`${path}/deliveries`, { limit: LISTED }), {
    organization,
  });
  const disabled = webhook.state === "disabled";
  await ask({
    title: ["Deliveries of ", h("bdi", {}, webhook.name.slice(0, 80))],
    content: [
      webhook.reason || webhook.last_error
        ? h("p", { class: "banner bad" }, words(webhook.reason || webhook.last_error))
        : null,
      tried.length
        ? h(
            "ol",
            { class: "deliveries" },
            tried.map((each) =>
              h(
                "li",
                {},
                shape(each.status && each.status < 300 ? "ok" : "error"),
                h(
                  "span",
                  {},
                  each.type,
                  each.position
                    ? h("span", { class: "soft" }, ` at ${number(each.position)}`)
                    : null,
                  h(
                    "span",
                    { class: "soft" },
                    `, ${each.outcome}`,
                    each.status ? ` ${each.status}` : "",
                    each.attempt > 1 ? `, attempt ${each.attempt}` : "",
                    `, ${each.duration_ms} ms`,
                  ),
                  each.error ? h("div", { class: "soft" }, words(each.error)) : null,
                ),
                h("span", { class: "soft" }, time(each.at, { relative: true })),
              ),
            ),
          )
        : h("p", { class: "soft" }, "Nothing was tried yet."),
      h(
        "p",
        {},
        disabled
          ? "Enabled again, it goes on with the first event it has not had."
          : "Disabled, it is sent nothing; its position stays.",
      ),
    ],
    verb: disabled ? "Enable it" : "Disable it",
    danger: !disabled,
    act: () => act("POST", `${path}/${disabled ? "enable" : "disable"}`, {}, { organization }),
  });
}
