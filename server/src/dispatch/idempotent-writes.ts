/**
 * Writes that run once however often they are sent (wire contract, section 2). A write is known by whose it is and its
 * request id; its reply is remembered by the record that it makes.
 *
 *     first     plan --> encode the reply --> stage `remember` of its payload --> commit, as one record
 *     again     the remembered payload, in a frame of its own      or INVALID_REQUEST: the same id for something else
 *
 * A write that fails leaves nothing, its reply neither: sent again, it is tried again. One that succeeds and changes
 * nothing (a condition not met, an empty queue) is remembered, by a record that holds nothing else.
 *
 * A command of an idempotent batch is known by the batch's request id and its index. Those of a batch that comes for the first time run
 * in rows instead, which cost less (numbered-rows.ts).
 */
import type { Codec, EncodedValue, Envelope } from "../codecs/codec.ts";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import { SCRATCH_BYTES_MAX } from "../codecs/scratch.ts";
import type { Command } from "../commands/command.ts";
import { type CommandError, fail } from "../commands/errors.ts";
import type { ReplyPlanner } from "../commands/reply-planner.ts";
import type { Wait } from "../commands/wait.ts";
import type { RememberedReply } from "../state/remembered-reply.ts";
import {
  hasOldHash,
  isJsonReply,
  REPLY_JSON,
  REPLY_MSGPACK,
  type ReplyFormat,
  ROW_JSON,
  ROW_MSGPACK,
} from "../state/reply-operation.ts";
import { NO_HASH, ReplyRow, ROW_PLACES } from "../state/reply-row.ts";
import { ByteRange, copyBytes, copyRange, rangesEqual } from "../structures/byte-range.ts";
import type { Caller } from "./caller.ts";
import type { CommandRunner } from "./command-runner.ts";
import { WHOLE, writeId } from "./idempotent-id.ts";
import { PayloadHash } from "./payload-hash.ts";

type Arguments = Readonly<Record<string, unknown>>;

const NOTHING = new Uint8Array(0);
/** Most ids have fewer bytes. */
const ID_BYTES = 128;

/** Remembers the reply of a write that is about to be committed. */
export interface ReplyMemory {
  /** Encodes it as `CommandRunner#encode` does, and sees to it that it is remembered. */
  encode(runner: CommandRunner, requestId: ByteRange | undefined, result: unknown): CommandError | undefined;
}

/** What all writes of a dispatcher that run once have in common. */
export class IdempotentWrites {
  /** Requests that were answered with the reply of an earlier one. Grows; for the metrics. */
  replayCount = 0;
  readonly replies: ReplyPlanner;
  /** Of what is being hashed; see `ofBatch`. */
  readonly hash = new PayloadHash();
  /** For a command of a batch that is remembered by itself: a row of one. */
  readonly row = new ReplyRow();
  readonly #id = new OutputBuffer(ID_BYTES, SCRATCH_BYTES_MAX);
  /** The one under way, again and again: most are over before the next is read. */
  #write: IdempotentWrite | undefined;

  constructor(replies: ReplyPlanner) {
    this.replies = replies;
  }

  /**
   * A command, which is no read, as a write that runs once. It lives until the next one, or what `retained` makes of it longer.
   * @param ids its own or its batch's; `refusalOfIds` has seen that they are there.
   * @param owner see `writeId`.
   */
  of(
    command: Command,
    args: Arguments,
    ids: Pick<Envelope, "requestId" | "clientId" | "index">,
    owner: string,
    decoder: Codec,
    codec: Codec,
  ): IdempotentWrite | CommandError {
    if (command.act !== undefined) {
      const message = `${command.name} cannot be idempotent: what it does is not in the log and cannot be remembered`;
      return fail("INVALID_REQUEST", message, { path: "idempotent" });
    }
    const hash = this.hash.ofCommand(command, args);
    return this.#begin(hash, ids, owner, decoder, codec);
  }

  /** An atomic batch, whose commands `hash` was fed with. It lives as long as that of `of`. */
  ofBatch(batch: Envelope, owner: string, decoder: Codec, codec: Codec): IdempotentWrite {
    return this.#begin(this.hash.end(), batch, owner, decoder, codec);
  }

  #begin(
    /** The same range each time. */
    hash: ByteRange,
    { requestId, clientId, index }: Pick<Envelope, "requestId" | "clientId" | "index">,
    owner: string,
    decoder: Codec,
    codec: Codec,
  ): IdempotentWrite {
    if (requestId === undefined || clientId === undefined) throw new Error("an idempotent request without its ids");
    const id = this.#id;
    id.reset();
    writeId(id, owner, clientId, requestId, decoder, index);
    this.#write ??= new IdempotentWrite(this, new ByteRange(NOTHING, 0, 0), hash, codec);
    const write = this.#write;
    write.id.place(id.bytes, 0, id.length);
    write.place = index === WHOLE ? WHOLE : index % ROW_PLACES;
    write.codec = codec;
    return write;
  }
}

/** One request that runs once. */
export class IdempotentWrite implements ReplyMemory {
  readonly id: ByteRange;
  readonly hash: ByteRange;
  /** In the row of that id, for the command of a batch. */
  place = WHOLE;
  /** Of its replies. */
  codec: Codec;
  readonly #all: IdempotentWrites;
  /** Where the result is in the reply. */
  readonly #payload = new ByteRange(NOTHING, 0, 0);

  constructor(all: IdempotentWrites, id: ByteRange, hash: ByteRange, codec: Codec) {
    this.#all = all;
    this.id = id;
    this.hash = hash;
    this.codec = codec;
  }

  /** The same in memory of its own, so that it may wait. */
  retained(): IdempotentWrite {
    // No command of a batch may wait, so it is known by its own id.
    return new IdempotentWrite(this.#all, copyRange(this.id), copyRange(this.hash), this.codec);
  }

  /** As `CommandRunner#run`, or the reply there was. */
  run(
    runner: CommandRunner,
    command: Command,
    args: Record<string, unknown>,
    caller: Caller,
    requestId: ByteRange | undefined,
  ): CommandError | Wait | undefined {
    const known = this.#find(runner);
    if (known === undefined) return runner.run(command, args, caller, this.codec, requestId, this);
    // The reply there was is for those alone who could have it anew.
    const refusal = runner.executor.refusal(command, args, caller);
    if (refusal !== undefined) return runner.encode(this.codec, requestId, refusal);
    return this.#again(runner, requestId, known);
  }

  /**
   * Answers a write whose time to wait is over, and that has staged nothing: with `result`, or the reply there was. The executor
   * was told the time.
   */
  settle(
    runner: CommandRunner,
    command: Command,
    result: unknown,
    requestId: ByteRange | undefined,
  ): CommandError | undefined {
    const known = this.#find(runner);
    if (known !== undefined) return this.#again(runner, requestId, known);
    if (!runner.executor.mayPlan) {
      // Nothing has happened, so nothing would happen twice.
      runner.executor.showsState();
      return runner.encode(this.codec, requestId, result);
    }
    return runner.settle(command, result, this.codec, requestId, this);
  }

  /**
   * The reply there was; undefined where writes are refused, and so this one is. A former master that comes back as a replica may
   * remember what its new master has never heard of, and one without its replicas what no replica has.
   */
  #find({ executor }: CommandRunner): RememberedReply | undefined {
    if (executor.writeRefusal !== undefined) return undefined;
    const { replies } = this.#all;
    return this.place === WHOLE ? replies.find(this.id) : replies.findPlace(this.id, this.place);
  }

  #again(runner: CommandRunner, requestId: ByteRange | undefined, known: RememberedReply): CommandError | undefined {
    // The write that it repeats may not be released yet.
    runner.executor.showsState();
    if (!this.#isSame(known)) return runner.encode(this.codec, requestId, usedOtherwise());
    this.#all.replayCount++;
    return runner.encodeBy(this.codec, requestId, (out) => {
      this.codec.encodeSuccessAgain(out, requestId, encodedValue(known));
    });
  }

  /** A reply of an earlier version is taken for that of the same request: refused, the write would be in doubt for ever. */
  #isSame({ format, hash }: RememberedReply): boolean {
    return hasOldHash(format) || rangesEqual(hash, this.hash);
  }

  /** Encodes the reply of an atomic batch again; answers with `undefined` where there was none. */
  batchAgain(runner: CommandRunner, requestId: ByteRange | undefined): { error: CommandError | undefined } | undefined {
    const known = this.#find(runner);
    if (known === undefined) return undefined;
    runner.executor.showsState();
    if (!this.#isSame(known)) {
      return { error: runner.encode(this.codec, requestId, usedOtherwise()) };
    }
    this.#all.replayCount++;
    const error = runner.encodeBy(this.codec, requestId, (out) => {
      this.codec.encodeBatchAgain(out, requestId, encodedValue(known));
    });
    return { error };
  }

  /** Encodes the reply of a write that is about to be committed, and adds its payload to the record. */
  encode(runner: CommandRunner, requestId: ByteRange | undefined, result: unknown): CommandError | undefined {
    const mark = runner.out.length;
    const payload = this.#payload;
    try {
      const error = runner.encode(this.codec, requestId, result, payload);
      if (error !== undefined) return error;
      const refusal = this.remember(payload);
      if (refusal === undefined) return undefined;
      runner.out.length = mark;
      return runner.encode(this.codec, requestId, refusal);
    } finally {
      // A buffer that has grown is given back, and not by who has looked into it.
      payload.place(NOTHING, 0, 0);
    }
  }

  /** Adds what is to be answered again to the record: the payload, or the results of a batch, in the codec's format. */
  remember(reply: ByteRange): CommandError | undefined {
    const { replies, row } = this.#all;
    if (this.place === WHOLE) return replies.remember(this.id, this.hash, replyFormat(this.codec), reply);
    const tooLarge = replies.refusalOf(reply.length);
    if (tooLarge !== undefined) return tooLarge;
    row.reset();
    const hashAt = row.add(this.place, reply);
    copyBytes(this.hash.bytes, this.hash.start, this.hash.end, row.range.bytes, hashAt);
    const refusal = replies.remember(this.id, NO_HASH, rowFormat(this.codec), row.range);
    row.reset();
    return refusal;
  }
}

function replyFormat({ name }: Codec): ReplyFormat {
  return name === "json" ? REPLY_JSON : REPLY_MSGPACK;
}

export function rowFormat({ name }: Codec): ReplyFormat {
  return name === "json" ? ROW_JSON : ROW_MSGPACK;
}

function encodedValue({ format, reply }: RememberedReply): EncodedValue {
  return { format: isJsonReply(format) ? "json" : "msgpack", bytes: reply };
}

function usedOtherwise(): CommandError {
  const message = "this client_id has used this request_id for another command or payload";
  return fail("INVALID_REQUEST", message, { path: "request_id" });
}
