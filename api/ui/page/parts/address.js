// Addresses of the page: what a path and a query say, and going from one to another.

import { at, part } from "./api.js";

const ROOT = "/ui/";

/** Told on `window` when the address was changed by the page itself. */
export const MOVED = "ledger-moved";

/** The address of a view; `query` as in `api.at`. */
export function to(view, ...rest) {
  const query = typeof rest.at(-1) === "object" ? rest.pop() : {};
  return at(ROOT + [view, ...rest].map(part).join("/"), query);
}

/** What the address says now: the parts of its path below `/ui/`, and its query. */
export function here() {
  const path = location.pathname
    .slice(ROOT.length)
    .split("/")
    .filter(Boolean)
    .map((each) => {
      try {
        return decodeURIComponent(each);
      } catch {
        return each;
      }
    });
  return { path, query: new URLSearchParams(location.search) };
}

/** Go to an address of the page. */
export function go(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  window.dispatchEvent(new Event(MOVED));
}

/** Note something in the address of the view that is shown, without leaving it. */
export function note(query) {
  history.replaceState(null, "", query.size ? `${location.pathname}?${query}` : location.pathname);
}

/** Follow links to the page's own addresses without loading the document again. */
export function followLinks() {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a[href]");
    if (!link || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !link.pathname.startsWith(ROOT)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
