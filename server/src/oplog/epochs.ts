/**
 * The epochs of a log. An epoch is a time in which one master wrote: a promotion begins the next, and so does a start after
 * which the end of the log may be missing. Offsets go on growing from epoch to epoch, with a gap where the master before may
 * have written more than is known here, so that no offset is ever used twice.
 *
 *     epoch 1  |---------------------|                       previousEnd of epoch 2
 *     epoch 2        (lost) . . . .       |--------------|   firstOffset of epoch 2 begins behind the gap
 *
 * A node whose log ends at `offset` in epoch `e` holds a prefix of this log if `e` is in this history and its offset is not
 * beyond what this log has of `e`.
 */
export interface Epoch {
  readonly epoch: number;
  /** Of the first operation that is, or will be, written in it. */
  readonly firstOffset: number;
  /** The last offset of the epoch before it; 0 for the first. */
  readonly previousEnd: number;
}

/** Where a record stands in the log; a mark has a count of 0. */
export interface RecordPlace {
  readonly epoch: number;
  readonly firstOffset: number;
  readonly count: number;
}

/**
 * A promotion goes on at the next multiple. A master that a replica is promoted over, and that knows nothing of it, may begin
 * an epoch with every unclean start: it has to do so this often before it could count as the newer one of the two.
 */
export const PROMOTION_STEP = 1000;

/** Of those that the log on disk has nothing of, so many stay: a node that is further behind needs a full sync. */
export const EPOCHS_KEPT = 100;

/** The epochs of one log, oldest first; never empty. */
export class EpochHistory {
  readonly epochs: readonly Epoch[];

  constructor(epochs: readonly Epoch[]) {
    if (epochs.length === 0) throw new Error("a log has an epoch");
    this.epochs = epochs;
  }

  static beginning(firstOffset: number): EpochHistory {
    return new EpochHistory([{ epoch: 1, firstOffset, previousEnd: firstOffset - 1 }]);
  }

  get current(): Epoch {
    return this.epochs[this.epochs.length - 1];
  }

  /** The history with another epoch of the same master, which begins behind `previousEnd`. */
  next(previousEnd: number, firstOffset: number): EpochHistory {
    return this.#with(this.current.epoch + 1, previousEnd, firstOffset);
  }

  /**
   * The same, with the epoch of another master.
   * @param knownEpoch the latest that is known of, where another node may have come further than this history.
   */
  promoted(previousEnd: number, firstOffset: number, knownEpoch: number): EpochHistory {
    const latest = Math.max(this.current.epoch, knownEpoch);
    return this.#with((Math.floor(latest / PROMOTION_STEP) + 1) * PROMOTION_STEP, previousEnd, firstOffset);
  }

  #with(epoch: number, previousEnd: number, firstOffset: number): EpochHistory {
    if (firstOffset <= previousEnd) throw new Error(`an epoch begins at ${firstOffset}, not behind ${previousEnd}`);
    return new EpochHistory([...this.epochs, { epoch, firstOffset, previousEnd }]);
  }

  /**
   * The history without its oldest epochs, as far as they end before `offset`, the oldest that the log has, and more than
   * enough come after them. Those that the log has records of are needed to read it, however many a crash in a loop makes.
   */
  forgetBefore(offset: number): EpochHistory {
    const needed = this.epochs.findLastIndex(({ firstOffset }) => firstOffset <= offset);
    const from = Math.min(Math.max(0, needed), Math.max(0, this.epochs.length - EPOCHS_KEPT));
    return from === 0 ? this : new EpochHistory(this.epochs.slice(from));
  }

  /**
   * Whether a log that ends at `offset`, written in `epoch`, is a prefix of a log that has this history. Every later epoch has
   * a say: one that began behind a power failure may follow less than the one before it did.
   */
  holds(epoch: number, offset: number): boolean {
    const index = this.epochs.findIndex((each) => each.epoch === epoch);
    return index >= 0 && this.epochs.slice(index + 1).every(({ previousEnd }) => offset <= previousEnd);
  }

  /**
   * Whether a log that has the history `other` and ends at `offset` is a prefix of a log that has this one. The epoch it
   * ends in has to be the same one and not only of the same number: two nodes may have been promoted apart.
   */
  isContinued(other: EpochHistory, offset: number): boolean {
    const { epoch, firstOffset, previousEnd } = other.current;
    const own = this.epochs.find((each) => each.epoch === epoch);
    if (own?.firstOffset !== firstOffset || own.previousEnd !== previousEnd) return false;
    return this.holds(epoch, offset);
  }

  /** The epoch in which a log that ends at `offset` goes on; the oldest that is known where it ended before. */
  at(offset: number): Epoch {
    return this.epochs.findLast(({ firstOffset }) => firstOffset <= offset + 1) ?? this.epochs[0];
  }

  /** This history as it was when `epoch`, which is in it, was the current one. */
  upTo(epoch: number): EpochHistory {
    return new EpochHistory(this.epochs.filter((each) => each.epoch <= epoch));
  }

  /** This history up to the first epoch that follows more than a log has that ends at `offset`; itself where there is none. */
  reachedAt(offset: number): EpochHistory {
    let next = offset + 1;
    for (const [i, { firstOffset, previousEnd }] of this.epochs.entries()) {
      if (i > 0 && next <= previousEnd) return new EpochHistory(this.epochs.slice(0, i));
      next = Math.max(next, firstOffset);
    }
    return this;
  }

  /** The first offset, from `offset` on, that is not in a gap between two epochs. Of an epoch without operations there is only gap. */
  behindGap(offset: number): number {
    return this.#behindGap(offset, Number.POSITIVE_INFINITY);
  }

  /** The same, as it was when `lastEpoch` was the current one. */
  #behindGap(offset: number, lastEpoch: number): number {
    let behind = offset;
    for (const { epoch, firstOffset, previousEnd } of this.epochs) {
      if (epoch <= lastEpoch && behind > previousEnd && behind < firstOffset) behind = firstOffset;
    }
    return behind;
  }

  /** Whether a segment that begins at `firstOffset` may follow a log that ends before `expectedOffset`, in an epoch of its own. */
  mayBegin(firstOffset: number, expectedOffset: number): boolean {
    const begun = this.epochs.find((each) => each.firstOffset === firstOffset);
    return begun !== undefined && this.mayFollow({ epoch: begun.epoch, firstOffset, count: 0 }, expectedOffset);
  }

  /**
   * Whether a record may follow one that ends before `expectedOffset`: right behind it, or as the first of an epoch behind
   * the gap; and within what there is of its epoch.
   */
  mayFollow({ epoch, firstOffset, count }: RecordPlace, expectedOffset: number): boolean {
    const begun = this.epochs.find((each) => each.epoch === epoch);
    if (begun === undefined || firstOffset < begun.firstOffset) return false;
    if (!this.holds(epoch, firstOffset + count - 1)) return false;
    if (firstOffset === expectedOffset) return true;
    // A mark may begin an epoch without operations.
    return firstOffset === begun.firstOffset && this.#behindGap(expectedOffset, epoch) === firstOffset;
  }
}
