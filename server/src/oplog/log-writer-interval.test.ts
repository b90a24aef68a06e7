import { describe, expect, it } from "vitest";
import { OperationWriter } from "../state/operation.ts";
import { rangeOf } from "../structures/byte-range.ts";
import type { FileHandle, FileSystem } from "./file-system.ts";
import { LogWriter, SYNC_INTERVAL_MS } from "./log-writer.ts";
import { OperationLog } from "./operation-log.ts";

/** A disk of one file, whose syncs, and writes off the thread, end when a test says so. */
class SlowDisk {
  readonly calls: string[] = [];
  #syncs: { resolve(): void; reject(error: Error): void }[] = [];
  #writes: (() => void)[] = [];
  isSlow = false;
  areWritesSlow = false;

  readonly #file: FileHandle = {
    read: async () => 0,
    write: () => {
      this.calls.push("write");
      if (!this.areWritesSlow) return Promise.resolve();
      return new Promise((resolve) => this.#writes.push(resolve));
    },
    writeNow: () => this.calls.push("write now"),
    sync: () => {
      this.calls.push("sync");
      if (!this.isSlow) return Promise.resolve();
      return new Promise((resolve, reject) => this.#syncs.push({ resolve, reject }));
    },
    size: async () => 0,
    close: async () => {
      this.calls.push("close");
    },
  };

  readonly files: FileSystem = {
    makeDirectory: async () => undefined,
    list: async () => [],
    open: async () => this.#file,
    rename: async () => undefined,
    remove: async () => undefined,
    syncDirectory: async () => undefined,
    freeBytes: async () => 2 ** 40,
  };

  endWrites(): void {
    for (const resolve of this.#writes.splice(0)) resolve();
  }

  endSync(error?: Error): void {
    for (const sync of this.#syncs.splice(0)) {
      if (error === undefined) sync.resolve();
      else sync.reject(error);
    }
  }
}

async function openWriter() {
  const disk = new SlowDisk();
  const log = new OperationLog({
    backlogBytesMax: 2 ** 20,
    position: { nextOffset: 1, history: OperationLog.inMemory(2 ** 20).history },
    isDurable: true,
  });
  const failures: unknown[] = [];
  let nowMs = 0;
  const writer = new LogWriter({
    files: disk.files,
    directory: "data",
    log,
    replicationId: "0".repeat(32),
    fsync: "interval",
    segmentBytes: 64 * 1024,
    clock: { monotonicMs: () => nowMs },
    onDurable: () => undefined,
    onFailure: (error) => failures.push(error),
  });
  await writer.start(undefined);
  await turns();
  disk.calls.length = 0;
  disk.isSlow = true;
  return {
    disk,
    log,
    writer,
    failures,
    put(valueBytes = 10) {
      const record = new OperationWriter();
      record.put(rangeOf("key"), 0, rangeOf("v".repeat(valueBytes)), 0);
      log.append(record);
      writer.flush();
    },
    tick() {
      nowMs += SYNC_INTERVAL_MS;
      writer.syncWhereDue();
    },
  };
}

/** The offset that the record at this one names as synced. */
function namedBy(log: OperationLog, offset: number): number | undefined {
  let named: number | undefined;
  log.read(offset, ({ durableOffset }) => {
    named = durableOffset;
    return false;
  });
  return named;
}

/** What waits for promises alone is done. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("the sync of `interval`", () => {
  it("keeps no group waiting, and has those that come meanwhile written off this thread", async () => {
    const { disk, log, put, tick, writer } = await openWriter();
    put();
    expect([log.durableOffset, disk.calls]).toEqual([1, ["write now"]]);
    tick();
    put();
    await turns();
    put();
    await turns();
    expect([log.durableOffset, disk.calls]).toEqual([3, ["write now", "sync", "write", "write"]]);
    // The next one is due while this one runs: there is one at a time.
    tick();
    expect(disk.calls.filter((call) => call === "sync")).toHaveLength(1);
    disk.endSync();
    await turns();
    put();
    expect(disk.calls.at(-1)).toBe("write now");
    // What was written beside the sync is not on disk by it.
    expect(namedBy(log, 4)).toBe(1);
    tick();
    expect([disk.calls.at(-1), writer.syncs]).toEqual(["sync", 1]);
  });

  it("is over before its segment is closed", async () => {
    const { disk, put, tick } = await openWriter();
    put();
    tick();
    // What the change of segments itself syncs is not held up.
    disk.isSlow = false;
    put(60 * 1024);
    put(60 * 1024);
    await turns();
    expect(disk.calls).not.toContain("close");
    disk.endSync();
    await turns();
    expect(disk.calls).toContain("close");
  });

  it("ends everything where it fails: what is written meanwhile never becomes durable", async () => {
    const { disk, log, put, tick, failures } = await openWriter();
    put();
    tick();
    const failure = new Error("EIO");
    disk.areWritesSlow = true;
    put();
    disk.endSync(failure);
    await turns();
    disk.endWrites();
    await turns();
    put();
    await turns();
    expect([failures, log.durableOffset]).toEqual([[failure], 1]);
    expect(disk.calls).toEqual(["write now", "sync", "write"]);
  });
});
