/**
 * The one path of a command: plan or read, append, apply. Codecs and protocols end where this begins, and every write of
 * the process passes through `commit`.
 */
import { type Grant, unrestrictedGrant } from "../access/grant.ts";
import type { Caller } from "../dispatch/caller.ts";
import type { Fanout } from "../fanout/fanout.ts";
import type { Origin } from "../fanout/keyspace-events.ts";
import type { EpochHistory } from "../oplog/epochs.ts";
import type { LogRecord } from "../oplog/log-record.ts";
import type { OperationLog } from "../oplog/operation-log.ts";
import { NONE } from "../state/key-store.ts";
import type { KeyView } from "../state/key-view.ts";
import { OperationWriter } from "../state/operation.ts";
import type { StateMachine } from "../state/state-machine.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { accessRefusal, grantRefusal } from "./access-rule.ts";
import type { Command, Limits, ReadContext, WriteContext } from "./command.ts";
import { CommandError, fail } from "./errors.ts";
import { KeyCounters } from "./kv/key-counters.ts";
import { ScanCursors } from "./kv/scan-cursors.ts";
import type { Node } from "./node.ts";
import { Planner } from "./planner.ts";
import { ReplyPlanner } from "./reply-planner.ts";
import { Transactions } from "./transaction/transactions.ts";
import { Wait } from "./wait.ts";

/** What a gathered record may be before the next command is refused: it is appended in one step of the loop. */
const GATHERED_BYTES_MAX = 32 * 2 ** 20;
const GATHERED_OPERATIONS_MAX = 100_000;
/** How long the commands of a gathered record may hold the loop, and with it every other client: as those of a batch. */
const GATHERED_MS_MAX = 200;

/** State and log may say different things: apply threw, or the log did after it. Nothing may run then: the process must end. */
export class ApplyFailure extends Error {}

export interface ExecutorOptions {
  readonly state: StateMachine;
  readonly log: OperationLog;
  readonly keys: KeyView;
  readonly limits: Limits;
  readonly node: Node;
  /** Draws from [0, 1): eviction samples and random keys. What it decides goes into operations. */
  readonly random: () => number;
  /** For how long a record has been gathered; see `Clock`. */
  readonly monotonicMs: () => number;
  readonly fanout: Fanout;
  /** Logs a bug in the fan-out: the write has happened, whatever became of its pushes. */
  readonly reportBug: (where: string, error: unknown) => void;
}

export class Executor {
  readonly counters = new KeyCounters();
  /** What the record being planned adds to `counters` once it is committed. */
  readonly #stagedCounters = new KeyCounters();
  /**
   * What the reply under way shows: it may not leave before the log is released up to this offset. Commands raise it, and `at`
   * begins anew. 0 for nothing of the state.
   */
  releaseOffset = 0;
  /** Why writes are refused here, whatever they are; undefined where they are not. Owned by replication. */
  writeRefusal: CommandError | undefined;
  /** This node copies the log of a master: nothing is planned here. Owned by replication. */
  isReplica = false;
  /** Grows with each message, and begins anew after a billion of them. */
  #turn = 0;
  readonly planner: Planner;
  /** For writes that are to run once; what it stages comes last in a record. */
  readonly replies: ReplyPlanner;
  /** Those of clients that say who they are with each command. */
  readonly transactions: Transactions;
  /** What the commands between `beginRecord` and `endRecord` have committed; empty outside. */
  readonly #record = new OperationWriter();
  #isGathering = false;
  #gatheringSinceMs = 0;
  /** An `ApplyFailure` was thrown: what the log holds must not become more. */
  #isBroken = false;
  /** Which commands wrote the operations of the record, while somebody asks for events that are named after them. */
  readonly #origins: Origin[] = [];
  readonly #state: StateMachine;
  readonly #log: OperationLog;
  readonly fanout: Fanout;
  readonly limits: Limits;
  readonly node: Node;
  readonly #monotonicMs: ExecutorOptions["monotonicMs"];
  readonly #reportBug: ExecutorOptions["reportBug"];
  readonly #readContext: MutableReadContext;
  readonly #writeContext: WriteContext;
  readonly #dueKey = new ByteRange(new Uint8Array(0), 0, 0);

  constructor(options: ExecutorOptions) {
    this.#state = options.state;
    this.#log = options.log;
    this.fanout = options.fanout;
    this.limits = options.limits;
    this.node = options.node;
    this.#monotonicMs = options.monotonicMs;
    this.#reportBug = options.reportBug;
    this.planner = new Planner(options.state, options.keys, options.random);
    this.replies = new ReplyPlanner(options.state.replies, this.planner, options.limits.reply);
    this.transactions = new Transactions(this, options.limits.transaction);
    this.#readContext = {
      keys: options.keys,
      queues: options.state.queues,
      rooms: options.state.rooms,
      fanout: options.fanout,
      transactions: this.transactions,
      counters: this.counters,
      limits: options.limits,
      scanCursors: new ScanCursors(options.random),
      node: options.node,
      caller: NOBODY,
      appliedOffset: 0,
      nowMs: 0,
      random: options.random,
    };
    this.#writeContext = { counters: this.#stagedCounters, limits: options.limits };
  }

  get nowMs(): number {
    return this.#readContext.nowMs;
  }

  /** The offset of the last operation applied; 0 before the first. */
  get appliedOffset(): number {
    return this.#state.appliedOffset;
  }

  /**
   * Whether what no client has asked for may be planned now, such as what is due by the clock, and deliveries: not while
   * writes are refused, and not on a replica.
   */
  get mayPlan(): boolean {
    return !this.isReplica && this.writeRefusal === undefined && this.#log.refusal === undefined;
  }

  /**
   * Sets the instant for what comes next; once per message, so that all of it sees one time, and all of its reply waits for
   * what any of it shows.
   */
  at(nowMs: number): void {
    this.releaseOffset = 0;
    this.#turn = (this.#turn + 1) & 0x3fff_ffff;
    this.#readContext.nowMs = nowMs;
    this.#readContext.keys.nowMs = nowMs;
  }

  /**
   * Runs one command. The result may point into the store: encode it before the next call.
   * Throws `ApplyFailure`, and whatever a bug in a command throws (then nothing of the command has happened).
   */
  run(command: Command, args: Record<string, unknown>, caller: Caller): unknown {
    const result = this.attempt(command, args, caller);
    if (command.plan === undefined) return result;
    if (result instanceof CommandError || result instanceof Wait) this.discard();
    else this.commit();
    return result;
  }

  /**
   * Runs a read or a node command, or plans a write: then `commit` or `discard` has to follow, once the reply is known to fit. The result may
   * point into the store. Throws whatever a bug in a command throws; then nothing is left to be discarded.
   */
  attempt(command: Command, args: Record<string, unknown>, caller: Caller): unknown {
    const refusal = this.refusal(command, args, caller);
    if (refusal !== undefined) return refusal;
    if (command.read !== undefined) return this.#read(command, command.read, args, caller);
    if (command.act !== undefined) {
      if (command.needsMaster && this.isReplica) return this.writeRefusal;
      this.#readContext.caller = caller;
      this.#readContext.appliedOffset = this.#state.appliedOffset;
      const result = command.act(args, this.#readContext);
      if (command.shows === "state") this.showsState();
      return result;
    }
    this.begin();
    try {
      return this.#stage(command, args, caller);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /** Why the caller may not run this: no command runs that this was not asked about. */
  refusal(command: Command, args: Record<string, unknown>, caller: Caller): CommandError | undefined {
    if (this.permits(command, args, caller)) return undefined;
    const refusal = accessRefusal(command, args, caller.grant, this.#readContext.nowMs);
    this.node.access.refused(caller, command.name, refusal.message);
    return refusal;
  }

  /** The same for who only wants to know: nobody is told of it. */
  permits({ accessCheck, accessRule }: Command, args: Record<string, unknown>, { grant }: Caller): boolean {
    if (grant.isUnrestricted || accessRule.kind === "anybody") return true;
    return this.knows(grant) && accessCheck(args, grant) === undefined;
  }

  /** Why a caller is nobody here, before anything else of what it has sent is looked at. */
  strangerRefusal(caller: Caller, command: string | undefined): CommandError | undefined {
    if (this.knows(caller.grant)) return undefined;
    const refusal = grantRefusal(caller.grant, this.#readContext.nowMs);
    if (refusal !== undefined) this.node.access.refused(caller, command, refusal.message);
    return refusal;
  }

  /** Whether a grant is one now; looked at once for each message. */
  knows(grant: Grant): boolean {
    if (grant.validTurn === this.#turn) return true;
    if (grant.endAt(this.#readContext.nowMs) !== undefined) return false;
    grant.validTurn = this.#turn;
    return true;
  }

  #read(
    { shows }: Command,
    read: NonNullable<Command["read"]>,
    args: Record<string, unknown>,
    caller: Caller,
  ): unknown {
    const context = this.#readContext;
    const { keys } = context;
    context.caller = caller;
    keys.seenOffset = 0;
    const result = read(args, context);
    if (shows === "state") this.showsState();
    else if (shows === "keys") {
      // What is staged has a version that is not applied yet: its record has the offset that counts.
      const offset = Math.min(keys.seenOffset, this.#state.appliedOffset);
      if (offset > this.releaseOffset) this.releaseOffset = offset;
    }
    return result;
  }

  /** What is answered may tell anything of the state as it is now. */
  showsState(): void {
    this.releaseOffset = this.#state.appliedOffset;
  }

  /** Starts a record. An atomic batch calls `begin`, `stage` for each command, then `commit` or nothing. */
  begin(): void {
    this.planner.begin(this.#log.nextOffset + this.#record.count);
    this.#forgetOrigins();
    this.#stagedCounters.sets = 0;
    this.#stagedCounters.dels = 0;
  }

  /** Plans one command into the record, or reads through it. On a CommandError the caller drops the record. */
  stage(command: Command, args: Record<string, unknown>, caller: Caller): unknown {
    const refusal = this.refusal(command, args, caller);
    if (refusal !== undefined) return refusal;
    const result = this.#stage(command, args, caller);
    // What the next command is read into may be what this one was.
    this.planner.writer.settle();
    return result;
  }

  #stage(command: Command, args: Record<string, unknown>, caller: Caller): unknown {
    if (command.plan === undefined) {
      if (command.read === undefined) throw new Error(`command ${command.name} can neither plan nor read`);
      this.planner.showStaged();
      return this.#read(command, command.read, args, caller);
    }
    const { planner, writeRefusal } = this;
    if (writeRefusal !== undefined) return writeRefusal;
    const { refusal } = this.#log;
    if (refusal !== undefined) return fail("SERVICE_UNAVAILABLE", refusal);
    // Also where it stages nothing: what it found is the state. Its own offset counts once it is committed.
    this.showsState();
    const result = command.plan(args, planner, this.#writeContext);
    // A later command of a gathered record may turn the events on.
    if (this.#isGathering || this.fanout.keyspace.isOn) {
      this.#origins.push({ command: command.name, end: this.#record.count + planner.writer.count });
    }
    return planner.failure ?? result;
  }

  /**
   * From here to `endRecord` every command that `run`s is committed on its own, so that a failing one leaves nothing and the
   * others see what came before; but all of them are one record of the log, and the fan-out hears of it at the end. Both calls
   * have to come in one step of the loop.
   */
  beginRecord(): void {
    if (this.#isGathering) throw new Error("a record is under way");
    this.#isGathering = true;
    this.#gatheringSinceMs = this.#monotonicMs();
  }

  /** Why the record that is being gathered takes no further command; `undefined` where it does. */
  recordRefusal(): string | undefined {
    const { length, count } = this.#record;
    if (length >= GATHERED_BYTES_MAX || count >= GATHERED_OPERATIONS_MAX)
      return "the transaction changes too much at once";
    if (this.#monotonicMs() - this.#gatheringSinceMs < GATHERED_MS_MAX) return undefined;
    return `the transaction has taken over ${GATHERED_MS_MAX} ms, so this command did not run: send smaller ones`;
  }

  /** How large the record has become that is being gathered. */
  get recordBytes(): number {
    return this.#record.length;
  }

  /**
   * Does nothing after an `ApplyFailure`. Throws one where the log does not take what was applied.
   * @param stageLast stages what the record ends with, and nothing may refuse any more.
   */
  endRecord(stageLast?: () => void): void {
    if (stageLast !== undefined && !this.#isBroken) {
      this.#orBreak("a record that was applied could not be ended", () => {
        this.begin();
        stageLast();
        this.commit();
      });
    }
    this.#isGathering = false;
    const record = this.#record;
    if (record.count === 0 || this.#isBroken) return;
    const firstOffset = this.#orBreak("a record that was applied could not be appended", () =>
      this.#log.append(record),
    );
    // What the fan-out commits is planned anew, behind this record.
    const { bytes, length } = record;
    record.reset();
    this.#tellFanout(bytes, length, firstOffset);
    this.#forgetOrigins();
  }

  /** State and log say different things where it throws. */
  #orBreak<Result>(what: string, run: () => Result): Result {
    try {
      return run();
    } catch (cause) {
      this.#isBroken = true;
      throw new ApplyFailure(what, { cause });
    }
  }

  #forgetOrigins(): void {
    const origins = this.#origins;
    if (origins.length === 0) return;
    while (origins.length > 0 && origins[origins.length - 1].end > this.#record.count) origins.pop();
    if (!this.#isGathering) origins.length = 0;
  }

  /** Appends the staged record to the log and applies it. */
  commit(): void {
    const { writer, keys } = this.planner;
    keys.endStaging();
    if (writer.count === 0) return;
    const firstOffset = this.#isGathering ? this.#log.nextOffset + this.#record.count : this.#log.append(writer);
    try {
      this.#state.applyStaged(writer, firstOffset);
    } catch (cause) {
      this.#isBroken = true;
      throw new ApplyFailure(`the record at offset ${firstOffset} could not be applied`, { cause });
    }
    this.showsState();
    this.counters.sets += this.#stagedCounters.sets;
    this.counters.dels += this.#stagedCounters.dels;
    if (this.#isGathering) this.#record.addAll(writer);
    else if (this.#state.hasMessagingChanges || this.fanout.hasKeyReaders) {
      this.#tellFanout(writer.bytes, writer.length, firstOffset);
    }
  }

  /**
   * What waited for this record, or is subscribed to what it changed, gets to know. May commit records of its own, and have
   * late replies of others made; the reply under way does not depend on those.
   */
  #tellFanout(record: Uint8Array, length: number, firstOffset: number): void {
    const { releaseOffset } = this;
    this.#state.hasMessagingChanges = false;
    try {
      this.fanout.committed(record, length, firstOffset, this.#state.appliedOffset, this.#origins);
    } catch (error) {
      if (error instanceof ApplyFailure) throw error;
      this.#reportBug("fan-out", error);
    } finally {
      this.releaseOffset = releaseOffset;
    }
  }

  /**
   * Expires up to `limit` keys whose deadline has passed, as operations, one record each.
   * @returns how many; fewer than `limit` means that nothing more is overdue.
   */
  expireDue(nowMs: number, limit: number): number {
    this.at(nowMs);
    const { keys } = this.#state;
    const { planner } = this;
    this.at(nowMs);
    for (let count = 0; count < limit; count++) {
      const ref = keys.nextDueRef(nowMs);
      if (ref === NONE) return count;
      this.begin();
      keys.readKey(ref, this.#dueKey);
      planner.writer.expire(this.#dueKey);
      this.commit();
    }
    return limit;
  }

  /** Appends and applies a record of the master's log, which follows this one's: what it says was planned there. */
  applyCopied(record: LogRecord): void {
    const { operations, firstOffset, count } = record;
    try {
      this.#log.appendCopy(record);
      this.#state.apply(operations, operations.length, firstOffset);
      const applied = this.#state.appliedOffset - firstOffset + 1;
      // The log has counted them already: offsets would mean one thing in the log and another in the state.
      if (applied !== count) throw new Error(`it says that it has ${count} operations, and has ${applied}`);
    } catch (cause) {
      this.#isBroken = true;
      throw new ApplyFailure(`the master's record at offset ${firstOffset} could not be applied`, { cause });
    }
    if (this.#state.hasMessagingChanges || this.fanout.hasKeyReaders) {
      this.#tellFanout(operations, operations.length, firstOffset);
    }
  }

  /** Log and state go on in a new epoch, whose history is on disk. */
  beginEpoch(history: EpochHistory): void {
    this.#log.beginEpoch(history);
    this.#state.skipTo(this.#log.nextOffset - 1);
  }

  /** Drops the staged record: nothing has happened. */
  discard(): void {
    this.begin();
  }
}

type MutableReadContext = { -readonly [Name in keyof ReadContext]: ReadContext[Name] };

/** Who asks where no client does. */
export const NOBODY: Caller = {
  id: 0,
  protocol: "http",
  address: "",
  connectedAtMs: 0,
  commandCount: 0,
  unreadBytes: () => 0,
  session: undefined,
  pushFormat: "json",
  answerLate: () => {},
  outbox: undefined,
  grant: unrestrictedGrant(),
  expel: () => {},
};
