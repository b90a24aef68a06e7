/** What the process does to itself: event-loop delay, garbage collection, CPU and memory. Works from its construction. */
import {
  constants,
  type EventLoopUtilization,
  type IntervalHistogram,
  monitorEventLoopDelay,
  PerformanceObserver,
  performance,
} from "node:perf_hooks";
import { DurationHistogram } from "./duration-histogram.ts";
import { RecentWindow } from "./recent-window.ts";

/** How often the delay is sampled. A shorter stall can fall between two samples; a shorter interval wakes an idle process. */
const DELAY_RESOLUTION_MS = 10;
const RECENT_MS = 30_000;
const GC_BOUNDS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** By the position of their series in `gcPauses`. */
export const GC_KINDS = ["minor", "major", "incremental", "weak_callbacks"] as const;
const GC_SERIES = new Map<number, number>([
  [constants.NODE_PERFORMANCE_GC_MINOR, 0],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 1],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 2],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 3],
]);

/** How late the loop came to a timer, in seconds, over the last half minute or since the last reading. */
export interface EventLoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

interface CpuMark {
  readonly atMs: number;
  readonly cpuMs: number;
}

export class RuntimeInstruments {
  readonly gcPauses = new DurationHistogram(GC_KINDS.length, GC_BOUNDS_SECONDS);
  readonly #clock: { monotonicMs(): number };
  readonly #delays: RecentWindow<IntervalHistogram>;
  readonly #cpu: RecentWindow<CpuMark>;
  readonly #gcObserver: PerformanceObserver;

  constructor(clock: { monotonicMs(): number }) {
    this.#clock = clock;
    const nowMs = clock.monotonicMs();
    this.#delays = new RecentWindow(RECENT_MS, nowMs, startDelayMonitor);
    this.#cpu = new RecentWindow(RECENT_MS, nowMs, () => this.#cpuMark());
    this.#gcObserver = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.#observeGc(entry);
    });
    this.#gcObserver.observe({ entryTypes: ["gc"] });
  }

  #observeGc(entry: { readonly duration: number; readonly detail?: unknown }): void {
    // Of type `gc` are only entries whose detail is this.
    const { kind } = entry.detail as { readonly kind: number };
    const series = GC_SERIES.get(kind);
    if (series !== undefined) this.gcPauses.observe(series, entry.duration);
  }

  eventLoopDelay(): EventLoopDelay {
    return this.#delays.read(this.#clock.monotonicMs(), (delays) => ({
      p50: latenessSeconds(delays.percentile(50)),
      p99: latenessSeconds(delays.percentile(99)),
      p999: latenessSeconds(delays.percentile(99.9)),
      max: latenessSeconds(delays.max),
    }));
  }

  /** Time that the loop was busy, and busy or idle, since the start. */
  eventLoopUtilization(): EventLoopUtilization {
    return performance.eventLoopUtilization();
  }

  /** 100 = one core busy all the time, all threads of the process together. */
  cpuPercent(): number {
    return this.#cpu.read(this.#clock.monotonicMs(), (mark) => {
      const now = this.#cpuMark();
      return now.atMs === mark.atMs ? 0 : ((now.cpuMs - mark.cpuMs) / (now.atMs - mark.atMs)) * 100;
    });
  }

  #cpuMark(): CpuMark {
    const { user, system } = process.cpuUsage();
    return { atMs: this.#clock.monotonicMs(), cpuMs: (user + system) / 1000 };
  }

  stop(): void {
    this.#gcObserver.disconnect();
    for (const delays of this.#delays.windows) delays.disable();
  }
}

function startDelayMonitor(retired: IntervalHistogram | undefined): IntervalHistogram {
  const delays = retired ?? monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delays.reset();
  delays.enable();
  return delays;
}

/** The monitor records the time from one sample to the next, the interval between them included. */
function latenessSeconds(intervalNs: number): number {
  return Math.max(0, intervalNs / 1e9 - DELAY_RESOLUTION_MS / 1000);
}
