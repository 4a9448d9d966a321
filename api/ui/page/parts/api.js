// Requests to the public API under the visitor's key, and what can go wrong with them.

import { forget, key } from "./key.js";

/** The API refused; it says why (RFC 9457). */
export class Problem extends Error {
  constructor(status, body, retryAfterS) {
    super(body.title || `The server answered ${status}.`);
    this.status = status;
    this.kind = (body.type || "").replace("/problems/", "");
    this.detail = body.detail || "";
    this.path = body.path || "";
    this.requestId = body.request_id || "";
    this.retryAfterS = retryAfterS;
  }
}

/** Nobody answered. */
export class Unreachable extends Error {
  constructor() {
    super("The server cannot be reached.");
  }
}

/** Told on `window` when the key opens nothing any more. */
export const SIGNED_OUT = "ledger-signed-out";

/** Make a request and give the response as it is; its failures as `Problem` and `Unreachable`. */
export async function request(
  path,
  { method = "GET", headers = {}, body, signal, organization } = {},
) {
  const sent = { ...headers };
  if (key()) sent.Authorization = `Bearer ${key()}`;
  if (organization) sent["Ledger-Organization"] = organization;
  if (body !== undefined) sent["Content-Type"] ??= "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: sent,
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
      signal,
      cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) {
    forget();
    window.dispatchEvent(new Event(SIGNED_OUT));
  }
  return new Problem(response.status, body, Number(response.headers.get("Retry-After")) || null);
}

async function json(path, options) {
  const response = await request(path, options);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable(); // it ended in the middle
  }
}

/**
 * Read. `covering` asks that the answer reflects the log at least up to that position; where the
 * view behind it lags further than the server waits, the answer is taken as old as it is.
 */
export async function read(path, { covering = 0, headers = {}, ...options } = {}) {
  if (!covering) return json(path, { headers, ...options });
  try {
    return await json(path, {
      headers: { ...headers, "Ledger-Min-Position": covering },
      ...options,
    });
  } catch (error) {
    if (error.kind !== "view-behind") throw error;
    return json(path, { headers, ...options });
  }
}

/** Do something. */
export const act = (method, path, body, options = {}) => json(path, { method, body, ...options });

/** Make a path with a query; what is null, undefined or empty is left out, lists are repeated. */
export function at(path, query = {}) {
  const told = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) {
      if (each !== null && each !== undefined && each !== "") told.append(name, each);
    }
  }
  return told.size ? `${path}?${told}` : path;
}

/** Make one segment of a path. */
export const part = (text) => encodeURIComponent(text);
