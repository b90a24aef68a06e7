/**
 * Transactions of clients that have no connection of their own: a `client_id` stands for it (wire contract, section
 * transaction). What a client does between transaction.multi and transaction.exec is kept here; nothing of it is state, and a
 * restart forgets it.
 *
 *     watch --> versions --.
 *     multi --> open       |-- exec --> changed? aborted
 *     kv.set .. -> queue --'            else one record; a command that fails leaves nothing, the others commit
 *
 * A transaction that its client leaves alone for too long is forgotten.
 */
import type { Caller } from "../../dispatch/caller.ts";
import type { KeyView } from "../../state/key-view.ts";
import { byteName } from "../../structures/byte-name.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import type { Command } from "../command.ts";
import { CommandError, type ErrorCode, fail } from "../errors.ts";
import { rangeBytes, retained, retainedBytes } from "../retained.ts";
import { Wait } from "../wait.ts";
import { type Holding, TOKEN_SHARE, TransactionMemory } from "./transaction-memory.ts";
import { WatchedKeys } from "./watched-keys.ts";

export interface TransactionLimits {
  /** Of clients with a client_id, together; those of one token may have a quarter of them. */
  readonly transactionsMax: number;
  /** A transaction that gets no command for so long is forgotten. */
  readonly timeoutMs: number;
  /** Of one transaction. */
  readonly commandsMax: number;
  readonly watchedKeysMax: number;
  /** Arguments and watched keys of one transaction. */
  readonly bytesMax: number;
  /** What all transactions hold together, those of connections too; what one token has begun may hold a quarter of it. */
  readonly totalBytesMax: number;
  /** What the commands of one transaction may answer with, together. */
  readonly resultBytesMax: number;
}

/** The part of the executor that runs what was queued. */
interface RecordRunner {
  readonly planner: { readonly keys: KeyView };
  beginRecord(): void;
  recordRefusal(): string | undefined;
  endRecord(): void;
  attempt(command: Command, args: Record<string, unknown>, caller: Caller): unknown;
  commit(): void;
  discard(): void;
}

interface QueuedCommand {
  readonly command: Command;
  readonly args: Record<string, unknown>;
}

/** What one takes beside its arguments. */
const QUEUED_BYTES = 64;

/** How a command of a transaction went. */
export interface CommandResult {
  readonly success: boolean;
  readonly payload?: unknown;
  readonly error?: string;
  readonly code?: ErrorCode;
  readonly details?: Record<string, unknown>;
}

export type Executed =
  | { readonly success: true; readonly results: CommandResult[] }
  | { readonly aborted: true; readonly message: string };

class ClientTransaction {
  readonly watched: WatchedKeys;
  readonly queue: QueuedCommand[] = [];
  queuedBytes = 0;
  /** Between multi and exec. */
  isOpen = false;
  /** A command could not be queued: exec must not run the rest. */
  isBroken = false;
  lastUsedMs: number;
  /** Of the token (`Grant.owner`); empty where nobody has to log in. */
  readonly owner: string;
  /** Of what is queued. */
  readonly holding: Holding;

  constructor(owner: string, memory: TransactionMemory, nowMs: number) {
    this.owner = owner;
    this.holding = memory.holding(owner);
    this.watched = new WatchedKeys(memory.holding(owner));
    this.lastUsedMs = nowMs;
  }
}

export class Transactions {
  /** Of these, and of the transactions of Redis clients. */
  readonly memory: TransactionMemory;
  readonly #runner: RecordRunner;
  readonly #limits: TransactionLimits;
  /** By client id, the one used longest ago first. */
  readonly #byClient = new Map<string, ClientTransaction>();
  /** How many of them each token has. */
  readonly #perOwner = new Map<string, number>();

  constructor(runner: RecordRunner, limits: TransactionLimits) {
    this.#runner = runner;
    this.#limits = limits;
    this.memory = new TransactionMemory(limits.totalBytesMax);
  }

  /** Clients that watch keys or have begun a transaction. While there is none, no command needs to be looked at. */
  get count(): number {
    return this.#byClient.size;
  }

  /** Errors: INVALID_REQUEST where one is open, or there are as many as there may be. */
  multi(client: ByteRange, nowMs: number, owner = ""): CommandError | undefined {
    const transaction = this.#use(client, nowMs, owner);
    if (transaction instanceof CommandError) return transaction;
    if (transaction.isOpen)
      return fail("INVALID_REQUEST", "the transaction of this client_id is open: they do not nest");
    transaction.isOpen = true;
    return undefined;
  }

  /** Errors: INVALID_REQUEST in an open transaction and past a limit, MEMORY_LIMIT_EXCEEDED past that of all together. */
  watch(client: ByteRange, keys: readonly ByteRange[], nowMs: number, owner = ""): CommandError | undefined {
    const transaction = this.#use(client, nowMs, owner);
    if (transaction instanceof CommandError) return transaction;
    if (transaction.isOpen) return fail("INVALID_REQUEST", "keys are watched before transaction.multi, not after it");
    const { watched } = transaction;
    const { watchedKeysMax, bytesMax } = this.#limits;
    if (watched.count + keys.length > watchedKeysMax || watched.bytes + rangeBytes(keys) > bytesMax) {
      return fail("INVALID_REQUEST", "one transaction cannot watch so much", {
        watched_keys_max: watchedKeysMax,
        bytes_max: bytesMax,
      });
    }
    return watched.add(keys, this.#runner.planner.keys);
  }

  unwatch(client: ByteRange): void {
    const name = byteName(client);
    const transaction = this.#byClient.get(name);
    if (transaction === undefined) return;
    // As in Redis: in an open one it comes too late to matter.
    if (transaction.isOpen) return;
    this.#forget(name, transaction);
  }

  /** Drops what is queued and the watches. Errors: INVALID_REQUEST where none is open. */
  discard(client: ByteRange): CommandError | undefined {
    const name = byteName(client);
    const transaction = this.#openOf(name);
    if (transaction instanceof CommandError) return transaction;
    this.#forget(name, transaction);
    return undefined;
  }

  /** Whether a command of this client is to be queued. */
  isOpen(client: ByteRange): boolean {
    return this.#byClient.size > 0 && this.#byClient.get(byteName(client))?.isOpen === true;
  }

  /**
   * Keeps a command for `exec`. Errors: INVALID_REQUEST past a limit, MEMORY_LIMIT_EXCEEDED past that of all together; then
   * exec will run nothing.
   * @param client whose transaction `isOpen`.
   */
  queue(client: ByteRange, command: Command, args: Record<string, unknown>, nowMs: number): CommandError | undefined {
    const transaction = this.#use(client, nowMs, "");
    if (transaction instanceof CommandError) return transaction;
    const bytes = rangeBytes(args);
    const { commandsMax, bytesMax } = this.#limits;
    const isTooMuch =
      transaction.queue.length >= commandsMax || transaction.queuedBytes + transaction.watched.bytes + bytes > bytesMax;
    if (isTooMuch) {
      transaction.isBroken = true;
      return fail("INVALID_REQUEST", "the transaction cannot hold so much", {
        commands_max: commandsMax,
        bytes_max: bytesMax,
      });
    }
    const refusal = transaction.holding.take(QUEUED_BYTES + retainedBytes(args));
    if (refusal !== undefined) {
      transaction.isBroken = true;
      return refusal;
    }
    // A copy of an object of arguments is one.
    transaction.queue.push({ command, args: retained(args) as Record<string, unknown> });
    transaction.queuedBytes += bytes;
    return undefined;
  }

  /** A command could not be queued: exec will run nothing. */
  spoil(client: ByteRange): void {
    const transaction = this.#byClient.get(byteName(client));
    if (transaction !== undefined) transaction.isBroken = true;
  }

  /** Runs what was queued, as one record. Errors: INVALID_REQUEST where no transaction is open. */
  exec(client: ByteRange, caller: Caller): Executed | CommandError {
    const runner = this.#runner;
    const name = byteName(client);
    const transaction = this.#openOf(name);
    if (transaction instanceof CommandError) return transaction;
    const isChanged = !transaction.isBroken && transaction.watched.isChanged(runner.planner.keys);
    this.#forget(name, transaction);
    if (transaction.isBroken) return { aborted: true, message: "a command could not be queued" };
    if (isChanged) return { aborted: true, message: "a watched key has changed" };
    const results: CommandResult[] = [];
    let bytesLeft = this.#limits.resultBytesMax;
    runner.beginRecord();
    try {
      for (const { command, args } of transaction.queue) {
        const result = this.#run(command, args, caller, bytesLeft);
        bytesLeft -= rangeBytes(result);
        results.push(shown(result));
      }
    } finally {
      runner.endRecord();
    }
    return { success: true, results };
  }

  /** Runs one command of the record; its result is the caller's to keep. */
  #run(command: Command, args: Record<string, unknown>, caller: Caller, bytesLeft: number): unknown {
    const runner = this.#runner;
    const refusal = runner.recordRefusal();
    if (refusal !== undefined) return fail("PAYLOAD_TOO_LARGE", refusal);
    const attempted = runner.attempt(command, args, caller);
    const result = attempted instanceof Wait ? attempted.otherwise : attempted;
    if (command.plan === undefined) return retained(result);
    // What waits has staged nothing, and neither has an error.
    if (result instanceof CommandError || attempted instanceof Wait) {
      runner.discard();
      return result;
    }
    if (rangeBytes(result) > bytesLeft) {
      runner.discard();
      return fail("PAYLOAD_TOO_LARGE", "the transaction answers with too much at once");
    }
    const kept = retained(result);
    runner.commit();
    return kept;
  }

  /** Forgets up to `limit` transactions whose client has left them alone; returns how many. */
  forgetOverdue(nowMs: number, limit: number): number {
    let count = 0;
    for (const [name, transaction] of this.#byClient) {
      if (count === limit || transaction.lastUsedMs + this.#limits.timeoutMs > nowMs) break;
      this.#forget(name, transaction);
      count++;
    }
    return count;
  }

  /** @param owner of one that is not there yet. */
  #use(client: ByteRange, nowMs: number, owner: string): ClientTransaction | CommandError {
    const name = byteName(client);
    const known = this.#byClient.get(name);
    const refusal = known === undefined ? this.#refusalOfAnother(owner) : undefined;
    if (refusal !== undefined) return refusal;
    const transaction = known ?? this.#begun(owner, nowMs);
    transaction.lastUsedMs = nowMs;
    this.#byClient.delete(name);
    this.#byClient.set(name, transaction);
    return transaction;
  }

  #begun(owner: string, nowMs: number): ClientTransaction {
    if (owner !== "") this.#perOwner.set(owner, (this.#perOwner.get(owner) ?? 0) + 1);
    return new ClientTransaction(owner, this.memory, nowMs);
  }

  /** Any token may begin one, and none may take the places of all others. */
  #refusalOfAnother(owner: string): CommandError | undefined {
    const { transactionsMax } = this.#limits;
    if (this.#byClient.size >= transactionsMax) {
      return fail("INVALID_REQUEST", "there are as many transactions as there may be: try again later", {
        transactions_max: transactionsMax,
      });
    }
    const perTokenMax = Math.ceil(transactionsMax / TOKEN_SHARE);
    if (owner === "" || (this.#perOwner.get(owner) ?? 0) < perTokenMax) return undefined;
    return fail("INVALID_REQUEST", "this token has as many transactions as one may have: try again later", {
      transactions_of_token_max: perTokenMax,
    });
  }

  /** Its watches are over; what it has queued may still be run, by who has it. */
  #forget(name: string, { owner, holding, watched }: ClientTransaction): void {
    this.#byClient.delete(name);
    holding.release();
    watched.clear();
    const left = (this.#perOwner.get(owner) ?? 0) - 1;
    if (left > 0) this.#perOwner.set(owner, left);
    else this.#perOwner.delete(owner);
  }

  #openOf(name: string): ClientTransaction | CommandError {
    const transaction = this.#byClient.get(name);
    if (transaction?.isOpen !== true) {
      return fail(
        "INVALID_REQUEST",
        "no transaction of this client_id is open: begin one, its time may have been over",
      );
    }
    return transaction;
  }
}

function shown(result: unknown): CommandResult {
  if (!(result instanceof CommandError)) return { success: true, payload: result };
  const { message, code, details } = result;
  return { success: false, error: message, code, details };
}
