/**
 * The specification's scenario 5: writes to a master and reads from its replicas for a minute, at fixed rates. How late the
 * replicas are is seen from outside, by events that are published on the master and pushed by the replicas; at the end every
 * replica must be equal to the master, key by key, values and versions.
 *
 *     npx tsx benchmark-cli/src/studies/scenario-replication.ts [--replicas 3] [--write-rate 10000] [--read-rate 50000] [--duration 60] [--help]
 *
 * The reads are those of all replicas together. On a machine of two cores four servers and their clients share what three
 * machines would have, so the reads that a replica can serve are shown by its CPU time: 150,000 reads/s over three replicas
 * are 50,000 for a core of each.
 */

import { ClientProcess } from "../load/client-process.ts";
import { compareKeys } from "../load/key-comparison.ts";
import { type Load, type LoadResult, runLoad } from "../load/load.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { cpuSeconds, sleep } from "../servers/processes.ts";
import { replicationOf, startReplicationSet, stopReplicationSet, untilEqual } from "../servers/replication-set.ts";
import { FSYNC_POLICIES, type FsyncPolicy, NO_SNAPSHOTS } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";
import type { ReplicationLag, ReplicationLagConfig } from "./replication-lag.ts";

const LAG_P95_MS_MAX = 10;
const READS_PER_CORE = 50_000;
/** An open loop is a little behind its rate at the end. */
const RATE_SHARE_MIN = 0.99;
const LAG_EVENTS_PER_SEC = 100;
const POLL_MS = 100;

const options = benchmarkOptions("Scenario 5: a master and its replicas under writes and reads.", {
  replicas: { default: 3, about: "replicas" },
  "write-rate": { default: 10_000, about: "writes per second on the master" },
  "write-batch": { default: 10, about: "writes per frame" },
  "read-rate": { default: 50_000, about: "reads per second from all replicas together" },
  "read-batch": { default: 100, about: "reads per frame" },
  keys: { default: 100_000, about: "keys that both are spread over" },
  duration: { default: 60, about: "seconds" },
  fsync: { default: "always", words: FSYNC_POLICIES, about: "when a write is on disk, on every node" },
});

const title = `${options.replicas} replicas, ${options["write-rate"]} writes/s, ${options["read-rate"]} reads/s`;
const report = new Report(`Scenario 5: ${title} for ${options.duration} s (fsync: ${options.fsync})`);
const set = await startReplicationSet({
  program: options.server,
  // Checked by the flag itself.
  fsync: options.fsync as FsyncPolicy,
  replicas: options.replicas,
  args: NO_SNAPSHOTS,
});
const { master, replicas } = set;
const lagProbe = new ClientProcess(new URL("replication-lag.ts", import.meta.url), {
  masterPort: master.port,
  replicaPorts: replicas.map(({ port }) => port),
  eventsPerSec: LAG_EVENTS_PER_SEC,
  seconds: options.duration,
} satisfies ReplicationLagConfig);
await lagProbe.until("ready");

const common = { protocol: "websocket", pacing: "timer", seconds: options.duration, warmupSeconds: 1 } as const;
const workload = { keys: options.keys, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES };
const write: Load = {
  ...common,
  port: master.port,
  connections: 4,
  workload: { ...workload, mix: { set: 1 }, batch: options["write-batch"] },
  requestsPerSec: options["write-rate"] / options["write-batch"],
};
const cpuBefore = { replicas: 0, master: 0 };
const cpuAfter = { replicas: 0, master: 0 };
const loads = [
  runLoad(write, master.child, begin),
  ...replicas.map((replica) => runLoad(read(replica.port), replica.child)),
];
const reported = pollLags();
const [written, ...readings] = await Promise.all(loads);
readCpu(cpuAfter);
const lag = await lagProbe.until<ReplicationLag>("done");
const lags = await reported;

await untilEqual(set);
let keys = 0;
for (const replica of replicas) keys = await compareKeys(master.port, replica.port);
const { full_syncs, partial_syncs } = await replicationOf(master);
await lagProbe.stop();
await stopReplicationSet(set);

const { lag: fromReply, endToEnd } = lag;
const events = `${lag.events} events, ${options.replicas} replicas`;
report.add({
  what: "lag of replicas p95, from the master's reply to a replica's push",
  value: fromReply.p95Ms,
  unit: "ms",
  better: "less",
  goal: LAG_P95_MS_MAX,
  note: `p50 ${fromReply.p50Ms.toFixed(2)}, p99 ${fromReply.p99Ms.toFixed(2)}, max ${fromReply.maxMs.toFixed(1)} ms; ${events}`,
});
report.add({
  what: "the same p95, from the instant it was due",
  value: endToEnd.p95Ms,
  unit: "ms",
  note: `p50 ${endToEnd.p50Ms.toFixed(2)}, p99 ${endToEnd.p99Ms.toFixed(2)} ms`,
});
report.add({
  what: "lag p95 by the master's own account",
  value: lags[Math.min(lags.length - 1, Math.floor(lags.length * 0.95))],
  unit: "ms",
  note: `asked every ${POLL_MS} ms, of all replicas`,
});
report.add({
  what: "writes",
  value: written.commandsPerSec,
  unit: "writes/s",
  better: "more",
  goal: options["write-rate"] * RATE_SHARE_MIN,
  note: `${options["write-batch"]} per frame; ${latencyOf(written)}; master ${(cpu("master") / written.seconds).toFixed(2)} cores`,
});
const reads = readings.reduce((sum, { commands }) => sum + commands, 0);
report.add({
  what: "reads from all replicas",
  value: readings.reduce((sum, { commandsPerSec }) => sum + commandsPerSec, 0),
  unit: "reads/s",
  better: "more",
  goal: options["read-rate"] * RATE_SHARE_MIN,
  note: `${options["read-batch"]} per frame; ${latencyOf(readings[0])}`,
});
report.add({
  what: "reads for a CPU second of a replica",
  value: reads / cpu("replicas"),
  unit: "reads/s",
  better: "more",
  goal: READS_PER_CORE,
  note: "with what the writes and their syncs cost the replica in it",
});
report.add({ what: "keys equal on all nodes at the end", value: keys, unit: "keys", note: "values and versions" });
report.add({
  what: "full syncs",
  value: full_syncs,
  unit: "syncs",
  note: `${partial_syncs} partial ones, of ${options.replicas} replicas that came to an empty master`,
});
report.finish(options.json);
process.exit();

function read(port: number): Load {
  const { replicas: count, "read-rate": rate, "read-batch": batch } = options;
  const requestsPerSec = rate / count / batch;
  return { ...common, port, connections: 2, workload: { ...workload, mix: { get: 1 }, batch }, requestsPerSec };
}

/** The warm-up of the writes is over; the reads' is about the same. */
function begin(): void {
  readCpu(cpuBefore);
  lagProbe.tell("go");
}

function readCpu(into: { replicas: number; master: number }): void {
  into.master = cpuSeconds(master.child);
  into.replicas = replicas.reduce((sum, { child }) => sum + cpuSeconds(child), 0);
}

function cpu(of: "replicas" | "master"): number {
  return cpuAfter[of] - cpuBefore[of];
}

/** Sorted. */
async function pollLags(): Promise<number[]> {
  const values: number[] = [];
  const endMs = performance.now() + options.duration * 1_000;
  while (performance.now() < endMs) {
    await sleep(POLL_MS);
    for (const { lag_ms } of (await replicationOf(master)).replicas) values.push(lag_ms);
  }
  return values.sort((a, b) => a - b);
}

function latencyOf({ latency: { p50Ms, p95Ms } }: LoadResult): string {
  return `a frame p50 ${p50Ms.toFixed(2)}, p95 ${p95Ms.toFixed(2)} ms`;
}
