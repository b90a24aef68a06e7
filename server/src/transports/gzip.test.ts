import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { compressSmall, GzipQueue } from "./gzip.ts";

/** Passes through the thread pool: too much to be expanded at once. */
const LARGE = gzipSync(Buffer.alloc(2_000_000, "large"));

describe("compression", () => {
  it("is done at once for small bodies only", async () => {
    const small = compressSmall(Buffer.alloc(32 * 1024, "a"));
    expect(small && gunzipSync(small).length).toBe(32 * 1024);
    const large = Buffer.alloc(32 * 1024 + 1, "a");
    expect(compressSmall(large)).toBeUndefined();
    const compressed = await new GzipQueue(1000).compress(() => large);
    expect(compressed && gunzipSync(compressed)).toEqual(large);
  });
});

describe("expansion", () => {
  it.each([1000, 1_000_000])("goes up to a limit of %d and not one byte past it", async (bytesMax) => {
    const queue = new GzipQueue(bytesMax);
    expect(String(await queue.expand(() => gzipSync("x".repeat(bytesMax)))) === "x".repeat(bytesMax)).toBe(true);
    expect(await queue.expand(() => gzipSync("x".repeat(bytesMax + 1)))).toBe("too-large");
    expect(await queue.expand(() => gzipSync(""))).toEqual(Buffer.alloc(0));
  });

  it("says of anything else that it is no gzip", async () => {
    const queue = new GzipQueue(10_000_000);
    const broken = gzipSync("a checksum protects this");
    broken[broken.length - 5] ^= 1;
    const largeBroken = Buffer.from(LARGE);
    largeBroken[largeBroken.length - 5] ^= 1;
    for (const body of [
      Buffer.from("plain"),
      Buffer.alloc(0),
      gzipSync("short").subarray(0, 12),
      broken,
      largeBroken,
    ]) {
      expect(await queue.expand(() => body)).toBe("invalid");
    }
  });

  it("serves more bodies than it expands at a time, each with its own", async () => {
    const queue = new GzipQueue(1_000_000);
    const texts = Array.from({ length: 30 }, (_, i) => `${i}`.repeat(100_000));
    const expanded = await Promise.all(texts.map((text) => queue.expand(() => gzipSync(text))));
    expect(expanded.map(String)).toEqual(texts);
  });

  it("turns away what would wait too long, but not what is small", async () => {
    const queue = new GzipQueue(10_000_000);
    const running = Array.from({ length: 2 + 64 }, () => queue.expand(() => LARGE));
    expect(queue.isFull).toBe(true);
    expect(await queue.expand(() => LARGE)).toBe("no-room");
    expect(await queue.expand(() => gzipSync("small"))).toEqual(Buffer.from("small"));
    expect((await Promise.all(running)).every((result) => result.length === 2_000_000)).toBe(true);
    expect(queue.isFull).toBe(false);
  });

  it("skips those whose clients have left", async () => {
    const queue = new GzipQueue(10_000_000);
    let isOpen = true;
    const results = Array.from({ length: 2 + 64 }, () => queue.expand(() => (isOpen ? LARGE : undefined)));
    isOpen = false;
    const kinds = (await Promise.all(results)).map((result) => (result === "abandoned" ? result : "expanded"));
    expect(kinds).toEqual(["expanded", "expanded", ...Array(64).fill("abandoned")]);
  });
});
