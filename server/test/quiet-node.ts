/**
 * A data directory with the state and the log in it, without a server around: writes, waits until they are durable, takes
 * snapshots, is closed in order or just left behind, as a process leaves it that is killed.
 */
import { DataDirectory, type DataDirectoryOptions } from "../src/oplog/data-directory.ts";
import { DataLock } from "../src/oplog/data-lock.ts";
import type { FileSystem } from "../src/oplog/file-system.ts";
import { nodeFileSystem } from "../src/oplog/node-file-system.ts";
import type { OperationLog } from "../src/oplog/operation-log.ts";
import type { SnapshotFile } from "../src/oplog/snapshots.ts";
import { OperationWriter } from "../src/state/operation.ts";
import type { StateMachine } from "../src/state/state-machine.ts";
import { StateRestorer } from "../src/state/state-restorer.ts";
import { StateSnapshot } from "../src/state/state-snapshot.ts";
import { TAG_TEXT, Value } from "../src/state/value.ts";
import { rangeOf } from "../src/structures/byte-range.ts";
import { smallState } from "./state-workload.ts";

export const REPLICATION_ID = "0123456789abcdef0123456789abcdef";

export class TestClock {
  ms = 1_700_000_000_000;

  nowMs(): number {
    return this.ms;
  }

  monotonicMs(): number {
    return this.ms;
  }
}

export interface NodeOptions extends Partial<DataDirectoryOptions> {
  readonly path: string;
}

export class DataNode {
  readonly directory: DataDirectory;
  /** What was logged while it was opened and since. */
  readonly said: string[];
  readonly #failure: { error: unknown };
  readonly #writer = new OperationWriter();

  private constructor(directory: DataDirectory, said: string[], failure: { error: unknown }) {
    this.directory = directory;
    this.said = said;
    this.#failure = failure;
  }

  static async open(options: NodeOptions): Promise<DataNode> {
    const said: string[] = [];
    const failure: { error: unknown } = { error: undefined };
    const directory = await DataDirectory.open({
      files: nodeFileSystem,
      fsync: "always",
      segmentBytes: 64 * 1024,
      reserveBytes: 1,
      backlogBytesMax: 2 ** 20,
      snapshotIntervalMs: 0,
      snapshotLogBytes: 0,
      clock: new TestClock(),
      isReplica: false,
      acceptsLogLoss: false,
      lock: takeLock,
      newReplicationId: () => REPLICATION_ID,
      newNodeId: () => "0".repeat(16),
      random: () => 0,
      makeState: (offsetBefore) => smallState({ offsetBefore }),
      restore: (state) => new StateRestorer(state),
      beginSnapshot: (state) => new StateSnapshot(state),
      onDurable: () => undefined,
      onFailure: (error) => {
        failure.error ??= error;
      },
      logger: { info: (message) => said.push(message), warn: (message) => said.push(message) },
      ...options,
    });
    return new DataNode(directory, said, failure);
  }

  get state(): StateMachine {
    return this.directory.state;
  }

  get log(): OperationLog {
    return this.directory.log;
  }

  /** All of the state but its offset, which a new epoch moves. */
  get content(): string {
    const dump = this.state.dump();
    return dump.slice(dump.indexOf("\n") + 1);
  }

  get failure(): unknown {
    return this.#failure.error;
  }

  /** One record; returns the offset of its last operation. */
  commit(stage: (writer: OperationWriter) => void): number {
    const writer = this.#writer;
    stage(writer);
    const firstOffset = this.log.append(writer);
    this.state.apply(writer.bytes, writer.length, firstOffset);
    writer.reset();
    return this.log.nextOffset - 1;
  }

  put(key: string, value: string): number {
    const { bytes, end } = rangeOf(value);
    return this.commit((writer) => writer.put(rangeOf(key), TAG_TEXT, new Value(TAG_TEXT, bytes, 0, end), 0));
  }

  /** Ends the turn, and waits until all that was written counts as durable; or until the disk has failed. */
  async durable(): Promise<void> {
    const offset = this.log.nextOffset - 1;
    this.directory.endTurn();
    await waitUntil(() => this.log.durableOffset >= offset || this.failure !== undefined);
  }

  /** Writes a record, and waits until it is durable before anything else is written. */
  async acknowledged(key: string, value: string): Promise<number> {
    const offset = this.put(key, value);
    await this.durable();
    return offset;
  }

  async snapshot(): Promise<SnapshotFile | undefined> {
    const taken = this.directory.snapshots.take();
    await waitUntil(() => {
      this.directory.snapshots.slice(5);
      return !this.directory.snapshots.isUnderWay;
    });
    return taken;
  }

  close(): Promise<void> {
    return this.directory.close();
  }

  /**
   * What is written stays, as the system has it; whatever was to happen does not. Files are closed only to spare the tests'
   * process.
   */
  async kill(): Promise<void> {
    await this.durable();
    await this.directory.writer.closeFiles();
  }
}

/** Nobody else runs: the owner before has ended. */
let lockCount = 0;
/** Whoever waits for it waits for something else too. */
const NEVER = (): Promise<void> => new Promise(() => {});

export function takeLock(files: FileSystem, directory: string): Promise<DataLock | string> {
  const self = { pid: 1, space: "here", startedAt: "" };
  return DataLock.take({
    files,
    directory,
    self,
    unique: String(++lockCount),
    isRunning: () => false,
    pause: NEVER,
    onWait: () => {},
  });
}

export async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
