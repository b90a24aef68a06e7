/**
 * A map that keeps what was used of late, and forgets the rest: for tables that strangers fill.
 *
 *     young   what was set or found since the last turn
 *     old     what was in young then, and was not asked for since
 *
 * When young holds as many as may be kept, it becomes old, and what was old is gone. So between `countMax` and twice as many are
 * kept, always those used last, and every step costs the same. A `Map` from which the oldest is deleted for each new one does
 * not: it walks over all that was deleted since it was last packed.
 */
export class RecentMap<V> {
  readonly #countMax: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** What is kept; a key that is in both counts twice. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  /** Forgets the values of which that is so. Looks at all of them. */
  forget(isOver: (value: V) => boolean): void {
    for (const kept of [this.#young, this.#old]) {
      for (const [key, value] of kept) if (isOver(value)) kept.delete(key);
    }
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#countMax && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
