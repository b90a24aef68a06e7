/** One run of Redis' own redis-benchmark against a server of RESP, and the CPU time that the server spent on it. */
import { type ChildProcess, execFile } from "node:child_process";
import { promisify } from "node:util";
import { cpuSeconds } from "../servers/processes.ts";

export type RedisTest = "SET" | "GET" | "INCR";

export interface RedisBenchmark {
  readonly test: RedisTest;
  readonly connections: number;
  /** Requests under way on each connection. */
  readonly depth: number;
  readonly requests: number;
  /** Keys are drawn evenly from so many. */
  readonly keys: number;
  readonly valueBytes: number;
}

export interface RedisRun {
  readonly perSec: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Microseconds of the server's CPU for one request. */
  readonly cpuUs: number;
}

export async function runRedisBenchmark(
  { child, port }: { readonly child: ChildProcess; readonly port: number },
  { test, connections, depth, requests, keys, valueBytes }: RedisBenchmark,
): Promise<RedisRun> {
  const before = cpuSeconds(child);
  const { stdout } = await promisify(execFile)("redis-benchmark", [
    ...["-h", "127.0.0.1", "-p", `${port}`, "-t", test.toLowerCase(), "--csv"],
    ...["-c", `${connections}`, "-P", `${depth}`, "-n", `${requests}`],
    ...["-r", `${keys}`, "-d", `${valueBytes}`],
  ]);
  const cpuUs = ((cpuSeconds(child) - before) / requests) * 1e6;
  // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
  const line = stdout.split("\n").find((each) => each.startsWith(`"${test}"`));
  if (line === undefined) throw new Error(`redis-benchmark said nothing of ${test}: ${stdout}`);
  const cells = line.split(",").map((cell) => Number(cell.replaceAll('"', "")));
  return { perSec: cells[1], p50Ms: cells[4], p99Ms: cells[6], cpuUs };
}
