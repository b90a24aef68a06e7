/**
 * What the subscribers of one room got: every event once, in order, and how long it took. The subscribers of a room are
 * all in one process, so it knows when the last of them has an event.
 */
import type { LatencyHistogram } from "../load/latency-histogram.ts";

export interface RoomLatencies {
  /** Hears of every delivery at once. */
  readonly onDelivery?: (latencyMs: number) => void;
  /** From the instant an event was due to be published until a subscriber has it. */
  readonly delivery: LatencyHistogram;
  /** From the first subscriber that has an event to the last. */
  readonly fanout: LatencyHistogram;
}

export class RoomReceipts {
  readonly #latencies: RoomLatencies;
  /** The offset that each subscriber gets next. */
  readonly #next: Uint32Array;
  /** By offset: how many subscribers have it, and since when the first has. */
  #counts = new Uint32Array(256);
  #firstMs = new Float64Array(256);
  #completed = 0;
  /** Deliveries, without those of what was old. */
  #received = 0;
  #problems = 0;
  #firstProblem = "";

  constructor(subscribers: number, latencies: RoomLatencies) {
    this.#next = new Uint32Array(subscribers);
    this.#latencies = latencies;
  }

  /** Events that all subscribers have. */
  get completed(): number {
    return this.#completed;
  }

  /** @returns whether all subscribers have this event now. */
  add(subscriber: number, offset: number, dueMs: number, nowMs: number): boolean {
    const expected = this.#next[subscriber];
    if (offset !== expected) {
      this.#problems += 1;
      this.#firstProblem ||= `subscriber ${subscriber} got event ${offset}, not ${expected}`;
      // Something old again; what was skipped stays missing.
      if (offset < expected) return false;
    }
    this.#next[subscriber] = offset + 1;
    this.#received += 1;
    this.#latencies.delivery.add(nowMs - dueMs);
    this.#latencies.onDelivery?.(nowMs - dueMs);
    if (offset >= this.#counts.length) this.#grow(offset);
    this.#counts[offset] += 1;
    if (this.#counts[offset] === 1) this.#firstMs[offset] = nowMs;
    if (this.#counts[offset] < this.#next.length) return false;
    this.#latencies.fanout.add(nowMs - this.#firstMs[offset]);
    this.#completed += 1;
    return true;
  }

  /** One sentence, or nothing if every subscriber has exactly the first `events` events. */
  problem(events: number): string | undefined {
    const surplus = this.#next.reduce((sum, next) => sum + Math.max(0, next - events), 0);
    const missing = events * this.#next.length - (this.#received - surplus);
    if (missing === 0 && surplus === 0 && this.#problems === 0 && this.#completed === events) return undefined;
    const wrong = this.#problems > 0 ? `, ${this.#problems} out of order or twice: ${this.#firstProblem}` : "";
    return `${missing} deliveries missing, ${surplus} too many${wrong}`;
  }

  #grow(offset: number): void {
    const length = 2 ** Math.ceil(Math.log2(offset + 1));
    const counts = new Uint32Array(length);
    counts.set(this.#counts);
    this.#counts = counts;
    const firstMs = new Float64Array(length);
    firstMs.set(this.#firstMs);
    this.#firstMs = firstMs;
  }
}
