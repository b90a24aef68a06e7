/**
 * The specification's scenario 1: 100,000 requests, 80% of them reads, keys of 20 bytes, values of 100 bytes, 10
 * connections that wait for each reply.
 *
 *     npx tsx benchmark-cli/src/studies/scenario-kv.ts [--rounds 3] [--json FILE]
 */
import { fill, type LoadResult, runLoad } from "../load/load.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { startSynap } from "../servers/synap-process.ts";
import { readOptions } from "./options.ts";

const REQUESTS = 100_000;
const CONNECTIONS = 10;
const KEY_BYTES = 20;
const VALUE_BYTES = 100;

const options = readOptions({ rounds: 3, keys: 100_000 });
const report = new Report("Scenario 1: 100,000 requests, 80% reads, 10 connections (fsync: interval)");
for (const protocol of ["websocket", "http"] as const) {
  const runs: LoadResult[] = [];
  for (let round = 0; round < options.rounds; round++) {
    // A fresh server each time: the scenario includes its warming up.
    const synap = await startSynap(options.server, { durability: "interval" });
    await fill(synap.port, { count: options.keys, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES });
    const workload = {
      mix: { get: 0.8, set: 0.2 },
      keys: options.keys,
      keyBytes: KEY_BYTES,
      valueBytes: VALUE_BYTES,
      batch: 1,
    };
    const load = { protocol, port: synap.port, workload, connections: CONNECTIONS, inFlight: 1, requests: REQUESTS };
    const result = await runLoad(load, synap.child);
    await synap.stop();
    runs.push(result);
    const { meanMs, p95Ms, p99Ms } = result.latency;
    const latency = `mean ${meanMs.toFixed(3)} p95 ${p95Ms.toFixed(3)} p99 ${p99Ms.toFixed(3)} ms`;
    report.progress(`${protocol}, round ${round + 1}: ${result.seconds.toFixed(2)} s, ${latency}`);
  }
  const row = (what: string, unit: string, goal: number, of: (run: LoadResult) => number) => {
    const values = runs.map(of);
    report.add({ what: `${protocol}, ${what}`, value: median(values), unit, better: "less", goal, runs: values });
  };
  row("all requests", "s", 2, ({ seconds }) => seconds);
  row("mean", "ms", 0.5, ({ latency }) => latency.meanMs);
  row("p95", "ms", 1, ({ latency }) => latency.p95Ms);
  row("p99", "ms", 2, ({ latency }) => latency.p99Ms);
}
report.finish(options.json);
process.exit();
