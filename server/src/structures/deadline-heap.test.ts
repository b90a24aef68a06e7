import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEADLINE_ENTRY_BYTES, DeadlineHeap } from "./deadline-heap.ts";

const command = fc.record({
  kind: fc.constantFrom("add", "add", "remove", "change", "setOwner", "pop"),
  deadlineMs: fc.integer({ min: 0, max: 50 }),
  pick: fc.nat(),
});

describe("DeadlineHeap", () => {
  it("gives deadlines in order, as a sorted model does", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 300 }), (commands) => {
        const heap = new DeadlineHeap();
        const model = new Map<number, { deadlineMs: number; owner: number }>();
        let owner = -5;
        for (const { kind, deadlineMs, pick } of commands) {
          const handle = [...model.keys()][pick % Math.max(1, model.size)] ?? -1;
          if (kind === "add") {
            const added = heap.add(deadlineMs, --owner);
            if (model.has(added)) throw new Error("a handle in use was given out again");
            model.set(added, { deadlineMs, owner });
          } else if (handle < 0) {
            continue;
          } else if (kind === "remove") {
            heap.remove(handle);
            model.delete(handle);
          } else if (kind === "change") {
            heap.change(handle, deadlineMs);
            model.set(handle, { deadlineMs, owner: heap.ownerOf(handle) });
          } else if (kind === "setOwner") {
            heap.setOwner(handle, pick);
            model.set(handle, { deadlineMs: heap.deadlineMsOf(handle), owner: pick });
          } else {
            const next = heap.nextHandle;
            heap.remove(next);
            model.delete(next);
          }
          heap.checkInvariants();
          expect(heap.count).toBe(model.size);
          expect(heap.nextDeadlineMs).toBe(Math.min(...[...model.values()].map((entry) => entry.deadlineMs)));
        }
        for (const [handle, { deadlineMs, owner }] of model) {
          expect([heap.deadlineMsOf(handle), heap.ownerOf(handle)]).toEqual([deadlineMs, owner]);
        }
      }),
    );
  });

  it("collects what is due up to a limit, the earliest first, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50)), fc.nat(60), fc.nat(40), (deadlines, nowMs, limit) => {
        const heap = new DeadlineHeap();
        for (const [i, deadlineMs] of deadlines.entries()) heap.add(deadlineMs, i);
        const due = deadlines.filter((deadlineMs) => deadlineMs <= nowMs);
        const handles = [7];
        heap.collectDue(nowMs, limit, handles);
        expect(new Set(handles).size).toBe(Math.min(due.length, limit));
        expect(handles.length).toBe(Math.min(due.length, limit));
        for (const handle of handles) expect(heap.deadlineMsOf(handle)).toBeLessThanOrEqual(nowMs);
        if (handles.length > 0) expect(heap.deadlineMsOf(handles[0])).toBe(Math.min(...deadlines));
      }),
    );
  });

  it("sorts many, over several chunks, and gives their memory back", () => {
    const heap = new DeadlineHeap();
    const start = heap.heldBytes;
    for (let i = 0; i < 30_000; i++) heap.add((i * 7919) % 30_011, i);
    expect(heap.usedBytes).toBe(30_000 * DEADLINE_ENTRY_BYTES);
    let last = -1;
    for (let i = 0; i < 30_000; i++) {
      expect(heap.nextDeadlineMs).toBeGreaterThanOrEqual(last);
      last = heap.nextDeadlineMs;
      heap.remove(heap.nextHandle);
    }
    expect([heap.count, heap.usedBytes, heap.nextDeadlineMs]).toEqual([0, 0, Number.POSITIVE_INFINITY]);
    expect(heap.heldBytes - start).toBeLessThan(100_000);
  });

  it("says what the next deadline will take", () => {
    const heap = new DeadlineHeap();
    for (let i = 0; i < 20_000; i++) {
      const expected = heap.heldBytes + heap.growthBytes;
      heap.add(i, i);
      if (heap.heldBytes !== expected) throw new Error(`entry ${i}: held ${heap.heldBytes}, foretold ${expected}`);
    }
  });
});
