import { describe, expect, it } from "vitest";
import { Crash, CrashingFileSystem } from "../../test/crashing-file-system.ts";
import { DataNode, REPLICATION_ID, TestClock, takeLock } from "../../test/data-node.ts";
import { MemoryFileSystem } from "../../test/memory-file-system.ts";
import { crc32 } from "../structures/crc32.ts";
import { DataDirectoryError } from "./data-directory.ts";
import { LOCK_TOUCH_MS } from "./data-lock.ts";
import { readWhole } from "./file-system.ts";
import { loadIdentity, saveIdentity } from "./identity.ts";
import { KIND_MARK, type LogRecord } from "./log-record.ts";
import { LogDamage } from "./log-recovery.ts";
import { offsetAt } from "./operation-log.ts";

const open = (files: MemoryFileSystem, options: Partial<Parameters<typeof DataNode.open>[0]> = {}): Promise<DataNode> =>
  DataNode.open({ path: "data", files, segmentBytes: 4096, ...options });

async function fill(node: DataNode, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await node.acknowledged(`key ${i}`, "v".repeat(300));
}

async function damage(files: MemoryFileSystem, path: string, at: number): Promise<void> {
  const bytes = await readWhole(files, path);
  if (bytes === undefined) throw new Error(`${path} is not there`);
  const file = await files.open(path, "write");
  await file.write(Uint8Array.of(bytes[at] ^ 0x10), at);
}

const named = (files: MemoryFileSystem, pattern: RegExp): string[] => files.paths.filter((path) => pattern.test(path));

/** Fails as a start that is refused does, and leaves every file as it was but the lock. */
async function expectRefusal(files: MemoryFileSystem, problem: string): Promise<void> {
  const { paths } = files;
  for (let attempt = 0; attempt < 2; attempt++) {
    const opening = open(files);
    await expect(opening).rejects.toThrow(problem);
    await expect(opening).rejects.toBeInstanceOf(LogDamage);
    expect(files.paths).toEqual(paths.filter((path) => !path.includes("lock-")));
  }
}

describe("a data directory", () => {
  it("is the same node over every kind of restart", async () => {
    const files = new MemoryFileSystem();
    const ids = ["a".repeat(16), "b".repeat(16)];
    const options = { newNodeId: () => ids.shift() ?? "" };
    const first = await open(files, options);
    expect(first.directory.nodeId).toBe("a".repeat(16));
    await first.kill();
    const second = await open(files, options);
    expect(second.directory.nodeId).toBe("a".repeat(16));
    await second.close();
    const third = await open(files, { ...options, isReplica: true });
    expect(third.directory.nodeId).toBe("a".repeat(16));
    await third.close();
    const elsewhere = await open(new MemoryFileSystem(), options);
    expect(elsewhere.directory.nodeId).toBe("b".repeat(16));
    await elsewhere.close();
  });

  it("begins where no earlier log has come to, and goes on where it was", async () => {
    const files = new MemoryFileSystem();
    const clock = new TestClock();
    const node = await open(files, { clock });
    expect([node.log.nextOffset, node.log.epoch]).toEqual([offsetAt(clock.ms), 1]);
    await fill(node, 0, 30);
    const { content } = node;
    const { nextOffset } = node.log;
    await node.close();
    clock.ms += 10_000;
    const again = await open(files, { clock });
    expect([again.content, again.log.nextOffset, again.log.epoch]).toEqual([content, nextOffset, 1]);
    expect([again.log.durableOffset, again.directory.identity.replicationId]).toEqual([nextOffset - 1, REPLICATION_ID]);
    await again.close();
  });

  it("is given back when it is closed, and when opening it fails", async () => {
    const files = new MemoryFileSystem();
    await (await open(files)).close();
    expect(named(files, /lock-/)).toEqual([]);
    await saveIdentity(files, "data", { ...(await identityOf(files)), replicationId: "e".repeat(32) });
    await expect(open(files)).rejects.toThrow("belongs to another log");
    expect(named(files, /lock-/)).toEqual([]);
  });

  it("is not opened beside another server", async () => {
    const refused = open(new MemoryFileSystem(), { lock: async () => "in use by process 7" });
    await expect(refused).rejects.toThrow("in use by process 7");
    await expect(refused).rejects.toBeInstanceOf(DataDirectoryError);
  });

  it("renews its lock", async () => {
    const files = new MemoryFileSystem();
    const clock = new TestClock();
    const node = await open(files, { clock, lock: takeLock });
    const [path] = named(files, /lock-/);
    const content = async () => Buffer.from((await readWhole(files, path)) ?? []).toString();
    const before = await content();
    clock.ms += LOCK_TOUCH_MS - 1;
    node.directory.tick();
    await node.durable();
    expect(await content()).toBe(before);
    clock.ms += 1;
    node.directory.tick();
    await expect.poll(content).not.toBe(before);
    await node.close();
  });

  it("takes no snapshot in the middle of a record, which no log could follow", async () => {
    const node = await open(new MemoryFileSystem(), {});
    node.state.skipTo(node.log.nextOffset);
    expect(() => node.directory.snapshots.take()).toThrow("within a record");
  });

  it("ends where another server has taken its lock away", async () => {
    const files = new MemoryFileSystem();
    const clock = new TestClock();
    const node = await open(files, { clock, lock: takeLock });
    await files.remove(named(files, /lock-/)[0]);
    clock.ms += LOCK_TOUCH_MS;
    node.directory.tick();
    await expect.poll(() => node.failure).toBeInstanceOf(DataDirectoryError);
    await node.close();
  });

  it("names what is durable when the log falls quiet", async () => {
    const clock = new TestClock();
    const node = await open(new MemoryFileSystem(), { clock });
    const kinds = (): number[] => {
      const found: LogRecord[] = [];
      node.log.read(node.log.oldestOffset ?? 0, (record) => found.push({ ...record }) > 0);
      return found.map(({ kind, durableOffset }) => (kind === KIND_MARK ? durableOffset : 0));
    };
    const last = await node.acknowledged("a", "1");
    node.directory.tick();
    expect(kinds()).toEqual([0]);
    clock.ms += 100;
    node.directory.tick();
    node.directory.tick();
    clock.ms += 1000;
    node.directory.tick();
    expect(kinds()).toEqual([0, last]);
    await node.close();
  });
});

async function identityOf(files: MemoryFileSystem) {
  const identity = await loadIdentity(files, "data");
  if (identity === undefined || typeof identity === "string") throw new Error("there is no identity");
  return identity;
}

describe("snapshots that have gone bad", () => {
  /** Two snapshots, with log before, between and behind them. */
  async function withSnapshots(files: MemoryFileSystem, more = 0): Promise<string> {
    const node = await open(files);
    for (let round = 0; round < 2 + more; round++) {
      await fill(node, round * 20, round * 20 + 25);
      await node.snapshot();
      await node.directory.snapshots.prune();
    }
    await fill(node, 0, 5);
    await node.kill();
    return node.content;
  }

  it("are put aside, and the one before and the log lead to the same state", async () => {
    for (const more of [0, 3]) {
      const files = new MemoryFileSystem();
      const content = await withSnapshots(files, more);
      const [older, newest] = named(files, /snapshot-/);
      await damage(files, newest, 200);
      const node = await open(files);
      expect(node.content).toBe(content);
      expect(node.said[0]).toMatch(
        /^data\/snapshot-\d+\.synap is damaged and is not used, .* a checksum is wrong at byte 64$/,
      );
      expect(named(files, /snapshot-/)).toEqual([older, `${newest}.damaged`]);
      expect(node.directory.snapshots.newest?.name).toBe(older.slice(5));
      await node.close();
      expect((await open(files)).content).toBe(content);
    }
  });

  it("are not needed where the log reaches back to its beginning", async () => {
    const files = new MemoryFileSystem();
    const node = await open(files);
    await fill(node, 0, 25);
    await node.snapshot();
    await fill(node, 10, 15);
    await node.kill();
    const [only] = named(files, /snapshot-/);
    await damage(files, only, 10);
    const again = await open(files);
    expect([again.content, again.directory.recovered.snapshotOffset]).toEqual([node.content, undefined]);
    await again.close();
  });

  it("are the end where they are all that there is", async () => {
    const files = new MemoryFileSystem();
    await withSnapshots(files, 3);
    for (const path of named(files, /snapshot-/)) await damage(files, path, 100);
    await expectRefusal(files, "no snapshot in data can be read (snapshot-");
    // Also without any log: this is no new directory.
    for (const path of named(files, /log-/)) await files.remove(path);
    await expectRefusal(files, "the log does not reach back to its beginning");
  });

  it("are told from those of another version, which are left alone", async () => {
    const files = new MemoryFileSystem();
    await withSnapshots(files);
    const [, newest] = named(files, /snapshot-/);
    const bytes = (await readWhole(files, newest)) ?? new Uint8Array(0);
    bytes[8] = 9;
    const file = await files.open(newest, "write");
    await file.write(withChecksum(bytes.slice(0, 64)), 0);
    await expectRefusal(
      files,
      "its format has version 9, and this server knows 1 and 2. Start the server that has written it.",
    );
  });

  it("are of this log, and under their own name", async () => {
    const files = new MemoryFileSystem();
    await withSnapshots(files);
    const [older, newest] = named(files, /snapshot-/);
    await files.rename(older, "data/kept");
    await files.rename(newest, older);
    await files.rename("data/kept", newest);
    await expectRefusal(files, "synap: it belongs to another log; snapshot-");
  });
});

describe("an identity", () => {
  it("that is missing beside data is not made up", async () => {
    const files = new MemoryFileSystem();
    const node = await open(files);
    await fill(node, 0, 3);
    await node.close();
    await files.remove("data/identity.json");
    await expectRefusal(files, "data has log files and no identity.json");
  });

  it("that cannot be read is said to be", async () => {
    const files = new MemoryFileSystem();
    await (await open(files)).close();
    await damage(files, "data/identity.json", 2);
    await expectRefusal(files, "data/identity.json cannot be read");
  });

  it("that is older than the log is seen by the epochs it does not know", async () => {
    const files = new MemoryFileSystem();
    const node = await open(files, { fsync: "interval" });
    const old = await identityOf(files);
    await node.kill();
    const second = await open(files, { fsync: "interval" });
    await fill(second, 0, 3);
    await second.close();
    await saveIdentity(files, "data", { ...old, isClosed: true });
    await expect(open(files)).rejects.toThrow("does not follow");
  });
});

describe("a log that was taken away, in part or as a whole,", () => {
  const last = (files: MemoryFileSystem): string => named(files, /log-\d/).at(-1) ?? "";

  it("is missed where it was closed in order, until the loss is accepted: then a new epoch begins", async () => {
    for (const isWhole of [false, true]) {
      const files = new MemoryFileSystem();
      const node = await open(files);
      await fill(node, 0, 20);
      const { nextOffset } = node.log;
      await node.close();
      if (isWhole) for (const path of named(files, /log-\d/)) await files.remove(path);
      else await files.remove(last(files));
      await expectRefusal(files, "--accept-log-loss");
      const again = await open(files, { acceptsLogLoss: true });
      expect([again.log.epoch, again.log.nextOffset > nextOffset]).toEqual([2, true]);
      await again.acknowledged("new", "1");
      await again.close();
      const third = await open(files);
      expect(third.log.epoch).toBe(2);
      await third.close();
    }
  });

  it("is missed where a file of it was shortened after it was closed", async () => {
    const files = new MemoryFileSystem();
    const node = await open(files, { segmentBytes: 2 ** 16 });
    await fill(node, 0, 10);
    await node.close();
    const path = last(files);
    const bytes = (await readWhole(files, path)) ?? new Uint8Array(0);
    await files.remove(path);
    const file = await files.open(path, "create");
    await file.write(bytes.subarray(0, 1500), 0);
    await expectRefusal(files, "was on disk");
  });

  it("as a whole, of a server that was killed, leads to a new epoch: no offset is given out again", async () => {
    const files = new MemoryFileSystem();
    const node = await open(files);
    await fill(node, 0, 5);
    const { nextOffset } = node.log;
    await node.kill();
    for (const path of named(files, /log-\d/)) await files.remove(path);
    await expectRefusal(files, "had a log, and its files are gone");
    const again = await open(files, { acceptsLogLoss: true });
    expect([again.log.epoch, again.log.nextOffset > nextOffset]).toEqual([2, true]);
    expect(again.said.join()).toContain("has no log files");
    await again.close();
  });

  it("is not missed where a process was killed before it had one", async () => {
    const files = new MemoryFileSystem();
    const node = await open(files);
    await node.kill();
    await saveIdentity(files, "data", { ...(await identityOf(files)), hasLog: false });
    for (const path of named(files, /log-\d/)) await files.remove(path);
    await (await open(files)).close();
  });

  it("from a damage on is given up where that is accepted, and what is good before it stays", async () => {
    const files = new MemoryFileSystem();
    const node = await open(files, { segmentBytes: 4096 });
    await fill(node, 0, 200);
    const { nextOffset } = node.log;
    await node.kill();
    const segments = named(files, /log-\d/);
    expect(segments.length).toBeGreaterThan(4);
    await damage(files, segments[2], 2000);
    await expectRefusal(files, "start once with --accept-log-loss");
    const again = await open(files, { segmentBytes: 4096, acceptsLogLoss: true });
    const [, from] = /everything from offset (\d+) on/.exec(again.said.join()) ?? [];
    const kept = Number(from) - (nextOffset - 200);
    expect(kept).toBeGreaterThan(20);
    expect(again.content.split("\n").length).toBeGreaterThanOrEqual(kept);
    expect([again.log.epoch, again.log.nextOffset > nextOffset]).toEqual([2, true]);
    const aside = named(files, /^data\/given-up-\d+\//);
    expect(aside.length).toBe(segments.length - 2);
    expect(aside.some((path) => /log-\d+\.synap\.from-\d+$/.test(path))).toBe(true);
    await again.acknowledged("new", "1");
    await again.close();
    const third = await open(files, { segmentBytes: 4096 });
    expect(third.content).toBe(again.content);
    await third.close();
  });

  it("is given up in several places, each kept", async () => {
    const files = new MemoryFileSystem();
    const node = await open(files, { segmentBytes: 4096 });
    await fill(node, 0, 200);
    await node.close();
    const segments = named(files, /log-\d/);
    // The header of a whole file, and a record.
    await damage(files, segments[3], 2);
    await damage(files, segments[1], 1500);
    const again = await open(files, { segmentBytes: 4096, acceptsLogLoss: true });
    expect(named(files, /^data\/given-up-\d+\//).length).toBe(segments.length - 1);
    await again.close();
  });

  it("is given up as far as it still has to be after a crash in the middle of that", async () => {
    for (let step = 1, hasCrashed = true; hasCrashed; step++) {
      hasCrashed = false;
      const files = new MemoryFileSystem();
      const node = await open(files, { segmentBytes: 4096 });
      await fill(node, 0, 100);
      await node.kill();
      const segments = named(files, /log-\d/);
      await damage(files, segments[1], 1500);
      const options = { segmentBytes: 4096, acceptsLogLoss: true };
      try {
        const crashing = new CrashingFileSystem(files, step);
        await (await DataNode.open({ path: "data", files: crashing, ...options })).kill();
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        hasCrashed = true;
      }
      const again = await open(files, options);
      expect(again.content.length, `crash at step ${step}`).toBeGreaterThan(500);
      const rest = named(files, /\.from-\d+$/);
      const bytes = await readWhole(files, rest[0]);
      expect(
        bytes?.some((byte) => byte !== 0),
        `crash at step ${step}`,
      ).toBe(true);
      await again.close();
    }
  });
});

describe("a start after which the end of the log may be missing", () => {
  it("begins an epoch behind all that may have been given out, and only then", async () => {
    const files = new MemoryFileSystem();
    const clock = new TestClock();
    for (const [fsync, isKilled, epoch] of [
      ["always", true, 1],
      ["interval", false, 1],
      ["interval", true, 1],
      ["never", true, 2],
      ["always", true, 3],
      ["always", false, 3],
    ] as const) {
      const node = await open(files, { clock, fsync });
      expect(node.log.epoch, `${fsync} after what came before`).toBe(epoch);
      await fill(node, 0, 3);
      if (isKilled) await node.kill();
      else await node.close();
      clock.ms += 1000;
    }
    const node = await open(files, { clock });
    const { epochs } = node.log.history;
    expect(epochs.map(({ firstOffset, previousEnd }) => firstOffset - previousEnd > 2 ** 24)).toEqual([
      false,
      true,
      true,
    ]);
    await node.close();
  });

  it("does not depend on a clock that goes right", async () => {
    const files = new MemoryFileSystem();
    const clock = new TestClock();
    const node = await open(files, { clock, fsync: "interval" });
    await fill(node, 0, 3);
    const { nextOffset } = node.log;
    await node.kill();
    clock.ms = 1000;
    const again = await open(files, { clock });
    expect(again.log.nextOffset).toBe(nextOffset + 2 ** 24);
    await again.close();
  });

  it("leaves the epochs of a replica to its master", async () => {
    const files = new MemoryFileSystem();
    const node = await open(files, { fsync: "interval" });
    await fill(node, 0, 3);
    await node.kill();
    const again = await open(files, { fsync: "interval", isReplica: true });
    expect([again.log.epoch, again.log.nextOffset]).toEqual([1, node.log.nextOffset]);
    await again.close();
  });

  it("can come more often than epochs are remembered, with and without writes, before there is any snapshot", async () => {
    const files = new MemoryFileSystem();
    const clock = new TestClock();
    let content: string | undefined;
    for (let round = 0; round < 105; round++) {
      const node = await open(files, { clock, fsync: "interval" });
      expect(node.content, `round ${round}`).toBe(content ?? node.content);
      if (round % 3 !== 1) await node.acknowledged(`key ${round}`, "1");
      if (round % 5 === 0) {
        clock.ms += 200;
        node.directory.tick();
        clock.ms += 200;
        node.directory.tick();
      }
      content = node.content;
      clock.ms += 10;
      await node.kill();
    }
    const node = await open(files, { clock });
    expect([node.content, node.log.epoch]).toEqual([content, 106]);
    await node.snapshot();
    await node.acknowledged("key", "1");
    await node.snapshot();
    for (let i = 0; i < 20; i++) await node.acknowledged(`key ${i}`, "v".repeat(300));
    await node.snapshot();
    await node.directory.snapshots.prune();
    await node.close();
    // Those that nothing is left of are forgotten now.
    const again = await open(files, { clock });
    expect([again.content, again.log.history.epochs.length]).toEqual([node.content, 100]);
    await again.close();
  });

  it("does not take a mark behind the gap for something that is lost", async () => {
    const files = new MemoryFileSystem();
    const clock = new TestClock();
    let content: string | undefined;
    for (let round = 0; round < 4; round++) {
      const node = await open(files, { clock, fsync: round % 2 === 0 ? "interval" : "always" });
      expect(node.content).toBe(content ?? node.content);
      // Some rounds write nothing but the mark, which stands at the beginning of their epoch.
      if (round < 2) await node.acknowledged(`key ${round}`, "1");
      content = node.content;
      for (let tick = 0; tick < 3; tick++) {
        clock.ms += 200;
        node.directory.tick();
        await node.durable();
      }
      await node.kill();
    }
    const node = await open(files, { clock });
    expect(node.content).toBe(content);
    await node.close();
  });
});

function withChecksum(head: Uint8Array): Uint8Array {
  new DataView(head.buffer).setUint32(60, crc32(head, 0, 60), true);
  return head;
}
