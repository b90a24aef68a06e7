import { describe, expect, it } from "vitest";
import { CHUNK_BYTES, PageHeap } from "./page-heap.ts";

describe("the first chunk", () => {
  const bytesOf = (heap: PageHeap): number[] => heap.bytes.map(({ length }) => length);

  it("is small, and used before there are others", () => {
    const heap = new PageHeap();
    expect(bytesOf(heap)).toEqual([]);
    heap.take(1, 0);
    const [first] = bytesOf(heap);
    expect(first).toBeLessThan(CHUNK_BYTES / 16);
    for (let pages = 2; pages < first / heap.pageBytes; pages++) heap.take(1, 0);
    expect(bytesOf(heap)).toEqual([first]);
    heap.take(1, 0);
    expect(bytesOf(heap)).toEqual([first, CHUNK_BYTES]);
  });

  it("is added when it is needed, where something large came before", () => {
    const heap = new PageHeap();
    const pages = CHUNK_BYTES / heap.pageBytes;
    const large = heap.take(pages, 0);
    expect(bytesOf(heap)).toEqual([0, CHUNK_BYTES]);
    expect([heap.heldBytes, heap.residentBytes]).toEqual([CHUNK_BYTES, CHUNK_BYTES]);
    const small = heap.take(1, 0);
    expect([large >> heap.chunkShift, small >> heap.chunkShift]).toEqual([1, 0]);
    heap.give(0, small);
    heap.give(1, 0);
    expect(heap.heldBytes).toBe(0);
  });

  it("is not the one that is kept for a store that is full and empty in turns", () => {
    const heap = new PageHeap();
    const turn = () => {
      const spans = Array.from({ length: 5 }, () => heap.take(10, 0));
      const chunks = [...heap.bytes];
      for (const span of spans) heap.give(span >> heap.chunkShift, span & (heap.pagesPerChunk - 1));
      return chunks;
    };
    const chunks = turn();
    expect(chunks.length).toBe(2);
    for (let i = 0; i < 10; i++) for (const [chunk, bytes] of turn().entries()) expect(bytes).toBe(chunks[chunk]);
    expect([heap.heldBytes, bytesOf(heap)]).toEqual([0, chunks.map(({ length }) => length)]);
  });

  it("may be dropped with all that is in it, and is made again when there is need of it", () => {
    const heap = new PageHeap();
    heap.take(3, 0);
    heap.take(40, 0);
    expect([heap.dropNextChunk(), heap.dropNextChunk(), heap.dropNextChunk()]).toEqual([true, false, false]);
    expect([heap.residentBytes, heap.heldBytes]).toEqual([0, 0]);
    const spans = [heap.take(heap.pagesPerChunk, 0), heap.take(1, 0)];
    expect(spans.map((span) => span >> heap.chunkShift)).toEqual([1, 0]);
  });

  it("is no place for what is larger, nor for all of its pages", () => {
    const heap = new PageHeap();
    heap.take(1, 0);
    const pages = bytesOf(heap)[0] / heap.pageBytes;
    expect(heap.take(pages, 0) >> heap.chunkShift).toBe(1);
    expect(() => heap.take(CHUNK_BYTES / heap.pageBytes + 1, 0)).toThrow(RangeError);
  });
});

describe("the address space", () => {
  it.each([513, 129, 17])("lets the caller know in time that spans of %i pages will not fit", (pages) => {
    const heap = new PageHeap();
    const bytes = pages * heap.pageBytes;
    let spans = 0;
    while (heap.canTake(bytes)) {
      heap.take(pages, 0);
      spans++;
    }
    expect(spans * bytes).toBeGreaterThan(0.49 * 2 ** 34);
    // Small spans still find a place: what frees memory may need one.
    expect(heap.canTake(heap.pageBytes)).toBe(true);
    for (let i = 0; i < 32; i++) heap.take(1, 0);
  });
});
