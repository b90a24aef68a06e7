import { describe, expect, it } from "vitest";
import { DataNode, REPLICATION_ID, temporaryDirectory } from "../../test/data-node.ts";
import { seededRandom } from "../../test/engine.ts";
import { FaultyFileSystem } from "../../test/faulty-file-system.ts";
import { MemoryFileSystem } from "../../test/memory-file-system.ts";
import { LogFileReader, SegmentReader } from "./log-file-reader.ts";
import {
  countAt,
  firstOffsetAt,
  RECORD_HEADER_BYTES,
  recordBytesAt,
  recordProblem,
  WrittenBytes,
  writeRecord,
} from "./log-record.ts";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from "./segment.ts";

/** The last offset of each record that holds operations. */
function offsetsIn(records: Uint8Array): number[] {
  const offsets: number[] = [];
  for (let at = 0; at < records.length; at += recordBytesAt(records, at)) {
    expect(recordProblem(records, at, records.length)).toBeUndefined();
    if (countAt(records, at) > 0) offsets.push(firstOffsetAt(records, at) + countAt(records, at) - 1);
  }
  return offsets;
}

async function readAll(reader: LogFileReader): Promise<number[]> {
  const offsets: number[] = [];
  for (let records = await reader.next(); records !== undefined; records = await reader.next()) {
    offsets.push(...offsetsIn(records));
  }
  return offsets;
}

async function opened(node: DataNode, offset: number): Promise<LogFileReader> {
  const reader = await node.directory.openLog(offset);
  if (reader === undefined) throw new Error(`the files do not reach back to ${offset}`);
  return reader;
}

describe("a reader of the log's files", () => {
  it("gives everything from any offset on, over all segments", async () => {
    const node = await DataNode.open({ path: "data", files: new MemoryFileSystem(), segmentBytes: 4096 });
    const written: number[] = [];
    for (let i = 0; i < 60; i++) {
      written.push(await node.acknowledged(`key ${i}`, "v".repeat(i * 7)));
      if (i % 10 === 0) node.log.appendMark();
    }
    for (const [i, offset] of written.entries()) {
      const reader = await opened(node, offset);
      expect(await readAll(reader)).toEqual(written.slice(i));
      await reader.close();
    }
    expect(await node.directory.openLog(written[0] - 1)).toBeUndefined();
    await node.close();
  });

  it("gives a record whole from an offset in the middle of it", async () => {
    const node = await DataNode.open({ path: "data", files: new MemoryFileSystem() });
    const before = await node.acknowledged("a", "1");
    const last = node.commit((writer) => {
      for (let i = 0; i < 5; i++) writer.flush();
    });
    await node.durable();
    for (let offset = before + 1; offset <= last; offset++) {
      const reader = await opened(node, offset);
      expect(await readAll(reader)).toEqual([last]);
      await reader.close();
    }
    await node.close();
  });

  it("follows while more is written, and never gives what is not durable", async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = seededRandom(seed);
      const node = await DataNode.open({ path: "data", files: new MemoryFileSystem(), segmentBytes: 4096 });
      const written: number[] = [];
      const read: number[] = [];
      const reader = await opened(node, node.log.nextOffset);
      for (let step = 0; step < 300; step++) {
        const draw = random();
        if (draw < 0.5) written.push(node.put(`key ${step}`, "v".repeat(Math.floor(random() * 900))));
        else if (draw < 0.7) node.directory.endTurn();
        else if (draw < 0.75) await node.durable();
        else {
          const records = await reader.next();
          if (records === undefined) continue;
          const { durableOffset } = node.log;
          read.push(...offsetsIn(records));
          expect(read[read.length - 1], `seed ${seed}`).toBeLessThanOrEqual(durableOffset);
        }
      }
      await node.durable();
      read.push(...(await readAll(reader)));
      expect(read, `seed ${seed}`).toEqual(written);
      await reader.close();
      await node.close();
    }
  });

  it("reads a record again that it had seen half written", async () => {
    const files = new MemoryFileSystem();
    const name = segmentName(10);
    const file = await files.open(`data/${name}`, "create");
    await file.write(new Uint8Array(4096), 0);
    await file.write(encodeSegmentHeader({ firstOffset: 10, epoch: 1, replicationId: REPLICATION_ID }), 0);
    let at = SEGMENT_HEADER_BYTES;
    let durableOffset = 9;
    const record = (firstOffset: number): Uint8Array => {
      const bytes = new Uint8Array(RECORD_HEADER_BYTES + 50);
      writeRecord(
        bytes,
        0,
        { kind: 1, firstOffset, durableOffset, epoch: 1, count: 1 },
        new WrittenBytes(new Uint8Array(50).fill(7)),
      );
      return bytes;
    };
    const write = async (bytes: Uint8Array): Promise<void> => {
      await file.write(bytes, at);
      at += bytes.length;
    };
    const reader = await LogFileReader.open(files, "data", 10, () => durableOffset);
    if (reader === undefined) throw new Error("there is no log");
    await write(record(10));
    const second = record(11);
    for (let cut = 1; cut < second.length; cut++) await file.write(second.subarray(0, cut), at);
    durableOffset = 10;
    expect(await readAll(reader)).toEqual([10]);
    await file.write(second.subarray(0, 40), at);
    expect(await readAll(reader)).toEqual([]);
    await write(second);
    durableOffset = 11;
    expect(await readAll(reader)).toEqual([11]);
  });

  it("goes on in the epoch behind a gap", async () => {
    const files = new MemoryFileSystem();
    const node = await DataNode.open({ path: "data", files });
    const first = await node.acknowledged("a", "1");
    const reader = await opened(node, first);
    const history = node.log.history.next(first, first + 1000);
    await node.directory.saveHistory(history, false);
    node.log.beginEpoch(history);
    node.state.skipTo(node.log.nextOffset - 1);
    expect(await readAll(reader)).toEqual([first]);
    const second = await node.acknowledged("b", "2");
    expect([second, await readAll(reader)]).toEqual([first + 1000, [second]]);
    await reader.close();
    await node.close();
  });

  it("says where a durable record is damaged", async () => {
    const files = new MemoryFileSystem();
    const node = await DataNode.open({ path: "data", files });
    const first = await node.acknowledged("a", "1");
    await node.acknowledged("b", "2");
    const name = segmentName(first);
    const file = await files.open(`data/${name}`, "write");
    await file.write(Uint8Array.of(99), SEGMENT_HEADER_BYTES + 12);
    const reader = await opened(node, first);
    await expect(reader.next()).rejects.toThrow(`${name} is damaged at byte ${SEGMENT_HEADER_BYTES}`);
  });

  it("gives a record that is larger than its buffer", async () => {
    const path = temporaryDirectory();
    const node = await DataNode.open({ path, files: new FaultyFileSystem(), segmentBytes: 4 * 2 ** 20 });
    const written = [
      await node.acknowledged("small", "1"),
      await node.acknowledged("large", "v".repeat(2_500_000)),
      await node.acknowledged("small again", "2"),
    ];
    const reader = await opened(node, written[0]);
    expect(await readAll(reader)).toEqual(written);
    await reader.close();
    await node.close();
  });
});

it("a segment that is none is told apart from one that is damaged", async () => {
  const files = new MemoryFileSystem();
  const put = async (name: string, bytes: Uint8Array): Promise<void> => {
    const file = await files.open(`data/${name}`, "create");
    await file.write(bytes, 0);
  };
  const header = encodeSegmentHeader({ firstOffset: 5, epoch: 1, replicationId: REPLICATION_ID });
  await put(segmentName(1), new Uint8Array(64));
  await put(segmentName(2), header.subarray(0, 63));
  await put(segmentName(3), header.slice().fill(1, 20, 21));
  await put(segmentName(4), header);
  const problems: unknown[] = [];
  for (let offset = 1; offset <= 4; offset++)
    problems.push(await SegmentReader.open(files, "data", segmentName(offset)));
  expect(problems).toMatchObject([
    { at: 0, problem: "it is not a segment" },
    { at: 0, problem: "it is not a segment" },
    { at: 0, problem: "its header's checksum is wrong" },
    { at: 0, problem: "its header belongs to another segment" },
  ]);
});
