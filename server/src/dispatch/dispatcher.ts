/**
 * One message in, one reply out, whatever the protocol: the transport brings bytes and a format, the codec reads them, the
 * executor runs the commands, the codec writes the reply. No transport knows a command and no command knows a format.
 *
 * A batch is run in groups: the arguments of a group are read, its keys are looked up together (their cache misses
 * overlap), then its commands run one by one in order.
 */
import type { Codec, Envelope } from "../codecs/codec.ts";
import { OutputBuffer, OutputLimitError } from "../codecs/output-buffer.ts";
import type { Command } from "../commands/command.ts";
import { CommandError, ERROR_STATUS, type ErrorCode, type ErrorDetails, fail } from "../commands/errors.ts";
import { ApplyFailure, type Executor } from "../commands/execute.ts";
import type { Registry } from "../commands/registry.ts";
import type { SlowLog } from "../commands/slow-log.ts";
import { type KeyStore, PRIME_COUNT_MAX } from "../state/key-store.ts";
import { ByteRange } from "../structures/byte-range.ts";
import type { Caller } from "./caller.ts";

export type Format = "json" | "msgpack";

/** An encoded reply. Its bytes are shared: they live until the next call of the dispatcher. */
export interface Reply {
  /** The HTTP status; other protocols do not look. */
  status: number;
  bytes: Uint8Array;
  length: number;
  contentType: string;
}

/** What the dispatcher tells of each command that ran. */
export interface CommandObserver {
  /** @param index the command's position in the registry. */
  observe(index: number, durationMs: number, succeeded: boolean): void;
}

export interface DispatcherOptions {
  readonly registry: Registry;
  readonly executor: Executor;
  readonly store: KeyStore;
  readonly codecs: Readonly<Record<Format, Codec>>;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly observer: CommandObserver;
  readonly slowLog: SlowLog;
  readonly replyBytesMax: number;
  /** Tells the operator of a bug and answers with the id that the client gets. */
  readonly reportBug: (command: string, error: unknown) => string;
}

/** Requests that were refused before a command of them ran, by reason. Grows; for the metrics. */
export interface RefusedRequests {
  /** The message could not be read as a request. */
  envelope: number;
  /** A name that no command has, counted for each such command of a batch. */
  unknownCommand: number;
}

const OUTPUT_BYTES = 64 * 1024;

/**
 * How long the commands of one batch may hold the loop, and with it every other client. One that is under way is finished;
 * what comes after it is not begun. A thousand ordinary commands take a few milliseconds, or 50 in a process that has just
 * begun on a busy machine.
 */
const BATCH_MS_MAX = 200;

/** A command of a batch, read and not yet run. */
interface Prepared {
  envelope: Envelope;
  index: number;
  args: Record<string, unknown>;
  error: CommandError | undefined;
}

export class Dispatcher {
  readonly refusedRequests: Readonly<RefusedRequests>;
  readonly #refused: RefusedRequests = { envelope: 0, unknownCommand: 0 };
  readonly #registry: Registry;
  readonly #executor: Executor;
  readonly #store: KeyStore;
  readonly #codecs: Readonly<Record<Format, Codec>>;
  readonly #clock: DispatcherOptions["clock"];
  readonly #observer: CommandObserver;
  readonly #slowLog: SlowLog;
  readonly #reportBug: DispatcherOptions["reportBug"];
  readonly #out: OutputBuffer;
  readonly #reply: Reply;
  readonly #group: Prepared[] = [];
  readonly #groupKeys: ByteRange[] = [];

  constructor(options: DispatcherOptions) {
    this.refusedRequests = this.#refused;
    this.#registry = options.registry;
    this.#executor = options.executor;
    this.#store = options.store;
    this.#codecs = options.codecs;
    this.#clock = options.clock;
    this.#observer = options.observer;
    this.#slowLog = options.slowLog;
    this.#reportBug = options.reportBug;
    this.#out = new OutputBuffer(OUTPUT_BYTES, options.replyBytesMax);
    this.#reply = { status: 200, bytes: this.#out.bytes, length: 0, contentType: "" };
  }

  /**
   * Answers one message. Throws only `ApplyFailure`, after which the process must end.
   * @param format that of `message`; `replyFormat` is that of the answer, which HTTP lets the client choose.
   */
  handle(message: Uint8Array, format: Format, replyFormat: Format, caller: Caller): Reply {
    const decoder = this.#codecs[format];
    const encoder = this.#codecs[replyFormat];
    this.#out.reset();
    this.#executor.at(this.#clock.nowMs());
    const envelope = decoder.decodeEnvelope(message);
    if (envelope instanceof CommandError) {
      this.#refused.envelope++;
      return this.#failure(encoder, undefined, envelope);
    }
    // A request id is echoed as it was encoded; in another format it is encoded anew.
    const requestId = format === replyFormat ? envelope.requestId : this.#translateId(envelope, decoder, encoder);
    if (envelope.idempotent) {
      this.#refused.envelope++;
      // Refused, not ignored: the client would repeat the write and believe that it ran once.
      const refusal = fail("INVALID_REQUEST", "idempotent writes are not supported by this version of the server");
      return this.#failure(encoder, requestId, refusal);
    }
    if (envelope.items !== undefined) return this.#batch(envelope, requestId, decoder, encoder, caller);
    return this.#single(envelope, requestId, decoder, encoder, caller);
  }

  /** A failure that the transport found before there was a message to handle. */
  refuse(code: ErrorCode, message: string, format: Format, details?: ErrorDetails): Reply {
    this.#out.reset();
    return this.#failure(this.#codecs[format], undefined, fail(code, message, details));
  }

  /** The push that tells a client why the server closes its connection (wire contract, section 5). */
  closing(code: "SLOW_CONSUMER" | "SHUTTING_DOWN", message: string, format: Format): Reply {
    const codec = this.#codecs[format];
    this.#out.reset();
    codec.encodeValue(this.#out, { type: "closing", code, error: message });
    return this.#finish(codec, ERROR_STATUS.SERVICE_UNAVAILABLE);
  }

  #single(envelope: Envelope, requestId: ByteRange | undefined, decoder: Codec, encoder: Codec, caller: Caller): Reply {
    const index = this.#commandOf(envelope);
    if (typeof index !== "number") return this.#failure(encoder, requestId, index);
    const command = this.#registry.commands[index];
    caller.commandCount++;
    const startedMs = this.#clock.monotonicMs();
    const args = decoder.decodeArguments(envelope.payload, command.shape);
    const error =
      args instanceof CommandError
        ? this.#encode(encoder, requestId, args)
        : this.#run(command, args, caller, encoder, requestId);
    this.#observe(index, command, startedMs, error === undefined, caller);
    return this.#finish(encoder, error === undefined ? 200 : error.httpStatus);
  }

  #batch(envelope: Envelope, requestId: ByteRange | undefined, decoder: Codec, encoder: Codec, caller: Caller): Reply {
    if (envelope.atomic) return this.#atomicBatch(envelope, requestId, decoder, encoder, caller);
    const items = envelope.items ?? [];
    const out = this.#out;
    const startedMs = this.#clock.monotonicMs();
    let done = 0;
    try {
      encoder.beginBatch(out, requestId, envelope.itemCount);
      for (let first = 0; first < envelope.itemCount; first += PRIME_COUNT_MAX) {
        const count = Math.min(PRIME_COUNT_MAX, envelope.itemCount - first);
        this.#prepare(items, first, count, decoder);
        caller.commandCount += count;
        let atMs = this.#clock.monotonicMs();
        try {
          for (let i = 0; i < count; i++, done++) {
            if (atMs - startedMs >= BATCH_MS_MAX) return this.#overtime(encoder, done, envelope.itemCount);
            encoder.separateBatchItem(out, done);
            atMs = this.#runPrepared(this.#group[i], encoder, caller, atMs);
          }
        } finally {
          this.#store.unprime();
        }
      }
      encoder.endBatch(out);
    } catch (error) {
      return this.#batchTooLarge(error, encoder, requestId, done);
    }
    return this.#finish(encoder, 200);
  }

  /** @returns when it ended. */
  #runPrepared({ index, args, error: refusal }: Prepared, encoder: Codec, caller: Caller, startedMs: number): number {
    if (index < 0) {
      this.#encode(encoder, undefined, refusal);
      return startedMs;
    }
    const command = this.#registry.commands[index];
    const error =
      refusal === undefined
        ? this.#run(command, args, caller, encoder, undefined)
        : this.#encode(encoder, undefined, refusal);
    return this.#observe(index, command, startedMs, error === undefined, caller);
  }

  /** What is left of a batch that has had its time is answered and not run. */
  #overtime(encoder: Codec, done: number, count: number): Reply {
    const error = tooMuchAtOnce(done);
    for (let i = done; i < count; i++) {
      encoder.separateBatchItem(this.#out, i);
      encoder.encodeFailure(this.#out, undefined, error);
    }
    encoder.endBatch(this.#out);
    return this.#finish(encoder, 200);
  }

  /** Every command sees what those before it staged; all of them become one record, or the first error ends it. */
  #atomicBatch(
    envelope: Envelope,
    requestId: ByteRange | undefined,
    decoder: Codec,
    encoder: Codec,
    caller: Caller,
  ): Reply {
    const executor = this.#executor;
    const items = envelope.items ?? [];
    const out = this.#out;
    const batchStartedMs = this.#clock.monotonicMs();
    executor.begin();
    try {
      encoder.beginBatch(out, requestId, envelope.itemCount);
      for (let i = 0; i < envelope.itemCount; i++) {
        this.#prepare(items, i, 1, decoder);
        const { index, args, error: refusal } = this.#group[0];
        const command = index < 0 ? undefined : this.#registry.commands[index];
        const startedMs = this.#clock.monotonicMs();
        let result: unknown = refusal;
        if (startedMs - batchStartedMs >= BATCH_MS_MAX) result = tooMuchAtOnce(0);
        else if (command !== undefined && refusal === undefined) result = this.#stage(command, args, caller);
        encoder.separateBatchItem(out, i);
        if (!(result instanceof CommandError)) encoder.encodeSuccess(out, undefined, result);
        if (command !== undefined) {
          this.#observe(index, command, startedMs, !(result instanceof CommandError), caller);
        }
        if (result instanceof CommandError) {
          executor.discard();
          out.reset();
          const error = fail(result.code, `command ${i} of the batch: ${result.message}`, {
            ...result.details,
            index: i,
          });
          return this.#failure(encoder, requestId, error);
        }
      }
      caller.commandCount += envelope.itemCount;
      encoder.endBatch(out);
    } catch (error) {
      executor.discard();
      return this.#batchTooLarge(error, encoder, requestId, 0);
    }
    executor.commit();
    return this.#finish(encoder, 200);
  }

  #stage(command: Command, args: Record<string, unknown>, caller: Caller): unknown {
    if (!command.atomic) {
      return fail("INVALID_REQUEST", `${command.name} cannot be part of an atomic batch`);
    }
    try {
      return this.#executor.stage(command, args, caller);
    } catch (error) {
      return this.#bug(command, error);
    }
  }

  /** Reads the arguments of `count` items and looks their keys up together. */
  #prepare(items: readonly Envelope[], first: number, count: number, decoder: Codec): void {
    const keys = this.#groupKeys;
    keys.length = 0;
    for (let i = 0; i < count; i++) {
      const envelope = items[first + i];
      this.#group[i] ??= { envelope, index: -1, args: NO_ARGUMENTS, error: undefined };
      const prepared = this.#group[i];
      prepared.envelope = envelope;
      prepared.args = NO_ARGUMENTS;
      prepared.error = undefined;
      prepared.index = -1;
      const index = this.#commandOf(envelope);
      if (typeof index !== "number") {
        prepared.error = index;
        continue;
      }
      prepared.index = index;
      const command = this.#registry.commands[index];
      const args = decoder.decodeArguments(envelope.payload, command.shape);
      if (args instanceof CommandError) {
        prepared.error = args;
        continue;
      }
      prepared.args = args;
      if (command.hasKey && args.key instanceof ByteRange) keys.push(args.key);
    }
    if (keys.length > 1) this.#store.prime(keys, keys.length);
  }

  #commandOf(envelope: Envelope): number | CommandError {
    const { command } = envelope;
    if (command === undefined) {
      this.#refused.envelope++;
      return fail("INVALID_REQUEST", "the request has no command");
    }
    const index = this.#registry.indexOf(command);
    if (index >= 0) return index;
    this.#refused.unknownCommand++;
    const name = command.toString().slice(0, 100);
    return fail("INVALID_COMMAND", `there is no command ${JSON.stringify(name)}`, {
      nearest: this.#registry.nearest(name),
    });
  }

  /**
   * Runs a command and encodes its reply. A write happens only once its reply has found room: what a client is told has
   * failed must not have happened. Answers as `#encode`.
   */
  #run(
    command: Command,
    args: Record<string, unknown>,
    caller: Caller,
    encoder: Codec,
    requestId: ByteRange | undefined,
  ): CommandError | undefined {
    const mark = this.#out.length;
    let result: unknown;
    try {
      result = this.#executor.attempt(command, args, caller);
    } catch (error) {
      return this.#encode(encoder, requestId, this.#bug(command, error));
    }
    if (command.plan === undefined) return this.#encode(encoder, requestId, result);
    let isSuccess = false;
    try {
      const error = this.#encode(encoder, requestId, result);
      isSuccess = error === undefined;
      if (!isSuccess) return error;
    } finally {
      if (!isSuccess) this.#executor.discard();
    }
    return this.#commit(command, encoder, requestId, mark);
  }

  #commit(command: Command, encoder: Codec, requestId: ByteRange | undefined, mark: number): CommandError | undefined {
    try {
      this.#executor.commit();
      return undefined;
    } catch (error) {
      if (error instanceof ApplyFailure) throw error;
      this.#out.length = mark;
      return this.#encode(encoder, requestId, this.#bug(command, error));
    }
  }

  #bug(command: Command, error: unknown): CommandError {
    const id = this.#reportBug(command.name, error);
    return fail("INTERNAL_ERROR", "the server failed at this command; its log says more under this id", { id });
  }

  /** Encodes a result in place and answers with the error it was, or became by being too large. */
  #encode(encoder: Codec, requestId: ByteRange | undefined, result: unknown): CommandError | undefined {
    const out = this.#out;
    if (result instanceof CommandError) {
      encoder.encodeFailure(out, requestId, result);
      return result;
    }
    const mark = out.length;
    try {
      encoder.encodeSuccess(out, requestId, result);
      return undefined;
    } catch (error) {
      if (!(error instanceof OutputLimitError)) throw error;
      out.length = mark;
      const tooLarge = replyTooLarge(error);
      encoder.encodeFailure(out, requestId, tooLarge);
      return tooLarge;
    }
  }

  /** The replies of a batch together passed the limit: what ran has run, and the client must know how far that is. */
  #batchTooLarge(error: unknown, encoder: Codec, requestId: ByteRange | undefined, done: number): Reply {
    if (!(error instanceof OutputLimitError)) throw error;
    this.#out.reset();
    const { code, message, details } = replyTooLarge(error);
    return this.#failure(encoder, requestId, fail(code, message, { ...details, commands_done: done }));
  }

  #observe(index: number, command: Command, startedMs: number, succeeded: boolean, caller: Caller): number {
    const endedMs = this.#clock.monotonicMs();
    const durationMs = endedMs - startedMs;
    this.#observer.observe(index, durationMs, succeeded);
    if (durationMs >= this.#slowLog.thresholdMs) {
      this.#slowLog.add(command.name, durationMs, this.#clock.nowMs(), caller);
    }
    return endedMs;
  }

  #translateId(envelope: Envelope, decoder: Codec, encoder: Codec): ByteRange | undefined {
    if (envelope.requestId === undefined) return undefined;
    const id = decoder.decodeId(envelope.requestId);
    const scratch = new OutputBuffer(64, 4096);
    encoder.encodeValue(scratch, id);
    return new ByteRange(scratch.bytes, 0, scratch.length);
  }

  #failure(encoder: Codec, requestId: ByteRange | undefined, error: CommandError): Reply {
    encoder.encodeFailure(this.#out, requestId, error);
    return this.#finish(encoder, ERROR_STATUS[error.code]);
  }

  #finish(encoder: Codec, status: number): Reply {
    const reply = this.#reply;
    reply.status = status;
    reply.bytes = this.#out.bytes;
    reply.length = this.#out.length;
    reply.contentType = encoder.contentType;
    return reply;
  }
}

const NO_ARGUMENTS: Record<string, unknown> = {};

function tooMuchAtOnce(done: number): CommandError {
  return fail("PAYLOAD_TOO_LARGE", "the batch does too much at once: send smaller ones", {
    limit_ms: BATCH_MS_MAX,
    commands_done: done,
  });
}

function replyTooLarge(error: OutputLimitError): CommandError {
  return fail("PAYLOAD_TOO_LARGE", "the reply would be over its limit: ask for less at once", {
    limit_bytes: error.bytesMax,
  });
}
