import { readdirSync, readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { REPLICATION_ID, temporaryDirectory, waitUntil } from "../../test/data-node.ts";
import { FaultyFileSystem, fileError, Latch } from "../../test/faulty-file-system.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName, segmentOffset } from "./segment.ts";
import { isFull, Segments } from "./segment-file.ts";

const SEGMENT_BYTES = 100_000;
const header = (firstOffset: number) => ({ firstOffset, epoch: 1, replicationId: REPLICATION_ID });

function make() {
  const path = temporaryDirectory();
  const files = new FaultyFileSystem();
  return { path, files, segments: new Segments(files, path, SEGMENT_BYTES) };
}

it("a segment's name has its first offset, in an order that names have too", () => {
  for (const offset of [1, 999, 170_000_000_000_001, 2 ** 48 - 1]) {
    expect(segmentOffset(segmentName(offset))).toBe(offset);
  }
  expect(segmentName(9) < segmentName(10)).toBe(true);
  expect(["log-next.tmp", "log-1.synap", "snapshot-0000000000000001.synap"].map(segmentOffset)).toEqual(
    Array(3).fill(undefined),
  );
});

describe("the next segment", () => {
  it("has its full length, and its name only when all of it is durable", async () => {
    const { path, files, segments } = make();
    segments.prepare();
    await waitUntil(() => segments.spareBytes === SEGMENT_BYTES);
    const { file, position, bytesLeft } = await segments.next(header(7), 10);
    await file.close();
    expect([position, bytesLeft]).toEqual([SEGMENT_HEADER_BYTES, SEGMENT_BYTES - SEGMENT_HEADER_BYTES]);
    expect(statSync(`${path}/${segmentName(7)}`).size).toBe(SEGMENT_BYTES);
    const at = files.calls.indexOf(`rename ${segmentName(7)}`);
    expect(files.calls.slice(at - 2, at + 2).map((call) => call.split(" ")[0])).toEqual([
      "write",
      "sync",
      "rename",
      "syncDirectory",
    ]);
    await segments.close();
  });

  it("is made at once where there is no spare, and with room for a record that is larger", async () => {
    const { path, segments } = make();
    const first = await segments.next(header(1), 0);
    await waitUntil(() => segments.spareBytes === SEGMENT_BYTES);
    const second = await segments.next(header(2), 3 * SEGMENT_BYTES);
    await waitUntil(() => segments.spareBytes === SEGMENT_BYTES);
    const third = await segments.next(header(3), 10);
    expect([first.bytes, second.bytes, third.bytes]).toEqual([
      SEGMENT_BYTES,
      3 * SEGMENT_BYTES + SEGMENT_HEADER_BYTES,
      SEGMENT_BYTES,
    ]);
    for (const { file } of [first, second, third]) await file.close();
    await segments.close();
    expect(readdirSync(path).sort()).toEqual([...[1, 2, 3].map(segmentName), "log-next.tmp"].sort());
  });

  it("begins with zeros, whatever a spare of an earlier process has held", async () => {
    const { path, files, segments } = make();
    const old = await files.open(`${path}/log-next.tmp`, "create");
    await old.write(new Uint8Array(SEGMENT_BYTES * 2).fill(9), 0);
    await old.close();
    const { file } = await segments.next(header(1), 0);
    const bytes = new Uint8Array(SEGMENT_BYTES * 2);
    expect(await file.read(bytes, SEGMENT_HEADER_BYTES)).toBe(SEGMENT_BYTES - SEGMENT_HEADER_BYTES);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    await file.close();
    await segments.close();
  });

  it("is tried again after a full disk, and leaves nothing of the attempt", async () => {
    const { path, files, segments } = make();
    files.fault = (call) => (call === "write" ? fileError("ENOSPC") : undefined);
    segments.prepare();
    await waitUntil(() => files.calls.some((call) => call.startsWith("write")));
    await expect(segments.next(header(1), 0)).rejects.toMatchObject({ code: "ENOSPC" });
    expect([readdirSync(path), segments.spareBytes]).toEqual([[], 0]);
    files.fault = () => undefined;
    const { file } = await segments.next(header(1), 0);
    await file.close();
    await segments.close();
  });

  it("is not got ready while no spare is wanted", async () => {
    const { files, segments } = make();
    segments.keepsSpare = false;
    segments.prepare();
    const { file } = await segments.next(header(1), 0);
    await file.close();
    expect(files.calls.filter((call) => call.startsWith("open"))).toEqual(["open log-next.tmp"]);
    await segments.close();
  });
});

it("a disk is full by its size and by a quota", () => {
  expect(["ENOSPC", "EDQUOT", "EIO"].map((code) => isFull(fileError(code)))).toEqual([true, true, false]);
  expect(isFull("full")).toBe(false);
});

it("makes no spare while one is becoming a segment, which has the name of the spare until then", async () => {
  const path = temporaryDirectory();
  const files = new FaultyFileSystem();
  const segments = new Segments(files, path, 4096);
  segments.prepare();
  await waitUntil(() => files.calls.includes("sync log-next.tmp"));
  const synced = new Latch();
  const syncs = () => files.calls.filter((call) => call === "sync log-next.tmp").length;
  files.fault = (call) => (call === "sync" && syncs() === 2 ? synced.opened : undefined);
  const seven = { firstOffset: 7, epoch: 1, replicationId: "0".repeat(32) };
  const next = segments.next(seven, 100);
  await waitUntil(() => syncs() === 2);
  const removals = files.calls.filter((call) => call.startsWith("remove")).length;
  segments.prepare();
  expect(files.calls.filter((call) => call.startsWith("remove"))).toHaveLength(removals);
  synced.open();
  const segment = await next;
  expect(decodeSegmentHeader(readFileSync(`${path}/${segment.name}`))).toEqual(seven);
  await waitUntil(() => readdirSync(path).length === 2);
  await segment.file.close();
  await segments.close();
});
