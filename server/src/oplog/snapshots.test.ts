import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DataNode, type NodeOptions, TestClock, temporaryDirectory, waitUntil } from "../../test/data-node.ts";
import { FaultyFileSystem, fileError, Latch } from "../../test/faulty-file-system.ts";
import { MemoryFileSystem } from "../../test/memory-file-system.ts";
import { segmentOffset } from "./segment.ts";
import { snapshotOffset } from "./snapshot-file.ts";
import { type SnapshotEvent, Snapshots } from "./snapshots.ts";

async function openNode(options: Partial<NodeOptions> = {}) {
  const files = new FaultyFileSystem();
  const path = temporaryDirectory();
  const clock = new TestClock();
  return { node: await DataNode.open({ path, files, clock, segmentBytes: 4096, ...options }), files, path, clock };
}

const offsetsIn = (path: string, offsetOf: (name: string) => number | undefined): number[] =>
  readdirSync(path)
    .map(offsetOf)
    .filter((offset) => offset !== undefined)
    .sort((a, b) => a - b);

async function fill(node: DataNode, records: number, bytes = 500): Promise<void> {
  for (let i = 0; i < records; i++) node.put(`key ${i}`, "v".repeat(bytes));
  await node.durable();
}

describe("snapshots on disk", () => {
  it("lead to the state that they were taken of, with the log behind them", async () => {
    const { node, path } = await openNode();
    await fill(node, 20);
    const taken = await node.snapshot();
    expect(taken?.offset).toBe(node.state.appliedOffset);
    await fill(node, 5);
    const { content } = node;
    await node.kill();
    const again = await DataNode.open({ path });
    expect([again.content, again.directory.recovered.snapshotOffset]).toEqual([content, taken?.offset]);
    expect(again.directory.recovered.records).toBe(5);
    await again.close();
  });

  it("are exact while writes go on, and complete only when the log before them is durable", async () => {
    const { node, files, path } = await openNode();
    await fill(node, 400);
    const latch = new Latch();
    files.fault = (call, name) => (call === "sync" && segmentOffset(name) !== undefined ? latch.opened : undefined);
    node.put("last before", "1");
    node.directory.endTurn();
    const { dump } = node.state;
    const before = dump.call(node.state);
    const taken = node.directory.snapshots.take();
    for (let i = 0; i < 400; i++) {
      node.put(`key ${i}`, "changed");
      if (i % 10 === 0) node.directory.snapshots.slice(0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(node.directory.snapshots.isUnderWay).toBe(true);
    files.fault = () => undefined;
    latch.open();
    await node.durable();
    // Not asked for again: where it is complete by now, that would be another.
    const { snapshots } = node.directory;
    await waitUntil(() => {
      snapshots.slice(5);
      return !snapshots.isUnderWay;
    });
    const snapshot = await taken;
    await node.kill();
    // Without the log behind it, the snapshot alone is what there is.
    for (const name of readdirSync(path)) if (segmentOffset(name) !== undefined) await files.remove(`${path}/${name}`);
    const again = await DataNode.open({ path });
    expect(again.state.dump()).toBe(before);
    expect(again.state.appliedOffset).toBe(snapshot?.offset);
    await again.close();
  });

  it("stay as the newest two, with the log from the older on", async () => {
    const { node, path } = await openNode();
    const [begin] = offsetsIn(path, segmentOffset);
    const taken: number[] = [];
    for (let round = 0; round < 5; round++) {
      await fill(node, 20);
      taken.push((await node.snapshot())?.offset ?? 0);
      await waitUntil(() => offsetsIn(path, snapshotOffset).length <= 2);
      expect(offsetsIn(path, snapshotOffset)).toEqual(taken.slice(-2));
      // With one snapshot alone all of the log is needed, should that go bad.
      if (round === 0) expect(offsetsIn(path, segmentOffset)[0]).toBe(begin);
    }
    const needed = taken[3] + 1;
    await waitUntil(() => offsetsIn(path, segmentOffset).filter((offset) => offset <= needed).length === 1);
    await node.close();
  });

  it("stay while they are pinned, with the log behind them", async () => {
    const { node, path } = await openNode();
    await fill(node, 20);
    const first = (await node.snapshot())?.offset ?? 0;
    const pin = node.directory.pinned(first);
    for (let round = 0; round < 4; round++) {
      await fill(node, 20);
      await node.snapshot();
    }
    await node.directory.snapshots.prune();
    expect(offsetsIn(path, snapshotOffset)).toHaveLength(5);
    expect(offsetsIn(path, segmentOffset)[0]).toBeLessThanOrEqual(first + 1);
    pin.release();
    await node.directory.snapshots.prune();
    expect(offsetsIn(path, snapshotOffset)).toHaveLength(2);
    await node.close();
  });

  it.each(["interval", "never"] as const)("have the log on disk before their name, with fsync %s", async (fsync) => {
    const { node } = await openNode({ fsync });
    const offset = node.put("a", "1");
    await node.durable();
    expect(node.log.syncedOffset).toBeLessThan(offset);
    expect((await node.snapshot())?.offset).toBe(offset);
    expect(node.log.syncedOffset).toBe(offset);
    await node.close();
  });

  it("can be asked for by several, who get the same", async () => {
    const { node } = await openNode({ path: "data", files: new MemoryFileSystem() });
    await fill(node, 3);
    const [first, second] = [node.directory.snapshots.take(), node.directory.snapshots.take()];
    await node.snapshot();
    expect(await first).toBe(await second);
    await node.close();
  });
});

describe("a snapshot is due", () => {
  const isUnderWay = (node: DataNode): boolean => {
    node.directory.snapshots.slice(0);
    return node.directory.snapshots.isUnderWay;
  };

  it("after its time, where anything was written since the last", async () => {
    const { node, clock } = await openNode({ path: "data", files: new MemoryFileSystem(), snapshotIntervalMs: 1000 });
    await fill(node, 3);
    clock.ms += 999;
    expect(isUnderWay(node)).toBe(false);
    clock.ms += 1;
    expect(isUnderWay(node)).toBe(true);
    await node.snapshot();
    clock.ms += 10_000;
    expect(isUnderWay(node)).toBe(false);
    await fill(node, 1);
    expect(isUnderWay(node)).toBe(true);
    await node.close();
  });

  it("after so many bytes of log, counting those that were there at the start", async () => {
    const files = new MemoryFileSystem();
    const { node } = await openNode({ path: "data", files, snapshotLogBytes: 10_000 });
    await fill(node, 15);
    expect(isUnderWay(node)).toBe(false);
    await node.kill();
    const again = await openNode({ path: "data", files, snapshotLogBytes: 10_000 });
    expect(isUnderWay(again.node)).toBe(false);
    await fill(again.node, 6);
    expect(isUnderWay(again.node)).toBe(true);
    await again.node.close();
  });
});

describe("a snapshot is given up", () => {
  it("where the disk is full, without a trace, and the server goes on", async () => {
    const { node, files, path } = await openNode();
    await fill(node, 30);
    files.fault = (call, name) => (call === "write" && name === "snapshot-next.tmp" ? fileError("ENOSPC") : undefined);
    expect(await node.snapshot()).toBeUndefined();
    expect([node.failure, offsetsIn(path, snapshotOffset)]).toEqual([undefined, []]);
    expect(readdirSync(path)).not.toContain("snapshot-next.tmp");
    expect(node.said).toContain("a snapshot was given up: ENOSPC: no luck, write");
    await node.acknowledged("more", "1");
    files.fault = () => undefined;
    // Also where nothing is written meanwhile, there is another try.
    expect(await node.snapshot()).toMatchObject({ offset: node.state.appliedOffset });
    await node.close();
  });

  it("where the disk is too slow for what changes meanwhile", async () => {
    const { node, files, path, clock } = await openNode();
    const latch = new Latch();
    files.fault = (call, name) => (call === "write" && name === "snapshot-next.tmp" ? latch.opened : undefined);
    let hasEnded = false;
    const images = { bytes: new Uint8Array(32 * 2 ** 20), length: 0, reset: () => undefined };
    const reports: SnapshotEvent[] = [];
    const snapshots = new Snapshots(
      {
        ...{ files, directory: path, log: node.log, replicationId: "0".repeat(32), clock, intervalMs: 0, logBytes: 0 },
        syncLog: () => undefined,
        begin: () => ({ offset: 5, images, step: () => false, end: () => (hasEnded = true) }),
        report: (event) => reports.push(event),
        onFailure: (error) => expect(error).toBeUndefined(),
      },
      [],
      0,
    );
    const taken = snapshots.take();
    // What changes force goes on also while the walk pauses.
    images.length = images.bytes.length;
    for (let slices = 0; slices < 7; slices++) snapshots.slice(0);
    expect(hasEnded).toBe(false);
    snapshots.slice(0);
    latch.open();
    expect([await taken, hasEnded]).toEqual([undefined, true]);
    expect(reports).toEqual([
      { kind: "abandoned", reason: "the disk is too slow for the changes that go on meanwhile" },
    ]);
    await node.close();
  });

  it("where the server stops", async () => {
    const { node, path } = await openNode();
    await fill(node, 30);
    const taken = node.directory.snapshots.take();
    await node.close();
    expect(await taken).toBeUndefined();
    expect(readdirSync(path)).not.toContain("snapshot-next.tmp");
  });

  it("and ends the process where a sync has failed", async () => {
    const { node, files } = await openNode();
    await fill(node, 3);
    files.fault = (call, name) => (call === "sync" && name === "snapshot-next.tmp" ? fileError("EIO") : undefined);
    node.directory.snapshots.take().catch(() => undefined);
    await waitUntil(() => {
      node.directory.snapshots.slice(5);
      return node.failure !== undefined;
    });
    expect(node.failure).toMatchObject({ code: "EIO" });
    await node.kill();
  });
});

it("what an interrupted snapshot has left is removed at the start", async () => {
  const { node, files, path } = await openNode();
  await fill(node, 3);
  await node.kill();
  const left = await files.open(`${path}/snapshot-next.tmp`, "create");
  await left.close();
  const again = await DataNode.open({ path });
  expect(readdirSync(path)).not.toContain("snapshot-next.tmp");
  await again.close();
});
