/**
 * One message in, one reply out, whatever the protocol: the transport brings bytes and a format, the codec reads them, the
 * executor runs the commands, the codec writes the reply. No transport knows a command and no command knows a format.
 *
 *     handle --> one command --> command-runner        reply now
 *                    |  once  -> idempotent-writes      reply now, perhaps an earlier one again
 *                    |  waits -> waits                  reply later
 *                batch       --> batches               reply now
 *     openEvents             --> event-streams         pushes
 */
import type { Codec, Envelope } from "../codecs/codec.ts";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import type { Command } from "../commands/command.ts";
import { CommandError, ERROR_STATUS, type ErrorCode, type ErrorDetails, fail } from "../commands/errors.ts";
import { Wait } from "../commands/wait.ts";
import type { QueueConsumers } from "../fanout/queue-consumers.ts";
import type { KeyStore } from "../state/key-store.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { Batches } from "./batches.ts";
import type { Caller } from "./caller.ts";
import { CommandRunner, type RefusedRequests, type RunnerOptions, tooFast } from "./command-runner.ts";
import { type EventsQuery, openEvents } from "./event-streams.ts";
import { refusalOfIds } from "./idempotent-id.ts";
import { IdempotentWrite, IdempotentWrites } from "./idempotent-writes.ts";
import type { Format, Reply } from "./reply.ts";
import { queueInTransaction } from "./transaction-queue.ts";
import { Waits } from "./waits.ts";

export interface DispatcherOptions extends RunnerOptions {
  readonly store: KeyStore;
  readonly consumers: QueueConsumers;
  readonly codecs: Readonly<Record<Format, Codec>>;
}

type Arguments = Record<string, unknown>;

export class Dispatcher {
  readonly refusedRequests: Readonly<RefusedRequests>;
  /** Commands that wait for their reply; the ticker ends those whose time is over. */
  readonly waits: Waits;
  readonly #idempotent: IdempotentWrites;
  readonly #runner: CommandRunner;
  readonly #batches: Batches;
  readonly #codecs: Readonly<Record<Format, Codec>>;

  constructor(options: DispatcherOptions) {
    this.#runner = new CommandRunner(options);
    this.refusedRequests = this.#runner.refused;
    this.#idempotent = new IdempotentWrites(options.executor.replies);
    this.#batches = new Batches(this.#runner, options.store, this.#idempotent);
    this.#codecs = options.codecs;
    // Its replies come while another is under way: a runner, and so a buffer, of its own.
    this.waits = new Waits(new CommandRunner(options), options.consumers);
  }

  /**
   * Answers one message; with `undefined` where its command waits, for `caller.answerLate`. Throws only `ApplyFailure`,
   * after which the process must end.
   * @param format that of `message`; `replyFormat` is that of the answer, which HTTP lets the client choose.
   */
  handle(message: Uint8Array, format: Format, replyFormat: Format, caller: Caller): Reply | undefined {
    const runner = this.#runner;
    const decoder = this.#codecs[format];
    const encoder = this.#codecs[replyFormat];
    runner.out.reset();
    runner.executor.at(runner.clock.nowMs());
    const envelope = decoder.decodeEnvelope(message);
    if (envelope instanceof CommandError) {
      runner.refused.envelope++;
      return runner.failure(encoder, undefined, this.#charge(1, message.length, caller) ?? envelope);
    }
    // A request id is echoed as it was encoded; in another format it is encoded anew.
    const requestId = format === replyFormat ? envelope.requestId : translateId(envelope, decoder, encoder);
    const turnedAway =
      this.#refusalOfRate(envelope, message.length, caller) ?? this.#refusalOfStranger(envelope, caller);
    if (turnedAway !== undefined) return runner.failure(encoder, requestId, turnedAway);
    const refusal = envelope.idempotent || envelope.hasItemIds ? refusalOfIds(envelope) : undefined;
    if (refusal !== undefined) {
      runner.refused.envelope++;
      return runner.failure(encoder, requestId, refusal);
    }
    if (envelope.items === undefined) return this.#single(envelope, requestId, decoder, replyFormat, caller);
    if (envelope.atomic) return this.#batches.runAtomic(envelope, requestId, decoder, encoder, caller);
    return this.#batches.run(envelope, requestId, decoder, encoder, caller);
  }

  #refusalOfRate({ items, itemCount }: Envelope, bytes: number, caller: Caller): CommandError | undefined {
    // A batch of nothing is a message all the same.
    return this.#charge(items === undefined ? 1 : Math.max(1, itemCount), bytes, caller);
  }

  #refusalOfEvents({ query, lastEventId }: EventsQuery, caller: Caller): CommandError | undefined {
    const tooFast = this.#charge(1, query.length + lastEventId.length, caller);
    return tooFast ?? this.#runner.executor.strangerRefusal(caller, undefined);
  }

  #charge(requests: number, bytes: number, caller: Caller): CommandError | undefined {
    const { rates, clock } = this.#runner;
    if (rates === undefined) return undefined;
    const waitMs = rates.admit(caller, requests, bytes, clock.monotonicMs());
    return waitMs === 0 ? undefined : tooFast(waitMs);
  }

  /** Who has no valid token learns nothing, not even what commands there are; only the way to get one is open. */
  #refusalOfStranger({ command, items }: Envelope, caller: Caller): CommandError | undefined {
    const { registry, executor } = this.#runner;
    if (executor.knows(caller.grant)) return undefined;
    const index = command === undefined || items !== undefined ? -1 : registry.indexOf(command);
    const named = index < 0 ? undefined : registry.commands[index];
    if (named?.accessRule.kind === "anybody") return undefined;
    return executor.strangerRefusal(caller, named?.name);
  }

  /** Requests that were answered with the remembered reply of an earlier one. */
  get idempotentReplays(): number {
    return this.#idempotent.replayCount;
  }

  /** Subscribes an event stream; answers with a failure, or with the offset at which it begins. */
  openEvents(request: EventsQuery, caller: Caller): Reply | { readonly status: undefined; releaseOffset: number } {
    const runner = this.#runner;
    runner.out.reset();
    runner.executor.at(runner.clock.nowMs());
    const error = this.#refusalOfEvents(request, caller) ?? openEvents(runner, this.#codecs.json, request, caller);
    if (error !== undefined) return runner.failure(this.#codecs.json, undefined, error);
    return { status: undefined, releaseOffset: runner.executor.releaseOffset };
  }

  /** The server is stopping: what waits is answered as if its time were over. */
  stopping(): void {
    this.waits.endAll();
  }

  /** A failure that the transport found before there was a message to handle. */
  refuse(code: ErrorCode, message: string, format: Format, details?: ErrorDetails): Reply {
    this.#runner.out.reset();
    return showingNothing(this.#runner.failure(this.#codecs[format], undefined, fail(code, message, details)));
  }

  /** The push that tells a client why the server closes its connection (wire contract, section 5). */
  closing(
    code: "UNAUTHORIZED" | "SLOW_CONSUMER" | "SHUTTING_DOWN" | "RATE_LIMIT_EXCEEDED",
    message: string,
    format: Format,
  ): Reply {
    const codec = this.#codecs[format];
    this.#runner.out.reset();
    codec.encodeValue(this.#runner.out, { type: "closing", code, error: message });
    return showingNothing(this.#runner.finish(codec, ERROR_STATUS.SERVICE_UNAVAILABLE));
  }

  #single(
    envelope: Envelope,
    requestId: ByteRange | undefined,
    decoder: Codec,
    replyFormat: Format,
    caller: Caller,
  ): Reply | undefined {
    const runner = this.#runner;
    const encoder = this.#codecs[replyFormat];
    const index = runner.commandOf(envelope);
    if (typeof index !== "number") return runner.failure(encoder, requestId, index);
    const command = runner.registry.commands[index];
    caller.commandCount++;
    const startedMs = runner.clock.monotonicMs();
    const queued = queueInTransaction(
      runner.executor,
      command,
      envelope,
      envelope.clientId,
      decoder,
      envelope.idempotent === true,
      caller,
    );
    if (queued !== undefined) {
      const error = runner.encode(encoder, requestId, queued);
      runner.observe(index, startedMs, error === undefined, caller);
      return runner.finish(encoder, error === undefined ? 200 : error.httpStatus);
    }
    const args = decoder.decodeArguments(envelope.payload, command.shape);
    if (args instanceof CommandError) {
      runner.encode(encoder, requestId, args);
      runner.observe(index, startedMs, false, caller);
      return runner.finish(encoder, args.httpStatus);
    }
    // A read may run as often as it likes.
    const isOnce = envelope.idempotent === true && command.read === undefined;
    const { owner } = caller.grant;
    const once = isOnce ? this.#idempotent.of(command, args, envelope, owner, decoder, encoder) : undefined;
    const refusal = once instanceof CommandError ? once : refusalOfWait(command, args, requestId, caller);
    let error: CommandError | Wait | undefined;
    if (refusal !== undefined) error = runner.encode(encoder, requestId, refusal);
    else if (once instanceof IdempotentWrite) error = once.run(runner, command, args, caller, requestId);
    else error = runner.run(command, args, caller, encoder, requestId);
    if (error instanceof Wait) {
      const parked = this.waits.park(error, {
        index,
        args,
        requestId,
        replyFormat,
        encoder,
        caller,
        once: once instanceof IdempotentWrite ? once : undefined,
      });
      if (parked === undefined) return undefined;
      error = runner.encode(encoder, requestId, parked.answer);
    }
    runner.observe(index, startedMs, error === undefined, caller);
    return runner.finish(encoder, error === undefined ? 200 : error.httpStatus);
  }
}

/** It was not made for a message: what the last one depended on is nothing to it. */
function showingNothing(reply: Reply): Reply {
  reply.releaseOffset = 0;
  return reply;
}

/** A late reply can be told from others by its request id alone. */
function refusalOfWait(
  command: Command,
  args: Arguments,
  requestId: ByteRange | undefined,
  caller: Caller,
): CommandError | undefined {
  if (caller.protocol !== "websocket" || requestId !== undefined || !command.isBlocking?.(args)) return undefined;
  return fail("INVALID_REQUEST", "a command that waits needs a request_id on a WebSocket: its reply may come late");
}

function translateId(envelope: Envelope, decoder: Codec, encoder: Codec): ByteRange | undefined {
  if (envelope.requestId === undefined) return undefined;
  const id = decoder.decodeId(envelope.requestId);
  const scratch = new OutputBuffer(64, 4096);
  encoder.encodeValue(scratch, id);
  return new ByteRange(scratch.bytes, 0, scratch.length);
}
