/**
 * A load on a server, made by a process of its own so that client and server do not share a core, and what came of it.
 *
 * A closed loop sends a request when a reply comes, and finds the most a server can do. An open loop sends at fixed
 * instants whatever comes back, and measures latency from the instant a request was due: a stall is paid by all requests
 * that were due in it, not by one.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Protocol } from "./connection.ts";
import { openConnection } from "./connection.ts";
import { cpuSeconds, stop, track } from "./processes.ts";
import type { Latency } from "./samples.ts";
import { drawValue, keyOf, requestOf, type Workload } from "./workload.ts";

export interface Load {
  readonly protocol: Protocol;
  readonly port: number;
  readonly workload: Workload;
  readonly connections: number;
  /** Closed loop: requests that one connection may have without a reply. */
  readonly inFlight?: number;
  /** Open loop: requests per second of all connections together. */
  readonly requestsPerSec?: number;
  /** Open loop: how the instants are met. `spin` meets them to microseconds and costs a core; a timer to about 1 ms. */
  readonly pacing?: "spin" | "timer";
  /** Ends after this long, or after `requests`. */
  readonly seconds?: number;
  readonly requests?: number;
  readonly warmupSeconds?: number;
}

export interface Generated {
  readonly seconds: number;
  readonly requests: number;
  readonly commands: number;
  /** Commands sent in all, warm-up included. */
  readonly commandsSent: number;
  readonly clientCpuSecs: number;
  readonly latency: Latency;
}

export interface LoadResult extends Generated {
  readonly commandsPerSec: number;
  /** CPU seconds per second of the server and of the generator. */
  readonly serverCpu: number;
  readonly clientCpu: number;
}

export type GeneratorMessage =
  | { readonly kind: "measuring" }
  | { readonly kind: "measured"; readonly generated: Generated };

const GENERATOR = fileURLToPath(new URL("load-generator.ts", import.meta.url));

/**
 * @param server whose CPU time is measured beside.
 * @param onMeasuring called when the warm-up is over.
 */
export async function runLoad(
  load: Load,
  server: ChildProcess,
  onMeasuring: () => void = () => undefined,
): Promise<LoadResult> {
  const generator = track(fork(GENERATOR, { stdio: ["ignore", "inherit", "inherit", "ipc"] }));
  let serverCpuStart = 0;
  try {
    return await new Promise<LoadResult>((resolve, reject) => {
      generator.on("message", (message: GeneratorMessage) => {
        if (message.kind === "measuring") {
          serverCpuStart = cpuSeconds(server);
          onMeasuring();
          return;
        }
        const { generated } = message;
        resolve({
          ...generated,
          commandsPerSec: generated.commands / generated.seconds,
          serverCpu: (cpuSeconds(server) - serverCpuStart) / generated.seconds,
          clientCpu: generated.clientCpuSecs / generated.seconds,
        });
      });
      generator.once("exit", (code) => reject(new Error(`the load generator ended with code ${code}`)));
      generator.send(load);
    });
  } finally {
    await stop(generator);
  }
}

/** Commands per request while loading. */
const LOAD_BATCH = 1000;
const LOAD_IN_FLIGHT = 4;

export interface Fill {
  readonly first?: number;
  readonly count: number;
  readonly keyBytes?: number;
  readonly valueBytes: number;
  /** The instant, in ms since the epoch, at which all of them expire. */
  readonly expiryMs?: number;
}

/** Stores keys through a WebSocket, in batches. */
export async function fill(port: number, { first = 0, count, keyBytes, valueBytes, expiryMs }: Fill): Promise<void> {
  const connection = await openConnection("websocket", port);
  let next = first;
  let pending = 0;
  const end = first + count;
  await new Promise<void>((resolve) => {
    const send = () => {
      while (pending < LOAD_IN_FLIGHT && next < end) {
        const size = Math.min(LOAD_BATCH, end - next);
        const ttl = expiryMs === undefined ? {} : { ttl_ms: Math.max(1, Math.round(expiryMs - Date.now())) };
        const commands = Array.from({ length: size }, (_, i) => ({
          command: "kv.set",
          payload: { key: keyOf(next + i, keyBytes), value: drawValue(valueBytes), ...ttl },
        }));
        connection.send(requestOf("websocket", port, commands));
        next += size;
        pending++;
      }
    };
    connection.onReply = () => {
      pending--;
      if (pending === 0 && next === end) resolve();
      else send();
    };
    send();
  });
  connection.close();
}
