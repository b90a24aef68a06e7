/** The server that a scenario is run against: one of our own, started for it, or one that `--url` names. */
import type { ChildProcess } from "node:child_process";
import type { Protocol } from "../load/connection.ts";
import { setTargetHost, targetHost } from "../load/target-host.ts";
import { BenchmarkError } from "./benchmark-error.ts";
import { cpuSeconds, firstAnswer, ProcessGone, rssBytes } from "./processes.ts";
import { type Durability, type Synap, startSynap } from "./synap-process.ts";

export interface Usage {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

export interface Target {
  /** For people. */
  readonly name: string;
  readonly port: number;
  readonly respPort: number;
  /** Our own process; undefined for a server that was there before. */
  readonly child: ChildProcess | undefined;
  /** Runs one command over HTTP and answers its payload. */
  command(name: string, payload?: object): Promise<Record<string, unknown>>;
  /** CPU time and memory of the server; undefined where it tells nobody. */
  usage(): Promise<Usage | undefined>;
  /** What is there already, by its kind. */
  holds(): Promise<readonly (readonly [what: string, count: number])[]>;
  stop(): Promise<void>;
}

export interface TargetOptions {
  readonly url?: string | undefined;
  /** Where that server speaks RESP, on the same host. */
  readonly respPort?: number | undefined;
  /** Also where the server that is there already holds data. */
  readonly overwrite?: boolean | undefined;
  /** The server's main.js; the built one by default. */
  readonly server?: string | undefined;
  readonly durability: Durability;
  readonly args?: readonly string[];
}

export async function openTarget(options: TargetOptions): Promise<Target> {
  const { url, respPort, overwrite, server, durability, args } = options;
  if (url !== undefined) {
    const target = await connectTarget(url, respPort);
    // What a later scenario of the same run finds is of an earlier one.
    if (!overwritten.has(url) && overwrite !== true) await checkEmpty(url, target);
    overwritten.add(url);
    return target;
  }
  if (respPort !== undefined)
    throw new BenchmarkError("--resp-port is of a server that is there already: give its --url");
  setTargetHost(undefined);
  const synap = await startSynap(server, { durability, ...(args === undefined ? {} : { args }) });
  return targetOf(synap, "a server of its own");
}

/** One of our own, which was started empty. */
export function targetOf(synap: Synap, name: string): Target {
  return { ...synap, name, usage: async () => usageOf(synap.child), holds: async () => [] };
}

/** @throws BenchmarkError where nobody has said where the protocol is spoken */
export function portOf(target: Target, protocol: Protocol): number {
  if (protocol !== "resp" && target.port === target.respPort) throw needsHttp(target.name);
  if (protocol !== "resp") return target.port;
  if (target.respPort !== 0) return target.respPort;
  if (target.child !== undefined) throw new BenchmarkError("the server has found no port for RESP");
  throw new BenchmarkError(`${target.name} is an address of HTTP: say where its RESP is with --resp-port PORT`);
}

/** Servers that were found empty, or may be written to as they are. */
const overwritten = new Set<string>();

/** Scenarios use names such as `benchmark` and `room-0000`, and write over what has them. */
async function checkEmpty(url: string, target: Target): Promise<void> {
  const held = (await target.holds()).filter(([, count]) => count > 0);
  if (held.length === 0) return;
  const told = held.map(([what, count]) => `${count} ${what}`).join(", ");
  throw new BenchmarkError(
    `${url} holds data (${told}), and a scenario writes over what has its names: name an empty server, or add --overwrite`,
  );
}

/** What a process of our own uses; undefined once it has ended, also where nobody has been told of that yet. */
export function usageOf(child: ChildProcess): Usage | undefined {
  if (child.exitCode !== null || child.signalCode !== null) return undefined;
  try {
    return { cpuSeconds: cpuSeconds(child), rssBytes: rssBytes(child) };
  } catch (error) {
    if (error instanceof ProcessGone) return undefined;
    throw error;
  }
}

const TIMEOUT_MS = 5_000;

/** @throws BenchmarkError if nobody answers there, or somebody who is no Synap. */
async function connectTarget(text: string, respPort = 0): Promise<Target> {
  const url = readUrl(text);
  setTargetHost(url.hostname);
  if (url.protocol === "redis:" && respPort !== 0) {
    throw new BenchmarkError(`--resp-port goes with an address of HTTP, and ${text} is one of RESP already`);
  }
  if (url.protocol === "redis:") return await connectResp(text, Number(url.port || 6379));
  const port = Number(url.port || 80);
  const origin = `http://${url.host}`;
  const health = await ask(text, `${origin}/health`);
  const said = await health.text();
  if (!said.includes('"service":"synap"')) {
    throw new BenchmarkError(
      `${text} answers, but not as a Synap server does: ${health.status} ${said.slice(0, 80).replaceAll(/\s+/g, " ")}`,
    );
  }
  const command: Target["command"] = async (name, payload = {}) => {
    const response = await ask(text, `${origin}/api/v1/command`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ command: name, payload }),
    });
    // The contract's envelope (section 2).
    const reply = (await response.json()) as { success: boolean; error?: string; payload: Record<string, unknown> };
    if (!reply.success) throw new BenchmarkError(`${text} refused ${name}: ${reply.error}`);
    return reply.payload;
  };
  return {
    name: origin,
    port,
    respPort,
    child: undefined,
    command,
    holds: async () => {
      const [{ size }, { queues }, { rooms }] = [
        await command("kv.dbsize"),
        await command("queue.list"),
        await command("stream.list"),
      ];
      // By the registry: a number and two lists.
      return [
        ["keys", Number(size)],
        ["queues", (queues as readonly unknown[]).length],
        ["rooms", (rooms as readonly unknown[]).length],
      ];
    },
    usage: () => metricsUsage(`${origin}/metrics`),
    stop: async () => undefined,
  };
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "ws:", "redis:"].includes(url.protocol) || url.hostname === "") {
    throw new BenchmarkError(`--url ${text} is not an address: say http://HOST:PORT, or redis://HOST:PORT for RESP`);
  }
  return url;
}

async function ask(text: string, address: string, request: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS), ...request });
  } catch (error) {
    throw new BenchmarkError(`nobody answers at ${text}: is the server running, and is the port that of its HTTP?`, {
      cause: error,
    });
  }
}

/** By the page of metrics of a server whose process is not ours; undefined where it has none, or is no more. */
async function metricsUsage(address: string): Promise<Usage | undefined> {
  let page: string;
  try {
    const response = await fetch(address);
    if (!response.ok) return undefined;
    page = await response.text();
  } catch (error) {
    // Of fetch: nobody answers. The clients say so in words.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
  const read = (name: string) => Number(page.match(new RegExp(`^${name} ([^\\s]+)`, "m"))?.[1]);
  const usage = { cpuSeconds: read("process_cpu_seconds_total"), rssBytes: read("process_resident_memory_bytes") };
  return Number.isNaN(usage.cpuSeconds + usage.rssBytes) ? undefined : usage;
}

function needsHttp(text: string): BenchmarkError {
  return new BenchmarkError(
    `${text} speaks RESP alone, which is enough for kv --protocol resp: give --url http://HOST:PORT, and for RESP --resp-port PORT`,
  );
}

async function connectResp(text: string, port: number): Promise<Target> {
  const answer = await firstAnswer(targetHost(), port, "PING\r\n", TIMEOUT_MS);
  if (answer === undefined) throw new BenchmarkError(`nobody answers at ${text}: is the server running?`);
  if (!answer.startsWith("+PONG")) throw new BenchmarkError(`${text} answers PING with ${answer.slice(0, 80).trim()}`);
  return {
    name: text,
    port,
    respPort: port,
    child: undefined,
    command: async () => {
      throw needsHttp(text);
    },
    usage: async () => undefined,
    holds: async () => {
      const size = await firstAnswer(targetHost(), port, "DBSIZE\r\n", TIMEOUT_MS);
      return [["keys", Number(size?.slice(1))]];
    },
    stop: async () => undefined,
  };
}
