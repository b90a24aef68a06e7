/**
 * What a snapshot of five million keys does to the server: 50,000 commands per second, a fifth of them writes and a fifth
 * writes that expire within 3 s, with every write on disk before its reply. First without a snapshot, then while one is
 * taken: the delay of the event loop beside that of a bare loop, the rate that is served, the snapshot's time and bytes.
 *
 *     npx tsx benchmark-cli/src/studies/snapshot-stall.ts [--keys 5000000] [--seconds 10] [--load-seconds 120] [--help]
 *
 * The snapshot begins by itself when the log has grown past `persistence.snapshot_log_bytes`, which is set so that the keys
 * and the first measurement fit below it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runLoad } from "../load/load.ts";
import type { LoopDelay } from "../load/loop-probe.ts";
import { VALUE_BYTES } from "../load/workload.ts";
import { fillRedis } from "../peers/redis-process.ts";
import { Report } from "../report/report.ts";
import { rssBytes, sleep, temporaryDirectory, until } from "../servers/processes.ts";
import { startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";
import { type LoopDelays, PROBE_ARGS, StallProbe, shownDelay, stallBounds, stallLoad } from "./stall-probe.ts";

/** What one of the first keys takes in the log (recovery-growth.ts), and about what the load writes. */
const LOG_BYTES_PER_KEY = 160;
const LOG_BYTES_PER_COMMAND = 90;
/** Between the first measurement and the snapshot. */
const PAUSE_SECS = 3;
const TAKEN = /snapshot at offset \d+: (\d+) bytes in ([\d.]+) s/;

const options = benchmarkOptions("Stalls of the event loop while a snapshot is taken under load.", {
  keys: { default: 5_000_000, about: "keys of 16 bytes with values of 100 bytes" },
  rate: { default: 50_000, about: "commands per second" },
  seconds: { default: 10, min: 0.1, isFraction: true, about: "seconds of the measurement without a snapshot" },
  "load-seconds": { default: 120, about: "seconds of load in all; the snapshot has to be over by then" },
});

interface Measured extends LoopDelays {
  readonly commandsPerSec: number;
  readonly seconds: number;
}

const report = new Report(`A snapshot of ${options.keys.toLocaleString("en-US")} keys under load (fsync: always)`);
const dataDirectory = temporaryDirectory();
const quietBytes = options.rate * LOG_BYTES_PER_COMMAND * (options.seconds + PAUSE_SECS);
const snapshotLogBytes = Math.max(2 ** 20, options.keys * LOG_BYTES_PER_KEY + quietBytes);
const synap = await startSynap(options.server, {
  durability: "always",
  dataDirectory,
  args: [
    ...["--max-memory", "0", "--set", "persistence.snapshot_interval_secs=0"],
    ...["--set", `persistence.snapshot_log_bytes=${Math.ceil(snapshotLogBytes)}`],
  ],
  nodeArgs: PROBE_ARGS,
  ipc: true,
});
const probe = new StallProbe(synap.child);
await fillRedis(synap.respPort, options.keys, VALUE_BYTES);
const { size } = await synap.command("kv.dbsize");
if (size !== options.keys) throw new Error(`stored ${options.keys} keys, the server has ${size}`);
const rssBefore = rssBytes(synap.child);
report.progress(`stored ${options.keys} keys`);
if (isSnapshotUnderWay()) throw new Error("the snapshot has begun too early");

let isLoaded: () => void = () => undefined;
const loaded = new Promise<void>((resolve) => {
  isLoaded = resolve;
});
const load = stallLoad(synap.port, options.keys, options.rate, options["load-seconds"]);
let isLoadOver = false;
const loading = runLoad(load, synap.child, isLoaded).then((result) => {
  isLoadOver = true;
  return result;
});
await loaded;
const without = await measured(() => sleep(options.seconds * 1_000));
if (isSnapshotUnderWay()) throw new Error("the snapshot has begun before it was measured without it");
await until(() => isSnapshotUnderWay() || failWhenOver(), "the snapshot to begin");
let rssMost = 0;
const during = await measured(() =>
  until(() => {
    rssMost = Math.max(rssMost, rssBytes(synap.child));
    return TAKEN.test(synap.output()) || failWhenOver();
  }, "the snapshot"),
);
const [, bytes, seconds] = (synap.output().match(TAKEN) ?? []).map(Number);
await loading;

for (const [name, { synap: own, bare: idle }] of Object.entries({ without, during })) {
  const shown = `${shownDelay(own)} ms, bare loop ${shownDelay(idle)} ms`;
  report.progress(`${name}: delay p50 / p99 / p99.9 / max ${shown}`);
}
const bounds = stallBounds([during]);
const beyond = (of: keyof LoopDelay, { synap: own, bare: idle }: Measured) => own[of] - idle[of];
report.add({
  what: "delay p99.9 beyond a bare loop, during",
  value: beyond("p999Ms", during),
  unit: "ms",
  ...bounds,
});
report.add({ what: "longest delay beyond a bare loop, during", value: beyond("maxMs", during), unit: "ms", ...bounds });
report.add({ what: "delay p99.9 beyond a bare loop, without", value: beyond("p999Ms", without), unit: "ms" });
report.add({ what: "longest delay beyond a bare loop, without", value: beyond("maxMs", without), unit: "ms" });
report.add({ what: "longest delay, bare loop, during", value: during.bare.maxMs, unit: "ms" });
report.add({ what: "longest GC pause, during", value: during.synap.gcMaxMs, unit: "ms", better: "less", goal: 10 });
report.add({ what: "the snapshot took", value: seconds, unit: "s" });
report.add({ what: "bytes of the snapshot", value: bytes / 2 ** 20, unit: "MB" });
report.add({ what: "RSS during, beyond that before", value: (rssMost - rssBefore) / 2 ** 20, unit: "MB" });
report.add({ what: "served during", value: during.commandsPerSec, unit: "commands/s" });
report.add({ what: "served without", value: without.commandsPerSec, unit: "commands/s" });
report.finish(options.json);
process.exit();

function isSnapshotUnderWay(): boolean {
  return existsSync(join(dataDirectory, "snapshot-next.tmp"));
}

function failWhenOver(): boolean {
  if (isLoadOver) throw new Error("the load was over before the snapshot: raise --load-seconds");
  return false;
}

async function measured(untilOver: () => Promise<void>): Promise<Measured> {
  const before = await commands();
  const startMs = performance.now();
  probe.begin();
  await untilOver();
  const delays = await probe.end();
  const secondsPassed = (performance.now() - startMs) / 1_000;
  return { ...delays, commandsPerSec: ((await commands()) - before) / secondsPassed, seconds: secondsPassed };
}

async function commands(): Promise<number> {
  const { operations } = (await synap.command("kv.stats")) as { operations: { gets: number; sets: number } };
  return operations.gets + operations.sets;
}
