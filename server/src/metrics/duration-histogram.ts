/**
 * Durations of several things at once, counted into buckets, in one typed array: cheap enough for every command.
 *
 *     series 0                                 series 1
 *     [<=10us][<=25us] ... [<=10s][more][sum]  [<=10us] ...
 *      one count each, not cumulative    ms
 *
 * `observe` is a short walk from the smallest bucket up, where nearly all commands end, and three memory accesses; it
 * allocates nothing. The page asks for the cumulative form, which is what Prometheus wants.
 */

export class DurationHistogram {
  /** Upper bounds in seconds, inclusive, ascending; a last bucket without bound follows. */
  readonly boundsSeconds: readonly number[];
  readonly seriesCount: number;
  readonly #boundsMs: Float64Array;
  /** Counts pass 2^32 in a day, so they are doubles: exact to 2^53. */
  readonly #cells: Float64Array;
  readonly #stride: number;

  constructor(seriesCount: number, boundsSeconds: readonly number[]) {
    this.seriesCount = seriesCount;
    this.boundsSeconds = boundsSeconds;
    this.#boundsMs = Float64Array.from([...boundsSeconds.map((bound) => bound * 1000), Number.POSITIVE_INFINITY]);
    this.#stride = this.#boundsMs.length + 1;
    this.#cells = new Float64Array(seriesCount * this.#stride);
  }

  /** @param count how many have this duration. */
  observe(series: number, durationMs: number, count = 1): void {
    const bounds = this.#boundsMs;
    const cells = this.#cells;
    const start = series * this.#stride;
    let bucket = 0;
    while (durationMs > bounds[bucket]) bucket++;
    cells[start + bucket] += count;
    cells[start + bounds.length] += durationMs * count;
  }

  count(series: number): number {
    const start = series * this.#stride;
    let count = 0;
    for (let bucket = 0; bucket < this.#boundsMs.length; bucket++) count += this.#cells[start + bucket];
    return count;
  }

  sumSeconds(series: number): number {
    return this.#cells[series * this.#stride + this.#boundsMs.length] / 1000;
  }

  /** Observations in this bucket alone; `bucket` may be `boundsSeconds.length`, those over every bound. */
  bucketCount(series: number, bucket: number): number {
    return this.#cells[series * this.#stride + bucket];
  }
}
