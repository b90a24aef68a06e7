/**
 * What the disk costs. First without the server: a group of 64 small records is written into a file of zeros and synced, as
 * the log does it, one group after the other. Then with it: how many writes share a sync with 1, 10, 50 and 500
 * connections that each wait for their reply.
 *
 *     npx tsx benchmark-cli/src/studies/log-disk.ts [--seconds 2] [--rounds 3] [--help]
 */
import { fdatasync, type PathLike, write } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Latency } from "../load/latency-histogram.ts";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import { type LoadResult, runLoad } from "../load/load.ts";
import { readMetrics } from "../load/metrics-page.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { removeDirectory, requireDisk, temporaryDirectory } from "../servers/processes.ts";
import { NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

const RECORDS = 64;
/** A set of a key of 16 bytes with a value of 100. */
const RECORD_BYTES = 160;
const FILE_BYTES = 16 * 2 ** 20;
const CONNECTIONS = [1, 10, 50, 500];
const KEYS = 100_000;

const options = benchmarkOptions("What it costs to write and sync groups of the log.", {
  seconds: { default: 2, min: 0.1, isFraction: true, about: "seconds of one run" },
  rounds: { default: 3, about: "repetitions, of which the median counts" },
});

requireDisk();
const report = new Report("Groups of the log on this disk");
await measureDisk("written and synced", true);
await measureDisk("written only", false);
for (const connections of CONNECTIONS) await measureServer(connections);
report.finish(options.json);
process.exit();

async function measureDisk(what: string, isSynced: boolean): Promise<void> {
  const runs: Latency[] = [];
  for (let round = 0; round < options.rounds; round++) runs.push(await writeGroups(isSynced));
  const name = `${RECORDS} records of ${RECORD_BYTES} bytes ${what}`;
  const row = (which: string, of: (run: Latency) => number) => {
    const values = runs.map(of);
    report.add({ what: `${name}, ${which}`, value: median(values), unit: "ms", runs: values });
  };
  row("mean", ({ meanMs }) => meanMs);
  row("p50", ({ p50Ms }) => p50Ms);
  row("p99", ({ p99Ms }) => p99Ms);
  const perSec = runs.map(({ meanMs }) => 1_000 / meanMs);
  report.add({ what: `${name}, one after the other`, value: median(perSec), unit: "groups/s", runs: perSec });
}

async function writeGroups(isSynced: boolean): Promise<Latency> {
  const directory = temporaryDirectory();
  const file = await zeroFile(join(directory, "log"));
  const group = Buffer.alloc(RECORDS * RECORD_BYTES, 1);
  const latencies = new LatencyHistogram();
  const endMs = performance.now() + options.seconds * 1_000;
  for (let at = 0; performance.now() < endMs; at = (at + group.length) % (FILE_BYTES - group.length)) {
    const startMs = performance.now();
    await written(file, group, at);
    if (isSynced) await synced(file);
    latencies.add(performance.now() - startMs);
  }
  await file.close();
  removeDirectory(directory);
  return latencies.latency();
}

/** As long from the beginning as the log's segments are, so that a sync writes no length. */
async function zeroFile(path: PathLike): Promise<FileHandle> {
  const file = await open(path, "wx+");
  await file.write(Buffer.alloc(FILE_BYTES));
  await file.sync();
  return file;
}

/** By callbacks, as the server does it. */
function written({ fd }: FileHandle, bytes: Buffer, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, 0, bytes.length, position, (error) => (error === null ? resolve() : reject(error)));
  });
}

function synced({ fd }: FileHandle): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function measureServer(connections: number): Promise<void> {
  const synap = await startSynap(options.server, { durability: "always", args: NO_SNAPSHOTS });
  const load = {
    protocol: "websocket",
    port: synap.port,
    workload: { mix: { set: 1 }, keys: KEYS, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, batch: 1 },
    connections,
    inFlight: 1,
    seconds: options.seconds,
  } as const;
  await runLoad(load, synap.child);
  const runs: { load: LoadResult; perGroup: number; groupsPerSec: number }[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const before = await logOf(synap.port);
    const done = await runLoad(load, synap.child);
    const after = await logOf(synap.port);
    const groups = after.synap_log_fsync_seconds_count - before.synap_log_fsync_seconds_count;
    const perGroup = (after.synap_log_operations_total - before.synap_log_operations_total) / groups;
    runs.push({ load: done, perGroup, groupsPerSec: groups / done.seconds });
    const figures = `${Math.round(done.commandsPerSec)} sets/s, ${perGroup.toFixed(1)} in a group`;
    report.progress(`round ${round}, ${connections} connections: ${figures}`);
  }
  await synap.stop();
  const of = (figure: (run: (typeof runs)[number]) => number) => median(runs.map(figure));
  const latency = `p50 ${of((run) => run.load.latency.p50Ms).toFixed(2)}, p99 ${of((run) => run.load.latency.p99Ms).toFixed(2)} ms`;
  report.add({
    what: `sets that share a sync, ${connections} connections with one under way`,
    value: of(({ perGroup }) => perGroup),
    unit: "records",
    note: `${perSec(of(({ groupsPerSec }) => groupsPerSec))} groups/s, ${perSec(of((run) => run.load.commandsPerSec))} sets/s, ${latency}`,
  });
}

function logOf(port: number) {
  return readMetrics(port, ["synap_log_fsync_seconds_count", "synap_log_operations_total"]);
}

function perSec(rate: number): string {
  return Math.round(rate).toLocaleString("en-US");
}
