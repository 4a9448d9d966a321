// A form made from a job's parameter declarations; running it leads to the execution.

import { go, to } from "../../parts/address.js";
import { act, part } from "../../parts/api.js";
import { ask } from "../../parts/ask.js";
import { h } from "../../parts/dom.js";
import { words } from "../../parts/text.js";

/** Ask for the parameters and run the job. */
export function askAndRun(job, organization) {
  const declared = job.definition.parameters ?? [];
  const fields = declared.map((parameter, index) => field(parameter, `p-${index}`));
  const extra = h("textarea", {
    id: "run-input",
    rows: 3,
    spellcheck: "false",
    "aria-describedby": "about-input",
  });
  const named = h("input", { id: "run-name", maxlength: 256, autocomplete: "off" });
  const later = h("input", { id: "run-at", type: "datetime-local", step: 1 });
  return ask({
    title: ["Run ", h("bdi", {}, job.job_id.slice(0, 80))],
    content: [
      fields.length
        ? fields.map((each) => each.element)
        : h("p", { class: "soft" }, "It declares no parameters."),
      h(
        "details",
        {},
        h("summary", { class: "soft" }, "Name, time and input"),
        h(
          "div",
          { class: "stack tight" },
          h(
            "div",
            { class: "field" },
            h("label", { for: "run-name" }, "Name of this execution"),
            named,
          ),
          h("div", { class: "field" }, h("label", { for: "run-at" }, "Not before"), later),
          h(
            "div",
            { class: "field" },
            h("label", { for: "run-input" }, "Input document (JSON)"),
            extra,
            h("small", { id: "about-input" }, "Steps can read it; leave it empty for none."),
          ),
        ),
      ),
    ],
    verb: "Run it",
    act: async () => {
      const parameters = fields.map((each) => each.argument()).filter(Boolean);
      const body = { parameters };
      if (named.value.trim()) body.name = named.value.trim();
      if (later.value) body.run_at = new Date(later.value).toISOString();
      if (extra.value.trim()) body.input = json(extra.value, "Input document");
      const made = await act("POST", `/v1/jobs/${part(job.job_id)}/executions`, body, {
        organization,
        headers: { "Idempotency-Key": crypto.randomUUID() },
      });
      go(to("executions", made.uuid));
    },
  });
}

/** The control for one declaration, and the argument it stands for (null: left to the default). */
function field(parameter, id) {
  const { type = "string", required = false, default: usual, description } = parameter;
  const about = `${id}-about`;
  const shared = {
    id,
    required: required && type !== "boolean",
    "aria-describedby": description ? about : null,
  };
  let control;
  switch (type) {
    case "boolean":
      control = h(
        "select",
        shared,
        h(
          "option",
          { value: "" },
          usual === undefined || usual === null ? "not given" : `by default ${usual}`,
        ),
        h("option", { value: "true" }, "true"),
        h("option", { value: "false" }, "false"),
      );
      break;
    case "integer":
    case "number":
      control = h("input", {
        ...shared,
        type: "number",
        step: type === "integer" ? 1 : "any",
        placeholder: usual ?? "",
      });
      break;
    case "any":
      control = h("textarea", {
        ...shared,
        rows: 2,
        spellcheck: "false",
        placeholder: usual === undefined || usual === null ? "JSON" : JSON.stringify(usual),
      });
      break;
    default:
      control = h("input", { ...shared, placeholder: usual ?? "", autocomplete: "off" });
  }
  const element = h(
    "div",
    { class: "field" },
    h(
      "label",
      { for: id },
      h("bdi", {}, parameter.name),
      h("span", {}, ` · ${type}${required ? ", required" : ""}`),
    ),
    control,
    description ? h("small", { id: about }, words(description)) : null,
  );
  const argument = () => {
    if (control.value === "") return null;
    return { name: parameter.name, value: valueOf(type, control.value, parameter.name) };
  };
  return { element, argument };
}

function valueOf(type, text, name) {
  switch (type) {
    case "boolean":
      return text === "true";
    case "integer":
    case "number":
      return Number(text);
    case "any":
      return json(text, name);
    default:
      return text;
  }
}

function json(text, name) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${error.message}`);
  }
}
