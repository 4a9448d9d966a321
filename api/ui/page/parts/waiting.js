// Waiting: for a length of time, and for the tab to be looked at.

/** Wait; rejects when `signal` is aborted. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener("abort", stop);
      resolve();
    }
    function stop() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Wait until the tab is not hidden. */
export async function shown(signal) {
  while (document.hidden) {
    await new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const ends = new AbortController();
      const done = (settle) => () => {
        ends.abort();
        settle(signal?.reason);
      };
      document.addEventListener("visibilitychange", done(resolve), { signal: ends.signal });
      signal?.addEventListener("abort", done(reject), { signal: ends.signal });
    });
  }
}

/** A signal that is aborted with `signal`, and when the tab is hidden; and what lets go of it. */
export function untilHidden(signal) {
  const ends = new AbortController();
  const look = () => document.hidden && ends.abort();
  document.addEventListener("visibilitychange", look, { signal: ends.signal });
  return [AbortSignal.any([signal, ends.signal]), () => ends.abort()];
}

/** Call `later` once things have been quiet for `ms`. */
export function settled(later, ms) {
  let timer = 0;
  return (...told) => {
    clearTimeout(timer);
    timer = setTimeout(() => later(...told), ms);
  };
}
