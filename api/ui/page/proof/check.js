// Checks a reviewer can follow: each gives steps of `{ok, title, lines}`, where `ok` is true, false, or
// null for what is only told. Hashes are computed here, from the bytes that were served.

import { fromHex, leafHash, same, sha256, toHex } from "./hashes.js";
import { splitLine } from "./line.js";
import { checkSignature, readKey } from "./note.js";
import { climb, extend } from "./tree.js";

const brief = (bytes) => `${toHex(bytes).slice(0, 16)}…`;

/** Check an event's line against a tree of which `{size, root}` is known. Gives the verdict and steps. */
export async function checkEvent(bytes, position, head, proof) {
  const steps = [];
  let parts;
  try {
    parts = splitLine(bytes);
  } catch (error) {
    return verdict([{ ok: false, title: "The event's line can be read", lines: [error.message] }]);
  }
  const { told } = parts;
  steps.push({
    ok: told.position === position,
    title: `It is the event at position ${position}`,
    lines: [
      `${told.type} of ${told.stream}, version ${told.version}`,
      `recorded ${told.recorded_at} by ${told.actor || "nobody named"}`,
    ],
  });
  const erased = parts.data === null;
  if (erased) {
    steps.push({
      ok: null,
      title: "Its content was erased",
      lines: ["What is left is its entry, which binds the content by digest and is checked below."],
    });
  } else {
    const digest = toHex(await sha256(parts.salt, parts.data));
    steps.push({
      ok: digest === parts.digest,
      title: "Its content has the digest that its entry tells",
      lines: [
        `SHA-256(salt ‖ ${parts.data.length} bytes of data)`,
        `is    ${digest}`,
        `told  ${parts.digest}`,
      ],
    });
  }
  const leaf = await leafHash(parts.entry);
  steps.push({
    ok: null,
    title: "Its entry hashes to a leaf",
    lines: [`SHA-256(0x00 ‖ ${parts.entry.length} bytes of entry)`, toHex(leaf)],
  });
  const path = await climb(leaf, position - 1, head.size, proof);
  steps.push({
    ok: null,
    title: `The leaf and ${path.steps.length} neighbours hash to a root`,
    lines: path.steps.map(
      (step, index) =>
        `${String(index + 1).padStart(2)}  ${step.side === "left" ? `H(${brief(step.sibling)} ‖ ·)` : `H(· ‖ ${brief(step.sibling)})`} = ${brief(step.hash)}`,
    ),
  });
  steps.push({
    ok: path.complete && same(path.root, head.root),
    title: `That root is the tree head's, of size ${head.size}`,
    lines: [`is    ${toHex(path.root)}`, `head  ${toHex(head.root)}`],
  });
  return { ...verdict(steps), erased, told };
}

/** Check that nothing before an earlier head was changed: its tree is the beginning of the later one. */
export async function checkExtension(old, now, proof) {
  const found = await extend(old, now, proof.map(fromHex));
  const steps = [
    {
      ok: null,
      title: `${proof.length} hashes lead from the earlier tree to the later one`,
      lines: found.steps.map(
        (step, index) =>
          `${String(index + 1).padStart(2)}  ${step.side === "left" ? `H(${brief(step.sibling)} ‖ ·)` : `H(· ‖ ${brief(step.sibling)})`} = ${brief(step.hash)}`,
      ),
    },
    {
      ok: found.complete && same(found.oldRoot, old.root),
      title: `They give back the earlier root, of size ${old.size}`,
      lines: [`is    ${found.oldRoot ? toHex(found.oldRoot) : "–"}`, `kept  ${toHex(old.root)}`],
    },
    {
      ok: found.complete && same(found.newRoot, now.root),
      title: `And the later root, of size ${now.size}`,
      lines: [`is    ${found.newRoot ? toHex(found.newRoot) : "–"}`, `head  ${toHex(now.root)}`],
    },
  ];
  return verdict(steps);
}

/** Check who signed a head. `ok` of the step is null where there is nothing to check with. */
export async function checkSigned(head, keyText) {
  if (!head.signatures.length)
    return {
      ok: null,
      title: "The head is not signed",
      lines: ["Only its size and root are known."],
    };
  if (!keyText)
    return {
      ok: null,
      title: "The head is signed, by a key that is not known here",
      lines: head.signatures.map((each) => `${each.name} ${each.id}`),
    };
  let key;
  try {
    key = await readKey(keyText);
  } catch (error) {
    return { ok: false, title: "The key can be read", lines: [error.message] };
  }
  const lines = [`Ed25519, key ${key.name}+${key.id}`];
  switch (await checkSignature(head, key)) {
    case "good":
      return { ok: true, title: "The head is signed by the ledger's key", lines };
    case "bad":
      return {
        ok: false,
        title: "The head is signed by the ledger's key",
        lines: [...lines, "The signature is false."],
      };
    case "absent":
      return {
        ok: null,
        title: "The head is signed by another key",
        lines: head.signatures.map((each) => `${each.name} ${each.id}`),
      };
    default:
      return {
        ok: null,
        title: "This browser has no Ed25519: the signature is not checked",
        lines,
      };
  }
}

const verdict = (steps) => ({ ok: steps.every((step) => step.ok !== false), steps });
