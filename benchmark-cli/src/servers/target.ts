/** The server that a scenario is run against: one of our own, started for it, or one that `--url` names. */
import type { ChildProcess } from "node:child_process";
import type { Protocol } from "../load/connection.ts";
import { setTargetAddress } from "../load/target-address.ts";
import { BenchmarkError } from "./benchmark-error.ts";
import { cpuSeconds, ProcessGone, rssBytes } from "./processes.ts";
import { connectHttp, connectResp, needsHttp } from "./running-server.ts";
import { readServer, type ServerAddress, type ServerOptions } from "./server-address.ts";
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
  /** Of a server that was there before. */
  readonly address: ServerAddress | undefined;
  /** Runs one command over HTTP and answers its payload. */
  command(name: string, payload?: object): Promise<Record<string, unknown>>;
  /** CPU time and memory of the server; undefined where it tells nobody. */
  usage(): Promise<Usage | undefined>;
  /** What is there already, by its kind. */
  holds(): Promise<Held>;
  stop(): Promise<void>;
}

export type Held = readonly (readonly [what: string, count: number])[];

export interface TargetOptions extends ServerOptions {
  /** Also where the server that is there already holds data. */
  readonly overwrite?: boolean | undefined;
  /** The server's main.js; the built one by default. */
  readonly server?: string | undefined;
  readonly durability: Durability;
  readonly args?: readonly string[];
}

export async function openTarget(options: TargetOptions): Promise<Target> {
  const { overwrite, server, durability, args } = options;
  const address = readServer(options);
  setTargetAddress(address);
  if (address !== undefined) {
    const target = await (address.speaks === "resp" ? connectResp(address) : connectHttp(address));
    // Whatever comes of it, who is not let in hears of it here.
    const held = await target.holds();
    // What a later scenario of the same run finds is of an earlier one.
    if (!overwritten.has(address.text) && overwrite !== true) checkEmpty(address, held);
    overwritten.add(address.text);
    return target;
  }
  const synap = await startSynap(server, { durability, ...(args === undefined ? {} : { args }) });
  return targetOf(synap, "a server of its own");
}

/** One of our own, which was started empty. */
export function targetOf(synap: Synap, name: string): Target {
  return { ...synap, name, address: undefined, usage: async () => usageOf(synap.child), holds: async () => [] };
}

/** @throws BenchmarkError where nobody has said where the protocol is spoken */
export function portOf(target: Target, protocol: Protocol): number {
  if (protocol !== "resp" && target.address?.speaks === "resp") throw needsHttp(target.name);
  if (protocol !== "resp") return target.port;
  if (target.respPort !== 0) return target.respPort;
  if (target.child !== undefined) throw new BenchmarkError("the server has found no port for RESP");
  throw new BenchmarkError(`${target.name} is an address of HTTP: say where its RESP is with --resp-port PORT`);
}

/** Servers that were found empty, or may be written to as they are. */
const overwritten = new Set<string>();

/** Scenarios use names such as `benchmark` and `room-0000`, and write over what has them. */
function checkEmpty({ text }: ServerAddress, all: Held): void {
  const held = all.filter(([, count]) => count > 0);
  if (held.length === 0) return;
  const told = held.map(([what, count]) => `${count} ${what}`).join(", ");
  throw new BenchmarkError(
    `${text} holds data (${told}), and a scenario writes over what has its names: name an empty server, or add --overwrite`,
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
