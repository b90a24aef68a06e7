/**
 * How far the operation log has been released: on disk, or acknowledged by as many replicas as were asked for. What shows
 * the state at a later offset may not leave the process yet, or a crash could take back what somebody has seen.
 *
 *     offsets   1 2 3 4 5 6 7 8 9
 *               released|        |applied
 *                       '--------'  replies and pushes that show these are held by their connections
 *
 * The log advances it once for many records. Those who wait are then called once each, in the order in which they came; who
 * still has to wait asks again, which costs no more than adding to a set. A waiter does little when it is called: it has its
 * connection visited at the end of the turn, where the work is in slices (transports/push-writer.ts).
 */
export interface ReleaseWaiter {
  /** `releasedOffset` has grown since it began to wait. */
  released(): void;
}

export class ReleaseGate {
  #releasedOffset: number;
  readonly #onBug: (error: unknown) => void;
  #waiting = new Set<ReleaseWaiter>();
  /** Those who are being called; who asks again is not among them. */
  #called = new Set<ReleaseWaiter>();

  /**
   * @param releasedOffset where the log begins; infinite where nothing ever waits, since nothing is made durable.
   * @param onBug is told what a waiter has thrown, once all of them were called.
   */
  constructor(releasedOffset = Number.POSITIVE_INFINITY, onBug: (error: unknown) => void = rethrow) {
    this.#releasedOffset = releasedOffset;
    this.#onBug = onBug;
  }

  /** What depends on no later offset than this may leave. */
  get releasedOffset(): number {
    return this.#releasedOffset;
  }

  get waiterCount(): number {
    return this.#waiting.size;
  }

  /** Has it called once, after the next growth. Again is the same as once. */
  wait(waiter: ReleaseWaiter): void {
    this.#waiting.add(waiter);
  }

  /** Its connection is gone. */
  forget(waiter: ReleaseWaiter): void {
    this.#waiting.delete(waiter);
    this.#called.delete(waiter);
  }

  /** For the log: everything up to `offset` is released. It only grows. */
  advance(offset: number): void {
    if (offset <= this.#releasedOffset) {
      if (offset === this.#releasedOffset) return;
      throw new Error(`offset ${this.#releasedOffset} was released, and now only ${offset}`);
    }
    this.#releasedOffset = offset;
    if (this.#waiting.size > 0) this.#callAll();
  }

  #callAll(): void {
    const due = this.#waiting;
    this.#waiting = new Set();
    this.#called = due;
    const bugs: unknown[] = [];
    for (const waiter of due) {
      try {
        waiter.released();
      } catch (error) {
        bugs.push(error);
      }
    }
    due.clear();
    for (const bug of bugs) this.#onBug(bug);
  }
}

function rethrow(error: unknown): never {
  throw error;
}
