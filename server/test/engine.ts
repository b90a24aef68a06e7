/**
 * Everything between the codecs and the log, in one process and on a fake clock: store, state machine, log, executor.
 * Commands take and give plain values, so that a test reads like the wire without being one.
 */
import { AccessControl } from "../src/access/access-control.ts";
import { unrestrictedGrant } from "../src/access/grant.ts";
import { attachFanout, buildFanout } from "../src/build-fanout.ts";
import { JsonCodec } from "../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../src/codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "../src/commands/all.ts";
import type { ArgumentShape, FieldShape } from "../src/commands/argument-shape.ts";
import type { Limits } from "../src/commands/command.ts";
import { CommandError, fail } from "../src/commands/errors.ts";
import { Executor } from "../src/commands/execute.ts";
import type { Node, NodePersistence, NodeReplication } from "../src/commands/node.ts";
import { SlowLog } from "../src/commands/slow-log.ts";
import { configFromFlags } from "../src/config/load.ts";
import type { Caller } from "../src/dispatch/caller.ts";
import type { Fanout } from "../src/fanout/fanout.ts";
import { limitsOf } from "../src/limits.ts";
import { AccessReport } from "../src/node-access.ts";
import { OperationLog } from "../src/oplog/operation-log.ts";
import { silentLogger } from "../src/runtime/logger.ts";
import { TurnEnd } from "../src/runtime/turn-end.ts";
import { KeyStore } from "../src/state/key-store.ts";
import { KeyView } from "../src/state/key-view.ts";
import { Operation } from "../src/state/operation.ts";
import { QueueStore } from "../src/state/queue-store.ts";
import { ReplyStore } from "../src/state/reply-store.ts";
import { RoomStore } from "../src/state/room-store.ts";
import { StateMachine } from "../src/state/state-machine.ts";
import { integerValue, readInt64, TAG_BYTES, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value } from "../src/state/value.ts";
import { ByteRange, copyRange, rangeOf } from "../src/structures/byte-range.ts";

/** A small, seeded generator (mulberry32): draws from [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What every caller of a test begins as. A connection that subscribes or waits needs a copy of its own, which has a session. */
export const caller: Caller = {
  id: 1,
  protocol: "websocket",
  address: "127.0.0.1",
  connectedAtMs: 0,
  commandCount: 0,
  unreadBytes: () => 0,
  get session() {
    return undefined;
  },
  set session(_) {
    throw new Error("a connection of a test that subscribes or waits needs a caller of its own, a copy");
  },
  pushFormat: "json",
  answerLate: () => {},
  outbox: undefined,
  grant: unrestrictedGrant(),
  expel: () => {},
};

/** Everything in one place, empty. */
export function emptyState(): StateMachine {
  const keys = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
  return new StateMachine(keys, new QueueStore({ hashSeed: 1 }), new RoomStore(), new ReplyStore({ hashSeed: 1 }));
}

export interface EngineOptions {
  readonly memoryBytesMax?: number;
  readonly evictionPolicy?: "none" | "lru" | "lfu" | "ttl";
  readonly limits?: Partial<Limits>;
  readonly backlogBytesMax?: number;
  readonly seed?: number;
  /** Where the log begins; 1 if it does not say. */
  readonly firstOffset?: number;
}

const DEFAULTS = configFromFlags();
const CODEC_LIMITS = { batchCommandsMax: 1000, valueBytesMax: 64 * 1024 };
const CODECS = { json: new JsonCodec(CODEC_LIMITS), msgpack: new MessagePackCodec(CODEC_LIMITS) };

/** A master without replicas. */
export const NO_REPLICATION: NodeReplication = {
  role: "master",
  promote: () => Promise.resolve(fail("INVALID_REQUEST", "this node is the master already")),
  replicasAt: () => 0,
  whenReplicated: () => () => {},
  waitsRefusal: () => undefined,
};

export const NO_PERSISTENCE: NodePersistence = {
  beginSnapshot: () => fail("INVALID_REQUEST", "nothing is kept on disk here"),
};

/** A string, number, bigint, boolean, null, `Uint8Array`, array or object. */
export type Plain = unknown;

export class Engine {
  readonly store: KeyStore;
  readonly state: StateMachine;
  readonly log: OperationLog;
  readonly view: KeyView;
  readonly executor: Executor;
  readonly fanout: Fanout;
  readonly node: Node;
  /** What the fan-out failed at. */
  readonly bugs: unknown[] = [];
  /** Without tokens, until a test loads some. */
  readonly access = new AccessControl({
    file: undefined,
    logger: silentLogger,
    clock: { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs },
  });
  nowMs = 1_700_000_000_000;
  readonly #caller = { ...caller };
  readonly #turnEnds: (() => void)[] = [];

  constructor(options: EngineOptions = {}) {
    const queues = new QueueStore({ hashSeed: 1 });
    const rooms = new RoomStore();
    const replies = new ReplyStore({ hashSeed: 1 });
    this.store = new KeyStore({
      memoryBytesMax: options.memoryBytesMax ?? 0,
      evictionPolicy: options.evictionPolicy ?? "none",
      bytesElsewhere: () => queues.heldBytes + rooms.heldBytes + replies.heldBytes,
    });
    this.state = new StateMachine(this.store, queues, rooms, replies, (options.firstOffset ?? 1) - 1);
    this.log = OperationLog.inMemory(options.backlogBytesMax ?? 64 * 1024 * 1024, options.firstOffset);
    this.view = new KeyView(this.store);
    this.node = this.#makeNode();
    const config = DEFAULTS;
    this.fanout = buildFanout({
      config,
      state: this.state,
      codecs: CODECS,
      turnEnd: new TurnEnd(
        (run) => this.#turnEnds.push(run),
        (error) => this.bugs.push(error),
      ),
      clock: { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs },
      seed: options.seed ?? 1,
      slowConsumersDropped: () => 0,
    });
    this.executor = new Executor({
      state: this.state,
      log: this.log,
      keys: this.view,
      limits: { ...limitsOf(config), valueBytesMax: 64 * 1024, keysReplyMax: 100, ...options.limits },
      node: this.node,
      random: seededRandom(options.seed ?? 1),
      monotonicMs: () => this.nowMs,
      fanout: this.fanout,
      reportBug: (_, error) => this.bugs.push(error),
    });
    attachFanout(this.fanout, this.executor);
  }

  /** The turn of the loop ends, and those that its work asks for. */
  endTurn(): void {
    for (let run = this.#turnEnds.shift(); run !== undefined; run = this.#turnEnds.shift()) run();
  }

  #makeNode(): Node {
    const { state, store } = this;
    return {
      slowLog: new SlowLog(10, 100),
      replication: NO_REPLICATION,
      persistence: NO_PERSISTENCE,
      access: new AccessReport(this.access),
      commands: allCommands,
      info: () => ({}),
      configuration: () => ({}),
      clients: () => [],
      memory: () => ({ total: store.usedBytes, keys: store.usedBytes }),
      removals: () => ({ expired: state.expiredCount, evicted: state.evictedCount }),
    };
  }

  /** Runs one command at the present instant. */
  run(name: string, payload: Readonly<Record<string, Plain>> = {}): Plain {
    this.executor.at(this.nowMs);
    const command = commandNamed(name);
    return plain(this.executor.run(command, argumentsFor(command.shape, payload), this.#caller));
  }

  /** What a codec would have made of this payload, for a command of this name. */
  argumentsFor(name: string, payload: Readonly<Record<string, Plain>>): Record<string, unknown> {
    return argumentsFor(commandNamed(name).shape, payload);
  }

  /** Runs commands as one record, or none of them: what the dispatcher does with an atomic batch. */
  atomic(
    commands: readonly (readonly [name: string, payload: Readonly<Record<string, Plain>>])[],
  ): Plain[] | CommandError {
    this.executor.at(this.nowMs);
    this.executor.begin();
    const results: Plain[] = [];
    for (const [name, payload] of commands) {
      const command = commandNamed(name);
      const result = plain(this.executor.stage(command, argumentsFor(command.shape, payload), this.#caller));
      if (result instanceof CommandError) {
        this.executor.discard();
        return result;
      }
      results.push(result);
    }
    this.executor.commit();
    return results;
  }

  /** The operations of the log from `offset` on, as `kind key` lines. */
  operations(offset: number): { firstOffset: number; kinds: number[]; keys: string[] }[] {
    const records: { firstOffset: number; kinds: number[]; keys: string[] }[] = [];
    this.log.read(offset, ({ firstOffset, operations }) => {
      const operation = new Operation(rangeOf(""), rangeOf(""));
      const record = { firstOffset, kinds: [] as number[], keys: [] as string[] };
      for (let at = 0; at < operations.length; ) {
        operation.key.end = operation.key.start;
        at = operation.read(operations, at, operations.length);
        record.kinds.push(operation.kind);
        record.keys.push(operation.key.toString());
      }
      records.push(record);
      return true;
    });
    return records;
  }
}

/** Everything the state holds, in key order, for comparing two machines. */
export function dump(store: KeyStore): string[] {
  const lines: string[] = [];
  const key = new ByteRange(new Uint8Array(0), 0, 0);
  const value = new Value(TAG_TEXT, new Uint8Array(0), 0, 0);
  store.scan(undefined, undefined, (ref) => {
    store.readKey(ref, key);
    store.readValue(ref, value);
    lines.push(
      `${hex(key)} ${value.tag} ${hex(value)} version ${store.versionOf(ref)} deadline ${store.deadlineMsOf(ref)}`,
    );
    return true;
  });
  return lines;
}

function hex({ bytes, start, end }: ByteRange): string {
  return Buffer.from(bytes.subarray(start, end)).toString("hex");
}

export function commandNamed(name: string) {
  const command = allCommands.find((each) => each.name === name);
  if (command === undefined) throw new Error(`no command ${name}`);
  return command;
}

/** What a codec would have made of this payload. */
export function argumentsFor(shape: ArgumentShape, payload: Readonly<Record<string, Plain>>): Record<string, unknown> {
  const args = shape.create();
  for (const [name, given] of Object.entries(payload)) {
    const field = shape.fields.find((each) => each.name === name);
    if (field === undefined) throw new Error(`no argument ${name}`);
    args[name] = argumentFor(field, given);
  }
  return args;
}

function argumentFor(field: FieldShape, given: Plain): unknown {
  if (field.kind === "key") return rangeOf(String(given));
  if (field.kind === "value") return storedValue(given);
  if (field.kind === "array" && field.item !== undefined && Array.isArray(given)) {
    const { item } = field;
    return given.map((each) => argumentFor(item, each));
  }
  // Only the pairs of kv.mset are objects.
  if (field.object !== undefined) return argumentsFor(field.object, given as Record<string, Plain>);
  return given;
}

/** The value table of the design, by hand. */
export function storedValue(given: Plain): Value {
  if (given instanceof Uint8Array) return new Value(TAG_BYTES, given, 0, given.length);
  if (typeof given === "bigint" || Number.isSafeInteger(given)) return integerValue(given as number | bigint);
  const isText = typeof given === "string";
  const { bytes, start, end } = rangeOf(isText ? given : JSON.stringify(given));
  return new Value(isText ? TAG_TEXT : TAG_JSON, bytes, start, end);
}

/** A result with its ranges copied out as plain values, before the next command reuses them. */
export function plain(result: unknown): Plain {
  if (result instanceof Value) {
    const { bytes, start, end, tag } = result;
    if (tag === TAG_INTEGER) return readInt64(bytes, start);
    if (tag === TAG_BYTES) return copyRange(result).bytes;
    return tag === TAG_TEXT ? result.toString() : JSON.parse(Buffer.from(bytes.subarray(start, end)).toString());
  }
  if (result instanceof ByteRange) return result.toString();
  if (result instanceof CommandError || result === null || typeof result !== "object") return result;
  if (Array.isArray(result)) return result.map(plain);
  return Object.fromEntries(
    Object.entries(result)
      .filter(([, each]) => each !== undefined)
      .map(([name, each]) => [name, plain(each)]),
  );
}
