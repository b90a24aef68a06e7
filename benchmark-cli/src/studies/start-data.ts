/**
 * From the start of the process to its first PONG with a million keys on disk: ours from a snapshot and from the log
 * alone, Redis 7 from its snapshot (RDB) and from its append-only file, in turn in every round. The same keys from the same
 * client; the files are in the system's cache, as after a crash of the process.
 *
 *     npx tsx benchmark-cli/src/studies/start-data.ts [--keys 1000000] [--rounds 5] [--help]
 */
import { cpSync, readdirSync } from "node:fs";
import { firstPong } from "../load/ready-probe.ts";
import { VALUE_BYTES } from "../load/workload.ts";
import { askRedis, fillRedis, type RedisOptions, startRedis } from "../peers/redis-process.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { freePort, requirePrograms, rssBytes, stop, temporaryDirectory, until } from "../servers/processes.ts";
import { NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

const READY_MS_MAX = 300_000;

const options = benchmarkOptions("Start with data on disk, beside Redis 7 with the same data.", {
  keys: { default: 1_000_000, about: "keys of 16 bytes with values of 100 bytes" },
  rounds: { default: 5, about: "repetitions, of which the median counts" },
});

interface Start {
  readonly ms: number;
  readonly rssBytes: number;
}

interface Case {
  readonly name: string;
  readonly start: () => Promise<Start>;
  /** targets.md has bounds for these. */
  readonly isJudged: boolean;
  readonly runs: Start[];
}

requirePrograms(["redis-server"]);
const keys = options.keys.toLocaleString("en-US");
const report = new Report(`Start with ${keys} keys on disk`);
const cases = await makeCases();
for (let round = 1; round <= options.rounds; round++) {
  for (const { name, start, runs } of cases) {
    const done = await start();
    runs.push(done);
    report.progress(`round ${round}, ${name}: ${(done.ms / 1_000).toFixed(2)} s`);
  }
}
for (const { name, runs, isJudged } of cases) {
  const seconds = runs.map(({ ms }) => ms / 1_000);
  const judged = isJudged ? ({ better: "less", least: 3, goal: 1 } as const) : {};
  const note = `RSS ${Math.round(median(runs.map((run) => run.rssBytes)) / 2 ** 20)} MB`;
  report.add({ what: `${name}, to the first PONG`, value: median(seconds), unit: "s", runs: seconds, note, ...judged });
}
report.finish(options.json);
process.exit();

async function makeCases(): Promise<Case[]> {
  const [log, snapshot, rdb, aof] = [0, 1, 2, 3].map(() => temporaryDirectory());
  await writeLog(log);
  cpSync(log, snapshot, { recursive: true });
  await addSnapshot(snapshot);
  const rdbFile: RedisOptions = { directory: rdb };
  await writeRedis(rdbFile);
  const appendOnly: RedisOptions = { directory: aof, appendfsync: "everysec" };
  await writeRedis(appendOnly);
  report.progress("the four directories are written");
  return [
    { name: "Synap, nothing on disk", start: () => startOurs(temporaryDirectory(), 0), isJudged: false, runs: [] },
    { name: "Synap, from a snapshot", start: () => startOurs(snapshot), isJudged: true, runs: [] },
    { name: "Redis, from its RDB file", start: () => startTheirs(rdbFile), isJudged: false, runs: [] },
    { name: "Synap, from the log alone", start: () => startOurs(log), isJudged: true, runs: [] },
    { name: "Redis, from its append-only file", start: () => startTheirs(appendOnly), isJudged: false, runs: [] },
  ];
}

async function writeLog(directory: string): Promise<void> {
  const synap = await startSynap(options.server, {
    durability: "never",
    dataDirectory: directory,
    args: ["--max-memory", "0", ...NO_SNAPSHOTS],
  });
  await fillRedis(synap.respPort, options.keys, VALUE_BYTES);
  await synap.stop();
}

/** A server whose log is longer than this takes a snapshot at once. */
async function addSnapshot(directory: string): Promise<void> {
  const synap = await startSynap(options.server, {
    durability: "never",
    dataDirectory: directory,
    args: ["--max-memory", "0", "--set", "persistence.snapshot_log_bytes=1mb"],
    readyMsMax: READY_MS_MAX,
  });
  await until(() => readdirSync(directory).some((name) => /^snapshot-\d.*\.synap$/.test(name)), "a snapshot");
  await synap.stop();
}

async function writeRedis(redisOptions: RedisOptions): Promise<void> {
  const { child, port } = await startRedis(redisOptions);
  await fillRedis(port, options.keys, VALUE_BYTES);
  if (redisOptions.appendfsync === undefined) {
    const reply = await askRedis(port, "SAVE");
    if (!reply.startsWith("+OK")) throw new Error(`Redis did not save: ${reply}`);
  }
  await stop(child);
}

async function startOurs(directory: string, keyCount = options.keys): Promise<Start> {
  const respPort = await freePort();
  const startedMs = performance.now();
  const ponged = firstPong(respPort, startedMs, READY_MS_MAX);
  const synap = await startSynap(options.server, {
    durability: "always",
    dataDirectory: directory,
    args: ["--max-memory", "0", "--resp-port", `${respPort}`, ...NO_SNAPSHOTS],
    readyMsMax: READY_MS_MAX,
  });
  const start = { ms: await ponged, rssBytes: rssBytes(synap.child) };
  await checkSize(respPort, keyCount);
  await synap.stop();
  return start;
}

async function startTheirs(redisOptions: RedisOptions): Promise<Start> {
  const port = await freePort();
  const startedMs = performance.now();
  const ponged = firstPong(port, startedMs, READY_MS_MAX);
  const { child } = await startRedis({ ...redisOptions, port });
  const start = { ms: await ponged, rssBytes: rssBytes(child) };
  await checkSize(port, options.keys);
  await stop(child);
  return start;
}

async function checkSize(port: number, keyCount: number): Promise<void> {
  const size = (await askRedis(port, "DBSIZE")).trim();
  if (size !== `:${keyCount}`) throw new Error(`${keyCount} keys were stored, and now there are ${size}`);
}
