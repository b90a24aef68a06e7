/** Who waits until so many replicas have some offset (`admin.wait`). */

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

  /** @param offsetOf the last offset that so many replicas have. */
  constructor(offsetOf: (count: number) => number) {
    this.#offsetOf = offsetOf;
  }

  /**
   * Calls `answer` once when `count` replicas have `offset`, which is not so yet.
   * @returns ends the wait.
   */
  add(offset: number, count: number, answer: () => void): () => void {
    const wait = { offset, answer };
    const waits = this.#byCount.get(count) ?? new Set();
    waits.add(wait);
    this.#byCount.set(count, waits);
    return () => this.#remove(count, wait);
  }

  #remove(count: number, wait: ReplicaWait): void {
    const waits = this.#byCount.get(count);
    waits?.delete(wait);
    if (waits?.size === 0) this.#byCount.delete(count);
  }

  /** A replica has more. */
  acknowledged(): void {
    for (const [count, waits] of [...this.#byCount]) {
      const reached = this.#offsetOf(count);
      for (const wait of waits) {
        if (wait.offset > reached) break;
        this.#remove(count, wait);
        wait.answer(count);
      }
    }
  }
}
