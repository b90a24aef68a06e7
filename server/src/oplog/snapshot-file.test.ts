import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { REPLICATION_ID } from "../../test/data-node.ts";
import { MemoryFileSystem } from "../../test/memory-file-system.ts";
import { crc32 } from "../structures/crc32.ts";
import {
  decodeSnapshotHeader,
  encodeSnapshotHeader,
  readSnapshot,
  SNAPSHOT_HEADER_BYTES,
  SnapshotFraming,
  snapshotName,
  snapshotOffset,
} from "./snapshot-file.ts";

const header = { offset: 77, epoch: 3, replicationId: REPLICATION_ID, startedAtMs: 1_700_000_000_123 };

function snapshotOf(chunks: readonly Uint8Array[]): Uint8Array {
  const framing = new SnapshotFraming();
  const parts = chunks.map((chunk) => framing.chunk(chunk, chunk.length));
  return Buffer.concat([encodeSnapshotHeader(header), ...parts, framing.end()]);
}

/** What a reader sees of a file with these bytes. */
async function read(bytes: Uint8Array) {
  const files = new MemoryFileSystem();
  const file = await files.open("snapshot", "create");
  await file.write(bytes, 0);
  const images: Uint8Array[] = [];
  const result = await readSnapshot(files, "snapshot", (chunk, { doneBytes, allBytes }) => {
    images.push(chunk.slice());
    expect(doneBytes).toBeLessThanOrEqual(allBytes);
    expect(allBytes).toBe(bytes.length);
  });
  return { images, result };
}

describe("a snapshot's file", () => {
  it("is named by its offset", () => {
    expect(snapshotOffset(snapshotName(170_000_000_000_001))).toBe(170_000_000_000_001);
    expect(["snapshot-next.tmp", "snapshot-0000000000000001.synap.damaged"].map(snapshotOffset)).toEqual([
      undefined,
      undefined,
    ]);
  });

  it("reads back as it was written, chunk by chunk", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), { maxLength: 10 }),
        async (chunks) => {
          const { images, result } = await read(snapshotOf(chunks));
          expect(result).toEqual(header);
          expect(images).toEqual(chunks);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("takes only the part of a buffer that holds images", () => {
    const framing = new SnapshotFraming();
    const chunk = framing.chunk(Uint8Array.of(1, 2, 3, 4), 2);
    expect([chunk.length, framing.imageBytes]).toEqual([10, 2]);
  });

  it("is refused with any bit flipped, cut anywhere, and with anything behind its end", async () => {
    const bytes = snapshotOf([Uint8Array.of(1, 2, 3), new Uint8Array(40).fill(5)]);
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Uint8Array.from(bytes);
        flipped[at] ^= 1 << bit;
        const { result } = await read(flipped);
        if (typeof result !== "string") expect(result, `bit ${bit} of byte ${at}`).toBeTypeOf("string");
      }
      expect((await read(bytes.subarray(0, at))).result, `cut at ${at}`).toBeTypeOf("string");
    }
    expect((await read(Buffer.concat([bytes, Uint8Array.of(0)]))).result).toBe("it does not hold what its end says");
  });

  it("is refused without one of its chunks, or with one twice", async () => {
    const chunks = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6)];
    const bytes = snapshotOf(chunks);
    const one = SNAPSHOT_HEADER_BYTES + 11;
    for (const broken of [
      Buffer.concat([bytes.subarray(0, one), bytes.subarray(one + 11)]),
      Buffer.concat([bytes.subarray(0, one), bytes.subarray(one - 11)]),
    ]) {
      expect((await read(broken)).result).toBe("it does not hold what its end says");
    }
  });

  it("says that another version has written it", () => {
    const bytes = encodeSnapshotHeader(header);
    bytes[8] = 3;
    new DataView(bytes.buffer).setUint32(60, crc32(bytes, 0, 60), true);
    expect(decodeSnapshotHeader(bytes)).toBe("its format has version 3, and this server knows 1 and 2");
  });
});
