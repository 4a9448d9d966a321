// What differs between two states of the same thing, path by path. Pure.

const BESIDE = new Set(["position", "version", "modified_at", "next"]);
const MOST = 200;

/** List `{path, before, after}`; what is absent is undefined. Values that follow from others are left out. */
export function differences(before, after) {
  const found = [];
  compare("", before ?? {}, after ?? {}, found);
  return found;
}

function compare(path, before, after, found) {
  if (found.length >= MOST || Object.is(before, after)) return;
  const bothObjects = isObject(before) && isObject(after);
  const bothLists = Array.isArray(before) && Array.isArray(after);
  if (!bothObjects && !bothLists) {
    if (JSON.stringify(before) !== JSON.stringify(after)) found.push({ path, before, after });
    return;
  }
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (BESIDE.has(name)) continue;
    const inner = bothLists ? `${path}[${Number(name) + 1}]` : path ? `${path}.${name}` : name;
    compare(inner, before[name], after[name], found);
  }
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
