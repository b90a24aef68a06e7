/**
 * MULTI, EXEC, DISCARD, WATCH and UNWATCH of Redis clients, with Redis' own rules: what is wrong when it is queued makes EXEC
 * refuse everything; what fails when it runs fails alone.
 *
 *     MULTI --> gate: QUEUED, QUEUED, ... --> EXEC: a watched key has changed   nothing runs, null
 *                                                   an error was queued         nothing runs, EXECABORT
 *                                                   else                        one record of the log
 */
import { OutputLimitError } from "../codecs/output-buffer.ts";
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import type { CommandError } from "../commands/errors.ts";
import { errorText } from "../commands/resp/error-texts.ts";
import type { ReplySink } from "../commands/resp/reply-sink.ts";
import { NO_KEYS, type RespFlag } from "../commands/resp/resp-command.ts";
import type { Holding } from "../commands/transaction/transaction-memory.ts";
import type { TransactionLimits } from "../commands/transaction/transactions.ts";
import { WatchedKeys } from "../commands/transaction/watched-keys.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import { permitsWatching, refuse } from "./resp-access.ts";
import type { Gate, RespClient } from "./resp-client.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";
import { ERROR_BYTES, type RespDispatcher } from "./resp-dispatcher.ts";
import type { RespEntry } from "./resp-table.ts";

const FLAGS: readonly RespFlag[] = ["noscript", "loading", "stale", "fast", "allow_busy"];
/** What is not queued but runs at once. */
const RUN_AT_ONCE: ReadonlySet<string> = new Set(["multi", "exec", "discard", "watch", "quit", "reset"]);
const NOT_IN_TRANSACTION = "ERR Command not allowed inside a transaction";

const REPLY_TOO_LARGE = "ERR the reply would be over its limit: ask for less at once";
const HELD_BACK = "ERR too many wrong tokens came: the rest of the transaction was not run";
const EXEC_ABORT = "EXECABORT Transaction discarded because of previous errors.";

/** What a queued command takes beside its bytes: objects, buffers and their views; and for each word. */
const QUEUED_BYTES = 500;
const WORD_BYTES = 8;

interface QueuedRequest {
  readonly entry: RespEntry;
  readonly request: RespRequest;
}

/** Between MULTI and EXEC: keeps the commands. Whoever takes it away from its client says `abandoned`. */
class TransactionGate implements Gate {
  queue: QueuedRequest[] = [];
  isBroken = false;
  #bytes = 0;
  readonly #limits: TransactionLimits;
  readonly #holding: Holding;

  constructor(limits: TransactionLimits, holding: Holding) {
    this.#limits = limits;
    this.#holding = holding;
  }

  admits(entry: RespEntry, request: RespRequest, sink: ReplySink): boolean {
    const { description } = entry;
    if (RUN_AT_ONCE.has(description.name)) return true;
    const refusal = this.#refusal(description.flags, request);
    if (refusal === undefined) {
      this.queue.push({ entry, request: request.copy() });
      sink.simple("QUEUED");
    } else {
      this.isBroken = true;
      sink.error(refusal);
    }
    return false;
  }

  #refusal(flags: readonly RespFlag[], request: RespRequest): string | undefined {
    if (flags.includes("no_multi")) return NOT_IN_TRANSACTION;
    const bytes = request.end(request.count - 1) - request.start(0);
    this.#bytes += bytes;
    const { commandsMax, bytesMax } = this.#limits;
    if (this.queue.length < commandsMax && this.#bytes <= bytesMax) {
      const refusal = this.#holding.take(QUEUED_BYTES + bytes + request.count * WORD_BYTES);
      return refusal && memoryText(refusal);
    }
    return `ERR a transaction holds at most ${commandsMax} commands and ${bytesMax} bytes`;
  }

  refused(): void {
    this.isBroken = true;
  }

  abandoned(): void {
    this.queue = [];
    this.#holding.release();
  }
}

/** The prefix is Redis', for another limit of its own: clients know that it is about memory. */
function memoryText(refusal: CommandError): string {
  return errorText(refusal, { MEMORY_LIMIT_EXCEEDED: `OOM ${refusal.message}` });
}

export const transactionCommands: readonly ConnectionCommand[] = [
  transactional("multi", 1, FLAGS, "Mark the start of a transaction block", "1.2.0", multi),
  transactional("exec", 1, ["noscript", "loading", "stale"], "Execute all commands issued after MULTI", "1.2.0", exec),
  transactional("discard", 1, FLAGS, "Discard all commands issued after MULTI", "2.0.0", discard),
  {
    ...transactional("watch", -2, FLAGS, "Watch the given keys for the next transaction", "2.2.0", watch),
    keys: [1, -1, 1],
  },
  transactional("unwatch", 1, FLAGS, "Forget about all watched keys", "2.2.0", ({ client, sink }) => {
    client.unwatch();
    sink.ok();
  }),
];

function transactional(
  name: string,
  arity: number,
  flags: readonly RespFlag[],
  summary: string,
  since: string,
  run: (call: RespCall) => void,
): ConnectionCommand {
  return { name, arity, guard: "known", flags, keys: NO_KEYS, group: "transactions", summary, since, run };
}

function multi({ client, sink, dispatcher }: RespCall): void {
  if (client.gate instanceof TransactionGate) {
    sink.error("ERR MULTI calls can not be nested");
    return;
  }
  const { limits, transactions } = dispatcher.runner.executor;
  client.gate = new TransactionGate(limits.transaction, transactions.memory.holding(client.grant.owner));
  sink.ok();
}

function discard({ client, sink }: RespCall): void {
  if (!(client.gate instanceof TransactionGate)) {
    sink.error("ERR DISCARD without MULTI");
    return;
  }
  client.gate.abandoned();
  client.gate = undefined;
  client.unwatch();
  sink.ok();
}

const NOTHING_WATCHED = { count: 0, bytes: 0 };

function watch(call: RespCall): void {
  const { client, request, sink, dispatcher } = call;
  if (client.gate instanceof TransactionGate) {
    sink.error("ERR WATCH inside MULTI is not allowed");
    return;
  }
  const { executor } = dispatcher.runner;
  const { watchedKeysMax, bytesMax } = executor.limits.transaction;
  const bytes = request.end(request.count - 1) - request.start(1);
  const { count: watchedCount, bytes: watchedBytes } = client.watched ?? NOTHING_WATCHED;
  const isTooMuch = watchedCount + request.count - 1 > watchedKeysMax || watchedBytes + bytes > bytesMax;
  // Before each is looked at: a request may have a million words.
  if (!isTooMuch && !permitsWatching(client, request)) {
    refuse(call, "the token does not permit to watch this key");
    return;
  }
  if (isTooMuch) {
    sink.error(`ERR a connection watches at most ${watchedKeysMax} keys of ${bytesMax} bytes together`);
    return;
  }
  const keys: ByteRange[] = [];
  for (let word = 1; word < request.count; word++) keys.push(request.range(word));
  client.watched ??= new WatchedKeys(executor.transactions.memory.holding(client.grant.owner));
  const refusal = client.watched.add(keys, executor.planner.keys);
  if (refusal === undefined) sink.ok();
  else sink.error(memoryText(refusal));
}

function exec({ client, sink, dispatcher }: RespCall): void {
  const { gate } = client;
  if (!(gate instanceof TransactionGate)) {
    sink.error("ERR EXEC without MULTI");
    return;
  }
  const { executor } = dispatcher.runner;
  const { queue } = gate;
  const isChanged = !gate.isBroken && client.watched?.isChanged(executor.planner.keys) === true;
  gate.abandoned();
  client.gate = undefined;
  client.unwatch();
  if (gate.isBroken) {
    sink.error(EXEC_ABORT);
    return;
  }
  if (isChanged) {
    executor.showsState();
    sink.nullArray();
    return;
  }
  sink.array(queue.length);
  client.isExecuting = true;
  executor.beginRecord();
  try {
    for (const queued of queue) {
      const refusal = executor.recordRefusal();
      // Nothing can wait in it, so that is by AUTH.
      if (client.isBlocked) sink.error(HELD_BACK);
      else if (refusal === undefined) executeQueued(client, queued, dispatcher);
      else sink.error(`ERR ${refusal}`);
    }
  } finally {
    client.isExecuting = false;
    executor.endRecord();
  }
}

/**
 * Runs one command. Past what replies may take, it writes no more than the room that is kept for each command: a longer one,
 * of a connection command or an error with a long text, would take the room of those after it, and EXEC, which has written
 * by then, would fail as a whole.
 */
function executeQueued(client: RespClient, { entry, request }: QueuedRequest, dispatcher: RespDispatcher): void {
  const { out } = dispatcher.runner;
  const mark = out.length;
  try {
    dispatcher.execute(client, entry, request);
    if (out.length <= dispatcher.outputBytesMax || out.length - mark <= ERROR_BYTES) return;
  } catch (thrown) {
    if (!(thrown instanceof OutputLimitError)) throw thrown;
  }
  out.length = mark;
  dispatcher.writer.error(REPLY_TOO_LARGE);
}
