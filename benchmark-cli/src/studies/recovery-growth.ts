/**
 * How the time to read the log grows with its length: a hundredth, a tenth and all of so many operations, of every kind,
 * without a snapshot. Then the bytes that one command of each kind takes in the log.
 *
 *     npx tsx benchmark-cli/src/studies/recovery-growth.ts [--operations 10000000] [--rounds 3] [--help]
 */

import { readMetrics } from "../load/metrics-page.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { removeDirectory, rssBytes, temporaryDirectory } from "../servers/processes.ts";
import { NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";
import { fillLog, LOG_KINDS, type LogKind, OPERATIONS_OF } from "./log-filler.ts";

const READY_MS_MAX = 600_000;
const STEPS = [100, 10, 1];
/** Of all operations. */
const SHARES: Readonly<Record<LogKind, number>> = { set: 0.5, incr: 0.2, queue: 0.15, event: 0.15 };
const SAMPLE_UNITS = 20_000;
const BYTES_OF: Readonly<Record<LogKind, string>> = {
  set: "a set of 16 + 100 bytes",
  incr: "an increment",
  queue: "a message of 100 bytes, published, delivered and acknowledged",
  event: "an event of 100 bytes",
};

const options = benchmarkOptions("Growth of the time to read the log, and its bytes per command.", {
  operations: { default: 10_000_000, min: 10_000, about: "operations in the longest log" },
  keys: { default: 1_000_000, about: "keys that sets and increments are spread over, at the most" },
  rounds: { default: 3, about: "starts from each log, of which the median counts" },
});
const ARGS = ["--max-memory", "0", ...NO_SNAPSHOTS];

const report = new Report("Growth of recovery with the log");
const base = await emptyStartSecs();
report.add({ what: "start with nothing on disk", value: base, unit: "s" });
const perOperation: number[] = [];
for (const step of STEPS) perOperation.push(await measure(Math.round(options.operations / step)));
const growth = perOperation[perOperation.length - 1] / perOperation[0];
report.add({
  what: `seconds per operation, the longest log against one of a hundredth`,
  value: growth,
  unit: "x",
  note: "1 is linear; the more keys, the fewer of them are in a cache",
});
for (const kind of LOG_KINDS) await measureBytes(kind);
report.finish(options.json);
process.exit();

async function emptyStartSecs(): Promise<number> {
  const seconds: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const synap = await startSynap(options.server, { durability: "always", args: ARGS });
    seconds.push(synap.readyMs / 1_000);
    await synap.stop();
  }
  return median(seconds);
}

/** @returns the seconds of one operation, without what a start costs anyway. */
async function measure(operations: number): Promise<number> {
  const dataDirectory = temporaryDirectory();
  const written = await writeLog(dataDirectory, operations);
  const seconds: number[] = [];
  let rss = 0;
  for (let round = 1; round <= options.rounds; round++) {
    const synap = await startSynap(options.server, {
      durability: "always",
      dataDirectory,
      args: ARGS,
      readyMsMax: READY_MS_MAX,
    });
    seconds.push(synap.readyMs / 1_000);
    rss = rssBytes(synap.child);
    await synap.stop();
    report.progress(`round ${round}, ${written.operations} operations: ready after ${seconds[round - 1].toFixed(2)} s`);
  }
  removeDirectory(dataDirectory);
  const reading = Math.max(0, median(seconds) - base);
  const count = written.operations.toLocaleString("en-US");
  const megabytes = Math.round(written.bytes / 2 ** 20);
  report.add({
    what: `${count} operations in the log, start to ready`,
    value: median(seconds),
    unit: "s",
    runs: seconds,
    note: `${megabytes} MB of log; ${perSec(written.operations / reading)}; RSS ${Math.round(rss / 2 ** 20)} MB`,
  });
  return reading / written.operations;
}

async function writeLog(dataDirectory: string, operations: number): Promise<{ operations: number; bytes: number }> {
  const synap = await startSynap(options.server, { durability: "never", dataDirectory, args: ARGS });
  const keys = Math.min(options.keys, operations);
  for (const kind of LOG_KINDS) {
    await fillLog(synap.port, kind, Math.round((operations * SHARES[kind]) / OPERATIONS_OF[kind]), keys);
  }
  const written = await logOf(synap.port);
  await synap.stop();
  return written;
}

async function measureBytes(kind: LogKind): Promise<void> {
  const synap = await startSynap(options.server, { durability: "never", args: ARGS });
  // What is made only once, such as the queue, is there before.
  await fillLog(synap.port, kind, 1, SAMPLE_UNITS);
  const before = await logOf(synap.port);
  await fillLog(synap.port, kind, SAMPLE_UNITS, SAMPLE_UNITS);
  const after = await logOf(synap.port);
  await synap.stop();
  const operations = (after.operations - before.operations) / SAMPLE_UNITS;
  report.add({
    what: `log bytes of ${BYTES_OF[kind]}`,
    value: (after.bytes - before.bytes) / SAMPLE_UNITS,
    unit: "bytes",
    note: `${operations.toFixed(2)} operations, each in a record of its own, whose header is 30 of the bytes`,
  });
}

async function logOf(port: number): Promise<{ operations: number; bytes: number }> {
  const page = await readMetrics(port, ["synap_log_operations_total", "synap_log_bytes_total"]);
  return { operations: page.synap_log_operations_total, bytes: page.synap_log_bytes_total };
}

function perSec(rate: number): string {
  return `${Math.round(rate).toLocaleString("en-US")} operations/s`;
}
