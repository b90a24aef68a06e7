/**
 * One clock for all processes of a machine: CLOCK_MONOTONIC, which Linux counts from its start for everybody. So an
 * instant that one process put into a message can be compared with the clock of the process that gets it.
 */

/** The first calls load and compile what they need, so the pair of readings that are closest together counts. */
const TRIES = 100;

/** What lies between the machine's clock and this process's own, which is read faster. */
const SHIFT_MS = shift();

export function monotonicMs(): number {
  return performance.now() + SHIFT_MS;
}

function shift(): number {
  let shiftMs = 0;
  let leastMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < TRIES; i++) {
    const before = performance.now();
    const machineMs = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    if (after - before >= leastMs) continue;
    leastMs = after - before;
    shiftMs = machineMs - (before + after) / 2;
  }
  return shiftMs;
}
