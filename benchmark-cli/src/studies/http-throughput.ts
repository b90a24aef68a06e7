/**
 * Requests per second over HTTP, `wrk -t1 -c50`, random keys, beside a bare uWebSockets.js handler and beside webdis in
 * front of Redis; all three run at the same time and are measured in turn.
 *
 *     npx tsx benchmark-cli/src/studies/http-throughput.ts [--rounds 5] [--seconds 2] [--keys 100000] [--json FILE]
 */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { fill } from "../load/load.ts";
import { drawValue, keyOf, VALUE_BYTES } from "../load/workload.ts";
import { fillRedis, startRedis, startWebdis } from "../peers/redis-process.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { freePort, listening, requirePrograms, start } from "../servers/processes.ts";
import { startSynap } from "../servers/synap-process.ts";
import { readOptions } from "./options.ts";
import { runWrk } from "./wrk.ts";

const BARE_SERVER = fileURLToPath(new URL("../servers/bare-server.ts", import.meta.url));

const options = readOptions({ rounds: 5, seconds: 2, keys: 100_000 });
requirePrograms(["wrk", "redis-server", "webdis"]);
const report = new Report("HTTP requests per second (without persistence)");

const synap = await startSynap(options.server, { durability: "memory" });
const redis = await startRedis();
const webdis = await startWebdis(redis.port);
await fill(synap.port, { count: options.keys, valueBytes: VALUE_BYTES });
await fillRedis(redis.port, options.keys, VALUE_BYTES);
const bareGet = await startBare(await bodyOf("kv.get", { key: keyOf(0) }));
const bareSet = await startBare(await bodyOf("kv.set", { key: keyOf(0), value: drawValue(VALUE_BYTES) }));

interface Contender {
  readonly name: "synap" | "bare" | "webdis";
  readonly script: string;
  readonly port: number;
  readonly servers: readonly ChildProcess[];
}

for (const operation of ["get", "set"] as const) {
  const bare = operation === "get" ? bareGet : bareSet;
  const contenders: readonly Contender[] = [
    { name: "synap", script: `kv-${operation}`, port: synap.port, servers: [synap.child] },
    { name: "bare", script: `kv-${operation}`, port: bare.port, servers: [bare.child] },
    { name: "webdis", script: `webdis-${operation}`, port: webdis.port, servers: [webdis.child, redis.child] },
  ];
  const rates: Record<Contender["name"], number[]> = { synap: [], bare: [], webdis: [] };
  const cpu: Record<Contender["name"], number[]> = { synap: [], bare: [], webdis: [] };
  for (let round = 0; round < options.rounds; round++) {
    for (const { name, script, port, servers } of contenders) {
      const { requestsPerSec, serverCpu } = await runWrk(script, port, options.seconds, options.keys, servers);
      rates[name].push(requestsPerSec);
      cpu[name].push(serverCpu);
    }
    const line = contenders.map(({ name }) => `${name} ${Math.round(rates[name][round])}`).join(", ");
    report.progress(`kv.${operation}, round ${round + 1}: ${line} requests/s`);
  }
  const micros = (name: Contender["name"]) =>
    median(rates[name].map((rate, round) => (1e6 * cpu[name][round]) / rate)).toFixed(1);
  for (const { name } of contenders) {
    report.add({
      what: `kv.${operation}, ${name}`,
      value: median(rates[name]),
      unit: "requests/s",
      runs: rates[name],
      note: `server CPU ${median(cpu[name]).toFixed(2)} cores, ${micros(name)} us each`,
      ...(name === "synap" && operation === "get" ? ({ better: "more", goal: 100_000 } as const) : {}),
    });
  }
  const ratio = (peer: "bare" | "webdis") => median(rates.synap.map((rate, round) => rate / rates[peer][round]));
  const perCpuSecond = (name: Contender["name"], round: number) => rates[name][round] / cpu[name][round];
  const ratioByCpu = median(rates.synap.map((_, round) => perCpuSecond("synap", round) / perCpuSecond("bare", round)));
  const judged = operation === "get";
  report.add({
    what: `kv.${operation} against bare`,
    value: ratio("bare"),
    unit: "x",
    ...(judged ? ({ better: "more", least: 0.7, goal: 0.85 } as const) : {}),
  });
  report.add({
    what: `kv.${operation} against bare, per CPU second of the server`,
    value: ratioByCpu,
    unit: "x",
    note: "the same ratio where something else also wants the cores",
  });
  report.add({
    what: `kv.${operation} against webdis`,
    value: ratio("webdis"),
    unit: "x",
    ...(judged ? ({ better: "more", least: 1.6, goal: 2 } as const) : {}),
  });
}
report.finish(options.json);
process.exit();

/** The reply that the bare handler repeats, so that both send as many bytes. */
async function bodyOf(command: string, payload: object): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${synap.port}/api/v1/command`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ command, payload }),
  });
  return await response.text();
}

async function startBare(body: string): Promise<{ child: ChildProcess; port: number }> {
  const port = await freePort();
  const child = start(process.execPath, [...process.execArgv, BARE_SERVER, `${port}`, body]);
  await listening(port, child);
  return { child, port };
}
