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

  /** The history with another epoch, which begins behind `previousEnd`. */
  next(previousEnd: number, firstOffset: number): EpochHistory {
    if (firstOffset <= previousEnd) throw new Error(`an epoch begins at ${firstOffset}, not behind ${previousEnd}`);
    const epoch = this.current.epoch + 1;
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

  /** Whether a log that ends at `offset`, written in `epoch`, is a prefix of a log that has this history. */
  holds(epoch: number, offset: number): boolean {
    const index = this.epochs.findIndex((each) => each.epoch === epoch);
    if (index < 0) return false;
    const next = this.epochs.at(index + 1);
    return next === undefined || offset <= next.previousEnd;
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
    return firstOffset === begun.firstOffset && begun.previousEnd === expectedOffset - 1;
  }
}
