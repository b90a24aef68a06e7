import { describe, expect, it } from "vitest";
import { DataNode, type NodeOptions, temporaryDirectory, waitUntil } from "../../test/data-node.ts";
import { FaultyFileSystem, fileError } from "../../test/faulty-file-system.ts";

const MB = 2 ** 20;
const RESERVE_BYTES = 10 * MB;
const SEGMENT_BYTES = MB;

async function openNode(options: Partial<NodeOptions> = {}) {
  const files = new FaultyFileSystem();
  const path = temporaryDirectory();
  const node = await DataNode.open({
    path,
    files,
    segmentBytes: SEGMENT_BYTES,
    reserveBytes: RESERVE_BYTES,
    ...options,
  });
  await waitUntil(() => node.directory.writer.unpreparedBytes === 0);
  return { node, files, path };
}

async function withFree(node: DataNode, files: FaultyFileSystem, freeBytes: number): Promise<string | undefined> {
  files.freeBytesNow = freeBytes;
  await node.directory.reserve.measure();
  return node.log.refusal;
}

describe("the reserve on the disk", () => {
  it("refuses writes below it and takes them again above it, and says both once", async () => {
    const { node, files, path } = await openNode();
    expect(await withFree(node, files, RESERVE_BYTES)).toBeUndefined();
    const refusal =
      "the disk is nearly full (9 MB left, 10 MB are kept in reserve): make room, and writes are taken again; see persistence.reserve_bytes";
    expect(await withFree(node, files, 9 * MB)).toBe(refusal);
    expect(await withFree(node, files, 8 * MB)).toContain("(8 MB left");
    expect(node.directory.reserve.freeBytes).toBe(8 * MB);
    expect(await withFree(node, files, 11 * MB)).toBeUndefined();
    expect(node.said).toEqual([
      `the disk of ${path} is nearly full: writes are refused. 9 MB are left, and beside the next segment 10 MB are kept in ` +
        "reserve (persistence.reserve_bytes)",
      `the disk of ${path} has room again: writes are taken`,
    ]);
    await node.close();
  });

  it("counts the next segment as long as that is not made", async () => {
    const { node, files } = await openNode();
    // The disk takes the rest of this segment, the next one, and no more.
    await node.acknowledged("a", "v".repeat(700_000));
    const segments = (): number => files.calls.filter((call) => /^rename log-\d/.test(call)).length;
    let faults = 0;
    files.fault = (call, name) =>
      call === "write" && name === "log-next.tmp" && segments() === 2 && ++faults > 0 ? fileError("ENOSPC") : undefined;
    await node.acknowledged("b", "v".repeat(700_000));
    // Whatever else is called meanwhile.
    const last = (call: string): number => files.calls.lastIndexOf(`${call} log-next.tmp`);
    await waitUntil(() => faults === 1 && last("remove") > last("write"));
    expect(await withFree(node, files, RESERVE_BYTES + SEGMENT_BYTES - 1)).toContain("nearly full");
    // A spare would take what the reserve is for: none is made.
    const { length } = files.calls;
    await withFree(node, files, RESERVE_BYTES);
    expect(files.calls.slice(length).filter((call) => call.endsWith("log-next.tmp"))).toEqual([]);
    files.fault = () => undefined;
    // As the ticker does, it tries until there is one.
    while (node.directory.writer.unpreparedBytes > 0) {
      expect(await withFree(node, files, RESERVE_BYTES + SEGMENT_BYTES)).toBeUndefined();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await withFree(node, files, RESERVE_BYTES)).toBeUndefined();
    await node.close();
  });

  it("is not touched however much is written until the next look", async () => {
    const { node, files } = await openNode();
    expect(await withFree(node, files, RESERVE_BYTES + 2 * SEGMENT_BYTES)).toBeUndefined();
    let bytes = 0;
    for (; node.log.refusal === undefined; bytes += 100_000) {
      node.put(`key ${bytes}`, "v".repeat(100_000));
      await node.durable();
    }
    // What is left of this segment, the spare, and two more.
    expect(bytes).toBeGreaterThan(2.5 * SEGMENT_BYTES);
    expect(bytes).toBeLessThan(4 * SEGMENT_BYTES + 100_000);
    await node.close();
  });

  it("has a snapshot give way first", async () => {
    const { node, files } = await openNode();
    await node.acknowledged("a", "1");
    const taken = node.directory.snapshots.take();
    await withFree(node, files, RESERVE_BYTES - 1);
    expect(await taken).toBeUndefined();
    expect(node.said).toContain("a snapshot was given up: the disk is nearly full");
    await node.close();
  });

  it("is looked at once at a time", async () => {
    const { node, files } = await openNode();
    files.calls.length = 0;
    await Promise.all([node.directory.reserve.measure(), node.directory.reserve.measure()]);
    expect(files.calls.filter((call) => call.startsWith("freeBytes"))).toHaveLength(1);
    await node.close();
  });
});
