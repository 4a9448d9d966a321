// Access keys: which there are, a new one, and the end of one.

import { act, part } from "../../parts/api.js";
import { ask } from "../../parts/ask.js";
import { h } from "../../parts/dom.js";
import { name } from "../../parts/text.js";
import { time } from "../../parts/times.js";
import { table } from "./table.js";

export function keys({ keys: list, next }, me) {
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
      list.map((each) =>
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
                    onclick: () => revoke(each, me),
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
      next ? h("span", { class: "soft" }, `The newest ${list.length} are shown.`) : null,
    ),
  ];
}

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
  consumer: "follows the log by name",
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
