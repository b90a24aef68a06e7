/**
 * What a command may hold against a pattern that has to answer at once or not at all: so many names for each that it may answer
 * with, and so much work. Matching takes about 3 ns for a byte of a name and a word of the pattern.
 */
const NAMES_PER_REPLY = 5;
const WORK_BYTES = 2 ** 22;

export class MatchBudget {
  #namesLeft: number;
  #workLeft = WORK_BYTES;

  /** @param replyMax how many names there may be in the answer. */
  constructor(replyMax: number) {
    this.#namesLeft = replyMax * NAMES_PER_REPLY;
  }

  /** Whether one more may be looked at. @param words of the pattern (`Glob#words`). */
  take(nameBytes: number, words: number): boolean {
    if (this.#namesLeft <= 0 || this.#workLeft <= 0) return false;
    this.#namesLeft--;
    this.#workLeft -= nameBytes * words;
    return true;
  }
}
