/**
 * Runs one command and encodes its reply, for whoever has read it: a request, a batch, a wait that is over. It owns the
 * buffer that the reply is built in; two runners can have a reply under way at a time.
 */
import { NEVER_MS, type RateLimits } from "../access/rate-limits.ts";
import type { Codec, Envelope } from "../codecs/codec.ts";
import { OutputBuffer, OutputLimitError } from "../codecs/output-buffer.ts";
import type { Command } from "../commands/command.ts";
import { CommandError, ERROR_STATUS, fail } from "../commands/errors.ts";
import { ApplyFailure, type Executor } from "../commands/execute.ts";
import type { Registry } from "../commands/registry.ts";
import type { SlowLog } from "../commands/slow-log.ts";
import { Wait } from "../commands/wait.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import type { Caller, Who } from "./caller.ts";
import type { ReplyMemory } from "./idempotent-writes.ts";
import type { Reply } from "./reply.ts";

/** What is told of each command that ran. */
export interface CommandObserver {
  /**
   * @param index the command's position in the registry.
   * @param count how many ran, with this duration each.
   * @param failures how many of them failed.
   */
  observe(index: number, durationMs: number, count: number, failures: number): void;
}

export interface RunnerOptions {
  readonly registry: Registry;
  readonly executor: Executor;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly observer: CommandObserver;
  readonly slowLog: SlowLog;
  readonly replyBytesMax: number;
  /** How much may be sent; undefined where nothing is limited. */
  readonly rates?: RateLimits | undefined;
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

/** The part of a codec that replies need; the name is that of the format in which such a client gets pushes. */
export type ReplyEncoder = Pick<Codec, "contentType" | "encodeSuccess" | "encodeFailure"> &
  Partial<Pick<Codec, "name">>;

const OUTPUT_BYTES = 64 * 1024;

export class CommandRunner {
  readonly refused: RefusedRequests = { envelope: 0, unknownCommand: 0 };
  readonly out: OutputBuffer;
  readonly registry: Registry;
  readonly executor: Executor;
  readonly clock: RunnerOptions["clock"];
  readonly rates: RateLimits | undefined;
  readonly #observer: CommandObserver;
  readonly slowLog: SlowLog;
  readonly #reportBug: RunnerOptions["reportBug"];
  readonly #reply: Reply;

  constructor(options: RunnerOptions) {
    this.registry = options.registry;
    this.executor = options.executor;
    this.clock = options.clock;
    this.rates = options.rates;
    this.#observer = options.observer;
    this.slowLog = options.slowLog;
    this.#reportBug = options.reportBug;
    this.out = new OutputBuffer(OUTPUT_BYTES, options.replyBytesMax);
    this.#reply = {
      status: 200,
      bytes: this.out.bytes,
      length: 0,
      contentType: "",
      releaseOffset: 0,
      retryAfterSecs: 0,
    };
  }

  /** The position of an envelope's command in the registry. */
  commandOf(envelope: Envelope): number | CommandError {
    const { command } = envelope;
    if (command === undefined) {
      this.refused.envelope++;
      return fail("INVALID_REQUEST", "the request has no command");
    }
    const index = this.registry.indexOf(command);
    if (index >= 0) return index;
    this.refused.unknownCommand++;
    const name = command.toString().slice(0, 100);
    return fail("INVALID_COMMAND", `there is no command ${JSON.stringify(name)}`, {
      nearest: this.registry.nearest(name),
    });
  }

  /**
   * Runs a command and encodes its reply. A write happens only once its reply has found room: what a client is told has
   * failed must not have happened. Answers as `encode`; with a `Wait`, nothing was encoded and nothing has happened.
   * @param once what remembers the reply, for a write that has not run before and is not to run again.
   */
  run(
    command: Command,
    args: Record<string, unknown>,
    caller: Caller,
    encoder: ReplyEncoder,
    requestId: ByteRange | undefined,
    once?: ReplyMemory,
  ): CommandError | Wait | undefined {
    if (command.act !== undefined && caller.protocol === "websocket" && encoder.name !== undefined) {
      caller.pushFormat = encoder.name;
    }
    const result = this.attempt(command, args, caller);
    if (command.plan === undefined) {
      return result instanceof Wait ? result : this.encode(encoder, requestId, result);
    }
    if (!(result instanceof Wait)) return this.#conclude(command, result, encoder, requestId, once);
    this.executor.discard();
    return result;
  }

  /**
   * As `Executor#attempt`; what a bug throws is an answer too. The audit log is told of what administers: of what runs, and so
   * of nothing that was refused or could not be read, or whoever may not run it could fill the log. Of a `Wait` who has it tells.
   */
  attempt(command: Command, args: Record<string, unknown>, caller: Caller): unknown {
    const { executor } = this;
    // Asked before: it may be its own token that the command ends.
    const isTold = command.access === "admin" && executor.permits(command, args, caller);
    let result: unknown;
    try {
      result = executor.attempt(command, args, caller);
    } catch (error) {
      result = this.bug(command, error);
    }
    if (isTold && !(result instanceof Wait)) this.tell(command, caller, !(result instanceof CommandError));
    return result;
  }

  /** Tells the audit log of a command that has run, if it is one that administers. */
  tell({ name, access }: Command, who: Who, ok: boolean | undefined): void {
    if (access === "admin") this.executor.node.access.ran(who, name, ok);
  }

  /** Answers a write that has staged nothing with a result of its own, and remembers that. */
  settle(
    command: Command,
    result: unknown,
    encoder: ReplyEncoder,
    requestId: ByteRange | undefined,
    once: ReplyMemory,
  ): CommandError | undefined {
    this.executor.begin();
    return this.#conclude(command, result, encoder, requestId, once);
  }

  /** Encodes the result of a write that is staged, and commits what was staged or discards it. */
  #conclude(
    command: Command,
    result: unknown,
    encoder: ReplyEncoder,
    requestId: ByteRange | undefined,
    once: ReplyMemory | undefined,
  ): CommandError | undefined {
    const mark = this.out.length;
    let isSuccess = false;
    try {
      const error = once === undefined ? this.encode(encoder, requestId, result) : once.encode(this, requestId, result);
      isSuccess = error === undefined;
      if (!isSuccess) return error;
    } finally {
      if (!isSuccess) this.executor.discard();
    }
    return this.#commit(command, encoder, requestId, mark);
  }

  #commit(
    command: Command,
    encoder: ReplyEncoder,
    requestId: ByteRange | undefined,
    mark: number,
  ): CommandError | undefined {
    try {
      this.executor.commit();
      return undefined;
    } catch (error) {
      if (error instanceof ApplyFailure) throw error;
      this.out.length = mark;
      return this.encode(encoder, requestId, this.bug(command, error));
    }
  }

  bug(command: Pick<Command, "name">, error: unknown): CommandError {
    const id = this.#reportBug(command.name, error);
    return fail("INTERNAL_ERROR", "the server failed at this command; its log says more under this id", { id });
  }

  /**
   * Encodes a result in place and answers with the error it was, or became by being too large.
   * @param payload as of `Codec#encodeSuccess`.
   */
  encode(
    encoder: ReplyEncoder,
    requestId: ByteRange | undefined,
    result: unknown,
    payload?: ByteRange,
  ): CommandError | undefined {
    const { out } = this;
    if (result instanceof CommandError) {
      encoder.encodeFailure(out, requestId, result);
      return result;
    }
    const mark = out.length;
    try {
      encoder.encodeSuccess(out, requestId, result, payload);
      return undefined;
    } catch (error) {
      return this.#encodeTooLarge(encoder, requestId, mark, error);
    }
  }

  /** As `encode`, for what is not encoded as the result of a command. */
  encodeBy(
    encoder: ReplyEncoder,
    requestId: ByteRange | undefined,
    write: (out: OutputBuffer) => void,
  ): CommandError | undefined {
    const mark = this.out.length;
    try {
      write(this.out);
      return undefined;
    } catch (error) {
      return this.#encodeTooLarge(encoder, requestId, mark, error);
    }
  }

  #encodeTooLarge(encoder: ReplyEncoder, requestId: ByteRange | undefined, mark: number, error: unknown): CommandError {
    if (!(error instanceof OutputLimitError)) throw error;
    this.out.length = mark;
    const tooLarge = replyTooLarge(error);
    encoder.encodeFailure(this.out, requestId, tooLarge);
    return tooLarge;
  }

  /** @returns when it ended. */
  observe(index: number, startedMs: number, succeeded: boolean, caller: Caller): number {
    return this.observeRow(index, startedMs, 1, succeeded ? 0 : 1, caller);
  }

  /**
   * As `observe`, for commands of one kind that one caller had run in a row, timed together: each counts with their average, and
   * the slow log has one entry, with what they took together.
   * @param failures how many of them failed.
   */
  observeRow(index: number, startedMs: number, count: number, failures: number, caller: Caller): number {
    const endedMs = this.clock.monotonicMs();
    const durationMs = endedMs - startedMs;
    this.#observer.observe(index, durationMs / count, count, failures);
    if (durationMs >= this.slowLog.thresholdMs) {
      this.slowLog.add(this.registry.commands[index].name, durationMs, this.clock.nowMs(), caller);
    }
    return endedMs;
  }

  failure(encoder: ReplyEncoder, requestId: ByteRange | undefined, error: CommandError): Reply {
    encoder.encodeFailure(this.out, requestId, error);
    const reply = this.finish(encoder, ERROR_STATUS[error.code]);
    reply.retryAfterSecs = Number(error.details?.retry_after_secs ?? 0);
    return reply;
  }

  finish(encoder: ReplyEncoder, status: number): Reply {
    const reply = this.#reply;
    reply.status = status;
    reply.bytes = this.out.bytes;
    reply.length = this.out.length;
    reply.contentType = encoder.contentType;
    reply.releaseOffset = this.executor.releaseOffset;
    reply.retryAfterSecs = 0;
    return reply;
  }
}

/** Why a message may not come now. Nothing of it has happened, so it may be sent again, unless it is too large for the rates. */
export function tooFast(waitMs: number): CommandError {
  if (waitMs === NEVER_MS) {
    return fail(
      "PAYLOAD_TOO_LARGE",
      "this is more than the rates of this server let through at once: send less in one message",
    );
  }
  return fail("RATE_LIMIT_EXCEEDED", "too much was sent: try again later", {
    retry_after_secs: Math.max(1, Math.ceil(waitMs / 1000)),
  });
}

export function replyTooLarge(error: OutputLimitError): CommandError {
  return fail("PAYLOAD_TOO_LARGE", "the reply would be over its limit: ask for less at once", {
    limit_bytes: error.bytesMax,
  });
}
