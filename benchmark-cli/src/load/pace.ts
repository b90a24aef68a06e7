/**
 * Sends at fixed instants whatever comes back. Between instants the process naps for a twentieth of a millisecond and
 * looks for replies: that keeps instants and arrivals exact to about a tenth of a millisecond, where a timer is late by
 * up to one, and leaves the core to others, which a loop that spins does not.
 */
import { monotonicMs } from "./monotonic-clock.ts";

const NAP_MS = 0.05;
const napping = new Int32Array(new SharedArrayBuffer(4));

/** Gives the core away for at most a twentieth of a millisecond, and not past the next instant. */
export function nap(untilMs: number): void {
  if (untilMs > 0) Atomics.wait(napping, 0, 0, Math.min(NAP_MS, untilMs));
}

/**
 * @param count how many instants there are
 * @param send called once for each, with the instant it was due, in `monotonicMs`
 * @param sent called after those that were due together
 */
export function pace(
  ratePerSec: number,
  count: number,
  send: (index: number, dueMs: number) => void,
  sent: () => void,
): Promise<void> {
  const intervalMs = 1_000 / ratePerSec;
  const firstMs = monotonicMs();
  let index = 0;
  return new Promise((resolve) => {
    const turn = () => {
      const nowMs = monotonicMs();
      let dueMs = firstMs + index * intervalMs;
      if (dueMs <= nowMs) {
        while (index < count && dueMs <= nowMs) {
          send(index, dueMs);
          index += 1;
          dueMs = firstMs + index * intervalMs;
        }
        sent();
      } else {
        nap(dueMs - nowMs);
      }
      if (index < count) setImmediate(turn);
      else resolve();
    };
    turn();
  });
}
