/**
 * Which commands may be what connections end with. When three connections in a row have ended without an answer, the commands
 * that were on their way go one by one, and one that ends three more by itself is given up.
 */
import type { Request } from "../wire/request.ts";

const LOSSES_TOGETHER_MAX = 3;
const BLAME_MAX = 3;

export class Suspects {
  /** Connections that ended one after the other without an answer. */
  #lossesInRow = 0;
  /** Commands up to this place in the order of issue are under suspicion. */
  #upTo = 0;

  /** Whether this one goes only when nothing else is on its way. */
  has({ sequence }: Request): boolean {
    return sequence <= this.#upTo;
  }

  /** Whether so many connections have ended with this one alone that it is not to be sent again. */
  isGuilty({ blame }: Request): boolean {
    return blame >= BLAME_MAX;
  }

  /**
   * A connection has ended.
   *
   * @param unanswered in the order in which they were sent.
   * @param hasAnswered whether that connection has answered anything.
   */
  lost(unanswered: readonly Request[], hasAnswered: boolean): void {
    const [first] = unanswered;
    if (first === undefined) return;
    this.#lossesInRow = hasAnswered ? 0 : this.#lossesInRow + 1;
    if (this.has(first)) first.blame += 1;
    else if (this.#lossesInRow >= LOSSES_TOGETHER_MAX) this.#upTo = unanswered[unanswered.length - 1].sequence;
  }
}
