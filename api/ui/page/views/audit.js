// Audit: tree heads that are kept and checked, events that are proven, dossiers. All hashing is done here.

import { note as noteAddress } from "../parts/address.js";
import { at, part, read, request } from "../parts/api.js";
import { connection, keepFresh } from "../parts/connection.js";
import { fill, h } from "../parts/dom.js";
import { count, digest, number } from "../parts/text.js";
import { time } from "../parts/times.js";
import { View } from "../parts/view.js";
import { checkSigned } from "../proof/check.js";
import { canHash, toHex } from "../proof/hashes.js";
import { dropHead, keepHead, keptHeads } from "../proof/kept.js";
import { readHead } from "../proof/note.js";
import { lineAt, linesOf } from "../proof/served.js";
import { anchor, currentHead, extension, proven } from "./audit/proving.js";
import { resultOf } from "./audit/result.js";
import { stepList, verdict } from "./audit/steps.js";

const HEAD_MS = 3000;
const HEADS_WITHIN = 2000;
const HEADS_SHOWN = 12;

class AuditView extends View {
  async open() {
    this.tree = await this.load(() => read("/v1/tree", { signal: this.signal }));
    if (!this.tree) return;
    this.#draw();
    this.#showHead();
    this.#showKept();
    keepFresh(
      () =>
        this.attempt(async () => {
          this.tree = await read("/v1/tree", { signal: this.signal });
          this.#showHead();
        }, null),
      this.signal,
      HEAD_MS,
      HEAD_MS,
    );
    if (this.route.query.get("position") || this.route.query.get("execution")) this.#prove();
  }

  moved() {
    this.subject.value =
      this.route.query.get("position") || this.route.query.get("execution") || "";
    if (this.subject.value) this.#prove();
  }

  #draw() {
    const { query } = this.route;
    this.head = h("div", {});
    this.signature = h("div", {});
    this.heads = h("div", {});
    this.kept = h("div", {});
    this.extension = h("div", { class: "result" });
    this.proof = h("div", { class: "result" });
    this.pasted = h("textarea", {
      id: "pasted",
      rows: 4,
      spellcheck: "false",
      placeholder: "A signed tree head, or its size and its root in hex",
    });
    this.flaw = h("p", { class: "flaw", role: "alert" });
    this.subject = h("input", {
      id: "subject",
      autocomplete: "off",
      spellcheck: "false",
      required: true,
    });
    this.subject.value = query.get("position") || query.get("execution") || "";
    this.against = h("select", { id: "against" });
    this.dossier = h(
      "button",
      { type: "button", onclick: () => this.#download() },
      "Download the dossier",
    );
    fill(
      this,
      h("div", { class: "top" }, h("h1", {}, "Audit")),
      canHash()
        ? null
        : h(
            "p",
            { class: "banner bad" },
            "This browser computes hashes only over HTTPS or on the reader's own machine, so nothing can be checked here.",
          ),
      h(
        "p",
        { class: "lead soft" },
        "Every event is a leaf of a Merkle tree. Whoever has kept one head of it can prove, later and without trusting this server, that nothing before it was changed. All hashes are computed in this browser, from the bytes that were served.",
      ),
      h(
        "div",
        { class: "halves" },
        h(
          "div",
          { class: "stack" },
          h(
            "section",
            {},
            h("h2", {}, "Tree head"),
            this.head,
            this.signature,
            h(
              "details",
              { class: "paste", ontoggle: (event) => event.target.open && this.#showHeads() },
              h("summary", { class: "soft" }, "Heads that were signed before"),
              this.heads,
            ),
          ),
          h(
            "section",
            {},
            h("h2", {}, "Heads you keep"),
            this.kept,
            h(
              "details",
              { class: "paste" },
              h("summary", { class: "soft" }, "Paste one from elsewhere"),
              h(
                "form",
                {
                  onsubmit: (event) => {
                    event.preventDefault();
                    this.#keepPasted();
                  },
                },
                h("label", { for: "pasted", class: "sr" }, "Tree head"),
                this.pasted,
                this.flaw,
                h("button", { type: "submit" }, "Keep it"),
              ),
            ),
            this.extension,
          ),
        ),
        h(
          "section",
          {},
          h("h2", {}, "Prove an event, or all of an execution"),
          h(
            "form",
            {
              class: "ask-proof",
              onsubmit: (event) => {
                event.preventDefault();
                this.#note();
                this.#prove();
              },
            },
            h(
              "div",
              { class: "field" },
              h("label", { for: "subject" }, "Position of the event, or uuid of the execution"),
              this.subject,
            ),
            h("div", { class: "field" }, h("label", { for: "against" }, "Against"), this.against),
            h(
              "div",
              { class: "buttons" },
              h("button", { type: "submit", class: "strong" }, "Prove it"),
              this.dossier,
            ),
          ),
          this.proof,
        ),
      ),
    );
  }

  #note() {
    const told = this.subject.value.trim();
    noteAddress(
      new URLSearchParams(told ? { [/^\d+$/.test(told) ? "position" : "execution"]: told } : {}),
    );
  }

  async #showHead() {
    const head = currentHead(this.tree);
    const { signed, signing } = this.tree;
    fill(
      this.head,
      signing?.state === "inconsistent"
        ? h(
            "p",
            { class: "banner bad" },
            `The ledger itself says that its past was changed: ${signing.reason}`,
          )
        : null,
      h(
        "dl",
        { class: "pairs" },
        h("dt", {}, "Events"),
        h(
          "dd",
          {},
          number(head.size),
          head.size < this.tree.size
            ? h("span", { class: "soft" }, ` signed, of ${number(this.tree.size)}`)
            : null,
        ),
        h("dt", {}, "Root"),
        h("dd", {}, h("code", { class: "whole" }, head.root)),
        signed
          ? [h("dt", {}, "Signed"), h("dd", {}, time(signed.signed_at, { relative: true }))]
          : null,
        head.key
          ? [h("dt", {}, "Key"), h("dd", {}, h("code", { class: "whole" }, head.key))]
          : null,
      ),
      h(
        "p",
        { class: "buttons" },
        h("button", { type: "button", onclick: () => this.#keep(head) }, "Keep this head"),
        head.note
          ? h(
              "button",
              { type: "button", onclick: (event) => copy(head.note, event.target) },
              "Copy it",
            )
          : null,
      ),
    );
    if (!head.read || !canHash()) return;
    const checked = await checkSigned(head.read, head.key);
    if (this.signature.told === checked.title + checked.ok) return;
    this.signature.told = checked.title + checked.ok;
    fill(this.signature, stepList([checked]));
  }

  /** List the newest of the heads that the ledger has signed, from the newest on. */
  async #showHeads() {
    await this.attempt(async () => {
      const { heads } = await read(
        at("/v1/tree/heads", { after: Math.max(0, this.tree.size - HEADS_WITHIN), limit: 1000 }),
        { signal: this.signal },
      );
      fill(
        this.heads,
        heads.length
          ? h(
              "ul",
              { class: "kept" },
              heads
                .slice(-HEADS_SHOWN)
                .reverse()
                .map((head) =>
                  h(
                    "li",
                    {},
                    h(
                      "span",
                      {},
                      `${number(head.size)} events `,
                      digest(head.root),
                      h(
                        "span",
                        { class: "soft" },
                        " signed ",
                        time(head.signed_at, { relative: true }),
                      ),
                    ),
                    h(
                      "button",
                      {
                        type: "button",
                        class: "plain",
                        "aria-label": `Keep the head of ${head.size} events`,
                        onclick: () => this.#keep({ ...head, key: "" }),
                      },
                      "Keep",
                    ),
                  ),
                ),
            )
          : h("p", { class: "soft" }, "None."),
      );
    }, this.heads);
  }

  #keep({ size, root, note = "", key = "" }) {
    keepHead({ size, root, note, key });
    this.#showKept();
  }

  #keepPasted() {
    try {
      const head = readHead(this.pasted.value);
      this.flaw.textContent = "";
      this.pasted.value = "";
      this.#keep({ size: head.size, root: toHex(head.root), note: head.note });
    } catch (error) {
      this.flaw.textContent = `This is no tree head: ${error.message}.`;
    }
  }

  #showKept() {
    const kept = keptHeads();
    const chosen = this.against.value;
    fill(
      this.against,
      h("option", { value: "" }, "the tree head of now"),
      kept.map((head, index) =>
        h(
          "option",
          { value: index },
          `the kept head of ${number(head.size)} events, ${head.root.slice(0, 8)}…`,
        ),
      ),
    );
    this.against.value = kept[Number(chosen)] && chosen ? chosen : "";
    fill(
      this.kept,
      kept.length
        ? h(
            "ul",
            { class: "kept" },
            kept.map((head) =>
              h(
                "li",
                {},
                h(
                  "span",
                  {},
                  `${number(head.size)} events `,
                  digest(head.root),
                  h("span", { class: "soft" }, " kept ", time(head.kept_at, { relative: true })),
                ),
                h(
                  "span",
                  { class: "buttons" },
                  h("button", { type: "button", onclick: () => this.#extend(head) }, "Check"),
                  h(
                    "button",
                    {
                      type: "button",
                      class: "plain",
                      "aria-label": `Forget the head of ${head.size} events`,
                      onclick: () => {
                        dropHead(head);
                        this.#showKept();
                      },
                    },
                    "Forget",
                  ),
                ),
              ),
            ),
          )
        : h(
            "p",
            { class: "soft" },
            "None yet. Keep one now, and check against it later: it stays in this browser.",
          ),
    );
  }

  /** Prove that a kept head's tree is the beginning of the tree of now. */
  async #extend(head) {
    await this.attempt(async () => {
      const now = await this.#newest(head.size);
      const { ok, steps } = await extension(head, now, this.tree, this.signal);
      fill(
        this.extension,
        verdict(
          ok,
          ok
            ? `Nothing in the first ${count(head.size, "event")} was changed since you kept that head.`
            : "The tree of now does not continue the head you kept. The past was rewritten, or that head is of another ledger.",
        ),
        stepList(steps),
      );
    }, this.extension);
  }

  async #newest(size) {
    this.tree = await read("/v1/tree", { signal: this.signal, covering: connection.head });
    this.#showHead();
    const head = currentHead(this.tree);
    // A head that was kept unsigned may be ahead of the newest signed one.
    return head.size >= size
      ? head
      : { size: this.tree.size, root: this.tree.root, note: "", key: "", read: null };
  }

  /** Prove one event, or each of an execution. */
  async #prove() {
    const told = this.subject.value.trim();
    if (!told || !canHash()) return;
    fill(this.proof, h("p", { class: "soft", role: "status" }, "Checking …"));
    await this.attempt(async () => {
      const lines = /^\d+$/.test(told)
        ? [await lineAt(Number(told), this.signal)]
        : await linesOf(told, this.signal);
      const last = lines.at(-1).position;
      const kept = this.against.value === "" ? null : keptHeads()[Number(this.against.value)];
      const newest = (size) => this.#newest(size);
      const held = await anchor(kept, last, newest, () => this.tree, this.signal);
      const results = [];
      for (const line of lines)
        results.push({ line, ...(await proven(line, held.head, this.signal)) });
      fill(this.proof, resultOf(results, held));
    }, this.proof);
  }

  async #download() {
    const id = this.subject.value.trim();
    if (!id || /^\d+$/.test(id)) {
      fill(
        this.proof,
        h("p", { class: "flaw", role: "alert" }, "A dossier is of one execution: give its uuid."),
      );
      return;
    }
    await this.attempt(async () => {
      const answer = await request(`/v1/executions/${part(id)}/dossier`, { signal: this.signal });
      const link = h("a", {
        href: URL.createObjectURL(await answer.blob()),
        download: `${id}.dossier`,
      });
      link.click();
      URL.revokeObjectURL(link.href);
      fill(
        this.proof,
        h(
          "p",
          { class: "banner good", role: "status" },
          "The dossier was downloaded. ",
          h("code", {}, "jobledger verify FILE"),
          " checks it without a server.",
        ),
      );
    }, this.proof);
  }
}

async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  button.textContent = "Copied";
}

customElements.define("audit-view", AuditView);
export default AuditView;
