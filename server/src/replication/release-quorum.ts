/**
 * How far the log may be shown to the world: what is durable here and on as many replicas as every write has to wait for
 * (`replication.min_replicas_for_write`). The lowest of the best: of replicas at 90, 70 and 50, two have what is up to 70.
 */

/** The last offset that at least `count` of those who acknowledged so much have; 0 where there are fewer. */
export function quorumOffset(acknowledged: readonly number[], count: number): number {
  if (count === 0) return Number.POSITIVE_INFINITY;
  if (acknowledged.length < count) return 0;
  return [...acknowledged].sort((a, b) => b - a)[count - 1];
}

export class ReleaseQuorum {
  #replicaCount: number;
  readonly #advance: (offset: number) => void;
  #durableOffset = 0;
  #replicatedOffset: number;
  #releasedOffset: number;

  /**
   * @param replicaCount how many replicas have to have a write; 0 for none.
   * @param advance is told how far the log is released; it grows only: who has been shown something may rely on it.
   * @param releasedOffset what counts as released from the start: what was found on disk is shown without asking replicas again.
   */
  constructor(replicaCount: number, advance: (offset: number) => void, releasedOffset = 0) {
    this.#replicaCount = replicaCount;
    this.#releasedOffset = releasedOffset;
    this.#advance = advance;
    this.#replicatedOffset = quorumOffset([], replicaCount);
  }

  /** Has the releases to come wait for so many. */
  require(replicaCount: number): void {
    this.#replicaCount = replicaCount;
    this.#replicatedOffset = quorumOffset([], replicaCount);
    this.#release();
  }

  get releasedOffset(): number {
    return this.#releasedOffset;
  }

  durable(offset: number): void {
    this.#durableOffset = offset;
    this.#release();
  }

  /** @param offsets what each replica has acknowledged, in any order. */
  acknowledged(offsets: readonly number[]): void {
    if (this.#replicaCount === 0) return;
    this.#replicatedOffset = quorumOffset(offsets, this.#replicaCount);
    this.#release();
  }

  #release(): void {
    const offset = Math.min(this.#durableOffset, this.#replicatedOffset);
    if (offset <= this.#releasedOffset) return;
    this.#releasedOffset = offset;
    this.#advance(offset);
  }
}
