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
import type { ReplySink } from "../commands/resp/reply-sink.ts";
import { NO_KEYS, type RespFlag } from "../commands/resp/resp-command.ts";
import type { TransactionLimits } from "../commands/transaction/transactions.ts";
import { WatchedKeys } from "../commands/transaction/watched-keys.ts";
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
const EXEC_ABORT = "EXECABORT Transaction discarded because of previous errors.";

interface QueuedRequest {
  readonly entry: RespEntry;
  readonly request: RespRequest;
}

/** Between MULTI and EXEC: keeps the commands. */
class TransactionGate implements Gate {
  readonly queue: QueuedRequest[] = [];
  isBroken = false;
  #bytes = 0;
  readonly #limits: TransactionLimits;

  constructor(limits: TransactionLimits) {
    this.#limits = limits;
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
    this.#bytes += request.end(request.count - 1) - request.start(0);
    const { commandsMax, bytesMax } = this.#limits;
    if (this.queue.length < commandsMax && this.#bytes <= bytesMax) return undefined;
    return `ERR a transaction holds at most ${commandsMax} commands and ${bytesMax} bytes`;
  }

  refused(): void {
    this.isBroken = true;
  }

  abandoned(): void {
    this.queue.length = 0;
  }
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
    client.watched = undefined;
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
  client.gate = new TransactionGate(dispatcher.runner.executor.limits.transaction);
  sink.ok();
}

function discard({ client, sink }: RespCall): void {
  if (!(client.gate instanceof TransactionGate)) {
    sink.error("ERR DISCARD without MULTI");
    return;
  }
  client.gate = undefined;
  client.watched = undefined;
  sink.ok();
}

function watch(call: RespCall): void {
  const { client, request, sink, dispatcher } = call;
  if (client.gate instanceof TransactionGate) {
    sink.error("ERR WATCH inside MULTI is not allowed");
    return;
  }
  if (!permitsWatching(client, request)) {
    refuse(call, "the token does not permit to watch this key");
    return;
  }
  const { executor } = dispatcher.runner;
  const { watchedKeysMax, bytesMax } = executor.limits.transaction;
  client.watched ??= new WatchedKeys();
  const { watched } = client;
  const bytes = request.end(request.count - 1) - request.start(1);
  if (watched.count + request.count - 1 > watchedKeysMax || watched.bytes + bytes > bytesMax) {
    sink.error(`ERR a connection watches at most ${watchedKeysMax} keys of ${bytesMax} bytes together`);
    return;
  }
  for (let word = 1; word < request.count; word++) watched.add(request.range(word), executor.planner.keys);
  sink.ok();
}

function exec({ client, sink, dispatcher }: RespCall): void {
  const { gate, watched } = client;
  if (!(gate instanceof TransactionGate)) {
    sink.error("ERR EXEC without MULTI");
    return;
  }
  const { executor } = dispatcher.runner;
  client.gate = undefined;
  client.watched = undefined;
  if (gate.isBroken) {
    sink.error(EXEC_ABORT);
    return;
  }
  if (watched?.isChanged(executor.planner.keys)) {
    executor.showsState();
    sink.nullArray();
    return;
  }
  sink.array(gate.queue.length);
  client.isExecuting = true;
  executor.beginRecord();
  try {
    for (const queued of gate.queue) {
      const refusal = executor.recordRefusal();
      if (refusal === undefined) executeQueued(client, queued, dispatcher);
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
