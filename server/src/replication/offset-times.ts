/**
 * When offsets became durable on this node, so that a replica's lag can be told in milliseconds by one clock alone: it is as
 * far behind as the first offset that it has not acknowledged is old.
 *
 *     offsets  ... 120 | 121 ... 180 | 181 ... 400      each entry: up to which offset, and since when
 *     at ms         10 |          11 |          14
 *
 * The last seconds are kept to the millisecond, minutes to the tenth of a second, hours to ten seconds: what is told is at
 * most a fortieth too much, and who is further behind than half a day is told half a day.
 */
const RESOLUTIONS_MS = [1, 100, 10_000] as const;
/** At least so many entries of each; they are dropped by as many. */
const ENTRIES_MIN = 4096;

export class OffsetTimes {
  readonly #levels = RESOLUTIONS_MS.map((resolutionMs) => new Level(resolutionMs));

  /** Everything up to `offset` is durable now. */
  note(offset: number, nowMs: number): void {
    for (const level of this.#levels) level.note(offset, nowMs);
  }

  /** For how long somebody who has everything up to `offset` has been behind; 0 for who is not. */
  lagMs(offset: number, nowMs: number): number {
    const finest = this.#levels.find((level) => level.reaches(offset)) ?? this.#levels[this.#levels.length - 1];
    return finest.lagMs(offset, nowMs);
  }

  get count(): number {
    return this.#levels.reduce((sum, { count }) => sum + count, 0);
  }
}

class Level {
  readonly #resolutionMs: number;
  #offsets: number[] = [];
  #timesMs: number[] = [];
  /** What was dropped ended with it. */
  #droppedOffset = Number.NEGATIVE_INFINITY;

  constructor(resolutionMs: number) {
    this.#resolutionMs = resolutionMs;
  }

  get count(): number {
    return this.#offsets.length;
  }

  note(offset: number, nowMs: number): void {
    const last = this.#offsets.length - 1;
    if (last >= 0 && offset <= this.#offsets[last]) return;
    if (last >= 0 && nowMs - this.#timesMs[last] < this.#resolutionMs) {
      this.#offsets[last] = offset;
      return;
    }
    if (this.#offsets.length === 2 * ENTRIES_MIN) {
      this.#droppedOffset = this.#offsets[ENTRIES_MIN - 1];
      this.#offsets = this.#offsets.slice(ENTRIES_MIN);
      this.#timesMs = this.#timesMs.slice(ENTRIES_MIN);
    }
    this.#offsets.push(offset);
    this.#timesMs.push(nowMs);
  }

  /** Whether it knows when the offset behind this one came. */
  reaches(offset: number): boolean {
    return offset >= this.#droppedOffset;
  }

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
}
