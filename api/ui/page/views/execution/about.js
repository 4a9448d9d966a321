// What is known of an execution: its steps, what went in, what came out.

import { to } from "../../parts/address.js";
import { h } from "../../parts/dom.js";
import { inFull } from "../../parts/next.js";
import { percentOf } from "../../parts/progress.js";
import { state } from "../../parts/state.js";
import { asDocument, name, number, words } from "../../parts/text.js";
import { lasting, time } from "../../parts/times.js";

const filled = (value) =>
  value !== undefined &&
  value !== null &&
  value !== "" &&
  !(Array.isArray(value) && !value.length) &&
  !(typeof value === "object" && !Array.isArray(value) && !Object.keys(value).length);

/** The facts in the head of the view. */
export function facts(execution) {
  const fact = (title, ...value) => h("div", {}, h("dt", {}, title), h("dd", {}, ...value));
  const {
    attempt,
    cause,
    exit_code: exitCode,
    restart_of: restartOf,
    trigger,
    user,
    worker,
  } = execution;
  return h(
    "dl",
    { class: "facts" },
    fact("Created", time(execution.created_at)),
    fact("Started", time(execution.started_at)),
    execution.ended_at ? fact("Ended", time(execution.ended_at)) : null,
    execution.duration_ms !== undefined ? fact("Took", lasting(execution.duration_ms)) : null,
    fact("Started by", trigger && trigger !== "rest" ? trigger : name(user || "–")),
    worker ? fact("Worker", name(worker)) : null,
    attempt > 1 ? fact("Attempt", number(attempt)) : null,
    exitCode ? fact("Exit code", name(exitCode)) : null,
    cause ? fact("Cause", cause.replaceAll("_", " ")) : null,
    restartOf
      ? fact(
          "Restarts",
          h("a", { href: to("executions", restartOf) }, h("code", {}, restartOf.slice(0, 8))),
        )
      : null,
    execution.organization !== "default"
      ? fact("Organization", name(execution.organization))
      : null,
  );
}

/** Sections of everything else. */
export function about(execution) {
  if (execution.erased) {
    return [
      h(
        "p",
        { class: "banner" },
        "The content of this execution was erased. That it ran, when, and how it ended can still be proven.",
      ),
    ];
  }
  const next = inFull(execution);
  return [
    next ? h("p", { class: "soft" }, next) : null,
    execution.message
      ? h(
          "p",
          {
            class:
              execution.outcome === "error"
                ? "banner bad"
                : execution.outcome === "warning" || execution.status === "aborted"
                  ? "banner"
                  : "said-so",
          },
          words(execution.message),
        )
      : null,
    execution.description ? h("p", {}, words(execution.description)) : null,
    steps(execution.steps ?? []),
    section("Parameters", execution.parameters, () =>
      pairs(execution.parameters.map((each) => [each.name, shown(each.value)])),
    ),
    section("Input", execution.input, () => asDocument(execution.input)),
    section("Output", execution.output, () => asDocument(execution.output)),
    section("Files", execution.attachments, () => files(execution.attachments)),
    section("Metrics", execution.metrics, () =>
      pairs(Object.entries(execution.metrics).map(([title, value]) => [title, number(value)])),
    ),
    section(
      "Tags and labels",
      [...(execution.tags ?? []), ...Object.keys(execution.labels ?? {})],
      () =>
        h(
          "div",
          { class: "tags" },
          (execution.tags ?? []).map((each) => h("bdi", { class: "tag" }, each)),
          Object.entries(execution.labels ?? {}).map(([title, value]) =>
            h("bdi", { class: "tag" }, `${title}=${value}`),
          ),
        ),
    ),
    section("Attributes", execution.attributes, () => asDocument(execution.attributes)),
    log(execution.steps ?? []),
    section("Names", execution.uuid, () =>
      pairs([
        ["uuid", h("code", {}, execution.uuid)],
        ["number", String(execution.number)],
        ["oid", h("code", {}, execution.oid)],
      ]),
    ),
  ];
}

const section = (title, value, make) =>
  filled(value) ? h("section", {}, h("h2", {}, title), make()) : null;

const shown = (value) =>
  typeof value === "string" ? words(value) : words(JSON.stringify(value) ?? "null", { mono: true });

const pairs = (list) =>
  h(
    "dl",
    { class: "pairs" },
    list.map(([title, value]) => [h("dt", {}, h("bdi", {}, title)), h("dd", {}, value)]),
  );

function steps(list) {
  if (!list.length) return null;
  return h(
    "section",
    {},
    h("h2", {}, "Steps"),
    h(
      "ol",
      { class: "steps" },
      list.map((step) => {
        const percent = step.status === "running" ? percentOf(step.progress) : null;
        const counters = Object.entries(step.progress?.counters ?? {});
        return h(
          "li",
          {},
          state(step.status === "finished" ? step : { ...step, outcome: undefined }),
          h(
            "span",
            { class: "what" },
            name(step.step_id),
            step.scope && step.scope !== "Organization"
              ? h("span", { class: "soft" }, " ", name(step.scope))
              : null,
            step.attempt > 1 ? h("span", { class: "soft" }, ` attempt ${step.attempt}`) : null,
          ),
          h(
            "span",
            { class: "soft took" },
            percent !== null
              ? `${Math.floor(percent)} %`
              : step.ended_at && step.started_at
                ? lasting(Date.parse(step.ended_at) - Date.parse(step.started_at))
                : "",
          ),
          step.message || step.progress?.message
            ? h("div", { class: "said" }, words(step.message || step.progress.message))
            : null,
          counters.length
            ? h(
                "div",
                { class: "said soft" },
                counters.map(([title, value]) => `${title} ${number(value)}`).join(" · "),
              )
            : null,
        );
      }),
    ),
  );
}

function log(list) {
  const told = list.filter((step) => step.log);
  if (!told.length) return null;
  return h(
    "section",
    {},
    h("h2", {}, "Log"),
    told.map((step) =>
      h(
        "details",
        { class: "log", open: told.length === 1 },
        h("summary", {}, name(step.step_id)),
        h("div", { class: "document" }, words(step.log, { shown: 4000, mono: true })),
      ),
    ),
  );
}

function files(list) {
  return h(
    "ul",
    { class: "files" },
    list.map((file) =>
      h(
        "li",
        {},
        opens(file.uri)
          ? h(
              "a",
              { href: file.uri, rel: "noopener noreferrer", target: "_blank" },
              name(file.name),
            )
          : name(file.name),
        h(
          "span",
          { class: "soft" },
          " ",
          [file.media_type, file.size_bytes !== undefined ? size(file.size_bytes) : ""]
            .filter(Boolean)
            .join(", "),
        ),
        opens(file.uri) ? null : h("div", { class: "soft" }, words(file.uri, { mono: true })),
      ),
    ),
  );
}

/** Only addresses of the web are links: a job may write anything there. */
function opens(uri) {
  try {
    return /^https?:$/.test(new URL(uri).protocol);
  } catch {
    return false;
  }
}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}
