/** The server under test, as a process of its own. */
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { BenchmarkError } from "./benchmark-error.ts";
import { removeDirectory, requireDisk, start, stop, temporaryDirectory } from "./processes.ts";
import { serverProgram } from "./server-build.ts";

const READY_MS_MAX = 10_000;

export const FSYNC_POLICIES = ["always", "interval", "never"] as const;
export type FsyncPolicy = (typeof FSYNC_POLICIES)[number];

/** Whether the server keeps its data, and when it is on disk; `memory` keeps none, `configured` leaves it to `args`. */
export type Durability = "memory" | "configured" | FsyncPolicy;

export interface SynapOptions {
  /** Named by every benchmark: a rate or a latency means nothing without it. */
  readonly durability: Durability;
  /** Of an earlier server, or for a later one. Without it the data is in a directory that goes with the server. */
  readonly dataDirectory?: string;
  readonly args?: readonly string[];
  /** For node itself, such as a module to import first. */
  readonly nodeArgs?: readonly string[];
  /** Opens a channel to the process, for such a module. */
  readonly ipc?: boolean;
  /** A long log takes its time. */
  readonly readyMsMax?: number;
}

export interface Synap {
  readonly child: ChildProcess;
  readonly port: number;
  /** That of RESP; 0 where there is none. */
  readonly respPort: number;
  /** From the start of the process to its ready line. */
  readonly readyMs: number;
  /** What it has printed so far. */
  readonly output: () => string;
  /** Runs one command over HTTP and answers its payload. */
  command(name: string, payload?: object): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

/** No snapshot but those that somebody asks for, so that none falls into a measurement by chance. */
export const NO_SNAPSHOTS: readonly string[] = [
  ...["--set", "persistence.snapshot_interval_secs=0"],
  ...["--set", "persistence.snapshot_log_bytes=0"],
];

/** @param program the server's main.js; the built one by default */
export async function startSynap(program: string | undefined, options: SynapOptions): Promise<Synap> {
  const { durability, dataDirectory, args = [], nodeArgs = [], ipc = false, readyMsMax = READY_MS_MAX } = options;
  const file = serverProgram(program);
  if (durability !== "memory") requireDisk();
  // A directory of its own, so that no synap.yml of the working directory is read.
  const cwd = temporaryDirectory();
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SYNAP_")));
  const data = ["--data-dir", dataDirectory ?? join(cwd, "data")];
  const startedMs = performance.now();
  const child = start(
    process.execPath,
    [...nodeArgs, file, "--port", "0", ...durabilityFlags(durability, data), ...args],
    { cwd, env, stdio: ["ignore", "pipe", "inherit", ...(ipc ? (["ipc"] as const) : [])] },
  );
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const { port, respPort } = await portsOfReadyLine(child, () => output, readyMsMax);
  const readyMs = performance.now() - startedMs;
  return {
    child,
    port,
    respPort,
    readyMs,
    output: () => output,
    async command(name, payload = {}) {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/command`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ command: name, payload }),
      });
      const reply = (await response.json()) as { success: boolean; payload: Record<string, unknown> };
      if (!reply.success) throw new BenchmarkError(`${name} failed: ${JSON.stringify(reply)}`);
      return reply.payload;
    },
    async stop() {
      await stop(child);
      removeDirectory(cwd);
    },
  };
}

function durabilityFlags(durability: Durability, data: readonly string[]): readonly string[] {
  if (durability === "memory") return ["--no-persistence"];
  return durability === "configured" ? data : ["--fsync", durability, ...data];
}

function portsOfReadyLine(
  child: ChildProcess,
  output: () => string,
  readyMsMax: number,
): Promise<{ port: number; respPort: number }> {
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => reject(new BenchmarkError(`the server is not ready: ${output()}`)), readyMsMax);
    child.stdout?.on("data", () => {
      const ready = output().match(/ready: http:\/\/[^:]+:(\d+).*\n/);
      if (ready === null) return;
      clearTimeout(timeout);
      const resp = ready[0].match(/redis:\/\/[^:]+:(\d+)/);
      resolve({ port: Number(ready[1]), respPort: resp === null ? 0 : Number(resp[1]) });
    });
    child.once("exit", (code) => {
      clearTimeout(timeout);
      reject(new BenchmarkError(`the server ended with code ${code} before it was ready: ${output()}`));
    });
  });
}
