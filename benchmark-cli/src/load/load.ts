/**
 * A load on a server, made by a process of its own so that client and server do not share a core, and what came of it.
 *
 * A closed loop sends a request when a reply comes, and finds the most a server can do. An open loop sends at fixed
 * instants whatever comes back, and measures latency from the instant a request was due: a stall is paid by all requests
 * that were due in it, not by one.
 */
import { type ChildProcess, fork } from "node:child_process";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { moduleFile } from "../servers/module-file.ts";
import { cpuSeconds, stop, track } from "../servers/processes.ts";
import { openConnection, type Protocol } from "./connection.ts";
import { type Latency, type LatencyCounts, LatencyHistogram } from "./latency-histogram.ts";
import { drawValue, failuresOf, keyOf, requestOf, type Workload } from "./workload.ts";

export interface Load {
  readonly protocol: Protocol;
  readonly port: number;
  readonly workload: Workload;
  readonly connections: number;
  /** Closed loop: requests that one connection may have without a reply. */
  readonly inFlight?: number;
  /** Open loop: requests per second of all connections together. */
  readonly requestsPerSec?: number;
  /**
   * Open loop: how the instants are met. `spin` meets them to microseconds and costs a core, `nap` to a tenth of a
   * millisecond and leaves the core to others in between, a timer to about 1 ms.
   */
  readonly pacing?: "spin" | "nap" | "timer";
  /** Ends after this long, or after `requests`. */
  readonly seconds?: number;
  readonly requests?: number;
  readonly warmupSeconds?: number;
  /** Repeats the same requests; without it every run draws others. */
  readonly seed?: number;
  /** Whether failures are counted by code; else the first one ends the run. */
  readonly countsErrors?: boolean;
  /** HTTP in a closed loop: whether autocannon makes the requests. An open loop is always our own, since it has none. */
  readonly autocannon?: boolean;
  /** Whom autocannon talks to. */
  readonly httpDialect?: "synap" | "webdis";
}

/** How often each command failed, by the error's code. */
export type ErrorCounts = Readonly<Record<string, number>>;

export interface Generated {
  readonly seconds: number;
  readonly requests: number;
  readonly commands: number;
  /** Commands sent in all, warm-up included. */
  readonly commandsSent: number;
  readonly clientCpuSecs: number;
  readonly latencies: LatencyCounts;
  readonly errors: ErrorCounts;
}

export interface LoadResult extends Generated {
  readonly commandsPerSec: number;
  readonly latency: Latency;
  /** CPU seconds per second of the server and of the generators. */
  readonly serverCpu: number;
  readonly clientCpu: number;
}

/** What a generator has done since it last said so. */
export interface Progress {
  readonly done: number;
  readonly latencies: LatencyCounts;
}

export type GeneratorMessage =
  | { readonly kind: "measuring" }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "measured"; readonly generated: Generated }
  | { readonly kind: "failed"; readonly message: string };

export interface LoadObserver {
  /** The warm-up is over. */
  onMeasuring?(): void;
  onProgress?(progress: Progress): void;
  /** The processes that make the load. */
  onStart?(generators: readonly ChildProcess[]): void;
}

const GENERATOR = moduleFile(new URL("load-generator.ts", import.meta.url));

/**
 * @param server whose CPU time is measured beside; undefined where it is not ours.
 * @param count how many processes share the load.
 */
export async function runLoad(
  load: Load,
  server: ChildProcess | undefined,
  observer: LoadObserver | (() => void) = {},
  count = 1,
): Promise<LoadResult> {
  const watching: LoadObserver = typeof observer === "function" ? { onMeasuring: observer } : observer;
  const generators = Array.from({ length: count }, () =>
    track(fork(GENERATOR, { stdio: ["ignore", "inherit", "inherit", "ipc"] })),
  );
  watching.onStart?.(generators);
  let serverCpuStart = 0;
  let measuring = 0;
  const onMeasuring = () => {
    measuring += 1;
    if (measuring < count) return;
    if (server !== undefined) serverCpuStart = cpuSeconds(server);
    watching.onMeasuring?.();
  };
  try {
    const parts = await Promise.all(
      generators.map((generator, index) => runGenerator(generator, shareOf(load, index, count), onMeasuring, watching)),
    );
    const generated = merge(parts);
    const errors = Object.entries(generated.errors);
    if (load.countsErrors !== true && errors.length > 0) {
      throw new Error(`commands failed: ${errors.map(([code, times]) => `${times} x ${code}`).join(", ")}`);
    }
    return {
      ...generated,
      commandsPerSec: generated.commands / generated.seconds,
      latency: LatencyHistogram.of([generated.latencies]).latency(),
      serverCpu: server === undefined ? Number.NaN : (cpuSeconds(server) - serverCpuStart) / generated.seconds,
      clientCpu: generated.clientCpuSecs / generated.seconds,
    };
  } finally {
    await Promise.all(generators.map(stop));
  }
}

/** One generator's part of a load: its connections, its share of rate and requests, and a seed of its own. */
function shareOf(load: Load, index: number, count: number): Load {
  const part = (whole: number) => Math.floor(whole / count) + (index < whole % count ? 1 : 0);
  return {
    ...load,
    connections: part(load.connections),
    ...(load.requests === undefined ? {} : { requests: part(load.requests) }),
    ...(load.requestsPerSec === undefined ? {} : { requestsPerSec: load.requestsPerSec / count }),
    ...(load.seed === undefined ? {} : { seed: load.seed + index }),
  };
}

function runGenerator(
  generator: ChildProcess,
  load: Load,
  onMeasuring: () => void,
  watching: LoadObserver,
): Promise<Generated> {
  return new Promise((resolve, reject) => {
    generator.on("message", (message: GeneratorMessage) => {
      if (message.kind === "measuring") onMeasuring();
      else if (message.kind === "progress") watching.onProgress?.(message.progress);
      else if (message.kind === "measured") resolve(message.generated);
      else reject(new BenchmarkError(message.message));
    });
    generator.once("exit", (code) => reject(new Error(`the load generator ended with code ${code}`)));
    generator.send(load);
  });
}

function merge(parts: readonly Generated[]): Generated {
  const sum = (of: (part: Generated) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    seconds: Math.max(...parts.map(({ seconds }) => seconds)),
    requests: sum(({ requests }) => requests),
    commands: sum(({ commands }) => commands),
    commandsSent: sum(({ commandsSent }) => commandsSent),
    clientCpuSecs: sum(({ clientCpuSecs }) => clientCpuSecs),
    latencies: LatencyHistogram.of(parts.map(({ latencies }) => latencies)).export(),
    errors: sumErrors(parts),
  };
}

export function sumErrors(parts: readonly Pick<Generated, "errors">[]): ErrorCounts {
  const sum: Record<string, number> = {};
  for (const { errors } of parts) {
    for (const [code, times] of Object.entries(errors)) sum[code] = (sum[code] ?? 0) + times;
  }
  return sum;
}

/** Commands per request while loading: a batch may take 200 ms, also on a machine that is busy. */
const LOAD_BATCH = 250;
const LOAD_IN_FLIGHT = 16;
const RETRIES_MAX = 100;

export interface Fill {
  readonly first?: number;
  readonly count: number;
  readonly keyBytes?: number;
  readonly valueBytes: number;
  /** The instant, in ms since the epoch, at which all of them expire. */
  readonly expiryMs?: number;
  /** Over which protocol: RESP where the server speaks no other. */
  readonly protocol?: "websocket" | "resp";
}

/** Stores keys, in batches. */
export async function fill(port: number, options: Fill): Promise<void> {
  const { first = 0, count, keyBytes, valueBytes, expiryMs, protocol = "websocket" } = options;
  const connection = await openConnection(protocol, port);
  const end = first + count;
  const pendingMax = protocol === "resp" ? 1 : LOAD_IN_FLIGHT;
  /** Without a reply, in the order in which they were sent, and how many replies each still gets. */
  const pending: { readonly request: Buffer; replies: number }[] = [];
  const refused: Buffer[] = [];
  let next = first;
  let retriesLeft = RETRIES_MAX;
  const draw = () => {
    const size = Math.min(LOAD_BATCH, end - next);
    const ttl = expiryMs === undefined ? {} : { ttl_ms: Math.max(1, Math.round(expiryMs - Date.now())) };
    const commands = Array.from({ length: size }, (_, i) => ({
      command: "kv.set",
      payload: { key: keyOf(next + i, keyBytes), value: drawValue(valueBytes), ...ttl },
    }));
    next += size;
    // Of RESP each command has a reply of its own.
    return { request: requestOf(protocol, port, commands), replies: protocol === "resp" ? size : 1 };
  };
  await new Promise<void>((resolve, reject) => {
    const send = () => {
      while (pending.length < pendingMax && (refused.length > 0 || next < end)) {
        const again = refused.pop();
        const sent = again === undefined ? draw() : { request: again, replies: 1 };
        connection.send(sent.request);
        pending.push(sent);
      }
    };
    connection.onFailure = (body) => {
      // On a machine that is busy a batch takes longer than the server allows, and is asked for again.
      if (protocol === "websocket" && retriesLeft-- > 0) {
        refused.push(pending[0].request);
        return;
      }
      const codes = [...new Set(failuresOf(protocol, body))].join(", ");
      reject(new BenchmarkError(`the server refused keys that it was filled with: ${codes}`));
    };
    connection.onReply = () => {
      pending[0].replies -= 1;
      if (pending[0].replies === 0) pending.shift();
      if (pending.length === 0 && refused.length === 0 && next === end) resolve();
      else send();
    };
    send();
  });
  connection.close();
}
