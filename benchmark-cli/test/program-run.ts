/** The program as a process, and what it says to arguments without one. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import type { BenchmarkReport } from "../src/report/result.ts";

const PROGRAM = fileURLToPath(new URL("../bin/synap-benchmark.js", import.meta.url));

/** Of a test that runs the program. */
export const RUN_MS_MAX = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** @param whenItSays what to do at the first line that matches */
export function run(
  args: readonly string[],
  whenItSays?: readonly [RegExp, (child: ChildProcess) => void],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: RUN_MS_MAX,
    env,
  });
  let output = "";
  let acted = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (whenItSays === undefined || acted || !whenItSays[0].test(output)) return;
      acted = true;
      whenItSays[1](child);
    });
  }
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

// What is built, and so are the client processes that it starts: with tsx before each of them the tests would take twice the time.
const { buildProgram } = await built<typeof import("../src/cli/program.ts")>("cli/program.js");
const { setTargetAddress } = await built<typeof import("../src/load/target-address.ts")>("load/target-address.js");
const { BenchmarkError } =
  await built<typeof import("../src/servers/benchmark-error.ts")>("servers/benchmark-error.js");

/** @param path in dist/, which vitest.config.ts has built from the module whose type it is */
async function built<Module>(path: string): Promise<Module> {
  return (await import(new URL(`../dist/${path}`, import.meta.url).href)) as Module;
}

/**
 * The same without a process of its own, for what is not about the process: its clients are processes all the same. What it
 * prints is answered and shown nowhere.
 * @throws what ends the run
 */
export async function runHere(args: readonly string[]): Promise<string> {
  let output = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    output += text;
    return true;
  });
  try {
    await buildProgram().parseAsync(args, { from: "user" });
    return output;
  } finally {
    write.mockRestore();
    setTargetAddress();
  }
}

/** The sentence by which a run is refused. */
export async function refusalOf(args: readonly string[]): Promise<string> {
  try {
    await runHere(args);
    return "";
  } catch (error) {
    if (error instanceof BenchmarkError) return error.message;
    throw error;
  }
}

export function readReport(file: string): BenchmarkReport {
  // What the program under test has just written.
  return JSON.parse(readFileSync(file, "utf8")) as BenchmarkReport;
}
