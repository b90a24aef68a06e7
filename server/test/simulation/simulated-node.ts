/**
 * A node of a simulation: the server's own parts, put together as server.ts does, on a clock, a disk and links that the
 * simulation owns. What is missing of the server are its sockets: clients call the dispatcher (client-connection.ts).
 *
 *     down --start--> starting --recovered--> up --stop--> down
 *                                             '---crash--> down     everything it waited for never comes
 *
 * Whatever it has scheduled belongs to one life of its process, and is dropped with that.
 */

import { registerWork } from "../../src/background-work.ts";
import { buildExecutor } from "../../src/build-executor.ts";
import { JsonCodec } from "../../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../../src/codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "../../src/commands/all.ts";
import { Registry } from "../../src/commands/registry.ts";
import type { Config } from "../../src/config/schema.ts";
import { Dispatcher } from "../../src/dispatch/dispatcher.ts";
import { DataDirectory } from "../../src/oplog/data-directory.ts";
import { DataLock } from "../../src/oplog/data-lock.ts";
import type { FileSystem } from "../../src/oplog/file-system.ts";
import type { LogRecord } from "../../src/oplog/log-record.ts";
import type { OperationLog } from "../../src/oplog/operation-log.ts";
import type { ImageSource } from "../../src/oplog/snapshots.ts";
import { Replication } from "../../src/replication/replication.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { ReleaseGate } from "../../src/runtime/release-gate.ts";
import { Ticker } from "../../src/runtime/ticker.ts";
import { TurnEnd } from "../../src/runtime/turn-end.ts";
import { StateRestorer } from "../../src/state/state-restorer.ts";
import { StateSnapshot } from "../../src/state/state-snapshot.ts";
import { Connections } from "../../src/transports/connections.ts";
import type { Transport } from "../../src/transports/transport.ts";
import { openNodeAccess } from "../open-access.ts";
import { emptyState } from "./empty-state.ts";
import { type FakeDisk, isOfDisk } from "./fake-disk.ts";
import type { FakeNetwork } from "./fake-network.ts";
import { Finding } from "./finding.ts";
import { LogTap } from "./log-tap.ts";
import type { NodeClock } from "./node-clock.ts";
import type { PlantedFault } from "./planted-fault.ts";
import type { Scenario } from "./scenario.ts";
import type { Scheduled, Scheduler } from "./scheduler.ts";
import type { SeededChoices } from "./seeded-choices.ts";
import { SlicedSnapshot } from "./sliced-snapshot.ts";

export interface NodeParts {
  readonly name: string;
  readonly scenario: Scenario;
  readonly scheduler: Scheduler;
  readonly choices: SeededChoices;
  readonly clock: NodeClock;
  readonly disk: FakeDisk;
  readonly network: FakeNetwork;
  readonly fault: PlantedFault;
  readonly trace: (line: () => string) => void;
  readonly observer: NodeObserver;
}

/** Who keeps account of what nodes do. */
export interface NodeObserver {
  /** It has found its data, and serves from now on. */
  recovered(node: SimulatedNode): void;
  /** A record was appended, and not yet applied. */
  appended(node: SimulatedNode, log: OperationLog, record: LogRecord): void;
  durable(node: SimulatedNode, log: OperationLog, offset: number): void;
  /** Something was found, or broke. */
  failed(error: unknown): void;
  /** The process has ended: its disk has failed. */
  ended(node: SimulatedNode): void;
}

export interface NodeConnection {
  /** @param isProcessThere false where the node has ended, and the connection with it. */
  close(isProcessThere: boolean): void;
}

/** One life of the process. */
export type Engine = Awaited<ReturnType<SimulatedNode["open"]>>;

const CODEC_LIMITS = { batchCommandsMax: 100, valueBytesMax: 64 * 1024 };
const CODECS = { json: new JsonCodec(CODEC_LIMITS), msgpack: new MessagePackCodec(CODEC_LIMITS) };
const REGISTRY = new Registry(allCommands);
/** Who waits for a turn of the loop to end gets it so soon. */
const TURN_MS_MAX = 0.3;
const LOCK_PAUSES_PART = 100;
const NO_TRANSPORT = { tick: () => {} } as Pick<Transport, "tick"> as Transport;

export type NodeState = "down" | "starting" | "up" | "stopping";

export class SimulatedNode {
  readonly parts: NodeParts;
  state: NodeState = "down";
  /** The name of its master; undefined where it was started as one. */
  masterName: string | undefined;
  /** Of the present life. */
  engine: Engine | undefined;
  /** Whose log it has. */
  replicationId: string | undefined;
  /** Who is connected to the present life. */
  readonly connections = new Set<NodeConnection>();
  /** How often it has begun from a snapshot of its master. */
  adoptions = 0;
  #life = 0;

  constructor(parts: NodeParts) {
    this.parts = parts;
  }

  get name(): string {
    return this.parts.name;
  }

  get isUp(): boolean {
    return this.state === "up";
  }

  get isMaster(): boolean {
    return this.engine?.replication.role === "master";
  }

  /** Starts it with what is on its disk. */
  async start(masterName: string | undefined): Promise<void> {
    if (this.state !== "down") return;
    this.state = "starting";
    this.masterName = masterName;
    const life = ++this.#life;
    this.parts.trace(
      () => `${this.name} starts as ${masterName === undefined ? "master" : `replica of ${masterName}`}`,
    );
    try {
      const engine = await this.open(life);
      if (life !== this.#life) return;
      this.engine = engine;
      this.state = "up";
      this.parts.trace(() => `${this.name} is up at offset ${engine.state.appliedOffset} of epoch ${engine.log.epoch}`);
      this.parts.observer.recovered(this);
      engine.start();
    } catch (error) {
      if (life === this.#life) this.#startFailed(error);
    }
  }

  #startFailed(error: unknown): void {
    const { observer, trace } = this.parts;
    trace(() => `${this.name} did not start: ${String(error)}`);
    if (!isOfDisk(error)) {
      observer.failed(error instanceof Finding ? error : new Finding("start refused", `${this.name}: ${error}`, error));
      return;
    }
    this.#fail(error);
  }

  /** Whatever runs later for this life of the process. */
  #later(life: number, delayMs: number, run: () => void): Scheduled {
    return this.parts.scheduler.after(delayMs, () => {
      if (life === this.#life) run();
    });
  }

  async open(life: number) {
    const { scenario, choices, clock, disk, network, fault, name } = this.parts;
    const config = scenario.configOf(this.masterName);
    const onFailure = (error: unknown): void => {
      if (life === this.#life) this.#fail(error);
    };
    const turnEnd = new TurnEnd((run) => this.#later(life, choices.between(0, TURN_MS_MAX), run), onFailure);
    const gate = new ReleaseGate(0, onFailure);
    let durable = (offset: number): void => fault.release(gate, offset);
    // Once this is there it has begun from a snapshot, also where the process ends before it knows.
    if (disk.names.find("data/adoption.json") !== undefined) this.adoptions++;
    const directory = await this.#openDirectory(
      config,
      fault.files(disk.mount(), this),
      (offset) => durable(offset),
      onFailure,
    );
    const { state, log } = directory;
    const flushed = turnEnd.add(() => {
      directory.endTurn();
      return false;
    });
    this.replicationId = directory.identity.replicationId;
    const tap = new LogTap(log);
    log.onAppended = () => {
      flushed.request();
      tap.read((record) => this.parts.observer.appended(this, log, record));
      fault.appended(log, gate);
    };
    gate.advance(log.durableOffset);
    const random = choices.fork().draw;
    const reportBug = (where: string, error: unknown): string => {
      onFailure(new Finding("failure", `${name}: a bug at ${where}`, error));
      return "bug";
    };
    const { fanout, node, executor } = buildExecutor({
      config,
      clock,
      connections: new Connections(),
      state,
      log,
      directory,
      access: openNodeAccess(),
      turnEnd,
      wireCodecs: CODECS,
      random,
      seed: choices.below(2 ** 31),
      reportBug,
    });
    const dispatcher = new Dispatcher({
      registry: REGISTRY,
      executor,
      clock,
      observer: { observe: () => {} },
      slowLog: node.slowLog,
      replyBytesMax: config.protocol.maxReplyBytes,
      reportBug,
      store: state.keys,
      consumers: fanout.consumers,
      codecs: CODECS,
    });
    const replication = new Replication({
      config: config.replication,
      log,
      executor: fault.executor(executor, state, log, this),
      fanout,
      files: directory,
      opener: network.openerOf(name, () => life === this.#life),
      clock,
      turnEnd,
      logger: this.#logger(),
      random,
      nodeId: directory.nodeId,
      address: () => `http://${name}`,
      release: (offset) => fault.release(gate, offset),
      restart: () => this.#restart(life),
      onFailure,
    });
    node.attach(replication, executor.transactions.memory);
    durable = (offset) => {
      this.parts.observer.durable(this, log, offset);
      replication.durable(offset);
    };
    const ticker = new Ticker(clock, { alarm: this.#alarm(life) });
    const transports = { transport: NO_TRANSPORT, respTransport: NO_TRANSPORT };
    const parts = { config, clock, executor, state, fanout, dispatcher, directory, replication, ...transports };
    registerWork(ticker, parts);
    fault.work(ticker, parts, this);
    const start = (): void => {
      replication.durable(log.durableOffset);
      ticker.start();
    };
    return { ...parts, log, gate, ticker, start };
  }

  #openDirectory(
    config: Config,
    files: FileSystem,
    onDurable: (offset: number) => void,
    onFailure: (error: unknown) => void,
  ): Promise<DataDirectory> {
    const { scenario, choices, clock, fault, name } = this.parts;
    const self = { pid: this.#life, space: name, startedAt: String(this.#life) };
    return DataDirectory.open({
      ...scenario.storage,
      files,
      path: "data",
      fsync: config.persistence.fsync,
      clock,
      isReplica: this.masterName !== undefined,
      acceptsLogLoss: false,
      lock: (on, directory) =>
        DataLock.take({
          files: on,
          directory,
          self,
          unique: `${name}-${this.#life}`,
          isRunning: () => false,
          // A lock that was torn is a stranger's: it is watched, for less long than it would be.
          pause: (ms) => new Promise((resolve) => this.#later(this.#life, ms / LOCK_PAUSES_PART, resolve)),
          onWait: () => {},
        }),
      newNodeId: () => Buffer.from(name.padEnd(8, ".")).toString("hex").slice(0, 16),
      random: choices.fork().draw,
      newReplicationId: () => Buffer.from(`${name}-${this.#life}`.padEnd(16, ".")).toString("hex").slice(0, 32),
      makeState: (appliedOffset) => fault.state(appliedOffset, this) ?? emptyState(appliedOffset),
      restore: (state) => new StateRestorer(state),
      beginSnapshot: (state): ImageSource =>
        new SlicedSnapshot(fault.snapshot(state) ?? new StateSnapshot(state), choices.fork()),
      onDurable,
      onFailure,
      logger: this.#logger(),
    });
  }

  #alarm(life: number) {
    let scheduled: Scheduled | undefined;
    return {
      set: (delayMs: number, ring: () => void): void => {
        scheduled?.cancel();
        scheduled = this.#later(life, delayMs, ring);
      },
      clear: (): void => scheduled?.cancel(),
    };
  }

  #logger() {
    const note = (level: string) => (first: unknown, second?: unknown) => {
      this.parts.trace(() => `${this.name} ${level}: ${String(typeof first === "string" ? first : second)}`);
    };
    return { ...silentLogger, info: note("info"), warn: note("warn"), error: note("error"), fatal: note("fatal") };
  }

  /** What the server would end its process for. */
  #fail(error: unknown): void {
    const { observer, trace } = this.parts;
    if (error instanceof Finding || !isOfDisk(error)) {
      observer.failed(error);
      return;
    }
    trace(() => `${this.name} ends: ${String(error)}`);
    // What a failed sync was about may be lost, whatever the system still shows.
    this.crash("power");
    observer.ended(this);
  }

  /** Ends the process in the middle of whatever it does: alone, or with its machine. */
  crash(how: "kill" | "power"): void {
    const { disk, network, choices, trace } = this.parts;
    if (this.state === "down") return;
    trace(() => `${this.name} is ${how === "kill" ? "killed" : "without power"}`);
    this.#ended();
    if (how === "kill") disk.killed();
    else disk.powerFailure();
    network.nodeEnded(this.name, how === "power" && choices.chance(0.5));
  }

  #ended(): void {
    this.#life++;
    this.state = "down";
    this.engine = undefined;
    for (const each of [...this.connections]) each.close(false);
    this.connections.clear();
  }

  /** Stops it in order. */
  async stop(): Promise<void> {
    const { engine } = this;
    if (engine === undefined || this.state !== "up") return;
    const life = this.#life;
    this.state = "stopping";
    this.parts.trace(() => `${this.name} stops`);
    engine.dispatcher.stopping();
    for (const each of [...this.connections]) each.close(true);
    engine.ticker.stop();
    try {
      await engine.replication.stop();
      await engine.directory.close();
    } catch (error) {
      if (life === this.#life) this.#fail(error);
      return;
    }
    if (life !== this.#life) return;
    this.#ended();
    this.parts.disk.killed();
    this.parts.network.nodeEnded(this.name, false);
  }

  #restart(life: number): void {
    this.#later(life, 0, () => {
      const { masterName } = this;
      this.stop()
        .then(() => this.start(masterName))
        .catch((error: unknown) => this.#fail(error));
    });
  }
}
