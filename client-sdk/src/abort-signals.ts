/**
 * Hearing of an AbortSignal, however many do: one listener for each signal. Node takes more than ten for a leak and says so,
 * and a hundred commands may well share the signal of one request of a web server.
 */
const listeners = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `listener` when the signal, which is not aborted yet, is. @returns what ends it. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  let those = listeners.get(signal);
  if (those === undefined) {
    const all = new Set<() => void>();
    signal.addEventListener("abort", () => {
      for (const each of all) each();
    });
    listeners.set(signal, all);
    those = all;
  }
  const mine = those;
  mine.add(listener);
  return () => mine.delete(listener);
}
