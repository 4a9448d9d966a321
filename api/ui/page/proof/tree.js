// Checks of proofs in a Merkle tree: RFC 9162, sections 2.1.3.2 and 2.1.4.2, step by step.
//
// Sizes go beyond 32 bits, so numbers are halved, not shifted.

import { nodeHash, sha256 } from "./hashes.js";

const half = (number) => Math.floor(number / 2);
const odd = (number) => number % 2 === 1;

/**
 * Hash a leaf up to a root. Gives `{root, steps, complete}`: each step is `{side, sibling, hash}`, and
 * `complete` says that the path has the length that a tree of `size` leaves asks for.
 */
export async function climb(leaf, index, size, proof) {
  let [fn, sn, hash, complete] = [index, size - 1, leaf, index < size];
  const steps = [];
  for (const sibling of proof) {
    if (sn === 0) {
      complete = false;
      break;
    }
    const left = odd(fn) || fn === sn;
    hash = left ? await nodeHash(sibling, hash) : await nodeHash(hash, sibling);
    steps.push({ side: left ? "left" : "right", sibling, hash });
    if (left && !odd(fn)) {
      do [fn, sn] = [half(fn), half(sn)];
      while (!odd(fn) && fn !== 0);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return { root: hash, steps, complete: complete && sn === 0 };
}

/**
 * Follow a proof that the tree of `old` is the beginning of that of `now`, both `{size, root}`. Gives
 * `{complete, oldRoot, newRoot, steps}`: the roots that the proof leads to, and whether it has the length
 * that these sizes ask for.
 */
export async function extend(old, now, proof) {
  if (old.size > now.size) return { complete: false, oldRoot: null, newRoot: null, steps: [] };
  if (old.size === now.size) {
    return { complete: proof.length === 0, oldRoot: now.root, newRoot: now.root, steps: [] };
  }
  if (old.size === 0) {
    return { complete: proof.length === 0, oldRoot: await sha256(), newRoot: now.root, steps: [] };
  }
  const path = isPowerOfTwo(old.size) ? [old.root, ...proof] : [...proof];
  if (!path.length) return { complete: false, oldRoot: null, newRoot: null, steps: [] };
  let [fn, sn] = [old.size - 1, now.size - 1];
  while (odd(fn)) [fn, sn] = [half(fn), half(sn)];
  let oldRoot = path[0];
  let newRoot = path[0];
  let complete = true;
  const steps = [];
  for (const sibling of path.slice(1)) {
    if (sn === 0) {
      complete = false;
      break;
    }
    const left = odd(fn) || fn === sn;
    if (left) {
      oldRoot = await nodeHash(sibling, oldRoot);
      newRoot = await nodeHash(sibling, newRoot);
      while (!odd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      newRoot = await nodeHash(newRoot, sibling);
    }
    steps.push({ side: left ? "left" : "right", sibling, hash: newRoot });
    [fn, sn] = [half(fn), half(sn)];
  }
  return { complete: complete && sn === 0, oldRoot, newRoot, steps };
}

function isPowerOfTwo(number) {
  while (number > 1 && !odd(number)) number = half(number);
  return number === 1;
}
