// The visitor's key: kept for this tab only, and gone with it.

const NAME = "jobledger-key";

/** The key, or null. */
export const key = () => sessionStorage.getItem(NAME);

export const keep = (secret) => sessionStorage.setItem(NAME, secret);

export const forget = () => sessionStorage.removeItem(NAME);

/** Take the key out of an address that ends in `#key=…`; fragments are never sent anywhere. */
export function takeFromAddress() {
  const found = /^#key=([\x21-\x7e]+)$/.exec(location.hash);
  if (!found) return;
  keep(decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname + location.search);
}
