/**
 * Scenario 5: writes to a master and reads from its replicas, at fixed rates. How late the replicas are is seen from outside,
 * by events that are published on the master and pushed by the replicas; at the end every replica must be equal to the
 * master, key by key, values and versions.
 *
 * The reads are those of all replicas together. On a machine of two cores four servers and their clients share what three
 * machines would have, so the reads that a replica can serve are shown by its CPU time: 150,000 reads/s over three replicas
 * are 50,000 for a core of each.
 */
import type { ChildProcess } from "node:child_process";
import { ClientProcess } from "../load/client-process.ts";
import { compareKeys } from "../load/key-comparison.ts";
import { type Load, type LoadObserver, type LoadResult, runLoad, sumErrors } from "../load/load.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import type { PhaseRecorder } from "../report/phase-recorder.ts";
import type { ScenarioResult } from "../report/result.ts";
import type { Row } from "../report/row.ts";
import { cpuSeconds, sleep } from "../servers/processes.ts";
import {
  type ReplicationSet,
  replicationOf,
  startReplicationSet,
  stopReplicationSet,
  untilEqual,
} from "../servers/replication-set.ts";
import { type FsyncPolicy, NO_SNAPSHOTS, type Synap } from "../servers/synap-process.ts";
import { targetOf, type Usage, usageOf } from "../servers/target.ts";
import { clientLimits, repeat } from "./judgement.ts";
import type { ReplicationLag, ReplicationLagConfig } from "./replication-lag.ts";
import type { Stage } from "./stage.ts";

export interface ReplicationOptions {
  readonly replicas: number;
  readonly writeRate: number;
  readonly writeBatch: number;
  /** Of all replicas together. */
  readonly readRate: number;
  readonly readBatch: number;
  readonly keys: number;
  readonly duration: number;
  readonly warmup: number;
  readonly seed: number;
  readonly fsync: FsyncPolicy;
  readonly rounds: number;
}

const LAG_P95_MS_MAX = 10;
const READS_PER_CORE = 50_000;
/** An open loop is a little behind its rate at the end. */
const RATE_SHARE_MIN = 0.99;
const LAG_EVENTS_PER_SEC = 100;
const POLL_MS = 100;
const WRITE_CONNECTIONS = 4;
const READ_CONNECTIONS = 2;

export function runReplication(options: ReplicationOptions, stage: Stage): Promise<ScenarioResult> {
  return repeat(options.rounds, () => new ReplicationScenario(options, stage).run());
}

interface CpuTimes {
  readonly master: number;
  readonly replicas: number;
}

interface Loads {
  readonly written: LoadResult;
  readonly readings: readonly LoadResult[];
  readonly lag: ReplicationLag;
  readonly lagsByMaster: readonly number[];
  readonly cpu: CpuTimes;
}

class ReplicationScenario {
  readonly #options: ReplicationOptions;
  readonly #stage: Stage;
  readonly #clients: ChildProcess[] = [];
  #recorder: PhaseRecorder | undefined;

  constructor(options: ReplicationOptions, stage: Stage) {
    this.#options = options;
    this.#stage = stage;
  }

  async run(): Promise<ScenarioResult> {
    const { fsync, replicas, writeRate, readRate, duration } = this.#options;
    const program = this.#stage.options.server;
    const set = await startReplicationSet({ program, fsync, replicas, args: NO_SNAPSHOTS });
    for (const node of [set.master, ...set.replicas]) this.#stage.watch(targetOf(node, "a node"));
    const loads = await this.#load(set);
    const done = loads.written.commands + readsOf(loads);
    const latencies = [
      { name: "writes, a frame", latency: loads.written.latency, counts: loads.written.latencies },
      { name: "lag", latency: loads.lag.lag, counts: loads.lag.lagCounts },
    ];
    const recorded = await this.#recorder?.finish(done, loads.written.seconds, latencies);
    const phases = recorded === undefined ? [] : [this.#stage.keep(recorded)];
    await untilEqual(set);
    let keys = 0;
    for (const replica of set.replicas) keys = await compareKeys(set.master.port, replica.port);
    const { full_syncs } = await replicationOf(set.master);
    await stopReplicationSet(set);
    return {
      scenario: "replication",
      title: `${replicas} replicas, ${writeRate} writes/s, ${readRate} reads/s for ${duration} s (fsync: ${fsync})`,
      settings: { ...this.#options },
      rows: [
        ...lagRows(loads),
        ...this.#rateRows(loads),
        { what: "keys equal on all nodes at the end", value: keys, unit: "keys", note: "values and versions" },
        { what: "full syncs", value: full_syncs, unit: "syncs", note: "replicas came to an empty master" },
      ],
      phases,
      errors: sumErrors([loads.written, ...loads.readings]),
      deliveries: { expected: loads.lag.events * replicas, what: "events: each pushed by every replica" },
      notes: clientLimits(phases, replicas + 2),
    };
  }

  async #load(set: ReplicationSet): Promise<Loads> {
    const { master, replicas } = set;
    const { duration } = this.#options;
    const lagProbe = new ClientProcess(new URL("replication-lag.ts", import.meta.url), {
      masterPort: master.port,
      replicaPorts: replicas.map(({ port }) => port),
      eventsPerSec: LAG_EVENTS_PER_SEC,
      seconds: duration,
    } satisfies ReplicationLagConfig);
    await lagProbe.until("ready");
    this.#clients.push(lagProbe.child);
    let before: CpuTimes | undefined;
    let recording: Promise<void> = Promise.resolve();
    const writing: LoadObserver = {
      ...this.#observer(),
      // The warm-up of the writes is over; the reads' is about the same.
      onMeasuring: () => {
        before = cpuTimes(set);
        recording = this.#record(set);
        lagProbe.tell("go");
      },
    };
    const polled = pollLags(master, duration);
    const [written, ...readings] = await Promise.all([
      runLoad(this.#write(master.port), master.child, writing),
      ...replicas.map((replica, index) => runLoad(this.#read(replica.port, index), replica.child, this.#observer())),
    ]);
    await recording;
    const after = cpuTimes(set);
    const cpu = {
      master: after.master - (before?.master ?? 0),
      replicas: after.replicas - (before?.replicas ?? 0),
    };
    const lag = await lagProbe.until<ReplicationLag>("done");
    await lagProbe.stop();
    return { written, readings, lag, lagsByMaster: await polled, cpu };
  }

  #observer(): LoadObserver {
    return {
      onStart: (generators) => this.#clients.push(...generators),
      onProgress: (progress) => this.#recorder?.progress(progress),
    };
  }

  async #record({ master, replicas }: ReplicationSet): Promise<void> {
    const nodes = [master, ...replicas];
    this.#recorder = await this.#stage.record({
      name: "writes and reads",
      unit: "commands",
      usage: async () => sumOf(nodes.map(({ child }) => usageOf(child))),
      clients: this.#clients,
      seconds: this.#options.duration,
    });
  }

  #common() {
    const { duration, warmup } = this.#options;
    const warm = warmup > 0 ? { warmupSeconds: warmup } : {};
    return { protocol: "websocket", pacing: "timer", seconds: duration, countsErrors: true, ...warm } as const;
  }

  #write(port: number): Load {
    const { keys, writeBatch: batch, writeRate, seed } = this.#options;
    const workload = { keys, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, mix: { set: 1 }, batch };
    const requestsPerSec = writeRate / batch;
    return { ...this.#common(), port, workload, connections: WRITE_CONNECTIONS, requestsPerSec, seed };
  }

  #read(port: number, index: number): Load {
    const { keys, readBatch: batch, readRate, replicas, seed } = this.#options;
    const workload = { keys, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, mix: { get: 1 }, batch };
    const requestsPerSec = readRate / replicas / batch;
    return { ...this.#common(), port, workload, connections: READ_CONNECTIONS, requestsPerSec, seed: seed + index + 1 };
  }

  #rateRows(loads: Loads): Row[] {
    const { writeRate, writeBatch, readRate, readBatch } = this.#options;
    const { written, readings, cpu } = loads;
    const masterCores = (cpu.master / written.seconds).toFixed(2);
    return [
      {
        what: "writes",
        value: written.commandsPerSec,
        unit: "writes/s",
        better: "more",
        goal: writeRate * RATE_SHARE_MIN,
        note: `${writeBatch} per frame; ${frameLatency(written)}; master ${masterCores} cores`,
      },
      {
        what: "reads from all replicas",
        value: readings.reduce((sum, { commandsPerSec }) => sum + commandsPerSec, 0),
        unit: "reads/s",
        better: "more",
        goal: readRate * RATE_SHARE_MIN,
        note: `${readBatch} per frame; ${frameLatency(readings[0])}`,
      },
      {
        what: "reads for a CPU second of a replica",
        value: readsOf(loads) / cpu.replicas,
        unit: "reads/s",
        better: "more",
        goal: READS_PER_CORE,
        note: "with what the writes and their syncs cost the replica in it",
      },
    ];
  }
}

function cpuTimes({ master, replicas }: ReplicationSet): CpuTimes {
  return {
    master: cpuSeconds(master.child),
    replicas: replicas.reduce((sum, { child }) => sum + cpuSeconds(child), 0),
  };
}

function sumOf(parts: readonly (Usage | undefined)[]): Usage | undefined {
  const sum = { cpuSeconds: 0, rssBytes: 0 };
  for (const part of parts) {
    if (part === undefined) return undefined;
    sum.cpuSeconds += part.cpuSeconds;
    sum.rssBytes += part.rssBytes;
  }
  return sum;
}

/** Sorted. */
async function pollLags(master: Synap, seconds: number): Promise<number[]> {
  const values: number[] = [];
  const endMs = performance.now() + seconds * 1_000;
  while (performance.now() < endMs) {
    await sleep(POLL_MS);
    for (const { lag_ms } of (await replicationOf(master)).replicas) values.push(lag_ms);
  }
  return values.sort((a, b) => a - b);
}

function lagRows({ lag: { lag, endToEnd, events }, lagsByMaster: lags }: Loads): Row[] {
  return [
    {
      what: "lag of replicas p95, from the master's reply to a replica's push",
      value: lag.p95Ms,
      unit: "ms",
      better: "less",
      goal: LAG_P95_MS_MAX,
      note: `p50 ${lag.p50Ms.toFixed(2)}, p99 ${lag.p99Ms.toFixed(2)}, max ${lag.maxMs.toFixed(1)} ms; ${events} events`,
    },
    {
      what: "the same p95, from the instant it was due",
      value: endToEnd.p95Ms,
      unit: "ms",
      note: `p50 ${endToEnd.p50Ms.toFixed(2)}, p99 ${endToEnd.p99Ms.toFixed(2)} ms`,
    },
    {
      what: "lag p95 by the master's own account",
      value: lags[Math.min(lags.length - 1, Math.floor(lags.length * 0.95))] ?? Number.NaN,
      unit: "ms",
      note: `asked every ${POLL_MS} ms, of all replicas`,
    },
  ];
}

function readsOf({ readings }: Loads): number {
  return readings.reduce((sum, { commands }) => sum + commands, 0);
}

function frameLatency({ latency: { p50Ms, p95Ms } }: LoadResult): string {
  return `a frame p50 ${p50Ms.toFixed(2)}, p95 ${p95Ms.toFixed(2)} ms`;
}
