/**
 * GET, SET and INCR over RESP against Redis 7 without persistence, by Redis' own redis-benchmark: the same client, keys and
 * values for both, one after the other in every round. Then the tail of the latency with many connections, and the memory
 * of the same keys.
 *
 *     npx tsx benchmark-cli/src/studies/compare-redis.ts [--rounds 3] [--seconds 3] [--keys 1000000] [--help]
 *
 * On a machine of two cores the client has one and the server the other, so the faster server is held back by the client
 * first: the ratio of the CPU seconds that a request costs the servers is printed beside that of the requests per second.
 *
 * Both are filled first, with the requests that are measured afterwards: adding a key costs far more than changing it, and how much
 * of that there would be otherwise depends on `--rounds` and `--seconds`. What filling takes is shown by itself.
 *
 * With one request in flight on each connection nearly all of a server's time is its sockets'. There a bare server on Node's
 * sockets, which answers the same bytes to whatever comes, takes turns with the two: what it reaches is what Node gives.
 */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { fillRedis, redisUsedMemory, startRedis } from "../peers/redis-process.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { freePort, listening, requirePrograms, rssBytes, start, stop } from "../servers/processes.ts";
import { startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";
import { type RedisBenchmark, type RedisRun, type RedisTest, runRedisBenchmark } from "./redis-benchmark.ts";

const options = benchmarkOptions("RESP against Redis 7 without persistence.", {
  rounds: { default: 3, about: "repetitions, of which the median counts" },
  seconds: { default: 3, min: 0.1, isFraction: true, about: "about how long one run takes" },
  keys: { default: 1_000_000, about: "keys that the requests are spread over" },
  "value-bytes": { default: 100, about: "bytes of a value" },
});

const TESTS: readonly RedisTest[] = ["SET", "GET", "INCR"];
type Bounds = readonly [least: number, goal: number];

/** By how many requests are under way per connection: targets.md, table B. */
const DEPTHS: readonly {
  readonly depth: number;
  readonly perSec: number;
  readonly bounds: Record<RedisTest, Bounds>;
}[] = [
  { depth: 1, perSec: 80_000, bounds: { GET: [0.95, 1], SET: [0.95, 1], INCR: [0.95, 1] } },
  { depth: 16, perSec: 400_000, bounds: { GET: [1.2, 1.5], SET: [1.1, 1.3], INCR: [1, 1.15] } },
  { depth: 64, perSec: 600_000, bounds: { GET: [1.4, 1.8], SET: [1.3, 1.5], INCR: [1.1, 1.25] } },
];
const BARE_SERVER = fileURLToPath(new URL("../servers/bare-resp-server.ts", import.meta.url));
const CONNECTIONS = 50;
/** Of requests that fill a server, on each connection; and so many of them for each key that one in twenty is not there afterwards. */
const FILL_DEPTH = 64;
const FILL_REQUESTS_PER_KEY = 3;
const MANY_CONNECTIONS = 500;

interface Server {
  readonly name: "Redis" | "Synap" | "bare Node";
  readonly child: ChildProcess;
  readonly port: number;
}

requirePrograms(["redis-server", "redis-benchmark"]);
const report = new Report("RESP against Redis 7 without persistence");
await compareMemory();
const redis: Server = { name: "Redis", ...(await startRedis()) };
const synapProcess = await startSynap(options.server, { durability: "memory" });
const synap: Server = { name: "Synap", child: synapProcess.child, port: synapProcess.respPort };
const bare = await startBare();

for (const test of ["SET", "INCR"] as const) {
  const filling = { test, depth: FILL_DEPTH, connections: CONNECTIONS, requests: FILL_REQUESTS_PER_KEY * options.keys };
  const [peer, own] = [await run(redis, filling), await run(synap, filling)];
  report.add({
    what: `${test} -P ${FILL_DEPTH} -c ${CONNECTIONS}, filling an empty server`,
    value: own.perSec / peer.perSec,
    unit: "x",
    note: `${ratesOf([[peer, own]])}; once`,
  });
}
for (const { depth, perSec, bounds } of DEPTHS) {
  for (const test of TESTS) {
    const servers = depth === 1 ? [redis, synap, bare] : [redis, synap];
    const requests = Math.ceil(perSec * options.seconds);
    const runs = await alternate(servers, { test, depth, connections: CONNECTIONS, requests });
    const ratios = runs.map(([peer, own]) => own.perSec / peer.perSec);
    const cpu = median(runs.map(([peer, own]) => peer.cpuUs / own.cpuUs));
    const [least, goal] = bounds[test];
    report.add({
      what: `${test} -P ${depth} -c ${CONNECTIONS}`,
      value: median(ratios),
      unit: "x",
      better: "more",
      least,
      goal,
      runs: ratios,
      note: `${ratesOf(runs)}; ${cpu.toFixed(2)} x per CPU second of the server${ofBare(runs)}`,
    });
  }
}
for (const test of TESTS) {
  const requests = Math.ceil(DEPTHS[0].perSec * options.seconds);
  const runs = await alternate([redis, synap], { test, depth: 1, connections: MANY_CONNECTIONS, requests });
  const [peer, own] = ([0, 1] as const).map((side) => median(runs.map((turns) => turns[side].p99Ms)));
  report.add({
    what: `${test} -c ${MANY_CONNECTIONS}, p99`,
    value: own,
    unit: "ms",
    note: `Redis ${peer.toFixed(2)} ms`,
  });
}
report.finish(options.json);
process.exit();

/** One run of each. */
type Turns = readonly [peer: RedisRun, own: RedisRun, floor?: RedisRun];
type Load = Omit<RedisBenchmark, "keys" | "valueBytes">;

function ratesOf(runs: readonly Turns[]): string {
  const [peer, own] = ([0, 1] as const).map((side) => Math.round(median(runs.map((turns) => turns[side].perSec))));
  return `${own.toLocaleString("en-US")} against ${peer.toLocaleString("en-US")} requests/s`;
}

function ofBare(runs: readonly Turns[]): string {
  const ratios = runs.flatMap(([peer, , floor]) => (floor === undefined ? [] : [floor.perSec / peer.perSec]));
  return ratios.length === 0 ? "" : `; bare Node ${median(ratios).toFixed(2)} x`;
}

/** Runs of the servers in turns; each round begins with another one. The runs of one are in the order of `servers`. */
async function alternate(servers: readonly Server[], load: Load): Promise<Turns[]> {
  const runs: Turns[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const results: RedisRun[] = [];
    for (let turn = 0; turn < servers.length; turn++) {
      const side = (round + turn) % servers.length;
      results[side] = await run(servers[side], load);
    }
    // Redis and Synap are always among them, in this order.
    runs.push(results as [RedisRun, RedisRun, RedisRun?]);
    const shown = results.map(
      ({ perSec, cpuUs }, side) => `${servers[side].name} ${Math.round(perSec)}/s (${cpuUs.toFixed(2)} us of CPU)`,
    );
    report.progress(`round ${round}, ${load.test} -P ${load.depth} -c ${load.connections}: ${shown.join(", ")}`);
  }
  return runs;
}

function run(server: Server, load: Load): Promise<RedisRun> {
  return runRedisBenchmark(server, { ...load, keys: options.keys, valueBytes: options["value-bytes"] });
}

async function startBare(): Promise<Server> {
  const port = await freePort();
  const child = start(process.execPath, [...process.execArgv, BARE_SERVER, `${port}`]);
  await listening(port, child);
  return { name: "bare Node", child, port };
}

/** Both servers fresh, with the same keys from the same client. */
async function compareMemory(): Promise<void> {
  const { keys } = options;
  const valueBytes = options["value-bytes"];
  const peer = await startRedis();
  const own = await startSynap(options.server, { durability: "memory" });
  const empty = [rssBytes(peer.child), rssBytes(own.child)];
  const usedEmpty = await redisUsedMemory(peer.port);
  await fillRedis(peer.port, keys, valueBytes);
  await fillRedis(own.respPort, keys, valueBytes);
  const used = (await redisUsedMemory(peer.port)) - usedEmpty;
  const info = (await own.command("admin.info")) as { memory: { used_bytes: number } };
  const rows = [
    { what: "accounted for", synap: info.memory.used_bytes, redis: used },
    {
      what: "RSS beyond the empty server",
      synap: rssBytes(own.child) - empty[1],
      redis: rssBytes(peer.child) - empty[0],
    },
  ];
  for (const row of rows) {
    report.add({
      what: `${keys.toLocaleString("en-US")} keys: ${row.what}, each`,
      value: row.synap / keys,
      unit: "bytes",
      note: `Redis ${(row.redis / keys).toFixed(1)} bytes`,
    });
  }
  await own.stop();
  await stop(peer.child);
}
