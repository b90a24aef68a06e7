/** What a seed plays: how many nodes, how they are configured, and which kinds of faults come. */
import { configFromFlags } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import type { FsyncPolicy } from "../../src/oplog/log-writer.ts";
import type { SeededChoices } from "./seeded-choices.ts";

const KB = 1024;

export interface ScenarioFaults {
  readonly kill: number;
  readonly power: number;
  readonly killThenPower: number;
  readonly crashAtOperation: number;
  readonly cut: number;
  readonly hold: number;
  readonly apart: number;
  readonly fullDisk: number;
  readonly failedSync: number;
  readonly promotion: number;
  readonly snapshot: number;
  readonly restart: number;
}

export class Scenario {
  readonly nodeNames: readonly string[];
  readonly fsync: FsyncPolicy;
  readonly minReplicas: number;
  readonly clientCount: number;
  readonly requestsPerClient: number;
  readonly faultCount: number;
  /** Whether a replica is promoted once at least, when all have had time to link. */
  readonly hasPromotion: boolean;
  readonly faults: ScenarioFaults;
  readonly storage: {
    readonly segmentBytes: number;
    readonly reserveBytes: number;
    readonly backlogBytesMax: number;
    readonly snapshotIntervalMs: number;
    readonly snapshotLogBytes: number;
  };
  readonly #flags: readonly string[];
  readonly #configs = new Map<string | undefined, Config>();

  constructor(choices: SeededChoices) {
    const nodeCount = choices.pick([1, 1, 2, 3, 3]);
    this.nodeNames = ["a", "b", "c"].slice(0, nodeCount);
    this.fsync = choices.weighted({ always: 14, interval: 3, never: 3 });
    this.minReplicas = nodeCount === 1 ? 0 : choices.pick([0, 0, 1, nodeCount - 1]);
    this.clientCount = choices.whole(2, 4);
    this.requestsPerClient = choices.whole(25, 60);
    this.faultCount = choices.pick([0, 1, 2, 3, 5, 8]);
    const isReplicated = nodeCount > 1 ? 1 : 0;
    this.hasPromotion = nodeCount > 1 && choices.chance(0.5);
    this.faults = {
      kill: 2,
      power: 4,
      killThenPower: 3,
      crashAtOperation: 5,
      cut: 3 * isReplicated,
      hold: 2 * isReplicated,
      apart: isReplicated,
      fullDisk: choices.pick([0, 0, 1]),
      failedSync: choices.pick([0, 0, 1]),
      promotion: 3 * isReplicated,
      snapshot: 3,
      restart: 1,
    };
    this.storage = {
      segmentBytes: choices.pick([4 * KB, 8 * KB, 16 * KB]),
      reserveBytes: choices.pick([16 * KB, 32 * KB]),
      backlogBytesMax: choices.pick([16 * KB, 32 * KB, 128 * KB]),
      snapshotIntervalMs: choices.pick([0, 300, 1500]),
      snapshotLogBytes: choices.pick([0, 6 * KB, 20 * KB]),
    };
    this.#flags = [
      `persistence.fsync=${this.fsync}`,
      `replication.min_replicas_for_write=${this.minReplicas}`,
      "replication.heartbeat_ms=50",
      "replication.link_timeout_ms=300",
      "kv_store.ttl_tick_ms=20",
    ].flatMap((each) => ["--set", each]);
  }

  configOf(masterName: string | undefined): Config {
    const known = this.#configs.get(masterName);
    if (known !== undefined) return known;
    const role = masterName === undefined ? [] : ["--replica-of", masterName];
    const config = configFromFlags(...role, ...this.#flags);
    this.#configs.set(masterName, config);
    return config;
  }

  toString(): string {
    const { nodeNames, fsync, minReplicas, clientCount, faultCount, storage } = this;
    return (
      `${nodeNames.length} nodes, fsync ${fsync}, ${minReplicas} replicas for a write, ${clientCount} clients, ` +
      `${faultCount} faults, segments of ${storage.segmentBytes}, backlog of ${storage.backlogBytesMax}, ` +
      `snapshots every ${storage.snapshotIntervalMs} ms and ${storage.snapshotLogBytes} bytes`
    );
  }
}
