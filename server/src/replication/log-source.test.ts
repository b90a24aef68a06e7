import { describe, expect, it } from "vitest";
import { DataNode, waitUntil } from "../../test/data-node.ts";
import { HandleCountingFileSystem } from "../../test/handle-counting-file-system.ts";
import { countAt, firstOffsetAt, recordBytesAt } from "../oplog/log-record.ts";
import { LogSource } from "./log-source.ts";

/** A node whose log has long left the backlog, over several segments, and a source that begins with its first record. */
async function longLog() {
  const files = new HandleCountingFileSystem();
  const node = await DataNode.open({ path: "data", files, segmentBytes: 4096, backlogBytesMax: 2048 });
  const first = await node.acknowledged("first", "1");
  for (let i = 0; i < 40; i++) await node.acknowledged(`key ${i}`, "v".repeat(400));
  const idleCount = files.openCount;
  const told = { ready: 0, failures: [] as unknown[] };
  const source = new LogSource(
    {
      log: node.log,
      files: node.directory,
      onReady: () => told.ready++,
      onFailure: (error) => told.failures.push(error),
    },
    first,
  );
  return { files, node, source, told, first, idleCount };
}

function offsetsIn(records: Uint8Array): number[] {
  const offsets: number[] = [];
  for (let at = 0; at < records.length; at += recordBytesAt(records, at)) {
    for (let i = 0; i < countAt(records, at); i++) offsets.push(firstOffsetAt(records, at) + i);
  }
  return offsets;
}

describe("a source of the log", () => {
  it("leads from the files into memory, and closes what it has read", async () => {
    const { files, node, source, told, first, idleCount } = await longLog();
    expect(await source.open()).toBe(true);
    const offsets: number[] = [];
    while (source.takenOffset < node.log.durableOffset) {
      const before = told.ready;
      const records = source.take(1000);
      if (records === undefined) await waitUntil(() => told.ready > before);
      else offsets.push(...offsetsIn(records));
    }
    const count = node.log.durableOffset - first + 1;
    expect([...new Set(offsets)]).toEqual(Array.from({ length: count }, (_, i) => first + i));
    source.close();
    await waitUntil(() => files.openCount === idleCount);
    expect(told.failures).toEqual([]);
    await node.close();
  });

  it("that is closed at any read of it tells of nothing more, and leaves no file open", async () => {
    for (let reads = 0, hasEnded = false; !hasEnded; reads++) {
      const { files, node, source, told, idleCount } = await longLog();
      expect(await source.open()).toBe(true);
      let readsLeft = reads;
      let isClosedInRead = false;
      files.beforeRead = () => {
        if (readsLeft-- !== 0) return;
        isClosedInRead = true;
        told.ready = 0;
        source.close();
      };
      while (!isClosedInRead && source.takenOffset < node.log.durableOffset) {
        const before = told.ready;
        if (source.take(1000) === undefined) await waitUntil(() => told.ready > before || isClosedInRead);
      }
      hasEnded = !isClosedInRead;
      source.close();
      await waitUntil(() => files.openCount === idleCount);
      if (isClosedInRead) expect(told).toEqual({ ready: 0, failures: [] });
      else expect(reads).toBeGreaterThan(6);
      await node.close();
    }
  });
});
