/**
 * The processes a benchmark starts: servers, peers, load generators. Each one is killed when the benchmark ends, however
 * it ends. What they use is read from /proc, so these benchmarks run on Linux.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchmarkError } from "./benchmark-error.ts";

/** Linux counts CPU time of a process in hundredths of a second (USER_HZ). */
const CPU_TICKS_PER_SEC = 100;
const READY_MS_MAX = 10_000;
const UNTIL_MS_MAX = 600_000;
const UNTIL_EVERY_MS = 20;

/** The exit code of what ctrl-C has ended. */
const INTERRUPTED = 130;

/** statfs(2): a file system in memory. */
const TMPFS_MAGIC = 0x01021994;

const running = new Set<ChildProcess>();
/** Of `running`, those that lead a process group. */
const leaders = new Set<ChildProcess>();
const directories = new Set<string>();

let beforeTheEnd: () => void = () => undefined;

process.once("exit", () => {
  for (const child of running) {
    // The whole group of one that leads a group: it may have children that outlive it.
    if (leaders.has(child) && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    else child.kill("SIGKILL");
  }
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    beforeTheEnd();
    process.exit(INTERRUPTED);
  });
}

/** What is still said when somebody breaks the benchmark off; it may wait for nothing. */
export function onInterrupt(tell: () => void): void {
  beforeTheEnd = tell;
}

export function start(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  return track(spawn(command, args, { stdio: ["ignore", "ignore", "inherit"], ...options }));
}

/** For a program that starts others: all of them die with the benchmark. */
export function startGroup(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = start(command, args, { ...options, detached: true });
  leaders.add(child);
  return child;
}

/** Takes over a child started elsewhere: it dies with the benchmark. */
export function track<Child extends ChildProcess>(child: Child): Child {
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** An empty directory for a process to run in, gone when the benchmark ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "synap-benchmark-"));
  directories.add(directory);
  return directory;
}

/** Before the benchmark ends, where a later part needs the room. */
export function removeDirectory(directory: string): void {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}

/** @throws if temporary directories are in memory, where a sync costs nothing and proves nothing. */
export function requireDisk(): void {
  if (statfsSync(tmpdir()).type !== TMPFS_MAGIC) return;
  throw new BenchmarkError(`${tmpdir()} is in memory: name a directory on a disk in TMPDIR`);
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await gone;
  clearTimeout(killer);
}

export function missingPrograms(names: readonly string[]): string[] {
  return names.filter((name) => spawnSync("which", [name]).status !== 0);
}

/** @throws if one of Debian's programs is missing, with the way to install it. */
export function requirePrograms(names: readonly string[]): void {
  const missing = missingPrograms(names);
  if (missing.length > 0) {
    const packages = missing.map((name) => (name === "redis-cli" ? "redis-tools" : name));
    throw new BenchmarkError(
      `missing here: ${missing.join(", ")}. On Debian or Ubuntu: apt-get install ${packages.join(" ")}`,
    );
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Waits until somebody listens. */
export async function listening(port: number, child: ChildProcess, readyMsMax = READY_MS_MAX): Promise<void> {
  const deadlineMs = performance.now() + readyMsMax;
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(" ")} ended with code ${child.exitCode}`);
    if (performance.now() > deadlineMs) throw new Error(`${child.spawnargs.join(" ")} does not listen on ${port}`);
    await sleep(10);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Sends a line and answers the first piece of the reply; undefined where nobody answers in time. */
export function firstAnswer(host: string, port: number, line: string, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const end = (answer?: string) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => end());
    socket.once("connect", () => socket.write(line));
    socket.once("data", (chunk) => end(chunk.toString()));
    socket.once("error", () => end());
    // Also where it was closed without an answer.
    socket.once("close", () => end());
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for what the benchmark cannot be told of. @throws after ten minutes */
export async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + UNTIL_MS_MAX;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`waited in vain for ${what}`);
    await sleep(UNTIL_EVERY_MS);
  }
}

/** A process whose figures can be read; it need not be our own child. */
export type Readable = Pick<ChildProcess, "pid">;

/** The child of a script that stays beside the program it has started. */
export function onlyChildOf(child: Readable, name: string): Readable {
  const pids = proc(child, `task/${child.pid}/children`).trim().split(" ").map(Number);
  const found = pids.find((pid) => proc({ pid }, "comm").trim() === name);
  if (found === undefined) throw new Error(`process ${child.pid} has no child ${name}`);
  return { pid: found };
}

/** CPU time of all threads of a process, user and system. */
export function cpuSeconds(child: Readable): number {
  // Fields 14 and 15 of proc(5); the name in field 2 may hold blanks, hence the cut after its parenthesis.
  const fields = proc(child, "stat").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CPU_TICKS_PER_SEC;
}

/**
 * The same by the scheduler's own count, in nanoseconds where `cpuSeconds` has hundredths of a second. Exact while the
 * process sleeps, as a server does that has answered everything.
 */
export function exactCpuSeconds(child: Readable): number {
  const threads = readdirSync(`/proc/${child.pid}/task`);
  const nanoseconds = threads.map((thread) => Number(proc(child, `task/${thread}/schedstat`).split(" ")[0]));
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e9;
}

export function rssBytes(child: Readable): number {
  return kibibytes(child, "VmRSS") * 1024;
}

function kibibytes(child: Readable, field: string): number {
  const line = proc(child, "status").match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"));
  // Of one that has ended and that nobody has waited for yet.
  if (line === null) throw new ProcessGone(`process ${child.pid} has ended`);
  return Number(line[1]);
}

/** What is read of a process that is no more, which its parent may not have been told of yet. */
export class ProcessGone extends Error {
  override readonly name = "ProcessGone";
}

function proc(child: Readable, file: string): string {
  try {
    return readFileSync(`/proc/${child.pid}/${file}`, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ENOENT" && code !== "ESRCH") throw error;
    throw new ProcessGone(`process ${child.pid} has ended`, { cause: error });
  }
}
