/** The one clock. No other file of the server reads the time, so a test or a simulation can own it. */
// The global of this name is a getter, which each reading would go through.
import { performance } from "node:perf_hooks";

export interface Clock {
  /** Wall time in whole milliseconds since the epoch: for deadlines and timestamps. It may jump when the machine's clock is set. */
  nowMs(): number;
  /** Milliseconds, with a fraction, since an arbitrary start: for durations. It never goes back. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** The wall time at which this process began, in milliseconds since the epoch. */
export function processStartedAtMs(): number {
  return Math.round(performance.timeOrigin);
}

/** A clock that moves only when told to. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;

  constructor(startMs = 1_700_000_000_000) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return Math.floor(this.#wallMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Time passes: both readings grow by `ms`. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`time does not pass by ${ms} ms`);
    this.#wallMs += ms;
    this.#monotonicMs += ms;
  }

  /** Somebody sets the machine's clock: the wall time jumps, forward or back, and no time passes. */
  setWall(nowMs: number): void {
    this.#wallMs = nowMs;
  }
}
