// The ledger itself: its views, who holds work, who follows the log, and which keys there are.

import { to } from "../parts/address.js";
import { act, at, part, read } from "../parts/api.js";
import { ask } from "../parts/ask.js";
import { keepFresh } from "../parts/connection.js";
import { fill, h } from "../parts/dom.js";
import { empty, failure, loading } from "../parts/notice.js";
import { shape } from "../parts/state.js";
import { count, name, number, words } from "../parts/text.js";
import { time } from "../parts/times.js";
import { View } from "../parts/view.js";

const EVERY_MS = 2000;
const QUIET_MS = 5000;
const LISTED = 50;

class SystemView extends View {
  async open() {
    fill(this, h("div", { class: "top" }, h("h1", {}, "System")));
    this.#part(
      "Views",
      () => read("/v1/projections", { signal: this.signal }),
      (told) => this.#projections(told),
    );
    this.#part("Workers", () => read("/v1/workers", { signal: this.signal }), workers);
    if (this.may("viewer", "operator", "auditor", "admin"))
      this.#part(
        "Consumers",
        () => read(at("/v1/consumers", { limit: LISTED }), { signal: this.signal }),
        consumers,
      );
    if (this.may("operator", "admin"))
      this.#part(
        "Webhooks",
        () => read(at("/v1/webhooks", { limit: LISTED }), { signal: this.signal }),
        webhooks,
      );
    if (this.may("admin"))
      this.#part(
        "Keys",
        () => read(at("/v1/keys", { limit: LISTED }), { signal: this.signal }),
        (told) => this.#keys(told),
      );
  }

  /** A section that looks after itself: it loads, stays fresh, and fails alone. */
  #part(title, ask_, draw) {
    const place = h("div", {}, loading(title));
    this.append(h("section", { "aria-label": title }, h("h2", {}, title), place));
    const refresh = async () => {
      try {
        const told = await ask_();
        const text = JSON.stringify(told);
        if (place.told === text) return;
        place.told = text;
        fill(place, draw(told));
      } catch (error) {
        if (this.signal.aborted || place.told) return;
        fill(place, failure(error));
      }
    };
    const want = keepFresh(refresh, this.signal, EVERY_MS, QUIET_MS);
    return want;
  }

  #projections({ projections, head }) {
    const admin = this.may("admin") && this.me.organizations.includes("*");
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
      projections.map((each) => {
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

  #keys({ keys, next }) {
    const make = h("button", { type: "button", onclick: () => makeKey() }, "Make a key");
    return [
      table(
        "Access keys, newest first",
        [
          ["Key"],
          ["Roles", "c-keyroles"],
          ["Organizations", "wide c-mid"],
          ["Made", "number wide c-small"],
          ["", "number c-small"],
        ],
        keys.map((each) =>
          h(
            "tr",
            { class: each.revoked_at ? "gone" : null },
            h(
              "th",
              { scope: "row", class: "of" },
              name(each.name),
              " ",
              h("span", { class: "soft wider" }, each.public_id),
            ),
            h("td", { class: "folds soft" }, each.roles.join(", ")),
            h(
              "td",
              { class: "wide soft" },
              each.organizations.includes("*") ? "all" : name(each.organizations.join(", ")),
            ),
            h("td", { class: "number wide soft" }, time(each.created_at, { relative: true })),
            h(
              "td",
              { class: "number" },
              each.revoked_at
                ? h("span", { class: "soft" }, "revoked")
                : h(
                    "button",
                    {
                      type: "button",
                      class: "plain",
                      "aria-label": `Revoke the key ${each.name}`,
                      onclick: () => revoke(each, this.me),
                    },
                    "Revoke",
                  ),
            ),
          ),
        ),
      ),
      h(
        "p",
        { class: "pager" },
        make,
        next ? h("span", { class: "soft" }, `The newest ${keys.length} are shown.`) : null,
      ),
    ];
  }
}

/** A table from heads `[word, class]` and rows. */
function table(caption, heads, rows) {
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

function workers({ workers: list, leases }) {
  if (!list.length)
    return empty("No worker holds anything.", "A worker appears here while it runs an execution.");
  return [
    table(
      "Workers and what they hold",
      [["Worker"], ["Holds"], ["Must be heard of", "number c-mid"]],
      list.flatMap(({ worker, leases: held }) =>
        held.map((lease, index) =>
          h(
            "tr",
            {},
            index ? h("td", {}) : h("th", { scope: "row", class: "of" }, name(worker)),
            h(
              "td",
              {},
              h(
                "a",
                { href: to("executions", lease.execution) },
                h("code", {}, lease.execution.slice(0, 18)),
              ),
              h("span", { class: "soft wide-inline" }, ` fence ${lease.fence}`),
            ),
            h("td", { class: "number soft" }, time(lease.expires_at, { relative: true })),
          ),
        ),
      ),
    ),
    leases > 1000
      ? h("p", { class: "soft" }, `The first 1,000 of ${number(leases)} holds are shown.`)
      : null,
  ];
}

function consumers({ consumers: list, head, next }) {
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

function webhooks({ webhooks: list, next }) {
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

const revoke = (key, me) =>
  ask({
    title: ["Revoke ", h("bdi", {}, key.name.slice(0, 60)), "?"],
    content: h(
      "ul",
      {},
      h("li", {}, "It opens nothing any more, on any node, within a moment."),
      h("li", {}, "It cannot be made valid again."),
      me.key === key.uuid
        ? h("li", {}, h("b", {}, "This is the key you are signed in with."))
        : null,
    ),
    verb: "Revoke it",
    danger: true,
    act: () => act("DELETE", `/v1/keys/${part(key.uuid)}`),
  });

const ROLES = {
  viewer: "sees everything",
  operator: "defines, runs and controls",
  worker: "claims work",
  recorder: "reports work done elsewhere",
  auditor: "sees what is deleted, and proofs",
  admin: "everything, and keys",
};

async function makeKey() {
  const made = await ask({
    title: "Make a key",
    content: [
      h(
        "div",
        { class: "field" },
        h("label", { for: "key-name" }, "Name"),
        h("input", {
          id: "key-name",
          name: "name",
          required: true,
          maxlength: 200,
          autocomplete: "off",
        }),
      ),
      h(
        "fieldset",
        {},
        h("legend", {}, "Roles"),
        Object.entries(ROLES).map(([role, does]) =>
          h(
            "div",
            { class: "check" },
            h("input", { type: "checkbox", id: `role-${role}`, name: "role", value: role }),
            " ",
            h("label", { for: `role-${role}` }, h("b", {}, role), `, ${does}`),
          ),
        ),
      ),
      h(
        "div",
        { class: "field" },
        h("label", { for: "key-organizations" }, "Organizations, * for all"),
        h("input", {
          id: "key-organizations",
          name: "organizations",
          value: "default",
          required: true,
          autocomplete: "off",
        }),
      ),
    ],
    verb: "Make it",
    act: (form) =>
      act("POST", "/v1/keys", {
        name: form.get("name"),
        roles: form.getAll("role"),
        organizations: form
          .get("organizations")
          .split(/[\s,]+/)
          .filter(Boolean),
      }),
  });
  if (!made) return;
  await ask({
    title: "The key's secret",
    content: [
      h("p", {}, "It is shown this once. Whoever has it has the key's rights."),
      h("p", { class: "document" }, h("code", { class: "whole" }, made.secret)),
    ],
    verb: "I have it",
    act: async () => null,
  });
}

customElements.define("system-view", SystemView);
export default SystemView;
