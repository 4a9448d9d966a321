// What can be done with an execution, for those who may; each says what it will do first.

import { go, to } from "../../parts/address.js";
import { act, part } from "../../parts/api.js";
import { ask } from "../../parts/ask.js";
import { h } from "../../parts/dom.js";

const OPEN = ["pending", "running", "pausing", "paused"];

const list = (...lines) =>
  h(
    "ul",
    {},
    lines.filter(Boolean).map((line) => h("li", {}, line)),
  );
const reason = () =>
  h(
    "div",
    { class: "field" },
    h("label", { for: "reason" }, "Reason, for the record"),
    h("input", { id: "reason", name: "reason", maxlength: 1000, autocomplete: "off" }),
  );

/** The buttons for an execution as it is now. */
export function actions(execution, me, done) {
  const may = (...roles) => roles.some((role) => me.roles.includes(role));
  if (!may("operator", "admin")) return [];
  const { status, outcome, deleted, erased } = execution;
  const closed = status === "finished" || status === "aborted";
  const made = [];
  const add = (word, open, danger = false) =>
    made.push(
      h(
        "button",
        { type: "button", class: danger ? "danger" : null, onclick: () => open(execution, done) },
        word,
      ),
    );
  if (status === "running") add("Pause", pause);
  if (status === "paused" || status === "pausing") add("Resume", resume);
  if (OPEN.includes(status)) add("Cancel", cancel, true);
  if (closed && !deleted && !erased && (status === "aborted" || outcome === "error"))
    add("Restart", restart);
  if (closed && !deleted && !erased) add("Delete", remove, true);
  if (closed && !erased && may("admin")) add("Erase", erase, true);
  return made;
}

const path = (execution, verb) => `/v1/executions/${part(execution.uuid)}${verb ? `/${verb}` : ""}`;
const title = (verb, { job_id: jobId, number }) => [
  `${verb} `,
  h("bdi", {}, jobId.slice(0, 80)),
  ` #${number}?`,
];

const pause = (execution, done) =>
  ask({
    title: title("Pause", execution),
    content: [
      list(
        "Its worker is asked to stop at the next point where it can; it has a limited time for that, then it is cut off.",
        "What was done stays done. When it is resumed, a worker goes on from the first step that has not ended.",
        "A paused execution that nobody resumes is closed when its limit passes.",
      ),
      reason(),
    ],
    verb: "Pause it",
    act: (form) => act("POST", path(execution, "pause"), { reason: form.get("reason") }).then(done),
  });

const resume = (execution, done) =>
  ask({
    title: title("Resume", execution),
    content: list(
      "The next worker that is free takes it and goes on from the first step that has not ended.",
    ),
    verb: "Resume it",
    act: () => act("POST", path(execution, "resume"), {}).then(done),
  });

const cancel = (execution, done) =>
  ask({
    title: title("Cancel", execution),
    content: [
      execution.worker
        ? list(
            "Its worker is asked to stop and has a limited time for that; then the ledger closes the execution by itself.",
            "What its steps have done so far is not undone.",
            "It cannot be resumed. It can be restarted, as a new execution.",
          )
        : list(
            "No worker has it: it is closed at once.",
            "It can be restarted, as a new execution.",
          ),
      reason(),
    ],
    verb: "Cancel it",
    danger: true,
    act: (form) =>
      act("POST", path(execution, "cancel"), { reason: form.get("reason") }).then(done),
  });

const restart = (execution) =>
  ask({
    title: title("Restart", execution),
    content: list(
      "A new execution is made, with the same parameters and input.",
      "It begins with the step at which this one ended; steps that ended well are not run again.",
      "This one stays as it is.",
    ),
    verb: "Restart it",
    act: async () => {
      const made = await act(
        "POST",
        path(execution, "restart"),
        {},
        { headers: { "Idempotency-Key": crypto.randomUUID() } },
      );
      go(to("executions", made.uuid));
    },
  });

const remove = (execution, done) =>
  ask({
    title: title("Delete", execution),
    content: list(
      "It disappears from every list.",
      "Its events stay in the log, and auditors can still read them.",
      "This cannot be undone.",
    ),
    verb: "Delete it",
    danger: true,
    act: () => act("DELETE", path(execution)).then(() => done(null)),
  });

const erase = (execution, done) =>
  ask({
    title: title("Erase", execution),
    content: [
      list(
        "Parameters, input, output, messages and logs of this execution are removed from the log, for good and for everybody.",
        "Its entries, their digests and all proofs stay valid: that something happened, and when, can still be proven.",
        "Nobody can bring the content back.",
      ),
      reason(),
      h(
        "div",
        { class: "field" },
        h("label", { for: "sure" }, `Type ${execution.number} to say that you mean it`),
        h("input", {
          id: "sure",
          name: "sure",
          inputmode: "numeric",
          autocomplete: "off",
          required: true,
          pattern: `\\s*${execution.number}\\s*`,
        }),
      ),
    ],
    verb: "Erase it",
    danger: true,
    act: (form) => act("POST", path(execution, "erase"), { reason: form.get("reason") }).then(done),
  });
