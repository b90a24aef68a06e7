/**
 * When offsets became durable on this node, so that a replica's lag can be told in milliseconds by one clock alone: it is as
 * far behind as the first offset that it has not acknowledged is old.
 *
 *     offsets  ... 120 | 121 ... 180 | 181 ... 400      each entry: up to which offset, and since when
 *     at ms         10 |          11 |          14
 *
 * What comes within the same millisecond shares an entry. When there are as many as there may be, the older half is thinned
 * by two: the lag of somebody far behind gets coarse, and never more than by half.
 */
const RESOLUTION_MS = 1;
const ENTRIES_MAX = 4096;

export class OffsetTimes {
  readonly #offsets: number[] = [];
  readonly #timesMs: number[] = [];

  /** Everything up to `offset` is durable now. */
  note(offset: number, nowMs: number): void {
    const last = this.#offsets.length - 1;
    if (last >= 0 && offset <= this.#offsets[last]) return;
    if (last >= 0 && nowMs - this.#timesMs[last] < RESOLUTION_MS) {
      this.#offsets[last] = offset;
      return;
    }
    if (this.#offsets.length === ENTRIES_MAX) this.#thin();
    this.#offsets.push(offset);
    this.#timesMs.push(nowMs);
  }

  /** For how long somebody who has everything up to `offset` has been behind; 0 for who is not. */
  lagMs(offset: number, nowMs: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle] > offset) high = middle;
      else low = middle + 1;
    }
    return low === this.#offsets.length ? 0 : Math.max(0, nowMs - this.#timesMs[low]);
  }

  get count(): number {
    return this.#offsets.length;
  }

  /** Puts pairs of the older half together: the later offset, the earlier time. */
  #thin(): void {
    const half = ENTRIES_MAX / 2;
    let kept = 0;
    for (let i = 0; i < ENTRIES_MAX; i++, kept++) {
      this.#timesMs[kept] = this.#timesMs[i];
      if (i < half) i++;
      this.#offsets[kept] = this.#offsets[i];
    }
    this.#offsets.length = kept;
    this.#timesMs.length = kept;
  }
}
