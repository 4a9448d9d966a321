// Who holds work, and until when.

import { to } from "../../parts/address.js";
import { h } from "../../parts/dom.js";
import { empty } from "../../parts/notice.js";
import { name, number } from "../../parts/text.js";
import { time } from "../../parts/times.js";
import { table } from "./table.js";

export function workers({ workers: list, leases }) {
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
