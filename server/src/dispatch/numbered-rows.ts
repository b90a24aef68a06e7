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

/** A batch whose commands may be in rows. */
export interface NumberedBatch {
  /** `refusalOfIds` has seen that its client id is one. */
  readonly envelope: Envelope;
  /** What has read it. */
  readonly decoder: Codec;
  /** Of its replies. */
  readonly codec: Codec;
  /** See `writeId`. A command of the batch may give its caller another. */
  readonly owner: string;
}

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
  #batch: NumberedBatch | undefined;
  /** The first command of the group. */
  #first = 0;
  /**
   *     begin --> unknown --(first write)--> allowed     nothing of the group was remembered before it came
   *                                     '--> stopped     each of its writes is to be looked for
   */
  #state: "unknown" | "allowed" | "stopped" = "stopped";
  #isOpen = false;
  /** What runs. */
  #command: Command | undefined;
  #args = NO_ARGUMENTS;
  #place = 0;
  #isTooLong = false;
  readonly #remember = (): void => {
    this.#writes.replies.rememberRow(this.#id, rowFormat(this.#of().codec), this.#row.range);
  };

  constructor(runner: CommandRunner, writes: IdempotentWrites) {
    this.#runner = runner;
    this.#writes = writes;
  }

  /**
   * The commands of a batch from `first` on are next, as many as a row has places.
   * @param batch undefined for one that is not idempotent as a whole.
   */
  begin(batch: NumberedBatch | undefined, first: number): void {
    this.#batch = batch;
    this.#first = first;
    // The batch's own id is missing where each command has one.
    this.#state = batch?.envelope.requestId === undefined ? "stopped" : "unknown";
  }

  /** Whether a command may be in a row: it has the ids of its batch, of which nothing was remembered before that came. */
  takes({ plan, atomic, access }: Command, { requestId, clientId }: Envelope, { grant }: Caller): boolean {
    if (this.#state === "stopped" || plan === undefined || !atomic || access === "admin") return false;
    return requestId === undefined && clientId === undefined && grant.owner === this.#of().owner;
  }

  /** As `CommandRunner#run`, for what is taken; with `null`, it did not run, and is to be remembered by itself. */
  run(command: Command, args: Arguments, index: number, caller: Caller): CommandError | Wait | undefined | null {
    if (this.#isOpen && this.#runner.executor.recordBytes > RECORD_BYTES_MAX) this.end();
    if (!this.#isOpen && !this.#opens()) return null;
    const { length } = this.#row;
    this.#command = command;
    this.#args = args;
    this.#place = index % ROW_PLACES;
    this.#isTooLong = false;
    let isKept = false;
    try {
      const error = this.#runner.run(command, args, caller, this.#of().codec, undefined, this);
      isKept = error === undefined;
      return this.#isTooLong ? null : error;
    } finally {
      if (!isKept) this.#row.length = length;
      this.#args = NO_ARGUMENTS;
      this.#payload.place(NOTHING, 0, 0);
    }
  }

  #opens(): boolean {
    const { executor } = this.#runner;
    const { replies } = this.#writes;
    if (this.#state === "unknown") {
      this.#identify();
      this.#state = replies.hasRow(this.#id) ? "stopped" : "allowed";
    }
    if (this.#state === "stopped") return false;
    executor.begin();
    if (!replies.hasRoomForRow()) return false;
    this.#isOpen = true;
    this.#row.reset();
    executor.beginRecord();
    return true;
  }

  #identify(): void {
    const { envelope, decoder, owner } = this.#of();
    const { requestId, clientId } = envelope;
    if (requestId === undefined || clientId === undefined) throw new Error("a row of a batch without its ids");
    this.#idBytes.reset();
    writeId(this.#idBytes, owner, clientId, requestId, decoder, this.#first);
    this.#id.place(this.#idBytes.bytes, 0, this.#idBytes.length);
  }

  encode(runner: CommandRunner, requestId: ByteRange | undefined, result: unknown): CommandError | undefined {
    if (this.#command === undefined) throw new Error("a reply to nothing");
    const mark = runner.out.length;
    const payload = this.#payload;
    const error = runner.encode(this.#of().codec, requestId, result, payload);
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

  #of(): NumberedBatch {
    if (this.#batch === undefined) throw new Error("a row of no batch");
    return this.#batch;
  }

  /** What follows is not in this row. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#runner.executor.endRecord(this.#row.length > 0 ? this.#remember : undefined);
  }

  /** As `end`, for the rest of the group: what comes between may be of the same ids. */
  stop(): void {
    this.end();
    this.#state = "stopped";
  }
}
