/**
 * Masters and replicas in one process, on a clock, disks and links of their own: the log, its writer, recovery, the state, the
 * executor, the fan-out and replication are those of the server; what carries bytes is not.
 *
 *     const set = new ReplicationSet();
 *     const master = await set.start("master");
 *     const replica = await set.start("replica", { of: "master" });
 *     await set.until(() => replica.replication.unready() === undefined);
 */

import { attachFanout, buildFanout } from "../src/build-fanout.ts";
import { JsonCodec } from "../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../src/codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "../src/commands/all.ts";
import { Executor } from "../src/commands/execute.ts";
import { SlowLog } from "../src/commands/slow-log.ts";
import { configFromFlags } from "../src/config/load.ts";
import type { Config } from "../src/config/schema.ts";
import { limitsOf } from "../src/limits.ts";
import { DataDirectory } from "../src/oplog/data-directory.ts";
import type { LinkEnd, LinkOpener, LinkSocket, OpeningEnd } from "../src/replication/link-socket.ts";
import { Replication } from "../src/replication/replication.ts";
import { ManualClock } from "../src/runtime/clock.ts";
import { silentLogger } from "../src/runtime/logger.ts";
import { TurnEnd } from "../src/runtime/turn-end.ts";
import { KeyStore } from "../src/state/key-store.ts";
import { KeyView } from "../src/state/key-view.ts";
import { QueueStore } from "../src/state/queue-store.ts";
import { ReplyStore } from "../src/state/reply-store.ts";
import { RoomStore } from "../src/state/room-store.ts";
import { StateMachine } from "../src/state/state-machine.ts";
import { StateRestorer } from "../src/state/state-restorer.ts";
import { StateSnapshot } from "../src/state/state-snapshot.ts";
import { crc32 } from "../src/structures/crc32.ts";
import { argumentsFor, caller, commandNamed, NO_PERSISTENCE, type Plain, plain, seededRandom } from "./engine.ts";
import { MemoryFileSystem } from "./memory-file-system.ts";
import { openNodeAccess } from "./open-access.ts";
import { takeLock } from "./quiet-node.ts";

const STEP_MS = 1;
const STEPS_MAX = 20_000;

export interface NodeOptions {
  /** The name of its master. */
  readonly of?: string;
  readonly flags?: readonly string[];
  readonly backlogBytes?: number;
}

export class ReplicationSet {
  readonly clock = new ManualClock();
  readonly nodes = new Map<string, ReplicationNode>();
  readonly disks = new Map<string, MemoryFileSystem>();
  readonly network = new MemoryNetwork(this);
  /** What was logged at warn and above. */
  readonly lines: string[] = [];

  /** Starts a node, or starts it again with what is on its disk. */
  async start(name: string, options: NodeOptions = {}): Promise<ReplicationNode> {
    const node = await ReplicationNode.start(this, name, options);
    this.nodes.set(name, node);
    return node;
  }

  diskOf(name: string): MemoryFileSystem {
    const disk = this.disks.get(name) ?? new MemoryFileSystem();
    this.disks.set(name, disk);
    return disk;
  }

  /** Time passes, and what is due in it happens. */
  async step(): Promise<void> {
    this.clock.advance(STEP_MS);
    this.network.deliver();
    for (const node of [...this.nodes.values()]) await node.step();
    await turn();
  }

  async pass(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) await this.step();
  }

  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < STEPS_MAX; i++) {
      if (condition()) return;
      await this.step();
    }
    throw new Error(
      `it did not come to this within ${STEPS_MAX} ms: ${condition.toString()}\n${this.lines.join("\n")}`,
    );
  }

  async stop(): Promise<void> {
    for (const node of [...this.nodes.values()]) await node.stop();
  }
}

/** What is due in the loop of Node has run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const CODEC_LIMITS = { batchCommandsMax: 1000, valueBytesMax: 64 * 1024 };
const CODECS = { json: new JsonCodec(CODEC_LIMITS), msgpack: new MessagePackCodec(CODEC_LIMITS) };

export class ReplicationNode {
  readonly name: string;
  readonly set: ReplicationSet;
  readonly options: NodeOptions;
  readonly config: Config;
  directory!: DataDirectory;
  executor!: Executor;
  replication!: Replication;
  /** How often it was started from a snapshot of its master. */
  adoptions = 0;
  /** What the release gate would have been told. */
  releasedOffset = 0;
  isRunning = false;
  #deferred: (() => void)[] = [];
  #isAdopted = false;

  private constructor(set: ReplicationSet, name: string, options: NodeOptions) {
    this.set = set;
    this.name = name;
    this.options = options;
    const flags = options.of === undefined ? [] : ["--replica-of", options.of];
    const sizes = [`replication.backlog_bytes=${options.backlogBytes ?? 2 ** 20}`, "persistence.segment_bytes=256kb"];
    this.config = configFromFlags(...flags, ...sizes.flatMap((each) => ["--set", each]), ...(options.flags ?? []));
  }

  static async start(set: ReplicationSet, name: string, options: NodeOptions): Promise<ReplicationNode> {
    const node = new ReplicationNode(set, name, options);
    await node.#open();
    return node;
  }

  async #open(): Promise<void> {
    const { set, name, config } = this;
    const { clock } = set;
    this.directory = await DataDirectory.open({
      files: set.diskOf(name),
      path: "data",
      fsync: config.persistence.fsync,
      segmentBytes: config.persistence.segmentBytes,
      reserveBytes: 2 ** 20,
      backlogBytesMax: config.replication.backlogBytes,
      snapshotIntervalMs: 0,
      snapshotLogBytes: 0,
      clock,
      isReplica: config.replication.role === "replica",
      acceptsLogLoss: config.persistence.acceptLogLoss,
      lock: takeLock,
      newNodeId: () => Buffer.from(name.padEnd(8, "-")).toString("hex").slice(0, 16),
      random: seededRandom(crc32(Buffer.from(name), 0, name.length)),
      newReplicationId: () => Buffer.from(name.padEnd(16, "-")).toString("hex").slice(0, 32),
      makeState: emptyState,
      restore: (state) => {
        const restorer = new StateRestorer(state);
        return {
          apply: (images) => restorer.apply(images, images.length),
          finish: (offset) => restorer.finish(offset),
        };
      },
      beginSnapshot: (state) => new StateSnapshot(state),
      onDurable: (offset) => this.replication?.durable(offset),
      onFailure: fails,
      logger: this.#logger(),
    });
    this.#build();
    this.directory.log.onAppended = () => this.#deferred.push(() => this.directory.endTurn());
    this.isRunning = true;
    this.releasedOffset = this.directory.log.durableOffset;
    this.replication.durable(this.directory.log.durableOffset);
  }

  #build(): void {
    const { set, name, config, directory } = this;
    const { state, log } = directory;
    const { clock } = set;
    const turnEnd = new TurnEnd((run) => this.#deferred.push(run), fails);
    const fanout = buildFanout({
      config,
      state,
      codecs: CODECS,
      turnEnd,
      clock,
      seed: 1,
      slowConsumersDropped: () => 0,
    });
    this.executor = new Executor({
      state,
      log,
      keys: new KeyView(state.keys),
      limits: limitsOf(config),
      node: {
        access: openNodeAccess(),
        slowLog: new SlowLog(10, 100),
        commands: allCommands,
        info: () => ({}),
        configuration: () => ({}),
        clients: () => [],
        memory: () => ({ total: 0, keys: 0 }),
        removals: () => ({ expired: 0, evicted: 0 }),
        persistence: NO_PERSISTENCE,
        replication: { role: "master", promote: fails, replicasAt: () => 0, whenReplicated: () => fails } as never,
      },
      random: seededRandom(1),
      monotonicMs: () => clock.monotonicMs(),
      fanout,
      reportBug: (_, error) => fails(error),
    });
    attachFanout(fanout, this.executor);
    this.replication = new Replication({
      config: config.replication,
      log,
      executor: this.executor,
      fanout,
      files: directory,
      opener: set.network.openerOf(name),
      clock,
      turnEnd,
      logger: this.#logger(),
      // Of its own, as two processes have it.
      random: seededRandom(crc32(Buffer.from(name), 0, name.length)),
      nodeId: directory.nodeId,
      address: () => `http://${name}`,
      release: (offset) => {
        this.releasedOffset = offset;
      },
      restart: () => {
        this.#isAdopted = true;
      },
      onFailure: fails,
    });
  }

  #logger() {
    const note = (level: string) => (first: unknown, second?: unknown) => {
      this.set.lines.push(`${this.name} ${level}: ${String(typeof first === "string" ? first : second)}`);
    };
    return { ...silentLogger, warn: note("warn"), error: note("error"), fatal: note("fatal") };
  }

  async step(): Promise<void> {
    if (!this.isRunning) return;
    this.#endTurn();
    this.replication.tick();
    this.directory.tick();
    this.directory.snapshots.slice(5);
    if (!this.#isAdopted) return;
    this.#isAdopted = false;
    this.adoptions++;
    await this.stop();
    await this.#open();
  }

  #endTurn(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const run of deferred) run();
  }

  get state(): StateMachine {
    return this.directory.state;
  }

  /** Runs one command, now. */
  run(name: string, payload: Readonly<Record<string, Plain>> = {}): Plain {
    this.executor.at(this.set.clock.nowMs());
    const command = commandNamed(name);
    return plain(this.executor.run(command, argumentsFor(command.shape, payload), { ...caller }));
  }

  /** All that it holds, as text. */
  dump(): string {
    return this.state.dump();
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.isRunning = false;
    let isOver = false;
    const stopped = this.replication.stop().finally(() => {
      isOver = true;
    });
    // What it waits for is made durable at the ends of turns.
    while (!isOver) {
      this.#endTurn();
      await turn();
    }
    await stopped;
    await this.directory.close();
    this.set.network.dropAll(this.name);
  }

  /** It is gone at once; its disk has what was written. */
  crash(): void {
    this.isRunning = false;
    this.set.network.dropAll(this.name);
  }
}

function emptyState(appliedOffset: number): StateMachine {
  const keys = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
  const stores = [keys, new QueueStore({ hashSeed: 1 }), new RoomStore(), new ReplyStore({ hashSeed: 1 })] as const;
  return new StateMachine(...stores, appliedOffset);
}

function fails(error: unknown): never {
  throw error;
}

/** Links of memory: what is sent is delivered in the next step. */
export class MemoryNetwork {
  readonly #set: ReplicationSet;
  readonly #links = new Set<MemoryLink>();
  /** Pairs of nodes that cannot reach each other, and those whose bytes go nowhere. */
  readonly blocked = new Set<string>();
  readonly stalled = new Set<string>();

  constructor(set: ReplicationSet) {
    this.#set = set;
  }

  openerOf(name: string): LinkOpener {
    return {
      open: (url, end) => {
        const target = new URL(url).hostname;
        const link = new MemoryLink(name, target, end, this);
        this.#links.add(link);
        return link.fromReplica;
      },
    };
  }

  accept(link: MemoryLink): LinkEnd | undefined {
    const node = this.#set.nodes.get(link.target);
    if (node?.isRunning !== true || this.blocked.has(link.source)) return undefined;
    return node.replication.links.connected(link.fromMaster);
  }

  deliver(): void {
    for (const link of [...this.#links]) {
      if (!this.stalled.has(link.source)) link.deliver();
      if (link.isOver) this.#links.delete(link);
    }
  }

  /** Cuts the links that a replica has opened. */
  cut(source: string): void {
    for (const link of this.#links) if (link.source === source) link.breakOff();
  }

  dropAll(name: string): void {
    for (const link of this.#links) if (link.source === name || link.target === name) link.breakOff();
  }

  /** Messages that are on their way. */
  inFlight(source: string): number {
    return [...this.#links].filter((link) => link.source === source).reduce((sum, link) => sum + link.inFlight, 0);
  }
}

class MemoryLink {
  readonly source: string;
  readonly target: string;
  readonly fromReplica: LinkSocket;
  readonly fromMaster: LinkSocket;
  readonly #replica: OpeningEnd;
  readonly #network: MemoryNetwork;
  #master: LinkEnd | undefined;
  #toMaster: Uint8Array[] = [];
  #toReplica: Uint8Array[] = [];
  #isOpen = false;
  #isClosing = false;
  isOver = false;

  constructor(source: string, target: string, replica: OpeningEnd, network: MemoryNetwork) {
    this.source = source;
    this.target = target;
    this.#replica = replica;
    this.#network = network;
    this.fromReplica = this.#socket((message) => this.#toMaster.push(message));
    this.fromMaster = this.#socket((message) => this.#toReplica.push(message));
  }

  #socket(push: (message: Uint8Array) => void): LinkSocket {
    return {
      send: (message) => {
        if (!this.isOver && !this.#isClosing) push(new Uint8Array(message));
      },
      bufferedBytes: () => this.#toReplica.reduce((sum, { length }) => sum + length, 0),
      close: () => {
        this.#isClosing = true;
      },
      cut: () => this.breakOff(),
    };
  }

  get inFlight(): number {
    return this.#toMaster.length + this.#toReplica.length;
  }

  deliver(): void {
    if (this.isOver) return;
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#master = this.#network.accept(this);
      if (this.#master === undefined) {
        this.isOver = true;
        this.#replica.closed("nobody listens there");
        return;
      }
      this.#replica.opened();
    }
    const [toMaster, toReplica] = [this.#toMaster, this.#toReplica];
    this.#toMaster = [];
    this.#toReplica = [];
    for (const message of toMaster) if (!this.isOver) this.#master?.received(message);
    for (const message of toReplica) if (!this.isOver) this.#replica.received(message);
    if (toReplica.length > 0 && !this.isOver) this.#master?.drained();
    if (this.#isClosing && this.inFlight === 0) this.breakOff();
  }

  breakOff(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#master?.closed();
    this.#replica.closed();
  }
}
