import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../test/data-node.ts";
import { DataLock, LOCK_STALE_MS, type LockOptions, type ProcessIdentity } from "./data-lock.ts";
import { nodeFileSystem } from "./node-file-system.ts";
import { isRunning, thisProcess } from "./process-identity.ts";

const NOW_MS = 1_700_000_000_000;

/** A machine on which these processes run. */
function machine(directory: string, host: string, running: readonly number[], nowMs = NOW_MS) {
  return (pid: number): LockOptions => ({
    files: nodeFileSystem,
    directory,
    self: { pid, host, startedAt: `start of ${pid}` },
    isRunning: (owner) => running.includes(owner.pid) && owner.startedAt === `start of ${owner.pid}`,
    nowMs: () => nowMs,
  });
}

async function take(options: LockOptions): Promise<DataLock> {
  const lock = await DataLock.take(options);
  if (typeof lock === "string") throw new Error(lock);
  return lock;
}

describe("the lock of a data directory", () => {
  it("keeps a second server out as long as the first lives", async () => {
    const path = temporaryDirectory();
    const here = machine(path, "here", [1, 2]);
    const first = await take(here(1));
    const problem = `the data directory ${path} is in use by process 1: stop it, or use another --data-dir`;
    expect(await DataLock.take(here(2))).toBe(problem);
    expect(readdirSync(path)).toEqual(["lock-here-1"]);
    await first.touch();
    expect(await DataLock.take(here(2))).toBe(problem);
    await first.release();
    await take(here(2));
    expect(readdirSync(path)).toEqual(["lock-here-2"]);
  });

  it("is taken from an owner that has died, also where another process has its number now", async () => {
    const path = temporaryDirectory();
    await take(machine(path, "here", [1])(1));
    await take(machine(path, "here", [2])(2));
    writeFileSync(
      `${path}/lock-here-1`,
      JSON.stringify({ pid: 1, host: "here", startedAt: "earlier", touchedAtMs: NOW_MS }),
    );
    await take(machine(path, "here", [1, 3])(3));
    expect(readdirSync(path)).toEqual(["lock-here-3"]);
  });

  it("is taken from one's own number of an earlier time", async () => {
    const path = temporaryDirectory();
    await take(machine(path, "here", [])(7));
    await take(machine(path, "here", [7])(7));
    expect(readdirSync(path)).toEqual(["lock-here-7"]);
  });

  it("of another host is judged by its age", async () => {
    const path = temporaryDirectory();
    const there = await take(machine(path, "there", [1])(1));
    // That the same number runs here says nothing.
    for (const ageMs of [0, LOCK_STALE_MS - 1]) {
      const problem = await DataLock.take(machine(path, "here", [], NOW_MS + ageMs)(1));
      expect(problem).toContain(`in use ${Math.round(ageMs / 1000)} s ago by process 1 on there`);
      expect(problem).toContain("remove lock-there-1");
    }
    await take(machine(path, "here", [], NOW_MS + LOCK_STALE_MS)(1));
    expect(readdirSync(path)).toEqual(["lock-here-1"]);
    await there.release();
  });

  it("is had by one at most of many that begin at once", async () => {
    for (let round = 0; round < 10; round++) {
      const path = temporaryDirectory();
      const pids = [1, 2, 3, 4, 5];
      const here = machine(path, "here", pids);
      const locks = await Promise.all(pids.map((pid) => DataLock.take(here(pid))));
      expect(locks.filter((lock) => typeof lock !== "string").length).toBeLessThanOrEqual(1);
    }
  });

  it("is not kept by what no server has written", async () => {
    const path = temporaryDirectory();
    const files = [
      "",
      "{",
      "null",
      "7",
      JSON.stringify({ pid: "1" }),
      JSON.stringify({ pid: 1, host: "here", startedAt: "" }),
    ];
    for (const [i, text] of files.entries()) writeFileSync(`${path}/lock-odd-${i}`, text);
    await take(machine(path, "here", [1, 2])(2));
    expect(readdirSync(path)).toEqual(["lock-here-2"]);
  });

  it("has a file name whatever the host is called", async () => {
    const path = temporaryDirectory();
    await take(machine(path, "../a b/ü", [1])(1));
    expect(readdirSync(path)).toEqual(["lock-.._a_b__-1"]);
  });
});

describe("a process", () => {
  it("is known while it runs, and not for another with its number", async () => {
    expect(isRunning(thisProcess())).toBe(true);
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"]);
    await once(child, "spawn");
    const pid = child.pid ?? 0;
    const owner = (startedAt: string): ProcessIdentity => ({ ...thisProcess(), pid, startedAt });
    // Without a word on its start, the number has to do.
    expect(isRunning(owner(""))).toBe(true);
    if (process.platform === "linux") expect(isRunning(owner("another boot/1"))).toBe(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect([isRunning(owner("")), isRunning(owner("another boot/1"))]).toEqual([false, false]);
  });
});
