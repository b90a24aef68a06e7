/**
 * The places where a fault can be planted: between the parts that a node is made of, and nowhere in them. This one plants
 * none; planted-faults.ts has the others.
 */
import type { WorkParts } from "../../src/background-work.ts";
import type { Executor } from "../../src/commands/execute.ts";
import type { FileSystem } from "../../src/oplog/file-system.ts";
import type { OperationLog } from "../../src/oplog/operation-log.ts";
import type { ImageSource } from "../../src/oplog/snapshots.ts";
import type { ReleaseGate } from "../../src/runtime/release-gate.ts";
import type { Ticker } from "../../src/runtime/ticker.ts";
import type { StateMachine } from "../../src/state/state-machine.ts";
import type { FakeLink } from "./fake-network.ts";
import type { SimulatedNode } from "./simulated-node.ts";

export class PlantedFault {
  /** A run begins. @returns undoes what it has changed for all nodes. */
  begin(): () => void {
    return () => {};
  }

  files(files: FileSystem, _node: SimulatedNode): FileSystem {
    return files;
  }

  /** A record was appended. */
  appended(_log: OperationLog, _gate: ReleaseGate): void {}

  /** The log is released up to this offset. */
  release(gate: ReleaseGate, offset: number): void {
    gate.advance(offset);
  }

  /** What plans, and copies the records of a master. */
  executor(executor: Executor, _state: StateMachine, _log: OperationLog, _node: SimulatedNode): Executor {
    return executor;
  }

  work(_ticker: Ticker, _parts: WorkParts, _node: SimulatedNode): void {}

  state(_appliedOffset: number, _node: SimulatedNode): StateMachine | undefined {
    return undefined;
  }

  snapshot(_state: StateMachine): ImageSource | undefined {
    return undefined;
  }

  link(_link: FakeLink, _from: "replica" | "master", message: Uint8Array): Uint8Array | undefined {
    return message;
  }
}
