/**
 * SET over RESP with every write on disk before its reply, against Redis 7 with an append-only file: synced once a second,
 * which may lose a second and is what the goal compares with, and synced before each reply, which promises what we promise.
 * Beside them our own server without persistence, which shows what the disk costs. All four in turn in every round, by
 * redis-benchmark with 50 connections.
 *
 *     npx tsx benchmark-cli/src/studies/durable-redis.ts [--rounds 3] [--seconds 3] [--keys 1000000] [--help]
 */

import { type Peer, startRedis } from "../peers/redis-process.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { requirePrograms } from "../servers/processes.ts";
import { NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";
import { type RedisRun, runRedisBenchmark } from "./redis-benchmark.ts";

const options = benchmarkOptions("SET with fsync: always against Redis 7 with its append-only file.", {
  rounds: { default: 3, about: "repetitions, of which the median counts" },
  seconds: { default: 3, min: 0.1, isFraction: true, about: "about how long one run takes" },
  keys: { default: 1_000_000, about: "keys that the requests are spread over" },
  connections: { default: 50, about: "connections of redis-benchmark" },
  "value-bytes": { default: 100, about: "bytes of a value" },
});

/** By requests under way per connection; targets.md, table B, has bounds for 16. `perSec` is about what is reached. */
const DEPTHS = [
  { depth: 1, perSec: 30_000, bounds: {} },
  { depth: 16, perSec: 200_000, bounds: { better: "more", least: 0.8, goal: 1.1 } },
  { depth: 64, perSec: 400_000, bounds: {} },
] as const;
/** The first run of a server is slower, and shows what it costs to compile. */
const WARMUP_REQUESTS = 50_000;

const SYNAP = "Synap, fsync always";
const SYNAP_MEMORY = "Synap without persistence";
const REDIS_EVERYSEC = "Redis, appendfsync everysec";
const REDIS_ALWAYS = "Redis, appendfsync always";

requirePrograms(["redis-server", "redis-benchmark"]);
const report = new Report("SET with fsync: always against Redis 7 with its append-only file");
type Server = Pick<Peer, "child" | "port">;

const servers: readonly { readonly name: string; readonly peer: Server }[] = [
  { name: REDIS_EVERYSEC, peer: await startRedis({ appendfsync: "everysec" }) },
  { name: SYNAP, peer: await synap("always") },
  { name: REDIS_ALWAYS, peer: await startRedis({ appendfsync: "always" }) },
  { name: SYNAP_MEMORY, peer: await synap("memory") },
];
for (const { peer } of servers) await run(peer, 16, WARMUP_REQUESTS);

for (const { depth, perSec, bounds } of DEPTHS) {
  const runs = new Map<string, RedisRun[]>(servers.map(({ name }) => [name, []]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const { name, peer } of servers) {
      const done = await run(peer, depth, Math.ceil(perSec * options.seconds));
      runs.get(name)?.push(done);
      const { p50Ms, p99Ms, cpuUs } = done;
      const latency = `p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)} ms, ${cpuUs.toFixed(2)} us of CPU`;
      report.progress(`round ${round}, -P ${depth}, ${name}: ${Math.round(done.perSec)}/s, ${latency}`);
    }
  }
  for (const [name, each] of runs) {
    const rates = each.map((one) => one.perSec);
    const latency = `p50 ${of(each, "p50Ms")}, p99 ${of(each, "p99Ms")} ms`;
    const note = `${latency}; ${of(each, "cpuUs")} us of the server's CPU per request`;
    report.add({ what: `SET -P ${depth}, ${name}`, value: median(rates), unit: "requests/s", runs: rates, note });
  }
  const own = runs.get(SYNAP) ?? [];
  for (const [name, each] of runs) {
    if (name === SYNAP) continue;
    const ratios = own.map((one, round) => one.perSec / each[round].perSec);
    const judged = name === REDIS_EVERYSEC ? bounds : {};
    report.add({
      what: `SET -P ${depth}, ${SYNAP} against ${name}`,
      value: median(ratios),
      unit: "x",
      runs: ratios,
      ...judged,
    });
  }
}
report.finish(options.json);
process.exit();

async function synap(durability: "always" | "memory"): Promise<Server> {
  const { child, respPort } = await startSynap(options.server, { durability, args: NO_SNAPSHOTS });
  return { child, port: respPort };
}

function run(peer: Server, depth: number, requests: number): Promise<RedisRun> {
  const { connections, keys, "value-bytes": valueBytes } = options;
  return runRedisBenchmark(peer, { test: "SET", depth, connections, requests, keys, valueBytes });
}

function of(runs: readonly RedisRun[], figure: "p50Ms" | "p99Ms" | "cpuUs"): string {
  return median(runs.map((run) => run[figure])).toFixed(2);
}
