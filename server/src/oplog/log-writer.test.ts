import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DataNode, TestClock, temporaryDirectory, waitUntil } from "../../test/data-node.ts";
import { FaultyFileSystem, fileError, Latch } from "../../test/faulty-file-system.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";

async function openNode(options: Partial<Parameters<typeof DataNode.open>[0]> = {}) {
  const files = new FaultyFileSystem();
  const path = temporaryDirectory();
  const clock = new TestClock();
  const node = await DataNode.open({ path, files, clock, ...options });
  // The spare is there, so that nothing goes on by itself.
  await waitUntil(() => node.directory.writer.unpreparedBytes === 0);
  await settled(files);
  files.calls.length = 0;
  return { node, files, path, clock };
}

/** Nothing has been asked of the disk for some turns of the loop. */
async function settled(files: FaultyFileSystem): Promise<void> {
  for (let turns = 0, seen = -1; turns < 20; turns++) {
    if (files.calls.length !== seen) turns = 0;
    seen = files.calls.length;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const writesAndSyncs = (files: FaultyFileSystem): string[] =>
  files.calls.map((call) => call.split(" ")[0]).filter((call) => call === "write" || call === "sync");

const segmentsIn = (path: string): string[] =>
  readdirSync(path)
    .filter((name) => /^log-\d/.test(name))
    .sort();

async function reopened(path: string): Promise<string> {
  const again = await DataNode.open({ path });
  const { content } = again;
  await again.close();
  return content;
}

describe("groups", () => {
  it("have all of a turn, and all that comes while a sync runs has the next one", async () => {
    const { node, files, path } = await openNode();
    const first = new Latch();
    files.fault = (call) => (call === "sync" ? first.opened : undefined);
    for (let i = 0; i < 10; i++) node.put(`a${i}`, "v");
    const inFirst = node.log.nextOffset - 1;
    node.directory.endTurn();
    await waitUntil(() => files.calls.some((call) => call.startsWith("sync")));
    for (let turn = 0; turn < 5; turn++) {
      node.put(`b${turn}`, "v");
      node.directory.endTurn();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([node.log.durableOffset < inFirst, writesAndSyncs(files)]).toEqual([true, ["write", "sync"]]);
    files.fault = () => undefined;
    first.open();
    await node.durable();
    expect(writesAndSyncs(files)).toEqual(["write", "sync", "write", "sync"]);
    expect([node.directory.writer.groups, node.directory.writer.syncs]).toEqual([2, 2]);
    const { content } = node;
    await node.kill();
    expect(await reopened(path)).toBe(content);
  });

  it("are durable in order, and only once they are synced", async () => {
    const told: number[] = [];
    const { node, files } = await openNode({ onDurable: (offset) => told.push(offset) });
    const latch = new Latch();
    files.fault = (call) => (call === "sync" ? latch.opened : undefined);
    const first = node.put("a", "1");
    node.directory.endTurn();
    await waitUntil(() => files.calls.some((call) => call.startsWith("sync")));
    expect([told, node.log.durableOffset]).toEqual([[], first - 1]);
    const second = node.put("b", "2");
    node.directory.endTurn();
    latch.open();
    await node.durable();
    expect(told).toEqual([first, second]);
    await node.close();
  });

  it("are nothing at all where nothing was appended", async () => {
    const { node, files } = await openNode({ fsync: "never" });
    node.directory.endTurn();
    await settled(files);
    expect(files.calls).toEqual([]);
    await node.close();
  });
});

describe("segments", () => {
  it("follow each other, each synced before the next begins", async () => {
    for (const fsync of ["always", "interval", "never"] as const) {
      const { node, files, path } = await openNode({ fsync });
      for (let i = 0; i < 40; i++) await node.acknowledged(`key ${i}`, "v".repeat(5000));
      const names = segmentsIn(path);
      expect(names.length, fsync).toBe(4);
      for (const [i, name] of names.entries()) {
        if (i === 0) continue;
        const begun = files.calls.indexOf(`rename ${name}`);
        const lastWrite = files.calls.lastIndexOf(`write ${names[i - 1]}`);
        const lastSync = files.calls.lastIndexOf(`sync ${names[i - 1]}`);
        expect([lastWrite > 0, lastWrite < lastSync, lastSync < begun], `${fsync}: ${name}`).toEqual([
          true,
          true,
          true,
        ]);
      }
      const { content } = node;
      await node.kill();
      expect(await reopened(path)).toBe(content);
    }
  });

  it("keep their file where a spare is wanted while the next one begins", async () => {
    for (const held of ["write", "sync", "rename"] as const) {
      const { node, files, path } = await openNode();
      await node.acknowledged("first", "v".repeat(40_000));
      await settled(files);
      files.calls.length = 0;
      const latch = new Latch();
      const isHeld = (call: string, name: string) =>
        call === held && (held === "rename" ? /^log-\d/ : /^log-next/).test(name);
      files.fault = (call, name) => (isHeld(call, name) ? latch.opened : undefined);
      node.put("second", "v".repeat(40_000));
      node.directory.endTurn();
      await waitUntil(() => files.calls.some((call) => isHeld(...(call.split(" ") as [string, string]))));
      // As the look at the disk's room does, whenever it comes.
      node.directory.writer.keepSpare(true);
      await settled(files);
      files.fault = () => undefined;
      latch.open();
      await node.durable();
      const { content, failure } = node;
      expect(failure, held).toBeUndefined();
      await node.kill();
      expect(await reopened(path), held).toBe(content);
    }
  });

  it("have room for a record that is larger than others are", async () => {
    const { node, path } = await openNode();
    await node.acknowledged("small", "1");
    await node.acknowledged("large", "v".repeat(200_000));
    await node.acknowledged("small again", "2");
    const sizes = segmentsIn(path).map((name) => readFileSync(`${path}/${name}`).length);
    expect(sizes).toHaveLength(3);
    expect([sizes[0], sizes[2]]).toEqual([65_536, 65_536]);
    expect(sizes[1]).toBeGreaterThan(200_000 + SEGMENT_HEADER_BYTES);
    const { content } = node;
    await node.kill();
    expect(await reopened(path)).toBe(content);
  });
});

describe("with interval and never", () => {
  it("what the system has counts as durable, and no record says that it is on disk", async () => {
    const { node, files, clock } = await openNode({ fsync: "interval" });
    const first = await node.acknowledged("a", "1");
    expect([node.log.durableOffset, writesAndSyncs(files)]).toEqual([first, ["write"]]);
    clock.ms += 999;
    node.directory.tick();
    await settled(files);
    expect(writesAndSyncs(files)).toEqual(["write"]);
    clock.ms += 1;
    node.directory.tick();
    await waitUntil(() => node.directory.writer.syncs === 1);
    await node.acknowledged("b", "2");
    const named: number[] = [];
    node.log.read(first, ({ durableOffset, count }) => {
      if (count > 0) named.push(durableOffset);
      return true;
    });
    expect(named).toEqual([first - 1, first]);
    await node.close();
  });

  it("never syncs by the clock", async () => {
    const { node, files, clock } = await openNode({ fsync: "never" });
    await node.acknowledged("a", "1");
    clock.ms += 1_000_000;
    node.directory.tick();
    node.directory.tick();
    await settled(files);
    expect(files.calls.filter((call) => call.startsWith("sync log"))).toEqual([]);
    await node.close();
    expect(files.calls.filter((call) => call.startsWith("sync log")).length).toBeGreaterThan(0);
  });

  it("writes a large group off this thread, in order with small ones", async () => {
    const { node, path } = await openNode({ fsync: "never", segmentBytes: 2 ** 20 });
    node.put("large", "v".repeat(400_000));
    node.directory.endTurn();
    node.put("small", "1");
    node.directory.endTurn();
    await node.durable();
    const { content } = node;
    await node.kill();
    expect(await reopened(path)).toBe(content);
  });
});

describe("a disk that fails", () => {
  it.each(["write", "sync"] as const)("at a %s ends it, and the call is never made again", async (failing) => {
    const { node, files, clock } = await openNode();
    const kept = await node.acknowledged("a", "1");
    files.calls.length = 0;
    let faults = 0;
    files.fault = (call, name) =>
      call === failing && name.startsWith("log-") && ++faults > 0 ? fileError("EIO") : undefined;
    node.put("b", "2");
    await node.durable();
    expect([node.failure, node.log.durableOffset]).toEqual([expect.objectContaining({ code: "EIO" }), kept]);
    node.put("c", "3");
    node.directory.endTurn();
    clock.ms += 5000;
    node.directory.writer.syncWhereDue();
    await settled(files);
    await node.directory.writer.close();
    expect([faults, node.log.durableOffset]).toEqual([1, kept]);
  });

  it("at a write on this thread, too", async () => {
    const { node, files } = await openNode({ fsync: "never" });
    const { durableOffset } = node.log;
    let faults = 0;
    files.fault = (call) => (call === "write" && ++faults > 0 ? fileError("ENOSPC") : undefined);
    node.put("a", "1");
    node.directory.endTurn();
    expect(node.failure).toMatchObject({ code: "ENOSPC" });
    node.put("b", "2");
    node.directory.endTurn();
    await settled(files);
    expect([faults, node.log.durableOffset]).toEqual([1, durableOffset]);
    files.fault = () => undefined;
    await node.directory.writer.closeFiles();
  });

  it("while it is closed is told to whoever closes", async () => {
    const { node, files } = await openNode();
    node.put("a", "1");
    files.fault = (call) => (call === "sync" ? fileError("EIO") : undefined);
    await expect(node.directory.writer.close()).rejects.toMatchObject({ code: "EIO" });
  });
});

describe("closing", () => {
  it("writes what is left, and a mark that names it", async () => {
    const { node, path } = await openNode();
    node.put("a", "1");
    node.directory.endTurn();
    node.put("b", "2");
    const last = node.put("c", "3");
    await node.close();
    expect(node.log.durableOffset).toBe(last);
    expect(await reopened(path)).toBe(node.content);
    // So damage to what was closed in order is never taken for a torn tail.
    const [name] = segmentsIn(path);
    const bytes = readFileSync(`${path}/${name}`);
    bytes[bytes.lastIndexOf("c3")] ^= 1;
    writeFileSync(`${path}/${name}`, bytes);
    await expect(reopened(path)).rejects.toThrow("it was on disk");
  });

  it("is not disturbed by the end of a turn that comes late", async () => {
    for (let turns = 0; turns < 12; turns++) {
      const { node, path } = await openNode();
      node.log.onAppended = () => setImmediate(() => node.directory.endTurn());
      node.put("a", "1");
      node.put("b", "2");
      const closing = node.close();
      for (let i = 0; i < turns; i++) {
        node.directory.endTurn();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await closing;
      for (let i = 0; i < 5; i++) {
        node.directory.endTurn();
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(node.failure).toBeUndefined();
      expect(await reopened(path)).toBe(node.content);
    }
  });
});
