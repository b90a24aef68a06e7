/**
 * Loaded into a process before its program (`node --import`): measures the delay of its event loop and the pauses of its
 * garbage collector, and answers over the channel to its parent. Alone it is a bare loop that does nothing else.
 */
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";

export interface LoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly gcMaxMs: number;
}

const RESOLUTION_MS = 1;
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
let gcMaxMs = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) gcMaxMs = Math.max(gcMaxMs, duration);
}).observe({ entryTypes: ["gc"] });

process.on("message", (message) => {
  if (message === "begin") {
    delays.enable();
    delays.reset();
    gcMaxMs = 0;
  } else if (message === "end") {
    delays.disable();
    // A sample is the time between two ticks of the probe's own timer; what is beyond its interval is delay.
    const delayMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    const delay: LoopDelay = {
      p50Ms: delayMs(delays.percentile(50)),
      p99Ms: delayMs(delays.percentile(99)),
      p999Ms: delayMs(delays.percentile(99.9)),
      maxMs: delayMs(delays.max),
      gcMaxMs,
    };
    process.send?.(delay);
  }
});
