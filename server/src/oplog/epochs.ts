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

/** More are forgotten: a node that is so far behind needs a full sync. */
export const EPOCHS_MAX = 100;

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
    return new EpochHistory([...this.epochs.slice(1 - EPOCHS_MAX), { epoch, firstOffset, previousEnd }]);
  }

  /** Whether a log that ends at `offset`, written in `epoch`, is a prefix of a log that has this history. */
  holds(epoch: number, offset: number): boolean {
    const index = this.epochs.findIndex((each) => each.epoch === epoch);
    if (index < 0) return false;
    const next = this.epochs.at(index + 1);
    return next === undefined || offset <= next.previousEnd;
  }

  /** Whether a record of `epoch` at `firstOffset` may follow one that ends before `expectedOffset`. */
  mayFollow(epoch: number, firstOffset: number, expectedOffset: number): boolean {
    if (firstOffset === expectedOffset) return true;
    const begun = this.epochs.find((each) => each.epoch === epoch);
    return begun !== undefined && begun.firstOffset === firstOffset && begun.previousEnd === expectedOffset - 1;
  }
}
