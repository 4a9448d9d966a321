// Reads an endless answer of JSON lines: what has come is given at once, whole lines only.

import { Unreachable } from "./api.js";

const SILENCE_MS = 45_000; // the server says at least every 15 s that it is there

/** Yield, for each piece of `body` that arrives, the values of the lines that it completed. */
export async function* jsonLines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { value, done } = await heard(reader.read());
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      if (parts.length) yield parts.filter(Boolean).map((line) => JSON.parse(line));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Wait for a piece; a connection that is silent for too long, or breaks, leads nowhere. */
async function heard(piece) {
  let timer = 0;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Unreachable()), SILENCE_MS);
  });
  try {
    return await Promise.race([piece, silence]);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  } finally {
    clearTimeout(timer);
  }
}
