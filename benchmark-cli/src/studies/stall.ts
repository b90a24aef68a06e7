/**
 * Stalls of the server's event loop with 5 million keys at 50,000 commands per second while keys expire: some all the
 * time, and half a million at one instant in the middle. Measured inside the process, beside the same probe in a process
 * that does nothing, which sees the stalls that the machine makes. The log is synced once a second; snapshots have a
 * benchmark of their own (snapshot-stall.ts).
 *
 *     npx tsx benchmark-cli/src/studies/stall.ts [--keys 5000000] [--seconds 10] [--rounds 1] [--json FILE]
 */
import { fill, runLoad } from "../load/load.ts";
import { VALUE_BYTES } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { rssBytes, sleep } from "../servers/processes.ts";
import { NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import { readOptions } from "./options.ts";
import { type LoopDelays, PROBE_ARGS, StallProbe, shownDelay, stallBounds, stallLoad } from "./stall-probe.ts";

const COMMANDS_PER_SEC = 50_000;
const EXPIRE_TOGETHER = 500_000;
/** Storing the keys that expire together has to be done within this time. */
const FILL_MS = 10_000;
const SETTLE_MS = 2_000;

const options = readOptions({ keys: 5_000_000, seconds: 10, rounds: 1 });
const report = new Report(`Event loop with ${options.keys.toLocaleString("en-US")} keys`);
const synap = await startSynap(options.server, {
  durability: "interval",
  args: ["--max-memory", "0", ...NO_SNAPSHOTS],
  nodeArgs: PROBE_ARGS,
  ipc: true,
});
const probe = new StallProbe(synap.child);

const filledMs = performance.now();
await fill(synap.port, { count: options.keys, valueBytes: VALUE_BYTES });
report.progress(`stored ${options.keys} keys in ${((performance.now() - filledMs) / 1_000).toFixed(1)} s`);

const runs: (LoopDelays & { readonly expired: number })[] = [];
for (let round = 0; round < options.rounds; round++) {
  const expiryMs = Date.now() + FILL_MS + SETTLE_MS + (options.seconds * 1_000) / 2;
  const startMs = expiryMs - (options.seconds * 1_000) / 2;
  await fill(synap.port, { first: options.keys, count: EXPIRE_TOGETHER, valueBytes: VALUE_BYTES, expiryMs });
  if (Date.now() > startMs) throw new Error("storing the keys that expire together took too long");
  await sleep(startMs - Date.now());

  const expiredBefore = await expired();
  const load = await runLoad(stallLoad(synap.port, options.keys, COMMANDS_PER_SEC, options.seconds), synap.child, () =>
    probe.begin(),
  );
  const run = { ...(await probe.end()), expired: (await expired()) - expiredBefore };
  runs.push(run);
  const frames = `frames p99 ${load.latency.p99Ms.toFixed(1)}, max ${load.latency.maxMs.toFixed(1)} ms`;
  report.progress(
    `round ${round + 1}: ${Math.round(load.commandsPerSec)} commands/s, ${run.expired} expired, ${frames}`,
  );
  for (const name of ["synap", "bare"] as const) {
    const shown = `${shownDelay(run[name])} ms, longest GC ${run[name].gcMaxMs.toFixed(1)} ms`;
    report.progress(`  ${name}: delay p50 / p99 / p99.9 / max ${shown}`);
  }
}

const over = (bound: "p999Ms" | "maxMs") => median(runs.map((run) => run.synap[bound] - run.bare[bound]));
const bounds = stallBounds(runs);
report.add({ what: "delay p99.9 beyond a bare loop", value: over("p999Ms"), unit: "ms", ...bounds });
report.add({ what: "longest delay beyond a bare loop", value: over("maxMs"), unit: "ms", ...bounds });
report.add({ what: "delay p99.9, bare loop", value: median(runs.map((run) => run.bare.p999Ms)), unit: "ms" });
report.add({ what: "longest delay, bare loop", value: median(runs.map((run) => run.bare.maxMs)), unit: "ms" });
const gcMaxMs = median(runs.map((run) => run.synap.gcMaxMs));
report.add({ what: "longest GC pause", value: gcMaxMs, unit: "ms", better: "less", goal: 10 });
report.add({ what: "keys expired in a run", value: median(runs.map((run) => run.expired)), unit: "keys" });
report.add({ what: "RSS at the end", value: rssBytes(synap.child) / 2 ** 20, unit: "MB" });
report.finish(options.json);
process.exit();

async function expired(): Promise<number> {
  return Number((await synap.command("kv.stats")).expired);
}
