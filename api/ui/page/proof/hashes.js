// SHA-256 and the hashes of a Merkle tree (RFC 9162, section 2.1.1), by the browser's own WebCrypto.

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Whether this page may use WebCrypto: only over HTTPS, or on the reader's own machine. */
export const canHash = () => Boolean(globalThis.crypto?.subtle);

export function join(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export const sha256 = async (...parts) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));

/** The hash of an entry as a leaf. */
export const leafHash = (entry) => sha256(LEAF, entry);

/** The hash of a node over its two children. */
export const nodeHash = (left, right) => sha256(NODE, left, right);

export const toHex = (bytes) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Bytes out of hex; throws when it is none. */
export function fromHex(text) {
  if (!/^(?:[0-9a-f]{2})*$/i.test(text)) throw new Error("this is not hex");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Bytes out of base64; throws when it is none. */
export const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

export const same = (one, other) =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);
