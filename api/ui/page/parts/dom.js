// Elements out of names, attributes and children. Text only ever becomes text nodes.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element; `on…` are listeners, true and false set and leave out, null is no child. */
export function h(name, attributes = {}, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

/** Make an element of a drawing. */
export function s(name, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, name), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

function add(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(parent, child);
    else parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Put children in the place of those that are there. */
export function fill(parent, ...children) {
  parent.replaceChildren();
  add(parent, children);
  return parent;
}

/**
 * Let the children of `parent` be one for each item, in order. A child is kept for as long as its
 * item's key is there, so that focus, selection and transitions survive; `update(child, item)`
 * brings it up to date, and is called for new ones too.
 */
export function keyed(parent, items, keyOf, make, update) {
  const known = parent.keyed ?? new Map();
  const now = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = known.get(key);
    if (child) known.delete(key);
    else child = make(item);
    now.set(key, child);
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const child of known.values()) child.remove();
  parent.keyed = now;
}

/** Set an element's text where it differs, so that an unchanged one stays untouched. */
export function say(element, text) {
  const told = String(text ?? "");
  if (element.textContent !== told) element.textContent = told;
}
