/**
 * Scenario 1: gets and sets. First a closed loop, for the rate, then the same mix at fixed instants, for the latencies; by
 * default at a fifth of what the closed loop has just reached.
 */

import type { Protocol } from "../load/connection.ts";
import { fill, type Load, type LoadObserver, type LoadResult, runLoad, sumErrors } from "../load/load.ts";
import { targetAddress } from "../load/target-address.ts";
import type { Phase, ScenarioResult } from "../report/result.ts";
import type { Row } from "../report/row.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { type FsyncPolicy, NO_SNAPSHOTS } from "../servers/synap-process.ts";
import { portOf, type Target } from "../servers/target.ts";
import { clientLimits, cpuNote, latencyRows, repeat } from "./judgement.ts";
import { checkPipeline } from "./protocol-options.ts";
import type { Stage } from "./stage.ts";

export interface KvOptions {
  readonly protocol: Protocol;
  readonly operations: number;
  /** Seconds of each loop, in place of a number of operations. */
  readonly duration: number | undefined;
  readonly readRatio: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly keys: number;
  readonly connections: number;
  /** Requests of a connection without a reply. */
  readonly pipeline: number;
  /** Commands of one request. */
  readonly batch: number;
  readonly loop: "closed" | "open" | "both";
  /** Of the open loop, operations per second. */
  readonly rate: number | undefined;
  readonly warmup: number;
  readonly seed: number;
  readonly clients: number;
  readonly fsync: FsyncPolicy;
  readonly rounds: number;
}

const SHARE_OF_MAXIMUM = 1 / 5;
const OPEN_SECS = 3;
/** The specification's figures: 100,000 operations in 2 s, and the latencies of a connection that waits for its replies. */
const OPERATIONS_PER_SEC = 50_000;
const CEILINGS = { mean: 0.5, p95: 1, p99: 2 } as const;

export function runKv(options: KvOptions, stage: Stage): Promise<ScenarioResult> {
  check(options);
  return repeat(options.rounds, () => runOnce(options, stage));
}

function check(options: KvOptions): void {
  const { protocol, pipeline, batch, connections, clients, operations, duration, loop } = options;
  checkPipeline(protocol, pipeline, "--connections");
  if (protocol === "resp" && batch > 1) {
    throw new BenchmarkError("--batch above 1 does not go with --protocol resp, which has no batches: use --pipeline");
  }
  if (clients > connections) throw new BenchmarkError(`--clients ${clients} need at least as many --connections`);
  if (duration !== undefined || loop === "open") return;
  if (Math.ceil(operations / batch) < connections) {
    throw new BenchmarkError(
      `--operations ${operations}, ${batch} to a request (--batch), are fewer requests than there are connections: ` +
        `at least ${(connections - 1) * batch + 1} are needed, or fewer --connections`,
    );
  }
}

async function runOnce(options: KvOptions, stage: Stage): Promise<ScenarioResult> {
  // A fresh server each time: the scenario includes its warming up.
  const target = await stage.open(
    { durability: options.fsync, args: NO_SNAPSHOTS },
    { uses: ["keys"], protocol: options.protocol },
  );
  const before = await fillAll(options, target);
  const phases: Phase[] = [];
  const rows: Row[] = [];
  const results: LoadResult[] = [];
  let rate = options.rate;
  if (options.loop !== "open") {
    const { phase, result } = await measure("closed loop", closedLoad(options, target), options, target, stage);
    phases.push(phase);
    results.push(result);
    rate ??= result.commandsPerSec * SHARE_OF_MAXIMUM;
    rows.push(...closedRows(options, result, phase));
  }
  if (options.loop !== "closed") {
    const perSec = rate ?? OPERATIONS_PER_SEC * SHARE_OF_MAXIMUM;
    const load = openLoad(options, target, perSec);
    const { phase, result } = await measure("open loop", load, options, target, stage);
    phases.push(phase);
    results.push(result);
    rows.push(...openRows(perSec, result, phase));
  }
  const notes = clientLimits(phases, options.clients);
  if (options.protocol === "http" && options.loop !== "open" && !targetAddress().isSecure) {
    notes.push("the closed loop of HTTP is made by autocannon");
  }
  notes.push(await verifyCounts(options, target, before, results));
  await target.stop();
  return {
    scenario: "kv",
    title: titleOf(options),
    settings: settingsOf(options, target),
    rows,
    phases,
    errors: sumErrors(results),
    notes,
  };
}

function titleOf({ protocol, readRatio, connections, fsync }: KvOptions): string {
  return `Keys and values over ${protocol}: ${Math.round(readRatio * 100)}% reads, ${connections} connections (fsync: ${fsync})`;
}

function settingsOf(options: KvOptions, target: Target): ScenarioResult["settings"] {
  const { duration, rate, ...rest } = options;
  return {
    ...rest,
    server: target.name,
    ...(duration === undefined ? {} : { duration }),
    ...(rate === undefined ? {} : { rate }),
  };
}

interface Counts {
  readonly ran: number;
  readonly misses: number;
}

async function fillAll(options: KvOptions, target: Target): Promise<Counts> {
  const { protocol, keys, keySize, valueSize } = options;
  // Before anything is written.
  portOf(target, protocol);
  const fillProtocol = isOnlyResp(target) ? "resp" : "websocket";
  await fill(target.port, { count: keys, keyBytes: keySize, valueBytes: valueSize, protocol: fillProtocol });
  return isOnlyResp(target) ? { ran: Number.NaN, misses: 0 } : await counts(target);
}

/** A server of `redis://` that answers nothing but RESP. */
function isOnlyResp({ address }: Target): boolean {
  return address?.speaks === "resp";
}

async function counts(target: Target): Promise<Counts> {
  // The contract's reply of kv.stats.
  const { operations } = (await target.command("kv.stats")) as { operations: Record<string, number> };
  return { ran: operations.gets + operations.sets, misses: operations.misses };
}

/** Holds what was sent against what the server says it has run. */
async function verifyCounts(
  options: KvOptions,
  target: Target,
  before: Counts,
  results: readonly LoadResult[],
): Promise<string> {
  if (isOnlyResp(target)) return "what the server ran was not counted: it was reached by RESP alone";
  const after = await counts(target);
  const sent = results.reduce((sum, { commandsSent }) => sum + commandsSent, 0);
  const failed = Object.values(sumErrors(results)).reduce((sum, times) => sum + times, 0);
  const ran = after.ran - before.ran;
  const misses = after.misses - before.misses;
  if (misses > 0) throw new BenchmarkError(`${misses} gets missed: something else removes keys of this server`);
  // Autocannon does not count what is in flight when it ends.
  const isExact = options.protocol !== "http" && failed === 0 && target.child !== undefined;
  if (isExact && ran !== sent) throw new BenchmarkError(`${sent} operations were sent, but the server ran ${ran}`);
  return `the server counted ${ran.toLocaleString("en-US")} gets and sets of ${sent.toLocaleString("en-US")} sent, and no miss`;
}

function loadOf(options: KvOptions, target: Target): Load {
  const { protocol, readRatio, keys, keySize, valueSize, batch, connections, warmup, seed } = options;
  const mix = { get: readRatio, set: 1 - readRatio };
  return {
    protocol,
    port: portOf(target, protocol),
    workload: { mix, keys, keyBytes: keySize, valueBytes: valueSize, batch },
    connections,
    seed,
    countsErrors: true,
    ...(warmup > 0 ? { warmupSeconds: warmup } : {}),
  };
}

function closedLoad(options: KvOptions, target: Target): Load {
  const { duration, operations, batch, pipeline } = options;
  const amount = duration === undefined ? { requests: Math.ceil(operations / batch) } : { seconds: duration };
  return { ...loadOf(options, target), ...amount, inFlight: pipeline, autocannon: true };
}

function openLoad(options: KvOptions, target: Target, perSec: number): Load {
  const { duration = OPEN_SECS, batch } = options;
  // What is done without a warm-up was warmed by the closed loop.
  return { ...loadOf(options, target), requestsPerSec: perSec / batch, pacing: "nap", seconds: duration };
}

async function measure(
  name: string,
  load: Load,
  options: KvOptions,
  target: Target,
  stage: Stage,
): Promise<{ phase: Phase; result: LoadResult }> {
  let recorder: Awaited<ReturnType<Stage["record"]>> | undefined;
  let recording: Promise<void> = Promise.resolve();
  let generators: Parameters<NonNullable<LoadObserver["onStart"]>>[0] = [];
  const total = load.requests === undefined ? {} : { total: load.requests * options.batch };
  const seconds = load.seconds === undefined ? {} : { seconds: load.seconds };
  const observer: LoadObserver = {
    onStart: (processes) => {
      generators = processes;
    },
    onMeasuring: () => {
      const recorded = { name, unit: "operations", usage: target.usage, clients: generators, ...total, ...seconds };
      recording = stage.record(recorded).then((begun) => {
        recorder = begun;
      });
    },
    onProgress: (progress) => recorder?.progress(progress),
  };
  const result = await runLoad(load, target.child, observer, options.clients);
  await recording;
  if (recorder === undefined) throw new Error("the load never began");
  const latencies = [{ name: `${name}, all operations`, latency: result.latency, counts: result.latencies }];
  const finished = await recorder.finish(result.commands, result.seconds, latencies);
  const cores = target.child === undefined ? {} : { serverCores: result.serverCpu };
  const phase = stage.keep({ ...finished, ...cores, clientCores: result.clientCpu });
  stage.line(
    `  ${options.protocol}, ${name}: ${Math.round(result.commandsPerSec).toLocaleString("en-US")} operations/s, ` +
      `p95 ${result.latency.p95Ms.toFixed(3)} ms, ${cpuNote(phase)}`,
  );
  return { phase, result };
}

function closedRows(options: KvOptions, result: LoadResult, phase: Phase): Row[] {
  const { protocol, duration, operations, pipeline, batch } = options;
  const waits = pipeline === 1 && batch === 1;
  const all: Row = {
    what: `${protocol}, all ${operations.toLocaleString("en-US")} operations`,
    value: result.seconds,
    unit: "s",
    better: "less",
    goal: operations / OPERATIONS_PER_SEC,
  };
  return [
    ...(duration === undefined ? [all] : []),
    {
      what: `${protocol}, closed loop`,
      value: result.commandsPerSec,
      unit: "operations/s",
      better: "more",
      goal: OPERATIONS_PER_SEC,
      note: cpuNote(phase),
    },
    ...latencyRows(`${protocol}, closed loop`, result.latency, waits ? CEILINGS : {}),
  ];
}

function openRows(perSec: number, result: LoadResult, phase: Phase): Row[] {
  const note = `from the instant it was due, at ${Math.round(perSec).toLocaleString("en-US")}/s, reached ${Math.round(result.commandsPerSec).toLocaleString("en-US")}/s; ${cpuNote(phase)}`;
  return latencyRows("open loop", result.latency, { p95: 1 }, note);
}
