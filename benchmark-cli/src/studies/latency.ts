/**
 * Latency of single commands at a fifth of the rate that a closed loop reaches, over WebSocket (MessagePack, 10
 * connections) and HTTP (JSON, 50 connections). Open loop: counted from the instant a request was due. Writes
 * include the log, which is synced once a second; latency-durable.ts compares the three choices of fsync.
 *
 *     npx tsx benchmark-cli/src/studies/latency.ts [--seconds 3] [--keys 100000] [--json FILE]
 */
import { fill, type Load, runLoad } from "../load/load.ts";
import { KEY_BYTES, type Operation, VALUE_BYTES } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import { readOptions } from "./options.ts";

const SHARE_OF_MAXIMUM = 1 / 5;

/** The specification's ceilings for p95. */
const CASES: readonly { operation: Operation; name: string; p95MsMax: number }[] = [
  { operation: "get", name: "kv.get", p95MsMax: 0.5 },
  { operation: "set", name: "kv.set", p95MsMax: 1 },
  { operation: "incr", name: "kv.incr", p95MsMax: 0.5 },
  { operation: "scan", name: "kv.scan of 100", p95MsMax: 5 },
];

const options = readOptions({ seconds: 3, keys: 100_000 });
const report = new Report("Latency at a fifth of the maximum rate (fsync: interval)");
const synap = await startSynap(options.server, { durability: "interval", args: NO_SNAPSHOTS });
await fill(synap.port, { count: options.keys, valueBytes: VALUE_BYTES });

for (const protocol of ["websocket", "http"] as const) {
  for (const { operation, name, p95MsMax } of CASES) {
    const load: Load = {
      protocol,
      port: synap.port,
      workload: { mix: { [operation]: 1 }, keys: options.keys, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, batch: 1 },
      connections: protocol === "http" ? 50 : 10,
    };
    const inFlight = protocol === "http" ? 1 : 4;
    const most = await runLoad({ ...load, inFlight, seconds: 1, warmupSeconds: 0.5 }, synap.child);
    const requestsPerSec = most.commandsPerSec * SHARE_OF_MAXIMUM;
    const { latency } = await runLoad(
      { ...load, requestsPerSec, pacing: "spin", seconds: options.seconds, warmupSeconds: 0.5 },
      synap.child,
    );
    const shown = { p50: latency.p50Ms, p95: latency.p95Ms, p99: latency.p99Ms, max: latency.maxMs };
    const rate = `at ${Math.round(requestsPerSec)}/s, maximum ${Math.round(most.commandsPerSec)}/s`;
    const text = Object.entries(shown).map(([which, ms]) => `${which} ${ms.toFixed(3)}`);
    report.progress(`${protocol} ${name}: ${text.join(", ")} ms, ${rate}`);
    report.add({ what: `${protocol}, ${name}, p50`, value: latency.p50Ms, unit: "ms", note: rate });
    report.add({ what: `${protocol}, ${name}, p95`, value: latency.p95Ms, unit: "ms", better: "less", goal: p95MsMax });
    report.add({ what: `${protocol}, ${name}, p99`, value: latency.p99Ms, unit: "ms" });
  }
}
report.finish(options.json);
process.exit();
