/**
 * Who waits until so many replicas have some offset (`admin.wait`). One acknowledgement can answer all of them; so they are
 * answered in slices, at the ends of turns.
 */

/** Over all connections. */
export const WAITS_MAX = 10_000;

interface ReplicaWait {
  readonly offset: number;
  readonly answer: (count: number) => void;
}

export class ReplicaWaits {
  readonly #offsetOf: (count: number) => number;
  /**
   * By how many replicas are wanted. Later waits are for later offsets, so each list is in order and only its head has to be
   * looked at.
   */
  readonly #byCount = new Map<number, Set<ReplicaWait>>();
  #waitCount = 0;

  /** @param offsetOf the last offset that so many replicas have. */
  constructor(offsetOf: (count: number) => number) {
    this.#offsetOf = offsetOf;
  }

  get count(): number {
    return this.#waitCount;
  }

  /**
   * Calls `answer` once when `count` replicas have `offset`, which is not so yet.
   * @returns ends the wait.
   */
  add(offset: number, count: number, answer: () => void): () => void {
    const wait = { offset, answer };
    const waits = this.#byCount.get(count) ?? new Set();
    waits.add(wait);
    this.#waitCount++;
    this.#byCount.set(count, waits);
    return () => this.#remove(count, wait);
  }

  #remove(count: number, wait: ReplicaWait): void {
    const waits = this.#byCount.get(count);
    if (waits?.delete(wait) === true) this.#waitCount--;
    if (waits?.size === 0) this.#byCount.delete(count);
  }

  /**
   * Answers those whose replicas have what they wait for, up to `limit` of them.
   * @returns whether there may be more.
   */
  answerReached(limit: number): boolean {
    let left = limit;
    for (const [count, waits] of [...this.#byCount]) {
      const reached = this.#offsetOf(count);
      for (const wait of waits) {
        if (wait.offset > reached) break;
        if (left-- === 0) return true;
        this.#remove(count, wait);
        wait.answer(count);
      }
    }
    return false;
  }
}
