// A line of the stream taken apart by its bytes alone, as the ledger's own `ledger/events/entry.py` does.
//
// The entry is what stands before `,"salt":`, with its brace closed again; nothing is parsed and
// written anew, so what is hashed is what was served.

import { fromHex, join } from "./hashes.js";

const SALT = ',"salt":';
const DATA = ',"data":';
const END = /"data_digest":"([0-9a-f]{64})"$/;
const LATIN = new TextDecoder("latin1"); // one letter a byte, so that places in text are places in bytes
const BRACE = new TextEncoder().encode("}");

/** Give `{entry, salt, data, digest, told}`; salt and data are null once erased. Throws if it is no line. */
export function splitLine(bytes) {
  const text = LATIN.decode(bytes);
  const salt = text.indexOf(SALT);
  const data = text.indexOf(DATA, salt + SALT.length);
  const end = END.exec(text.slice(0, salt));
  if (salt < 0 || data < 0 || !end || !text.startsWith("{") || !text.endsWith("}")) {
    throw new Error("these bytes are not a line of the stream");
  }
  const entry = join(bytes.slice(0, salt), BRACE);
  const told = JSON.parse(new TextDecoder().decode(entry));
  const saltText = text.slice(salt + SALT.length, data);
  const dataBytes = bytes.slice(data + DATA.length, bytes.length - 1);
  if (saltText === "null") {
    if (text.slice(data + DATA.length, -1) !== "null")
      throw new Error("there is data without its salt");
    return { entry, salt: null, data: null, digest: end[1], told };
  }
  return { entry, salt: fromHex(JSON.parse(saltText)), data: dataBytes, digest: end[1], told };
}
