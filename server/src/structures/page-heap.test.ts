import { describe, expect, it } from "vitest";
import { PageHeap } from "./page-heap.ts";

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
