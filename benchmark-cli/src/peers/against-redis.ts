/** Gets and sets over RESP, and the same over HTTP with webdis in front of Redis; both without persistence. */
import type { ChildProcess } from "node:child_process";
import { type Fill, fill, type Load, runLoad } from "../load/load.ts";
import { KEY_BYTES, type Workload } from "../load/workload.ts";
import type { ScenarioResult } from "../report/result.ts";
import type { Row } from "../report/row.ts";
import type { Stage } from "../scenarios/stage.ts";
import { cpuSeconds, stop } from "../servers/processes.ts";
import { type Bounds, compareInTurns, type TurnResult } from "./comparison.ts";
import { type PeerOptions, WARMUP_SECS } from "./peer-options.ts";
import { startRedis, startWebdis } from "./redis-process.ts";

/** Of targets.md; with our own client, which is slower than redis-benchmark, both servers come closer together. */
const RESP_CASES: readonly { name: string; pipeline: number; mix: Workload["mix"]; bounds: Bounds }[] = [
  { name: "GET -P 1", pipeline: 1, mix: { get: 1 }, bounds: { least: 0.95, goal: 1 } },
  { name: "SET -P 1", pipeline: 1, mix: { set: 1 }, bounds: { least: 0.95, goal: 1 } },
  { name: "GET -P 16", pipeline: 16, mix: { get: 1 }, bounds: { least: 1.2, goal: 1.5 } },
  { name: "SET -P 16", pipeline: 16, mix: { set: 1 }, bounds: { least: 1.1, goal: 1.3 } },
];

const HTTP_CASES: readonly { name: string; mix: Workload["mix"]; bounds?: Bounds }[] = [
  { name: "GET", mix: { get: 1 }, bounds: { least: 1.6, goal: 2 } },
  { name: "SET", mix: { set: 1 } },
];

export async function againstRedis(options: PeerOptions, stage: Stage): Promise<ScenarioResult> {
  const redis = await startRedis();
  const synap = await stage.open({ durability: "memory" });
  await fill(redis.port, { ...fillOf(options), protocol: "resp" });
  await fill(synap.port, fillOf(options));
  const rates: Row[] = [];
  const ratios: Row[] = [];
  for (const { name, pipeline, mix, bounds } of RESP_CASES) {
    const load = (port: number): Load => ({ ...loadOf(options, mix), protocol: "resp", port, inFlight: pipeline });
    const rows = await compareInTurns(
      stage,
      {
        unit: "requests/s",
        peer: { name: `Redis, ${name}`, run: () => turn(load(redis.port), [redis.child]) },
        own: [{ name: `Synap, ${name}`, bounds, run: () => turn(load(synap.respPort), childrenOf(synap.child)) }],
      },
      options.rounds,
    );
    rates.push(...rows.rates);
    ratios.push(...rows.ratios);
  }
  await synap.stop();
  await stop(redis.child);
  return result("redis", "Redis, gets and sets over RESP", options, [...ratios, ...rates], [redis.settings]);
}

export async function againstWebdis(options: PeerOptions, stage: Stage): Promise<ScenarioResult> {
  const redis = await startRedis();
  const webdis = await startWebdis(redis.port);
  const synap = await stage.open({ durability: "memory" });
  await fill(redis.port, { ...fillOf(options), protocol: "resp" });
  await fill(synap.port, fillOf(options));
  const rates: Row[] = [];
  const ratios: Row[] = [];
  for (const { name, mix, bounds } of HTTP_CASES) {
    const load: Omit<Load, "port"> = { ...loadOf(options, mix), protocol: "http", inFlight: 1, autocannon: true };
    const peerLoad: Load = { ...load, port: webdis.port, httpDialect: "webdis" };
    const rows = await compareInTurns(
      stage,
      {
        unit: "requests/s",
        peer: { name: `webdis, ${name}`, run: () => turn(peerLoad, [webdis.child, redis.child]) },
        own: [
          {
            name: `Synap over HTTP, ${name}`,
            run: () => turn({ ...load, port: synap.port }, childrenOf(synap.child)),
            ...(bounds === undefined ? {} : { bounds }),
          },
        ],
      },
      options.rounds,
    );
    rates.push(...rows.rates);
    ratios.push(...rows.ratios);
  }
  await synap.stop();
  await stop(webdis.child);
  await stop(redis.child);
  const settings = [
    webdis.settings,
    redis.settings,
    "requests are made by autocannon, which one core holds back first",
  ];
  return result(
    "webdis",
    "webdis in front of Redis, gets and sets over HTTP",
    options,
    [...ratios, ...rates],
    settings,
  );
}

function fillOf({ keys, payloadSize }: PeerOptions): Fill {
  return { count: keys, keyBytes: KEY_BYTES, valueBytes: payloadSize };
}

function loadOf({ keys, payloadSize, connections, duration, seed }: PeerOptions, mix: Workload["mix"]) {
  const workload: Workload = { mix, keys, keyBytes: KEY_BYTES, valueBytes: payloadSize, batch: 1 };
  return { workload, connections, seconds: duration, warmupSeconds: WARMUP_SECS, seed };
}

function childrenOf(child: ChildProcess | undefined): ChildProcess[] {
  return child === undefined ? [] : [child];
}

/** @param servers whose CPU time counts, together */
async function turn(load: Load, servers: readonly ChildProcess[]): Promise<TurnResult> {
  const cpu = () => servers.reduce((sum, server) => sum + cpuSeconds(server), 0);
  let cpuStart = 0;
  const done = await runLoad(load, servers[0], () => {
    cpuStart = cpu();
  });
  const serverSecs = cpu() - cpuStart;
  const cores = (serverSecs / done.seconds).toFixed(2);
  return {
    perSec: done.commandsPerSec,
    perCpuSec: done.commands / serverSecs,
    cpu: `CPU server ${cores}, client ${done.clientCpu.toFixed(2)}, p99 ${done.latency.p99Ms.toFixed(2)} ms`,
  };
}

function result(
  scenario: string,
  title: string,
  options: PeerOptions,
  rows: readonly Row[],
  notes: readonly string[],
): ScenarioResult {
  const full = `Synap beside ${title} (without persistence)`;
  return { scenario, title: full, settings: { ...options }, rows, phases: [], errors: {}, notes };
}
