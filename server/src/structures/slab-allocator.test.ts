import { describe, expect, it } from "vitest";
import { CHUNK_BYTES, PageHeap } from "./page-heap.ts";
import { CLASS_BYTES_MAX, CLASS_COUNT, sizeClassBytes, sizeClassOf } from "./size-class.ts";
import { SlabAllocator } from "./slab-allocator.ts";

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function write(slab: SlabAllocator, ref: number, content: number): void {
  slab.words[ref >>> 24][ref & 0xfffffe] = content;
}

function read(slab: SlabAllocator, ref: number): number {
  return slab.words[ref >>> 24][ref & 0xfffffe];
}

describe("size classes", () => {
  it("are the smallest that hold a size, and waste at most an eighth of a slot", () => {
    for (let bytes = 1; bytes <= CLASS_BYTES_MAX; bytes += bytes < 5000 ? 1 : 97) {
      const sizeClass = sizeClassOf(bytes);
      const slotBytes = sizeClassBytes(sizeClass);
      const below = sizeClass === 0 ? 0 : sizeClassBytes(sizeClass - 1);
      if (slotBytes < bytes || below >= bytes || (bytes > 256 && slotBytes > bytes * 1.125)) {
        throw new Error(`${bytes} bytes: class of ${slotBytes}, the one below ${below}`);
      }
    }
    expect(sizeClassOf(CLASS_BYTES_MAX)).toBe(CLASS_COUNT - 1);
  });
});

describe("SlabAllocator", () => {
  it.each([1, 2, 3])("keeps objects apart and counts exactly (seed %i)", (seed) => {
    const random = lcg(seed);
    const heap = new PageHeap(2 ** 12);
    const slabs = [new SlabAllocator(heap, 0), new SlabAllocator(heap, 1, 2 ** 14)];
    const live: { slab: SlabAllocator; ref: number; content: number; bytes: number }[] = [];
    for (let step = 0; step < 40_000; step++) {
      const growing = Math.floor(step / 8000) % 2 === 0;
      if (random() < (growing ? 0.7 : 0.3)) {
        const slab = slabs[Math.floor(random() * 2)];
        const bytes = 8 + Math.floor(random() ** 12 * 100_000);
        const ref = slab.allocate(bytes);
        write(slab, ref, step);
        live.push({ slab, ref, content: step, bytes });
      } else if (live.length > 0) {
        const at = Math.floor(random() * live.length);
        const object = live[at];
        live[at] = live[live.length - 1];
        live.pop();
        if (read(object.slab, object.ref) !== object.content)
          throw new Error(`an object was overwritten, step ${step}`);
        object.slab.free(object.ref);
      }
    }
    for (const slab of slabs) {
      slab.checkInvariants();
      const own = live.filter((object) => object.slab === slab);
      expect(slab.usedBytes).toBe(own.reduce((sum, object) => sum + slab.slotBytesFor(object.bytes), 0));
      const walked = new Set<number>();
      slab.walk((ref) => walked.add(read(slab, ref)).size > 0);
      expect(walked).toEqual(new Set(own.map((object) => object.content)));
    }
    for (const { slab, ref } of live) slab.free(ref);
    expect([slabs[0].usedBytes, slabs[1].usedBytes, heap.heldBytes]).toEqual([0, 0, 0]);
  });

  it("empties sparse spans for other classes to use", () => {
    const heap = new PageHeap();
    const slab = new SlabAllocator(heap, 0);
    const places = new Map<number, number>();
    for (let i = 0; i < 50_000; i++) {
      const ref = slab.allocate(100);
      write(slab, ref, i);
      places.set(i, ref);
    }
    for (let i = 0; i < 50_000; i++) {
      if (i % 10 === 0) continue;
      slab.free(places.get(i) ?? 0);
      places.delete(i);
    }
    const { heldBytes } = heap;
    const { reclaimableBytes } = slab;
    const move = (ref: number): void => {
      const content = read(slab, ref);
      expect(places.get(content)).toBe(ref);
      const moved = slab.allocate(100);
      write(slab, moved, content);
      places.set(content, moved);
      slab.free(ref);
    };
    while (slab.evacuate(move));
    slab.checkInvariants();
    expect(heldBytes - heap.heldBytes).toBe(reclaimableBytes);
    expect(heap.heldBytes).toBeLessThan(heldBytes / 8);
    for (const [content, ref] of places) if (read(slab, ref) !== content) throw new Error("an object was lost");
    expect(heap.growthFor(1)).toBe(0);
  });

  it("takes chunks as it grows, drops them when they are empty, and keeps one", () => {
    const heap = new PageHeap();
    const slab = new SlabAllocator(heap, 0);
    const refs = Array.from({ length: 10 }, (_, i) => {
      const ref = slab.allocate(CHUNK_BYTES / 2);
      write(slab, ref, i);
      return ref;
    });
    expect(heap.words.filter((words) => words.length > 0).length).toBe(5);
    for (const ref of refs) slab.free(ref);
    expect(heap.words.filter((words) => words.length > 0).length).toBe(1);
    expect(heap.heldBytes).toBe(0);
    expect(() => slab.allocate(CHUNK_BYTES + 1)).toThrow(RangeError);
  });
});
