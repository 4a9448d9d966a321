// Tree heads as signed text: C2SP signed-note and tlog-checkpoint, and the keys that sign them.

import { fromBase64, fromHex, same, sha256, toHex } from "./hashes.js";

const KEY = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/;
const SIGNATURE = /^\u2014 (\S+) ([A-Za-z0-9+/=]+)$/;
const SIMPLE = /^\s*(\d{1,16})[\s,:/]+([0-9a-f]{64})\s*$/i;
const ED25519 = 1;

/**
 * Read a tree head that a reviewer has: a signed note, or just its size and its root in hex. Gives
 * `{size, root, origin, text, signatures, note}`. Throws, saying why, when it is neither.
 */
export function readHead(pasted) {
  const simple = SIMPLE.exec(pasted);
  if (simple) {
    return {
      size: Number(simple[1]),
      root: fromHex(simple[2].toLowerCase()),
      origin: "",
      text: "",
      signatures: [],
      note: "",
    };
  }
  const note = `${pasted.replaceAll("\r\n", "\n").trim()}\n`;
  const blank = note.indexOf("\n\n");
  const text = blank < 0 ? note : note.slice(0, blank + 1);
  const [origin, size, root] = text.split("\n");
  if (!/^(0|[1-9]\d{0,15})$/.test(size ?? "")) throw new Error("its second line is not a size");
  let bytes;
  try {
    bytes = fromBase64(root);
  } catch {
    throw new Error("its third line is not a root in base64");
  }
  if (bytes.length !== 32) throw new Error("its root has not 32 bytes");
  const signatures =
    blank < 0
      ? []
      : note
          .slice(blank + 2)
          .split("\n")
          .map((line) => SIGNATURE.exec(line))
          .filter(Boolean);
  return {
    size: Number(size),
    root: bytes,
    origin,
    text,
    note,
    signatures: signatures.map(([, name, encoded]) => {
      const decoded = fromBase64(encoded);
      return { name, id: toHex(decoded.slice(0, 4)), signature: decoded.slice(4) };
    }),
  };
}

/** Read a key's text form (vkey): `{name, id, key}`; checks that its id is that of the key. */
export async function readKey(text) {
  const found = KEY.exec(text.trim());
  if (!found) throw new Error("this is not a key in its text form (name+id+key)");
  const [, name, id, encoded] = found;
  const bytes = fromBase64(encoded);
  if (bytes.length !== 33 || bytes[0] !== ED25519) throw new Error("this is not an Ed25519 key");
  const hash = await sha256(new TextEncoder().encode(`${name}\n`), bytes);
  if (toHex(hash.slice(0, 4)) !== id) throw new Error("the key's id is not that of the key");
  return { name, id, key: bytes.slice(1) };
}

/**
 * Say whether a key has signed a head: "good", "bad", "absent" (no signature of that key), or
 * "unknown" where this browser has no Ed25519.
 */
export async function checkSignature(head, key) {
  const made = head.signatures.find((each) => each.name === key.name && each.id === key.id);
  if (!made) return "absent";
  let verifier;
  try {
    verifier = await crypto.subtle.importKey("raw", key.key, "Ed25519", false, ["verify"]);
  } catch {
    return "unknown";
  }
  const good = await crypto.subtle.verify(
    "Ed25519",
    verifier,
    made.signature,
    new TextEncoder().encode(head.text),
  );
  return good ? "good" : "bad";
}

export const sameHead = (one, other) => one.size === other.size && same(one.root, other.root);
