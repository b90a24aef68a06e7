/**
 * The writes of an idempotent batch that comes for the first time. Each runs by itself, sees what came before and may fail alone;
 * but up to 64 of them are one record of the log, and their replies are remembered together, at its end:
 *
 *     | put | put | incr | ...  | remember |        one record
 *       the places 0, 1, 2, ...     a row (state/reply-row.ts), under the id of the batch and the number of the row
 *
 * Which costs a fraction of a record and a memory for each. So there is never a write without the memory of its reply here
 * either, and a crash leaves all of a row or nothing. Whether the memory has room is asked before the first.
 */
import type { Codec, Envelope } from "../codecs/codec.ts";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import { SCRATCH_BYTES_MAX } from "../codecs/scratch.ts";
import type { Command } from "../commands/command.ts";
import { type CommandError, fail } from "../commands/errors.ts";
import { ROW_REPLY_BYTES_MAX } from "../commands/reply-planner.ts";
import type { Wait } from "../commands/wait.ts";
import { ReplyRow, ROW_PLACES } from "../state/reply-row.ts";
import { ByteRange } from "../structures/byte-range.ts";
import type { Caller } from "./caller.ts";
import type { CommandRunner } from "./command-runner.ts";
import { writeId } from "./idempotent-id.ts";
import { type IdempotentWrites, type ReplyMemory, rowFormat } from "./idempotent-writes.ts";

type Arguments = Record<string, unknown>;

const NOTHING = new Uint8Array(0);
const NO_ARGUMENTS: Arguments = {};
const ID_BYTES = 128;
/** A record that is larger ends, and with it the row: what copies a large value changes much with few bytes. */
const RECORD_BYTES_MAX = 256 * 1024;

/** Takes the place of the reply that is too long for a row; nobody sees it. */
const TOO_LONG = fail("PAYLOAD_TOO_LARGE", "the reply is too long for a row");

export class NumberedRows implements ReplyMemory {
  readonly #runner: CommandRunner;
  readonly #writes: IdempotentWrites;
  readonly #row = new ReplyRow();
  readonly #idBytes = new OutputBuffer(ID_BYTES, SCRATCH_BYTES_MAX);
  readonly #id = new ByteRange(NOTHING, 0, 0);
  readonly #payload = new ByteRange(NOTHING, 0, 0);
  #codec: Codec | undefined;
  /** Whether commands of this group may be in rows. */
  #isAllowed = false;
  /** Whether `#isAllowed` was looked into: by the first write of the group. */
  #isKnown = false;
  #isOpen = false;
  #command: Command | undefined;
  #args = NO_ARGUMENTS;
  #place = 0;
  #isTooLong = false;
  readonly #remember = (): void => {
    if (this.#codec === undefined) throw new Error("a row of no batch");
    this.#writes.replies.rememberRow(this.#id, rowFormat(this.#codec), this.#row.range);
  };

  constructor(runner: CommandRunner, writes: IdempotentWrites) {
    this.#runner = runner;
    this.#writes = writes;
  }

  /**
   * The commands from `first` on are next, as many as a row has places.
   * @param codec of the replies.
   */
  begin({ requestId, clientId }: Envelope, first: number, decoder: Codec, codec: Codec, owner: string): void {
    this.#codec = codec;
    this.#isKnown = false;
    // The batch's own ids may be missing where each command has some.
    this.#isAllowed = requestId !== undefined && clientId !== undefined;
    if (requestId === undefined || clientId === undefined) return;
    this.#idBytes.reset();
    writeId(this.#idBytes, owner, clientId, requestId, decoder, first);
    this.#id.place(this.#idBytes.bytes, 0, this.#idBytes.length);
  }

  /** Whether a command may be in a row: it has the ids of its batch, of which nothing was remembered before it came. */
  takes({ plan, atomic, access }: Command, { requestId, clientId }: Envelope): boolean {
    if (!this.#isAllowed || plan === undefined || !atomic || access === "admin") return false;
    if (requestId !== undefined || clientId !== undefined) return false;
    if (this.#isOpen && this.#runner.executor.recordBytes > RECORD_BYTES_MAX) this.end();
    return this.#isOpen || this.#opens();
  }

  #opens(): boolean {
    const { executor } = this.#runner;
    const { replies } = this.#writes;
    if (!this.#isKnown) {
      this.#isKnown = true;
      this.#isAllowed = !replies.hasRow(this.#id);
    }
    executor.begin();
    if (!this.#isAllowed || !replies.hasRoomForRow()) return false;
    this.#isOpen = true;
    this.#row.reset();
    executor.beginRecord();
    return true;
  }

  /** As `CommandRunner#run`; with `null`, it did not run, and is to be remembered alone since its reply is long. */
  run(command: Command, args: Arguments, index: number, caller: Caller): CommandError | Wait | undefined | null {
    if (this.#codec === undefined) throw new Error("a row of no batch");
    const { length } = this.#row;
    this.#command = command;
    this.#args = args;
    this.#place = index % ROW_PLACES;
    this.#isTooLong = false;
    const error = this.#runner.run(command, args, caller, this.#codec, undefined, this);
    this.#args = NO_ARGUMENTS;
    if (error !== undefined) this.#row.length = length;
    return this.#isTooLong ? null : error;
  }

  encode(runner: CommandRunner, requestId: ByteRange | undefined, result: unknown): CommandError | undefined {
    if (this.#codec === undefined || this.#command === undefined) throw new Error("a row of no batch");
    const mark = runner.out.length;
    const payload = this.#payload;
    const error = runner.encode(this.#codec, requestId, result, payload);
    if (error !== undefined) return error;
    if (payload.end - payload.start > ROW_REPLY_BYTES_MAX) {
      runner.out.length = mark;
      this.#isTooLong = true;
      return TOO_LONG;
    }
    const hashAt = this.#row.add(this.#place, payload);
    this.#writes.hash.writeCommand(this.#command, this.#args, this.#row.range.bytes, hashAt);
    return undefined;
  }

  /** What follows is not in a row, for now. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#runner.executor.endRecord(this.#row.length > 0 ? this.#remember : undefined);
  }

  /** As `end`, for the rest of the group: what comes between may be of the same ids. */
  stop(): void {
    this.end();
    this.#isAllowed = false;
  }
}
