/**
 * How long the commands of a burst take. A look at the clock is not cheap beside a small command, so those of one key that are of one
 * kind and follow each other are timed together, as long as they are quick:
 *
 *     burst   GET GET GET GET GET GET GET GET | GET GET | SET | MGET | MGET
 *     looks                                   ^         ^     ^      ^      ^
 *
 * What is refused before it runs is not timed, and ends its row all the same.
 */
import type { CommandRunner } from "./command-runner.ts";
import type { RespClient } from "./resp-client.ts";
import type { RespEntry } from "./resp-table.ts";

const ROW_COUNT_MAX = 8;
/** With commands that take longer on average, the next are timed one by one. */
const COMMAND_MS_MAX = 0.1;
/** Of larger requests, and with a lower threshold of the slow log, each is timed by itself. */
const REQUEST_BYTES_MAX = 1024;
const THRESHOLD_MS_MIN = 5;

export class RowTimes {
  /** When the last command that was timed ended: the next one begins then. */
  atMs = 0;
  readonly #runner: CommandRunner;
  readonly #timesRows: boolean;
  /** The command under way may be timed with the one that follows it. */
  #isInRow = false;
  /** What ran since `atMs`: commands of this entry, and how many of them failed. */
  #entry: RespEntry | undefined;
  #count = 0;
  #failures = 0;
  #countMax = 1;

  constructor(runner: CommandRunner, slowLogThresholdMs: number) {
    this.#runner = runner;
    this.#timesRows = slowLogThresholdMs >= THRESHOLD_MS_MIN;
  }

  /**
   * A command is about to run.
   * @param isFollowed one of its kind comes next.
   */
  next(isFollowed: boolean, requestBytes: number): void {
    this.#isInRow = isFollowed && requestBytes <= REQUEST_BYTES_MAX;
  }

  /** A command has run. */
  add(entry: RespEntry, isSuccess: boolean, client: RespClient): void {
    this.#entry = entry;
    this.#count++;
    if (!isSuccess) this.#failures++;
    if (!this.#isInRow || this.#count >= this.#countMax) this.#look(client);
  }

  /** The command is over, whether it ran or was refused. */
  ran(client: RespClient): void {
    if (!this.#isInRow) this.#look(client);
  }

  /** Something else follows. */
  end(client: RespClient): void {
    this.#isInRow = false;
    this.#look(client);
  }

  #look(client: RespClient): void {
    const count = this.#count;
    const entry = this.#entry;
    if (entry === undefined || count === 0) return;
    const beganMs = this.atMs;
    this.atMs = this.#runner.observeRow(entry.index, beganMs, count, this.#failures, client);
    this.#countMax = this.#timesRows && this.atMs - beganMs <= count * COMMAND_MS_MAX ? ROW_COUNT_MAX : 1;
    this.#entry = undefined;
    this.#count = 0;
    this.#failures = 0;
  }
}
