/**
 * Batches. A plain one is run in groups: the arguments of a group are read, its keys are looked up together (their cache
 * misses overlap), then its commands run one by one in order. An atomic one becomes one record, or nothing.
 */
import type { Codec, Envelope } from "../codecs/codec.ts";
import { OutputLimitError } from "../codecs/output-buffer.ts";
import type { Command } from "../commands/command.ts";
import { CommandError, fail } from "../commands/errors.ts";
import { Wait } from "../commands/wait.ts";
import { type KeyStore, PRIME_COUNT_MAX } from "../state/key-store.ts";
import { ROW_PLACES } from "../state/reply-row.ts";
import { ByteRange } from "../structures/byte-range.ts";
import type { Caller } from "./caller.ts";
import { type CommandRunner, replyTooLarge } from "./command-runner.ts";
import type { IdempotentWrite, IdempotentWrites } from "./idempotent-writes.ts";
import { NumberedRows } from "./numbered-rows.ts";
import type { Reply } from "./reply.ts";
import { RowTimes } from "./row-times.ts";
import { queueInTransaction } from "./transaction-queue.ts";

/**
 * How long the commands of one batch may hold the loop, and with it every other client. One that is under way is finished, and
 * the first always runs; what comes after it is not begun. A thousand ordinary commands take a few milliseconds, or 50 in a process that has just
 * begun on a busy machine.
 */
const BATCH_MS_MAX = 200;

if (ROW_PLACES > PRIME_COUNT_MAX) throw new Error("the keys of a row are looked up together");

/** A command with more of a payload, or of a reply, is timed by itself: it may take its time. */
const SMALL_BYTES_MAX = 1024;

/** A command of a batch, read and not yet run. */
interface Prepared {
  envelope: Envelope;
  index: number;
  args: Record<string, unknown>;
  error: CommandError | undefined;
}

export class Batches {
  readonly #runner: CommandRunner;
  readonly #store: KeyStore;
  readonly #idempotent: IdempotentWrites;
  readonly #rows: NumberedRows;
  readonly #times: RowTimes;
  readonly #group: Prepared[] = [];
  readonly #groupKeys: ByteRange[] = [];

  constructor(runner: CommandRunner, store: KeyStore, idempotent: IdempotentWrites) {
    this.#runner = runner;
    this.#store = store;
    this.#idempotent = idempotent;
    this.#rows = new NumberedRows(runner, idempotent);
    this.#times = new RowTimes(runner);
  }

  run(envelope: Envelope, requestId: ByteRange | undefined, decoder: Codec, encoder: Codec, caller: Caller): Reply {
    const runner = this.#runner;
    const times = this.#times;
    const { out, clock } = runner;
    const items = envelope.items ?? [];
    const { owner } = caller.grant;
    const numbered = envelope.idempotent === true ? { envelope, decoder, codec: encoder, owner } : undefined;
    const startedMs = clock.monotonicMs();
    let done = 0;
    try {
      encoder.beginBatch(out, requestId, envelope.itemCount);
      for (let first = 0; first < envelope.itemCount; first += ROW_PLACES) {
        const count = Math.min(ROW_PLACES, envelope.itemCount - first);
        this.#prepare(items, first, count, decoder);
        this.#rows.begin(numbered, first);
        caller.commandCount += count;
        times.atMs = clock.monotonicMs();
        try {
          for (let i = 0; i < count; i++, done++) {
            const prepared = this.#group[i];
            const isInRow = this.#isInRow(envelope, prepared, caller);
            // Before the next command's time begins.
            if (!isInRow && this.#mayWrite(prepared)) this.#rows.end();
            times.next(prepared.index, this.#isSmall(prepared), caller);
            if (done > 0 && times.atMs - startedMs >= BATCH_MS_MAX) {
              return this.#refuseRest(encoder, done, envelope.itemCount, tooMuchAtOnce(done));
            }
            if (caller.isHeldBack === true) {
              return this.#refuseRest(encoder, done, envelope.itemCount, afterWrongToken());
            }
            encoder.separateBatchItem(out, done);
            this.#runPrepared(envelope, done, prepared, isInRow, decoder, encoder, caller);
          }
        } finally {
          this.#rows.end();
          times.endRow(caller);
          this.#store.unprime();
        }
      }
      encoder.endBatch(out);
    } catch (error) {
      return this.#batchTooLarge(error, encoder, requestId, done);
    }
    return runner.finish(encoder, 200);
  }

  /** Whether it may be timed together with others: one that looks a key up, and is quick if the store is. */
  #isSmall({ index, envelope: { payload } }: Prepared): boolean {
    if (index < 0 || payload === undefined || !this.#runner.registry.commands[index].hasKey) return false;
    return payload.end - payload.start <= SMALL_BYTES_MAX;
  }

  #runPrepared(
    batch: Envelope,
    indexInBatch: number,
    { index, args, envelope: item, error: refusal }: Prepared,
    isInRow: boolean,
    decoder: Codec,
    encoder: Codec,
    caller: Caller,
  ): void {
    const runner = this.#runner;
    if (index < 0) {
      runner.encode(encoder, undefined, refusal);
      return;
    }
    const command = runner.registry.commands[index];
    const isIdempotent = item.idempotent ?? batch.idempotent ?? false;
    const clientId = item.clientId ?? batch.clientId;
    const answer =
      refusal ?? queueInTransaction(runner.executor, command, item, clientId, decoder, isIdempotent, caller);
    const { out } = runner;
    const mark = out.length;
    let error: CommandError | Wait | undefined;
    if (answer !== undefined) error = runner.encode(encoder, undefined, answer);
    else if (!isIdempotent || command.read !== undefined) error = runner.run(command, args, caller, encoder, undefined);
    else {
      const row = isInRow ? this.#rows.run(command, args, indexInBatch, caller) : null;
      error = row === null ? this.#runOnce(batch, indexInBatch, item, command, args, decoder, encoder, caller) : row;
    }
    if (error instanceof Wait) throw new Error("a command waits without having said that it may");
    this.#times.add(index, error === undefined, caller);
    if (out.length - mark > SMALL_BYTES_MAX) this.#times.endRow(caller);
  }

  #isInRow(batch: Envelope, { index, error, envelope: item }: Prepared, caller: Caller): boolean {
    if (index < 0 || error !== undefined || (item.idempotent ?? batch.idempotent) !== true) return false;
    return this.#rows.takes(this.#runner.registry.commands[index], item, caller);
  }

  /** Whether it is not to come while a row is open that it is not in. */
  #mayWrite({ index, error }: Prepared): boolean {
    return index >= 0 && error === undefined && this.#runner.registry.commands[index].read === undefined;
  }

  /** Runs a write that is known by an id of its own, or has its reply remembered by itself. */
  #runOnce(
    batch: Envelope,
    indexInBatch: number,
    item: Envelope,
    command: Command,
    args: Record<string, unknown>,
    decoder: Codec,
    encoder: Codec,
    caller: Caller,
  ): CommandError | Wait | undefined {
    const runner = this.#runner;
    const isOwn = item.requestId !== undefined;
    if (isOwn) this.#rows.stop();
    else this.#rows.end();
    const ids = {
      requestId: isOwn ? item.requestId : batch.requestId,
      index: isOwn ? item.index : indexInBatch,
      clientId: item.clientId ?? batch.clientId,
    };
    const once = this.#idempotent.of(command, args, ids, caller.grant.owner, decoder, encoder);
    if (once instanceof CommandError) return runner.encode(encoder, undefined, once);
    return once.run(runner, command, args, caller, undefined);
  }

  /** What is left of a batch that has had its time, or whose caller is held back, is answered and not run. */
  #refuseRest(encoder: Codec, done: number, count: number, error: CommandError): Reply {
    const { out } = this.#runner;
    // The reply waits for the record as it is then.
    this.#rows.end();
    for (let i = done; i < count; i++) {
      encoder.separateBatchItem(out, i);
      encoder.encodeFailure(out, undefined, error);
    }
    encoder.endBatch(out);
    return this.#runner.finish(encoder, 200);
  }

  /** Every command sees what those before it staged; all of them become one record, or the first error ends it. */
  runAtomic(
    envelope: Envelope,
    requestId: ByteRange | undefined,
    decoder: Codec,
    encoder: Codec,
    caller: Caller,
  ): Reply {
    const runner = this.#runner;
    const { out, clock, executor } = runner;
    const { clientId, idempotent } = envelope;
    const items = envelope.items ?? [];
    const batchStartedMs = clock.monotonicMs();
    const once = idempotent ? this.#once(envelope, decoder, encoder, caller) : undefined;
    const again = once?.batchAgain(runner, requestId);
    if (again !== undefined) {
      caller.commandCount += envelope.itemCount;
      return runner.finish(encoder, again.error?.httpStatus ?? 200);
    }
    executor.begin();
    try {
      const listStart = encoder.beginBatch(out, requestId, envelope.itemCount);
      for (let i = 0; i < envelope.itemCount; i++) {
        this.#prepare(items, i, 1, decoder);
        const { index, args, error: refusal } = this.#group[0];
        const command = index < 0 ? undefined : runner.registry.commands[index];
        const startedMs = clock.monotonicMs();
        let result: unknown = refusal;
        if (startedMs - batchStartedMs >= BATCH_MS_MAX) result = tooMuchAtOnce(0);
        else if (command !== undefined && refusal === undefined) {
          const item = this.#group[0].envelope;
          // In an atomic batch it would be neither part of the one nor of the other.
          const queued = queueInTransaction(executor, command, item, clientId, decoder, idempotent === true, caller);
          result = queued === undefined ? this.#stage(command, args, caller) : notInBatch();
        }
        encoder.separateBatchItem(out, i);
        if (!(result instanceof CommandError)) encoder.encodeSuccess(out, undefined, result);
        if (command !== undefined) runner.observe(index, startedMs, !(result instanceof CommandError), caller);
        if (result instanceof CommandError) {
          executor.discard();
          out.reset();
          return runner.failure(encoder, requestId, atCommand(result, i));
        }
      }
      caller.commandCount += envelope.itemCount;
      const listEnd = encoder.endBatch(out);
      const refusal = once?.remember(new ByteRange(out.bytes, listStart, listEnd));
      if (refusal !== undefined) {
        executor.discard();
        out.reset();
        return runner.failure(encoder, requestId, refusal);
      }
    } catch (error) {
      executor.discard();
      return this.#batchTooLarge(error, encoder, requestId, 0);
    }
    executor.commit();
    return runner.finish(encoder, 200);
  }

  /** What makes the batch run once; `undefined` where it only reads, or will fail by what cannot be read, or is not permitted. */
  #once(envelope: Envelope, decoder: Codec, encoder: Codec, caller: Caller): IdempotentWrite | undefined {
    const { registry, executor } = this.#runner;
    const { hash } = this.#idempotent;
    const items = envelope.items ?? [];
    let isWrite = false;
    hash.beginBatch();
    for (let i = 0; i < envelope.itemCount; i++) {
      const name = items[i].command;
      const index = name === undefined ? -1 : registry.indexOf(name);
      if (index < 0) return undefined;
      const command = registry.commands[index];
      const args = decoder.decodeArguments(items[i].payload, command.shape);
      // What is refused is refused, and told of, when it is to run.
      if (args instanceof CommandError || !executor.permits(command, args, caller)) return undefined;
      hash.add(command, args);
      if (command.plan !== undefined) isWrite = true;
    }
    return isWrite ? this.#idempotent.ofBatch(envelope, caller.grant.owner, decoder, encoder) : undefined;
  }

  #stage(command: Command, args: Record<string, unknown>, caller: Caller): unknown {
    if (!command.atomic) {
      return fail("INVALID_REQUEST", `${command.name} cannot be part of an atomic batch`);
    }
    try {
      return this.#runner.executor.stage(command, args, caller);
    } catch (error) {
      return this.#runner.bug(command, error);
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
      this.#read(prepared, decoder);
      if (prepared.error !== undefined) continue;
      const { args } = prepared;
      if (this.#runner.registry.commands[prepared.index].hasKey && args.key instanceof ByteRange) keys.push(args.key);
    }
    if (keys.length > 1) this.#store.prime(keys, keys.length);
  }

  #read(prepared: Prepared, decoder: Codec): void {
    const { envelope } = prepared;
    const index = this.#runner.commandOf(envelope);
    if (typeof index !== "number") {
      prepared.error = index;
      return;
    }
    prepared.index = index;
    const command = this.#runner.registry.commands[index];
    const args = decoder.decodeArguments(envelope.payload, command.shape);
    if (args instanceof CommandError) prepared.error = args;
    else if (command.isBlocking?.(args))
      prepared.error = fail("INVALID_REQUEST", "a batch cannot wait: send the command on its own");
    else prepared.args = args;
  }

  /** The replies of a batch together passed the limit: what ran has run, and the client must know how far that is. */
  #batchTooLarge(error: unknown, encoder: Codec, requestId: ByteRange | undefined, done: number): Reply {
    if (!(error instanceof OutputLimitError)) throw error;
    this.#runner.out.reset();
    const { code, message, details } = replyTooLarge(error);
    return this.#runner.failure(encoder, requestId, fail(code, message, { ...details, commands_done: done }));
  }
}

const NO_ARGUMENTS: Record<string, unknown> = {};

function notInBatch(): CommandError {
  return fail("INVALID_REQUEST", "a command of a transaction cannot be part of an atomic batch");
}

function atCommand({ code, message, details }: CommandError, index: number): CommandError {
  return fail(code, `command ${index} of the batch: ${message}`, { ...details, index });
}

function afterWrongToken(): CommandError {
  return fail("RATE_LIMIT_EXCEEDED", "too many wrong tokens came: the rest of the batch was not run");
}

function tooMuchAtOnce(done: number): CommandError {
  return fail("PAYLOAD_TOO_LARGE", "the batch does too much at once: send smaller ones", {
    limit_ms: BATCH_MS_MAX,
    commands_done: done,
  });
}
