// Tree heads that the reviewer keeps in this browser. They hold no secret: sizes, roots, signatures.

const NAME = "jobledger-tree-heads";
const MOST = 50;

/** Kept heads, newest first: `{size, root (hex), note, key, kept_at}`. */
export function keptHeads() {
  try {
    const found = JSON.parse(localStorage.getItem(NAME) ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}

/** Keep a head; one of the same size and root is kept once. */
export function keepHead(head) {
  const others = keptHeads().filter((each) => each.size !== head.size || each.root !== head.root);
  localStorage.setItem(
    NAME,
    JSON.stringify([{ ...head, kept_at: new Date().toISOString() }, ...others].slice(0, MOST)),
  );
}

export function dropHead(head) {
  localStorage.setItem(
    NAME,
    JSON.stringify(
      keptHeads().filter((each) => each.size !== head.size || each.root !== head.root),
    ),
  );
}
