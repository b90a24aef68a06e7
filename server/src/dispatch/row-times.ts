/**
 * How long the commands of a burst, or of a batch, take. A look at the clock is not cheap beside a small command, so those that
 * run in a row are timed together, as long as they are quick:
 *
 *     burst   GET GET GET GET GET GET GET GET | GET GET | SET | MGET | MGET
 *     looks                                   ^         ^     ^      ^      ^
 *
 * What is refused before it runs is not timed.
 */
import type { Caller } from "./caller.ts";
import type { CommandRunner } from "./command-runner.ts";

const ROW_COUNT_MAX = 8;
/** With commands that take longer on average, the next are timed one by one. */
const COMMAND_MS_MAX = 0.1;
/** With a lower threshold of the slow log, each is timed by itself. */
const THRESHOLD_MS_MIN = 5;

export class RowTimes {
  /** When the last command that was timed ended: the next one begins then. */
  atMs = 0;
  /** So many commands may run in the next row. */
  countMax = 1;
  readonly #runner: CommandRunner;
  readonly #timesRows: boolean;
  /** Until `endRow`, commands of one kind run. */
  #isInRow = false;
  /** What ran since `atMs`: commands of this position in the registry, and how many of them failed. */
  #index = 0;
  #count = 0;
  #failures = 0;

  constructor(runner: CommandRunner) {
    this.#runner = runner;
    this.#timesRows = runner.slowLog.thresholdMs >= THRESHOLD_MS_MIN;
  }

  /** Commands of one kind come, until `endRow`. */
  beginRow(): void {
    this.#isInRow = true;
  }

  /**
   * For who does not know its rows: a command comes, and the row before it ends where it cannot be one with it. The first of a kind
   * is timed alone. At the end `endRow` has to follow.
   * @param isSmall whether it may share a row.
   */
  next(index: number, isSmall: boolean, caller: Caller): void {
    const isSame = index === this.#index;
    if (!isSmall || !isSame || this.#count >= this.countMax) this.#look(caller);
    if (!isSame) this.countMax = 1;
    this.#isInRow = isSmall;
  }

  /** A command has run. One that has failed may have taken its time for it, so that ends the row. */
  add(index: number, isSuccess: boolean, caller: Caller): void {
    this.#index = index;
    this.#count++;
    if (!isSuccess) this.#failures++;
    if (!this.#isInRow || !isSuccess) this.#look(caller);
  }

  /** The row is over, whatever has become of it. */
  endRow(caller: Caller): void {
    this.#isInRow = false;
    this.#look(caller);
  }

  #look(caller: Caller): void {
    const count = this.#count;
    if (count === 0) return;
    const beganMs = this.atMs;
    this.atMs = this.#runner.observeRow(this.#index, beganMs, count, this.#failures, caller);
    this.countMax = this.#timesRows && this.atMs - beganMs <= count * COMMAND_MS_MAX ? ROW_COUNT_MAX : 1;
    this.#count = 0;
    this.#failures = 0;
  }
}
