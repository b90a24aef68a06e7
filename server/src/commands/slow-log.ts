/** The commands that took longest: a ring of the last ones over a threshold, read by `admin.slowlog.get`. */
import type { Caller } from "../dispatch/caller.ts";

export interface SlowLogEntry {
  /** Grows from 1; not reset by `reset`. */
  readonly id: number;
  readonly timestamp: number;
  readonly duration_ms: number;
  readonly command: string;
  readonly client_id: number;
  readonly client_address: string;
}

export class SlowLog {
  readonly thresholdMs: number;
  readonly #entriesMax: number;
  #entries: SlowLogEntry[] = [];
  #lastId = 0;

  /** @param thresholdMs commands that took at least this long are kept; below zero keeps none. */
  constructor(thresholdMs: number, entriesMax: number) {
    this.thresholdMs = thresholdMs < 0 ? Number.POSITIVE_INFINITY : thresholdMs;
    this.#entriesMax = entriesMax;
  }

  /** Call it only when `durationMs` is at or over `thresholdMs`. */
  add(command: string, durationMs: number, nowMs: number, caller: Caller): void {
    this.#lastId++;
    this.#entries.push({
      id: this.#lastId,
      timestamp: nowMs,
      duration_ms: Math.round(durationMs * 1000) / 1000,
      command,
      client_id: caller.id,
      client_address: caller.address,
    });
    if (this.#entries.length > this.#entriesMax) this.#entries.shift();
  }

  /** Newest first. */
  latest(limit: number): readonly SlowLogEntry[] {
    return this.#entries.slice(-limit).reverse();
  }

  get length(): number {
    return this.#entries.length;
  }

  reset(): number {
    const removed = this.#entries.length;
    this.#entries = [];
    return removed;
  }
}
