/**
 * Faults that servers like this one have had, planted where the parts meet: each has to be found, or the checks are blind to
 * it. None is in the server's code.
 */
import type { WorkParts } from "../../src/background-work.ts";
import type { Executor } from "../../src/commands/execute.ts";
import { EpochHistory } from "../../src/oplog/epochs.ts";
import type { FileHandle, FileSystem } from "../../src/oplog/file-system.ts";
import type { LogRecord } from "../../src/oplog/log-record.ts";
import type { OperationLog } from "../../src/oplog/operation-log.ts";
import type { ImageSource } from "../../src/oplog/snapshots.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  HELLO,
  type Hello,
  WELCOME,
} from "../../src/replication/link-message.ts";
import type { ReleaseGate } from "../../src/runtime/release-gate.ts";
import type { Ticker } from "../../src/runtime/ticker.ts";
import { NONE } from "../../src/state/key-store.ts";
import type { StateMachine } from "../../src/state/state-machine.ts";
import { StateSnapshot } from "../../src/state/state-snapshot.ts";
import { ByteRange } from "../../src/structures/byte-range.ts";
import type { FakeLink } from "./fake-network.ts";
import type { Check } from "./finding.ts";
import { PlantedFault } from "./planted-fault.ts";

/** A reply leaves when its record is appended, and not when it is on disk. */
export class ReplyBeforeSync extends PlantedFault {
  override appended(log: OperationLog, gate: ReleaseGate): void {
    this.release(gate, log.nextOffset - 1);
  }

  override release(gate: ReleaseGate, offset: number): void {
    if (offset > gate.releasedOffset) gate.advance(offset);
  }
}

/** Every fourth sync of a file answers and does nothing. */
export class SkippedSync extends PlantedFault {
  #count = 0;

  override files(files: FileSystem): FileSystem {
    return withFiles(files, (file) => {
      const sync = file.sync.bind(file);
      file.sync = () => (++this.#count % 4 === 0 ? Promise.resolve() : sync());
    });
  }
}

/** What a start finds in the log may be in the system's cache only, and is taken as if it were on disk. */
export class UnsyncedStart extends PlantedFault {
  override files(files: FileSystem): FileSystem {
    return withFiles(files, (file, mode) => {
      if (mode !== "write") return;
      const sync = file.sync.bind(file);
      file.sync = () => {
        file.sync = sync;
        return Promise.resolve();
      };
    });
  }
}

/** The names of files are never made durable. */
export class UnsyncedDirectory extends PlantedFault {
  override files(files: FileSystem): FileSystem {
    files.syncDirectory = () => Promise.resolve();
    return files;
  }
}

/** One record in fifteen is not written to the log's file. */
export class RecordDroppedByWriter extends PlantedFault {
  #count = 0;

  override files(files: FileSystem): FileSystem {
    return withFiles(files, (file) => {
      const write = file.write.bind(file);
      file.write = (bytes, position) => {
        const isOfLog = bytes.length < 4096 && position > 64;
        return isOfLog && ++this.#count % 15 === 0 ? Promise.resolve() : write(bytes, position);
      };
    });
  }
}

/** A replica has one record in thirty in its log and not in its state. */
export class RecordDroppedByReplica extends PlantedFault {
  #count = 0;

  override executor(executor: Executor, state: StateMachine, log: OperationLog): Executor {
    const copy = executor.applyCopied.bind(executor);
    executor.applyCopied = (record: LogRecord): void => {
      if (++this.#count % 30 !== 0) {
        copy(record);
        return;
      }
      log.appendCopy(record);
      state.skipTo(record.firstOffset + record.count - 1);
    };
    return executor;
  }
}

/** A replica removes keys by its own clock. */
export class ReplicaThatExpires extends PlantedFault {
  override work(ticker: Ticker, { executor, state, clock }: WorkParts): void {
    const key = new ByteRange(new Uint8Array(0), 0, 0);
    ticker.register("expire keys by the wrong clock", () => {
      const ref = executor.isReplica ? state.keys.nextDueRef(clock.nowMs()) : NONE;
      if (ref !== NONE) {
        state.keys.readKey(ref, key);
        state.keys.remove(key);
      }
      return 5;
    });
  }
}

/** One delivery in ten has the id of the one before. */
export class ReusedDeliveryId extends PlantedFault {
  #count = 0;

  override executor(executor: Executor): Executor {
    const { queues } = executor.planner;
    const take = queues.takeNext.bind(queues);
    let lastId = 0;
    queues.takeNext = (ackDeadlineMs) => {
      const message = take(ackDeadlineMs);
      if (message === undefined) return undefined;
      const delivery_id = lastId > message.id && ++this.#count % 10 === 0 ? lastId : message.delivery_id;
      lastId = delivery_id;
      return { ...message, delivery_id };
    };
    return executor;
  }
}

/** A node that has more of an old epoch than the new one follows is taken as if it had not. */
export class StaleEpochAccepted extends PlantedFault {
  readonly #hellos = new WeakMap<FakeLink, Hello>();

  /** The master's side. */
  override begin(): () => void {
    const { isContinued } = EpochHistory.prototype;
    EpochHistory.prototype.isContinued = function (other, offset) {
      return other.current.epoch < this.current.epoch || isContinued.call(this, other, offset);
    };
    return () => {
      EpochHistory.prototype.isContinued = isContinued;
    };
  }

  /** The replica's side: it is told that the new epoch follows what it has. */
  override link(link: FakeLink, _from: "replica" | "master", bytes: Uint8Array): Uint8Array {
    if (bytes[0] !== HELLO && bytes[0] !== WELCOME) return bytes;
    const message = decodeLinkMessage(bytes);
    if (typeof message === "string") return bytes;
    if (message.kind === HELLO) this.#hellos.set(link, message);
    const hello = this.#hellos.get(link);
    if (message.kind !== WELCOME || message.fullSync !== undefined || hello === undefined) return bytes;
    const own = hello.identity.history.current.epoch;
    const { replicationId, history } = message.identity;
    const epochs = history.epochs.map((each, i) => {
      const isNext = i > 0 && history.epochs[i - 1].epoch === own && each.previousEnd < hello.lastOffset;
      return isNext ? { ...each, previousEnd: hello.lastOffset } : each;
    });
    return encodeLinkMessage({ ...message, identity: { replicationId, history: new EpochHistory(epochs) } });
  }
}

/** A snapshot says that it is of an offset, and is written from the state as it is a little later. */
export class MixedSnapshot extends PlantedFault {
  override snapshot(state: StateMachine): ImageSource {
    const offset = state.appliedOffset;
    let waits = 3;
    let snapshot: StateSnapshot | undefined;
    const nothing = { bytes: new Uint8Array(0), length: 0, reset: () => {} };
    return {
      offset,
      get images() {
        return snapshot?.images ?? nothing;
      },
      step(budgetBytes) {
        if (waits-- > 0) return false;
        snapshot ??= new StateSnapshot(state);
        return snapshot.step(budgetBytes);
      },
      end: () => snapshot?.end(),
    };
  }
}

/** The same files, with `change` made to each that is opened. */
function withFiles(
  files: FileSystem,
  change: (file: FileHandle, mode: "read" | "write" | "create") => void,
): FileSystem {
  const open = files.open.bind(files);
  files.open = async (path, mode) => {
    const file = await open(path, mode);
    if (/\/log-/.test(path)) change(file, mode);
    return file;
  };
  return files;
}

export interface PlantedFaultCase {
  readonly name: string;
  readonly plant: () => PlantedFault;
  /** What it may be found by: anything else would be luck. */
  readonly checks: readonly Check[];
  /** The failure that it may end a run by before anything could be checked; then another seed has to find it. */
  readonly overtakenBy?: RegExp;
}

export const PLANTED_FAULTS: readonly PlantedFaultCase[] = [
  {
    name: "a reply before its record is on disk",
    plant: () => new ReplyBeforeSync(),
    checks: ["acknowledged write lost", "covered write lost by a promotion", "shown and taken back"],
  },
  {
    name: "a skipped sync",
    plant: () => new SkippedSync(),
    checks: ["acknowledged write lost", "shown and taken back", "start refused"],
  },
  {
    name: "a start that does not sync what it finds",
    plant: () => new UnsyncedStart(),
    checks: ["acknowledged write lost", "shown and taken back", "start refused"],
  },
  {
    name: "a directory that is never synced",
    plant: () => new UnsyncedDirectory(),
    checks: ["acknowledged write lost", "shown and taken back", "start refused"],
  },
  {
    name: "a record that the writer drops",
    plant: () => new RecordDroppedByWriter(),
    checks: ["acknowledged write lost", "start refused"],
  },
  {
    name: "a record that a replica drops",
    plant: () => new RecordDroppedByReplica(),
    checks: ["replica differs from its master", "failure"],
  },
  {
    name: "a replica that expires keys by its own clock",
    plant: () => new ReplicaThatExpires(),
    checks: ["replica differs from its master", "failure"],
  },
  {
    name: "a delivery id that is used again",
    plant: () => new ReusedDeliveryId(),
    checks: ["delivery id"],
  },
  {
    name: "a stale epoch that is accepted",
    plant: () => new StaleEpochAccepted(),
    checks: ["epoch"],
    // What an old master has planned for its own state may be nothing that this one can apply.
    overtakenBy: /^failure: Error: the master's record at offset \d+ could not be applied$/m,
  },
  {
    name: "a snapshot that mixes offsets",
    plant: () => new MixedSnapshot(),
    checks: ["state differs from its log", "replica differs from its master", "start refused"],
  },
];
