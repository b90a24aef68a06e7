/**
 * Numbers that tell whether a snapshot has written a message: each snapshot has one, and sets it in a message's record
 * (queue-record.ts) together with the image. They belong to a node and are no part of the state.
 *
 * There are 65,535 of them, and 0 is on a message that was published since the last snapshot. None may come back while a
 * message still has it. When a snapshot is complete, every message that was there at its offset has its number and every
 * later one has 0, so all other numbers are free. One that was ended early leaves its number on some messages and those of
 * snapshots before on others: its successor takes the next number. Only if 65,535 in a row are ended early are there none
 * left; then all marks are cleared in one walk over the messages, which is the one step here that takes long.
 */
const NUMBER_MAX = 0xffff;

export class QueueMarks {
  #number = 0;
  /** Numbers that may be on messages. */
  #spentCount = 0;
  readonly #clearAll: () => void;

  /** @param clearAll sets the marks of all messages to 0. */
  constructor(clearAll: () => void) {
    this.#clearAll = clearAll;
  }

  /** A number that is on no message. */
  next(): number {
    if (this.#spentCount === NUMBER_MAX) {
      this.#clearAll();
      this.#spentCount = 0;
    }
    this.#spentCount++;
    this.#number = (this.#number % NUMBER_MAX) + 1;
    return this.#number;
  }

  /** The snapshot that has taken the last number is complete. */
  completed(): void {
    this.#spentCount = 1;
  }
}
