/**
 * How long the commands of a burst take. A look at the clock is not cheap beside a small command, so those that run in a row
 * (resp-dispatcher.ts) are timed together, as long as they are quick:
 *
 *     burst   GET GET GET GET GET GET GET GET | GET GET | SET | MGET | MGET
 *     looks                                   ^         ^     ^      ^      ^
 *
 * What is refused before it runs is not timed.
 */
import type { CommandRunner } from "./command-runner.ts";
import type { RespClient } from "./resp-client.ts";
import type { RespEntry } from "./resp-table.ts";

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
  /** Until `endRow`, commands of one entry run. */
  #isInRow = false;
  /** What ran since `atMs`: commands of this entry, and how many of them failed. */
  #entry: RespEntry | undefined;
  #count = 0;
  #failures = 0;

  constructor(runner: CommandRunner, slowLogThresholdMs: number) {
    this.#runner = runner;
    this.#timesRows = slowLogThresholdMs >= THRESHOLD_MS_MIN;
  }

  /** Commands of one entry come, until `endRow`. */
  beginRow(): void {
    this.#isInRow = true;
  }

  /** A command has run. */
  add(entry: RespEntry, isSuccess: boolean, client: RespClient): void {
    this.#entry = entry;
    this.#count++;
    if (!isSuccess) this.#failures++;
    if (!this.#isInRow) this.#look(client);
  }

  /** The row is over, whatever has become of it. */
  endRow(client: RespClient): void {
    this.#isInRow = false;
    this.#look(client);
  }

  #look(client: RespClient): void {
    const count = this.#count;
    const entry = this.#entry;
    if (entry === undefined || count === 0) return;
    const beganMs = this.atMs;
    this.atMs = this.#runner.observeRow(entry.index, beganMs, count, this.#failures, client);
    this.countMax = this.#timesRows && this.atMs - beganMs <= count * COMMAND_MS_MAX ? ROW_COUNT_MAX : 1;
    this.#entry = undefined;
    this.#count = 0;
    this.#failures = 0;
  }
}
