/**
 * Who has to be done by when, where all get the same time: then the order of arrival is the order of deadlines, and a
 * sweep looks at the overdue ones and one more. Adding and removing cost O(1), and there is no timer for any of them.
 */
export class Overdue<T> {
  readonly #timeoutMs: number;
  readonly #deadlines = new Map<T, number>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#deadlines.size;
  }

  /** @param nowMs monotonic. Adding again does not move the deadline. */
  add(item: T, nowMs: number): void {
    if (!this.#deadlines.has(item)) this.#deadlines.set(item, nowMs + this.#timeoutMs);
  }

  remove(item: T): void {
    this.#deadlines.delete(item);
  }

  /** Removes what is overdue and hands each to `cutOff`. */
  sweep(nowMs: number, cutOff: (item: T) => void): void {
    for (const [item, deadlineMs] of this.#deadlines) {
      if (deadlineMs > nowMs) return;
      this.#deadlines.delete(item);
      cutOff(item);
    }
  }
}
