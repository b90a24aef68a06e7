/**
 * A replica that was away for ten seconds while 10,000 writes per second went on: until it is as near to the master again as
 * it was before. Once its process was stopped (SIGSTOP), once its link was cut and nobody answered. It must not need a full
 * sync. Until it tries to link again, a replica waits longer each time; that wait is part of the second figure and shown.
 *
 *     npx tsx benchmark-cli/src/studies/catch-up.ts [--away-seconds 10] [--write-rate 10000] [--rounds 3] [--help]
 */

import { type Load, runLoad } from "../load/load.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { CuttableLink } from "../servers/cuttable-link.ts";
import { sleep, until } from "../servers/processes.ts";
import { replicationOf, startReplicationSet, stopReplicationSet, untilEqual } from "../servers/replication-set.ts";
import { NO_SNAPSHOTS } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

const BATCH = 10;
const BEFORE_SECS = 2;
const POLL_MS = 10;
/** Caught up: what the master had when it was asked is there, but for so many seconds' worth of writes. */
const NEAR_SECS = 0.1;

const options = benchmarkOptions("How fast a replica that was away catches up under writes.", {
  "away-seconds": { default: 10, min: 0.1, isFraction: true, about: "seconds that the replica is away" },
  "write-rate": { default: 10_000, about: "writes per second on the master, all the time" },
  keys: { default: 100_000, about: "keys that the writes are spread over" },
  "most-seconds": { default: 30, about: "seconds that it may take to catch up" },
  rounds: { default: 3, about: "repetitions, of which the median counts" },
});

type Way = "stopped" | "cut off";

interface Run {
  readonly secs: number;
  /** Until it had a link again. */
  readonly linkedSecs: number;
  readonly operations: number;
  readonly fullSyncs: number;
}

const report = new Report(`A replica that was away for ${options["away-seconds"]} s, fsync: always`);
for (const way of ["stopped", "cut off"] as const) {
  const runs: Run[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const run = await runOnce(way);
    runs.push(run);
    const times = `${run.secs.toFixed(2)} s, linked after ${run.linkedSecs.toFixed(2)} s`;
    report.progress(`round ${round}, ${way}: ${run.operations} operations behind, caught up in ${times}`);
  }
  const secs = runs.map((run) => run.secs);
  const linked = `linked again after ${median(runs.map((run) => run.linkedSecs)).toFixed(2)} s`;
  const behind = `${Math.round(median(runs.map((run) => run.operations))).toLocaleString("en-US")} operations behind`;
  report.add({
    what: `${way} for ${options["away-seconds"]} s at ${options["write-rate"]} writes/s: caught up in`,
    value: median(secs),
    unit: "s",
    better: "less",
    least: 2,
    goal: 1,
    runs: secs,
    note: `${behind}, ${linked}`,
  });
  report.add({
    what: `${way}: full syncs`,
    value: Math.max(...runs.map((run) => run.fullSyncs)),
    unit: "syncs",
    better: "less",
    goal: 0,
  });
}
report.finish(options.json);
process.exit();

async function runOnce(way: Way): Promise<Run> {
  let link: CuttableLink | undefined;
  const set = await startReplicationSet({
    program: options.server,
    fsync: "always",
    replicas: 1,
    args: NO_SNAPSHOTS,
    async masterPortFor(port) {
      link = await CuttableLink.to(port);
      return link.port;
    },
  });
  if (link === undefined) throw new Error("the replica was not linked through the proxy");
  const { master } = set;
  const [replica] = set.replicas;
  const awaySecs = options["away-seconds"];
  const load: Load = {
    protocol: "websocket",
    port: master.port,
    workload: { mix: { set: 1 }, keys: options.keys, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, batch: BATCH },
    connections: 4,
    requestsPerSec: options["write-rate"] / BATCH,
    pacing: "timer",
    seconds: BEFORE_SECS + awaySecs + options["most-seconds"],
  };
  let isLoadOver = false;
  const loading = runLoad(load, master.child).then(() => {
    isLoadOver = true;
  });
  await sleep(BEFORE_SECS * 1_000);
  const { full_syncs: before } = await replicationOf(master);
  const { offset: first } = await replicationOf(replica);

  if (way === "stopped") replica.child.kill("SIGSTOP");
  else await link.cut();
  await sleep(awaySecs * 1_000);
  const { offset: last } = await replicationOf(master);
  const backMs = performance.now();
  if (way === "stopped") replica.child.kill("SIGCONT");
  else await link.mend();

  const sinceBack = () => (performance.now() - backMs) / 1_000;
  let linkedSecs = 0;
  await until(async () => {
    if (isLoadOver) throw new Error("it did not catch up: raise --most-seconds");
    const { offset } = await replicationOf(master);
    const own = await replicationOf(replica);
    if (linkedSecs === 0 && own.link === "log") linkedSecs = sinceBack();
    await sleep(POLL_MS);
    return own.offset >= offset - options["write-rate"] * NEAR_SECS;
  }, "the replica to catch up");
  const secs = sinceBack();
  await loading;
  const { full_syncs: after } = await replicationOf(master);
  await untilEqual(set);
  await stopReplicationSet(set);
  await link.cut();
  return { secs, linkedSecs, operations: last - first, fullSyncs: after - before };
}
