import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../test/data-node.ts";
import { DataLock, LOCK_WATCH_MS, type LockOptions, type ProcessIdentity } from "./data-lock.ts";
import { nodeFileSystem } from "./node-file-system.ts";
import { isRunning, thisProcess } from "./process-identity.ts";

/** A space of process ids in which these are running. A pause is over at once, when `meanwhile` has happened. */
function machine(directory: string, space: string, running: readonly number[], meanwhile = async () => {}) {
  let count = 0;
  return (pid: number): LockOptions => ({
    files: nodeFileSystem,
    directory,
    self: { pid, space, startedAt: `start of ${pid}` },
    unique: `${space}-${pid}-${++count}`,
    isRunning: (owner) => running.includes(owner.pid) && owner.startedAt === `start of ${owner.pid}`,
    pause: (ms) => (ms === LOCK_WATCH_MS ? meanwhile() : new Promise((resolve) => setImmediate(resolve))),
    onWait: () => {},
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
    expect(readdirSync(path)).toEqual(["lock-here-1-1"]);
    expect(await first.touch()).toBe(true);
    expect(await DataLock.take(here(2))).toBe(problem);
    await first.release();
    await take(here(2));
    expect(readdirSync(path)).toEqual(["lock-here-2-4"]);
  });

  it("is taken from an owner that has died, also where another process has its number now", async () => {
    const path = temporaryDirectory();
    await take(machine(path, "here", [1])(1));
    await take(machine(path, "here", [2])(2));
    writeFileSync(`${path}/lock-old`, JSON.stringify({ pid: 3, space: "here", startedAt: "earlier" }));
    await take(machine(path, "here", [3])(3));
    expect(readdirSync(path)).toEqual(["lock-here-3-1"]);
  });

  it("of a stranger is left to it where its file changes while it is watched", async () => {
    const path = temporaryDirectory();
    const there = await take(machine(path, "there", [1])(1));
    // That the same number runs here says nothing, nor that it does not.
    for (const running of [[], [1]]) {
      const touched = machine(path, "here", running, async () => {
        await there.touch();
      });
      expect(await DataLock.take(touched(1))).toMatch(/is in use by process 1 of there: stop it/);
      expect(readdirSync(path)).toEqual(["lock-there-1-1"]);
    }
  });

  it("of a stranger is taken where its file does not change, and the stranger sees that", async () => {
    const path = temporaryDirectory();
    const there = await take(machine(path, "there", [1])(1));
    const here = await take(machine(path, "here", [1])(1));
    expect(readdirSync(path)).toEqual(["lock-here-1-1"]);
    expect([await there.touch(), await here.touch()]).toEqual([false, true]);
  });

  it("of a stranger is free where it is given back meanwhile", async () => {
    const path = temporaryDirectory();
    const there = await take(machine(path, "there", [1])(1));
    await take(machine(path, "here", [], () => there.release())(2));
    expect(readdirSync(path)).toEqual(["lock-here-2-1"]);
  });

  it("is renewed while its owner is busy with something else", async () => {
    const path = temporaryDirectory();
    const busy = await take(machine(path, "there", [1])(1));
    let finish = (): void => {};
    const reading = busy.touchWhile(
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
    );
    const touched = machine(path, "here", [], async () => {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    });
    expect(await DataLock.take(touched(2))).toMatch(/is in use by process 1 of there/);
    finish();
    expect(await reading).toBe(true);
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
    const files = ["", "{", "null", "7", JSON.stringify({ pid: "1" }), JSON.stringify({ pid: 1, space: "here" })];
    for (const [i, text] of files.entries()) writeFileSync(`${path}/lock-odd-${i}`, text);
    await take(machine(path, "here", [1, 2])(2));
    expect(readdirSync(path)).toEqual(["lock-here-2-1"]);
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
