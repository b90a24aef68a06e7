/**
 * Bytes of a RESP connection in, replies out: what dispatcher.ts is to the other protocols. One read of the socket is one
 * burst, and has one write:
 *
 *     bytes -> parser -> group of requests -> their keys looked up together -> run in order -> `out`
 *                ^_________________________________________________________________|
 *
 * A request is a name and offsets into the socket's buffer. The name leads to an entry of the table: a registry command with
 * compiled words and reply, run as command-runner.ts does it (a write is encoded before it is committed), or a connection
 * command. No name is treated specially here.
 *
 * A burst stops early where the output has become large, where it has held the loop for long, where a command waits, or
 * where the connection is to end. `consumed` says how far it came; the transport calls again with the rest.
 */
import type { RateLimits } from "../access/rate-limits.ts";
import { OutputLimitError } from "../codecs/output-buffer.ts";
import { BROKEN, NEEDS_MORE } from "../codecs/resp/resp-parser.ts";
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import { RespWriter } from "../codecs/resp/resp-writer.ts";
import type { Command } from "../commands/command.ts";
import { CommandError } from "../commands/errors.ts";
import { ApplyFailure, NOBODY } from "../commands/execute.ts";
import { errorText, wrongArity } from "../commands/resp/error-texts.ts";
import type { RespCommand } from "../commands/resp/resp-command.ts";
import { Wait } from "../commands/wait.ts";
import { type KeyStore, PRIME_COUNT_MAX } from "../state/key-store.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { CommandRunner, type RunnerOptions, replyTooLarge, tooFast } from "./command-runner.ts";
import { guardRefusal, type RespAccess, refuse, strangerRefusal } from "./resp-access.ts";
import { RespClient, type RespSocket } from "./resp-client.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";
import { RespLateEncoder } from "./resp-late-encoder.ts";
import { RequestGroup, type Slot } from "./resp-request-group.ts";
import { type RespEntry, RespTable, takesWords } from "./resp-table.ts";
import { ENDS_CONNECTION, isForeign, unknownCommand, unknownSubcommand } from "./resp-unknown-command.ts";
import { RowTimes } from "./row-times.ts";
import type { Waits } from "./waits.ts";

export interface RespDispatcherOptions extends RunnerOptions {
  readonly store: KeyStore;
  readonly waits: Waits;
  readonly commands: readonly RespCommand[];
  readonly connectionCommands: readonly ConnectionCommand[];
  readonly access: RespAccess;
  /** A request, with what frames it. */
  readonly requestBytesMax: number;
}

/** All that can be run of the bytes was run: what is behind `consumed` is the beginning of a request. */
export const WANTS_BYTES = 0;
/** More could be run at once: write what there is, and call again. */
export const WANTS_TURN = 1;
/** Nothing more may run until the client is answered (`isBlocked`) or ever (`isClosing`). */
export const STOPPED = 2;
export type Progress = typeof WANTS_BYTES | typeof WANTS_TURN | typeof STOPPED;

/** With so much output a burst is interrupted, so that the socket's peer can begin to read. */
const OUTPUT_BYTES_ENOUGH = 256 * 1024;
/** An error with its text, generously. */
export const ERROR_BYTES = 256;
/** `-`, which an error begins with. */
const ERROR_BYTE = 0x2d;
/** How long a burst holds the loop before others have their turn. */
const BURST_MS_MAX = 5;

/** Arguments that are used again may keep a buffer of so much alive: that of a usual read. */
const KEPT_BYTES_MAX = 64 * 1024;

export class RespDispatcher {
  readonly table: RespTable;
  readonly runner: CommandRunner;
  /** Takes the replies of the burst under way, into `runner.out`. */
  readonly writer: RespWriter;
  /** How far the last `handle` came. */
  consumed = 0;
  /** By id, oldest first. */
  readonly clients = new Map<number, RespClient>();
  readonly store: KeyStore;
  readonly access: RespAccess;
  /** What replies may take of the output; behind it there is room for the errors of a whole transaction. */
  readonly outputBytesMax: number;
  readonly #waits: Waits;
  readonly requestBytesMax: number;
  readonly #group: RequestGroup;
  /** Decoders whose arguments have been of a large buffer. */
  readonly #decodersUsed = new Set<NonNullable<RespEntry["decoder"]>>();
  readonly #times: RowTimes;
  #call: MutableCall | undefined;

  constructor(options: RespDispatcherOptions) {
    this.outputBytesMax = options.replyBytesMax + OUTPUT_BYTES_ENOUGH;
    const errorBytes = options.executor.limits.transaction.commandsMax * ERROR_BYTES;
    this.runner = new CommandRunner({ ...options, replyBytesMax: this.outputBytesMax + errorBytes });
    this.writer = new RespWriter(this.runner.out);
    this.table = new RespTable(options.registry, options.commands, options.connectionCommands);
    this.#group = new RequestGroup(this.table);
    this.store = options.store;
    this.access = options.access;
    this.#waits = options.waits;
    this.#times = new RowTimes(this.runner);
    this.requestBytesMax = options.requestBytesMax;
  }

  /** @param id grows from connection to connection, over all protocols. */
  connect(id: number, socket: RespSocket): RespClient {
    const client = new RespClient(id, socket, this.requestBytesMax, this.access.newcomer, () =>
      this.clients.delete(id),
    );
    this.clients.set(id, client);
    return client;
  }

  /** What the replies of the last `handle` show: they may not leave before the log is released up to this offset. */
  get releaseOffset(): number {
    return this.runner.executor.releaseOffset;
  }

  /**
   * Runs a command of the registry for a connection command: one that only reads, or acts. It may answer with an error. What its
   * caller may do was looked at by the connection command's own guard.
   */
  runRegistry(name: string, args: Record<string, unknown>): unknown {
    const { registry, executor } = this.runner;
    return executor.run(registry.commands[registry.indexOf(rangeOf(name))], args, NOBODY);
  }

  /**
   * Runs the requests in `bytes[start, end)`; their replies are in `runner.out`, emptied at the beginning. Throws only
   * `ApplyFailure`, after which the process must end.
   */
  handle(client: RespClient, bytes: Uint8Array, start: number, end: number): Progress {
    const { runner, writer } = this;
    const { out } = runner;
    out.reset();
    writer.version = client.version;
    runner.executor.at(runner.clock.nowMs());
    const startedMs = runner.clock.monotonicMs();
    this.#times.atMs = startedMs;
    this.consumed = start;
    try {
      return this.#burst(client, bytes, end, startedMs);
    } finally {
      this.#forget();
    }
  }

  #burst(client: RespClient, bytes: Uint8Array, end: number, startedMs: number): Progress {
    const { runner, writer } = this;
    const { out } = runner;
    for (;;) {
      // It may send more once it has logged in, perhaps in what is behind.
      const countMax = client.isStranger ? 1 : PRIME_COUNT_MAX;
      const outcome = this.#group.read(client.parser, bytes, this.consumed, end, countMax);
      if (!this.#runGroup(client, startedMs)) {
        client.parser.rewind();
        return client.isBlocked || client.isClosing ? STOPPED : WANTS_TURN;
      }
      this.consumed = client.parser.at;
      if (outcome === NEEDS_MORE) return WANTS_BYTES;
      if (outcome === BROKEN) {
        runner.refused.envelope++;
        writer.error(client.parser.error);
        client.isClosing = true;
        return STOPPED;
      }
      // What was refused has not looked at the clock.
      this.#times.atMs = runner.clock.monotonicMs();
      if (out.length >= OUTPUT_BYTES_ENOUGH || this.#times.atMs - startedMs >= BURST_MS_MAX) return WANTS_TURN;
    }
  }

  /** Lets go of the burst's bytes. */
  #forget(): void {
    this.#group.release();
    if (this.#decodersUsed.size === 0) return;
    for (const decoder of this.#decodersUsed) decoder.release();
    this.#decodersUsed.clear();
  }

  /** Returns false where it did not come to the end of the group: `consumed` is where it goes on. */
  #runGroup(client: RespClient, startedMs: number): boolean {
    const { out } = this.runner;
    const { slots, count, keys, keyCount } = this.#group;
    const isPrimed = keyCount > 1;
    if (isPrimed) this.store.prime(keys, keyCount);
    try {
      for (let i = 0; i < count; ) {
        const { entry } = slots[i];
        const row = this.#runsRows(client) ? this.#group.rowFrom(i, this.consumed, this.#times.countMax) : 1;
        if (row > 1 && entry?.command !== undefined) i += this.#runRow(client, entry, entry.command, i, row);
        else this.#runSlot(client, slots[i++]);
        if (client.isBlocked || client.isClosing) return false;
        if (i === count) return true;
        if (out.length >= OUTPUT_BYTES_ENOUGH || this.#times.atMs - startedMs >= BURST_MS_MAX) return false;
      }
    } finally {
      if (isPrimed) this.store.unprime();
    }
    return true;
  }

  /** Whether nothing stands between a client and its commands: its token is valid, it wants replies, and gathers no transaction. */
  #runsRows({ replyMode, gate, grant }: RespClient): boolean {
    return replyMode === "on" && gate === undefined && this.runner.executor.knows(grant);
  }

  /**
   * Runs requests that are for one command of the registry: what `#answer` asks before each is asked once. Returns how many of
   * them it has come to.
   */
  #runRow(client: RespClient, entry: RespEntry, command: Command, first: number, count: number): number {
    const { slots } = this.#group;
    const { out, executor, rates } = this.runner;
    this.#times.beginRow();
    let i = first;
    let isAnyTaken = false;
    do {
      const { request, end } = slots[i++];
      const isLetThrough = rates === undefined || !this.#isTooFast(rates, client, request);
      if (isLetThrough && takesWords(entry.arity, request.count)) {
        isAnyTaken = true;
        this.#runCommand(client, entry, command, request);
      } else if (isLetThrough) this.writer.error(wrongArity(entry.description.name));
      this.consumed = end;
    } while (i < first + count && !client.isBlocked && out.length < OUTPUT_BYTES_ENOUGH);
    this.#times.endRow(client);
    client.commandCount += i - first;
    if (isAnyTaken) {
      client.lastEntry = entry;
      client.lastCommandAtMs = executor.nowMs;
    }
    return i - first;
  }

  #runSlot(client: RespClient, { entry, request, end }: Slot): void {
    if (client.replyMode === "on") this.#answer(client, entry, request);
    else this.#answerAsWanted(client, entry, request);
    this.consumed = end;
  }

  /** Takes the reply back where the client does not want it. */
  #answerAsWanted(client: RespClient, entry: RespEntry | undefined, request: RespRequest): void {
    const { out } = this.runner;
    const mark = out.length;
    const wasSkip = client.replyMode === "skip";
    this.#answer(client, entry, request);
    // CLIENT REPLY ON is answered; SKIP is for the one command after it. The command may have changed the mode.
    const mode: RespClient["replyMode"] = client.replyMode as RespClient["replyMode"];
    if (mode === "on") return;
    out.length = mark;
    if (wasSkip && mode === "skip") client.replyMode = "on";
  }

  #answer(client: RespClient, named: RespEntry | undefined, request: RespRequest): void {
    client.commandCount++;
    if (named === undefined && isForeign(request, client.lastEntry !== undefined)) client.isClosing = true;
    if (this.runner.rates !== undefined && this.#isTooFast(this.runner.rates, client, request)) return;
    if (!this.runner.executor.knows(client.grant) && this.#isStranger(client, named)) return;
    const entry = this.#checked(named, request);
    if (typeof entry === "string") {
      this.writer.error(client.isClosing ? `${entry}${ENDS_CONNECTION}` : entry);
      client.gate?.refused();
      return;
    }
    client.lastEntry = entry;
    client.lastCommandAtMs = this.runner.executor.nowMs;
    if (client.gate !== undefined && !this.#admits(client.gate, entry, request)) return;
    this.execute(client, entry, request);
  }

  /** Only who has a valid token goes on; the others are told, and may say who they are. */
  #isStranger(client: RespClient, named: RespEntry | undefined): boolean {
    const refusal = strangerRefusal(client, named, this.runner.executor);
    if (refusal === undefined) return false;
    this.writer.error(refusal);
    client.gate?.refused();
    return true;
  }

  #isTooFast(rates: RateLimits, client: RespClient, request: RespRequest): boolean {
    const bytes = request.end(request.count - 1) - request.start(0);
    const waitMs = rates.admit(client, 1, bytes, this.runner.clock.monotonicMs());
    if (waitMs === 0) return false;
    this.writer.error(errorText(tooFast(waitMs), undefined));
    client.gate?.refused();
    return true;
  }

  #admits(gate: NonNullable<RespClient["gate"]>, entry: RespEntry, request: RespRequest): boolean {
    const { writeRefusal } = this.runner.executor;
    if (writeRefusal === undefined || entry.command?.plan === undefined)
      return gate.admits(entry, request, this.writer);
    // As Redis does it: a transaction that cannot run is not gathered.
    this.writer.error(errorText(writeRefusal, entry.errors));
    gate.refused();
    return false;
  }

  /** The entry that is to run, a subcommand's for a container; or the error. */
  #checked(named: RespEntry | undefined, request: RespRequest): RespEntry | string {
    let entry = named;
    if (entry === undefined) {
      this.runner.refused.unknownCommand++;
      return unknownCommand(request);
    }
    if (entry.subcommands !== undefined && request.count > 1) {
      const subcommand = entry.subcommands.find(request.bytes, request.start(1), request.end(1));
      if (subcommand === undefined) return unknownSubcommand(entry, request);
      entry = subcommand;
    }
    return takesWords(entry.arity, request.count) ? entry : wrongArity(entry.description.name);
  }

  /** Runs a request whose words were counted, and writes its reply. For the gates too, once what they kept may run. */
  execute(client: RespClient, entry: RespEntry, request: RespRequest): void {
    if (entry.run !== undefined) {
      const refusal = guardRefusal(client, entry.guard ?? "known", entry.description.name);
      if (refusal === undefined) this.#callConnectionCommand(client, entry, request, entry.run);
      else refuse({ client, entry, sink: this.writer, dispatcher: this }, refusal);
    } else if (entry.command !== undefined) this.#runCommand(client, entry, entry.command, request);
    else throw new Error(`${entry.description.name} has nothing that answers it`);
  }

  #callConnectionCommand(
    client: RespClient,
    entry: RespEntry,
    request: RespRequest,
    run: (call: RespCall) => void,
  ): void {
    // A call of its own where one is under way: EXEC runs others.
    const call = this.#call ?? { client, request, entry, sink: this.writer, dispatcher: this };
    this.#call = undefined;
    call.client = client;
    call.request = request;
    call.entry = entry;
    const { out } = this.runner;
    const mark = out.length;
    let error: CommandError | undefined;
    try {
      run(call);
    } catch (thrown) {
      if (thrown instanceof ApplyFailure) throw thrown;
      out.length = mark;
      error = thrown instanceof OutputLimitError ? replyTooLarge(thrown) : this.runner.bug(entry.description, thrown);
    }
    if (entry.guard === "admin:admin") {
      // Each of these has one reply.
      this.access.ran(client, entry.description.name, error === undefined && out.bytes[mark] !== ERROR_BYTE);
    }
    if (error !== undefined) this.writer.error(errorText(error, undefined));
    this.#call = call;
    this.#times.atMs = this.runner.clock.monotonicMs();
    // HELLO may have changed it.
    this.writer.version = client.version;
  }

  #runCommand(client: RespClient, entry: RespEntry, command: Command, request: RespRequest): void {
    const { runner } = this;
    // Only registry commands have an entry with these.
    const decoder = entry.decoder as NonNullable<RespEntry["decoder"]>;
    const args = this.#decoded(decoder, command, request);
    if (typeof args === "string") {
      this.writer.error(args);
      this.#times.add(entry.index, false, client);
      return;
    }
    let result = runner.attempt(command, args, client);
    if (result instanceof Wait) {
      if (command.plan !== undefined) runner.executor.discard();
      if (client.isExecuting) {
        result = result.otherwise;
        runner.tell(command, client, !(result instanceof CommandError));
      } else result = this.#park(client, entry, args, result);
      if (result === undefined) return;
    }
    const isSuccess = this.#finish(entry, command, args, result);
    this.#times.add(entry.index, isSuccess, client);
  }

  /** The command's arguments, or the error that is the reply. */
  #decoded(
    decoder: NonNullable<RespEntry["decoder"]>,
    command: Command,
    request: RespRequest,
  ): Record<string, unknown> | string {
    if (request.bytes.length > KEPT_BYTES_MAX) this.#decodersUsed.add(decoder);
    try {
      return decoder.decode(request, false);
    } catch (thrown) {
      return errorText(this.runner.bug(command, thrown), undefined);
    }
  }

  /** Encodes a result and, where that found room, lets what was planned happen. */
  #finish(entry: RespEntry, command: Command, args: Record<string, unknown>, result: unknown): boolean {
    const { runner, writer } = this;
    const { out, executor } = runner;
    const mark = out.length;
    let error = result instanceof CommandError ? result : undefined;
    try {
      if (error === undefined) {
        // As in `#runCommand`; and the shape was declared for what this command answers.
        (entry.reply as NonNullable<RespEntry["reply"]>)(result as never, writer, args);
        if (out.length > this.outputBytesMax) throw new OutputLimitError(this.outputBytesMax);
        if (command.plan !== undefined) executor.commit();
        return true;
      }
    } catch (thrown) {
      if (thrown instanceof ApplyFailure) throw thrown;
      out.length = mark;
      error = thrown instanceof OutputLimitError ? replyTooLarge(thrown) : runner.bug(command, thrown);
    }
    if (command.plan !== undefined) executor.discard();
    writer.error(errorText(error, entry.errors));
    return false;
  }

  /** Has the client wait; answers at once, with what is to be said, where nothing more may. */
  #park(client: RespClient, entry: RespEntry, args: Record<string, unknown>, wait: Wait): unknown {
    const encoder = new RespLateEncoder(entry, client);
    const parked = this.#waits.park(wait, {
      index: entry.index,
      args,
      requestId: undefined,
      replyFormat: "json",
      encoder,
      caller: client,
    });
    if (parked !== undefined) return parked.answer;
    client.isBlocked = true;
    client.wantsLateReply = client.replyMode === "on";
    return undefined;
  }
}

type MutableCall = { -readonly [Name in keyof RespCall]: RespCall[Name] };
