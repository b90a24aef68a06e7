/**
 * A measurement "of late" that any number of readers may ask for without disturbing each other.
 *
 *     older    [==============================|
 *     younger                 [===============|
 *                                             ^ read: reports the older one; if the younger is old enough by now,
 *                                               the older starts anew and the two change roles
 *
 * So a reading covers at least `spanMs` (once that much has passed) and everything since the reading before, and a second
 * Prometheus, or a curl in between, cannot swallow a spike that the first would have seen.
 */
export class RecentWindow<T> {
  readonly #spanMs: number;
  readonly #start: (retired: T | undefined) => T;
  #older: T;
  #younger: T;
  #youngerStartedAtMs: number;

  /**
   * @param nowMs here and below on a clock that does not go back.
   * @param start begins a measurement; it may use `retired`, one that is over, again.
   */
  constructor(spanMs: number, nowMs: number, start: (retired: T | undefined) => T) {
    this.#spanMs = spanMs;
    this.#start = start;
    this.#older = start(undefined);
    this.#younger = start(undefined);
    this.#youngerStartedAtMs = nowMs;
  }

  read<R>(nowMs: number, report: (window: T) => R): R {
    const reading = report(this.#older);
    if (nowMs - this.#youngerStartedAtMs >= this.#spanMs) {
      const retired = this.#older;
      this.#older = this.#younger;
      this.#younger = this.#start(retired);
      this.#youngerStartedAtMs = nowMs;
    }
    return reading;
  }

  /** Both measurements, for who has to end them. */
  get windows(): readonly [T, T] {
    return [this.#older, this.#younger];
  }
}
