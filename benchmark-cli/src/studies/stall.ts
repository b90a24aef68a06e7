/**
 * Stalls of the server's event loop with 5 million keys at 50,000 commands per second while keys expire: some all the
 * time, and half a million at one instant in the middle. Measured inside the process, beside the same probe in a process
 * that does nothing, which sees the stalls that the machine makes. The log is synced once a second; snapshots have a
 * benchmark of their own (snapshot-stall.ts).
 *
 *     npx tsx benchmark-cli/src/studies/stall.ts [--keys 5000000] [--seconds 10] [--rounds 1] [--json FILE]
 */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { fill, runLoad } from "../load/load.ts";
import type { LoopDelay } from "../load/loop-probe.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { rssBytes, sleep, start } from "../servers/processes.ts";
import { NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import { readOptions } from "./options.ts";

const PROBE = fileURLToPath(new URL("../load/loop-probe.ts", import.meta.url));
const COMMANDS_PER_SEC = 50_000;
const BATCH = 20;
const EXPIRE_TOGETHER = 500_000;
/** Storing the keys that expire together has to be done within this time. */
const FILL_MS = 10_000;
const SETTLE_MS = 2_000;
/** A bare loop that is held up for longer says that the machine is busy with something else. */
const QUIET_MS_MAX = 10;

const options = readOptions({ keys: 5_000_000, seconds: 10, rounds: 1 });
const report = new Report(`Event loop with ${options.keys.toLocaleString("en-US")} keys`);
const probeArgs = [...process.execArgv, "--import", PROBE];
const synap = await startSynap(options.server, {
  durability: "interval",
  args: ["--max-memory", "0", ...NO_SNAPSHOTS],
  nodeArgs: probeArgs,
  ipc: true,
});
const bare = start(process.execPath, [...process.execArgv, PROBE], { stdio: ["ignore", "ignore", "inherit", "ipc"] });

const filledMs = performance.now();
await fill(synap.port, { count: options.keys, valueBytes: VALUE_BYTES });
report.progress(`stored ${options.keys} keys in ${((performance.now() - filledMs) / 1_000).toFixed(1)} s`);

const runs: { synap: LoopDelay; bare: LoopDelay; expired: number }[] = [];
for (let round = 0; round < options.rounds; round++) {
  const expiryMs = Date.now() + FILL_MS + SETTLE_MS + (options.seconds * 1_000) / 2;
  const startMs = expiryMs - (options.seconds * 1_000) / 2;
  await fill(synap.port, { first: options.keys, count: EXPIRE_TOGETHER, valueBytes: VALUE_BYTES, expiryMs });
  if (Date.now() > startMs) throw new Error("storing the keys that expire together took too long");
  await sleep(startMs - Date.now());

  const expiredBefore = await expired();
  const load = await runLoad(
    {
      protocol: "websocket",
      port: synap.port,
      // A fifth are writes that expire one to three seconds later.
      workload: {
        mix: { get: 0.6, set: 0.2, set_ttl: 0.2 },
        keys: options.keys,
        keyBytes: KEY_BYTES,
        valueBytes: VALUE_BYTES,
        batch: BATCH,
        ttlMs: [1_000, 3_000],
      },
      connections: 10,
      requestsPerSec: COMMANDS_PER_SEC / BATCH,
      pacing: "timer",
      seconds: options.seconds,
      warmupSeconds: 1,
    },
    synap.child,
    () => {
      for (const child of [synap.child, bare]) child.send("begin");
    },
  );
  const delays = { synap: await delayOf(synap.child), bare: await delayOf(bare) };
  const run = { ...delays, expired: (await expired()) - expiredBefore };
  runs.push(run);
  const frames = `frames p99 ${load.latency.p99Ms.toFixed(1)}, max ${load.latency.maxMs.toFixed(1)} ms`;
  report.progress(
    `round ${round + 1}: ${Math.round(load.commandsPerSec)} commands/s, ${run.expired} expired, ${frames}`,
  );
  for (const name of ["synap", "bare"] as const) {
    const { p50Ms, p99Ms, p999Ms, maxMs, gcMaxMs } = run[name];
    const shown = [p50Ms, p99Ms, p999Ms, maxMs].map((ms) => ms.toFixed(2)).join(" / ");
    report.progress(`  ${name}: delay p50 / p99 / p99.9 / max ${shown} ms, longest GC ${gcMaxMs.toFixed(1)} ms`);
  }
}

const over = (bound: "p999Ms" | "maxMs") => median(runs.map((run) => run.synap[bound] - run.bare[bound]));
// Less the delays of a bare loop, a busy machine would flatter us: where it stalls itself, nothing is judged.
const isQuiet = runs.every((run) => run.bare.maxMs < QUIET_MS_MAX);
const stallBounds = isQuiet
  ? ({ better: "less", least: 20, goal: 10 } as const)
  : { note: "not judged: the bare loop stalled too, so the machine was busy" };
report.add({ what: "delay p99.9 beyond a bare loop", value: over("p999Ms"), unit: "ms", ...stallBounds });
report.add({ what: "longest delay beyond a bare loop", value: over("maxMs"), unit: "ms", ...stallBounds });
report.add({ what: "delay p99.9, bare loop", value: median(runs.map((run) => run.bare.p999Ms)), unit: "ms" });
report.add({ what: "longest delay, bare loop", value: median(runs.map((run) => run.bare.maxMs)), unit: "ms" });
const gcMaxMs = median(runs.map((run) => run.synap.gcMaxMs));
report.add({ what: "longest GC pause", value: gcMaxMs, unit: "ms", better: "less", goal: 10 });
report.add({ what: "keys expired in a run", value: median(runs.map((run) => run.expired)), unit: "keys" });
report.add({ what: "RSS at the end", value: rssBytes(synap.child) / 2 ** 20, unit: "MB" });
report.finish(options.json);
process.exit();

function delayOf(child: ChildProcess): Promise<LoopDelay> {
  child.send("end");
  return new Promise((resolve) => child.once("message", (delay) => resolve(delay as LoopDelay)));
}

async function expired(): Promise<number> {
  return Number((await synap.command("kv.stats")).expired);
}
