// From what a reviewer trusts to what they ask about: which head is held against which, and its checks.

import { at, read } from "../../parts/api.js";
import { checkEvent, checkExtension, checkSigned } from "../../proof/check.js";
import { fromHex } from "../../proof/hashes.js";
import { readHead } from "../../proof/note.js";

/** The head that is told now: the signed one where there is one. */
export function currentHead(tree) {
  const { signed } = tree;
  const note = signed ? readHead(signed.note) : null;
  return {
    size: signed?.size ?? tree.size,
    root: signed?.root ?? tree.root,
    note: signed?.note ?? "",
    key: tree.public_key ?? "",
    read: note,
  };
}

/** Prove that the tree of a kept head is the beginning of the tree of a later one. */
export async function extension(head, now, tree, signal) {
  const steps = [];
  if (head.note) steps.push(await checkSigned(readHead(head.note), head.key || tree.public_key));
  if (now.read) steps.push(await checkSigned(now.read, now.key));
  if (head.key && now.key && head.key !== now.key) {
    steps.push({
      ok: null,
      title: "The ledger's key is another one than when you kept that head",
      lines: [
        `then  ${head.key}`,
        `now   ${now.key}`,
        "If it was replaced, the old key vouches for it.",
      ],
    });
  }
  if (head.size > now.size) {
    steps.push({
      ok: false,
      title: `The log has at least ${head.size} events`,
      lines: [`It has ${now.size}: the newest ones were cut off.`],
    });
    return { ok: false, steps };
  }
  const { proof, new: told } = await read(
    at("/v1/tree/consistency", { from: head.size, to: now.size }),
    { signal },
  );
  if (told.root !== now.root)
    steps.push({
      ok: false,
      title: "The server tells one root for one size",
      lines: [`proof ${told.root}`, `head  ${now.root}`],
    });
  const checked = await checkExtension(
    { size: head.size, root: fromHex(head.root) },
    { size: now.size, root: fromHex(now.root) },
    proof,
  );
  steps.push(...checked.steps);
  return { ok: steps.every((step) => step.ok !== false), steps };
}

/** The head to prove against, and what was checked of it: the chosen one, or the newest that continues it. */
export async function anchor(chosen, position, newest, tree, signal) {
  if (!chosen) {
    const head = await newest(position);
    const steps = head.read
      ? [await checkSigned(head.read, head.key)]
      : [
          {
            ok: null,
            title: "The head is the server's own, and not signed",
            lines: ["Keep a head to check against what you knew before."],
          },
        ];
    return { head, steps, ok: steps.every((step) => step.ok !== false) };
  }
  if (chosen.size >= position) {
    const steps = chosen.note
      ? [await checkSigned(readHead(chosen.note), chosen.key || tree().public_key)]
      : [
          {
            ok: null,
            title: "The head is one that you kept",
            lines: [`${chosen.size} events, ${chosen.root}`],
          },
        ];
    return { head: chosen, steps, ok: steps.every((step) => step.ok !== false) };
  }
  const head = await newest(position);
  return { head, ...(await extension(chosen, head, tree(), signal)) };
}

/** Prove one line of the stream in a head. */
export async function proven({ bytes, position }, head, signal) {
  const { proof } = await read(at("/v1/tree/inclusion", { position, size: head.size }), {
    signal,
  });
  return checkEvent(
    bytes,
    position,
    { size: head.size, root: fromHex(head.root) },
    proof.map(fromHex),
  );
}
