import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OffsetTimes } from "./offset-times.ts";

describe("the lag in milliseconds", () => {
  it("is the age of the first offset that is missing", () => {
    const times = new OffsetTimes();
    expect(times.lagMs(0, 100)).toBe(0);
    times.note(10, 100);
    times.note(20, 105);
    times.note(30, 110);
    expect(times.lagMs(30, 200)).toBe(0);
    expect(times.lagMs(29, 200)).toBe(90);
    expect(times.lagMs(20, 200)).toBe(90);
    expect(times.lagMs(19, 200)).toBe(95);
    expect(times.lagMs(0, 200)).toBe(100);
  });

  it("shares an entry within a millisecond", () => {
    const times = new OffsetTimes();
    for (let i = 0; i < 100; i++) times.note(i + 1, 50 + i / 100);
    expect(times.count).toBe(1);
    expect(times.lagMs(50, 60)).toBe(10);
  });

  it("stays within half of the truth for who is far behind, in bounded memory", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5000, max: 60_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (count, where) => {
          const times = new OffsetTimes();
          for (let i = 1; i <= count; i++) times.note(i, i * 2);
          const offset = Math.floor(where * (count - 1));
          const truth = count * 2 - (offset + 1) * 2;
          const told = times.lagMs(offset, count * 2);
          expect(times.count).toBeLessThanOrEqual(4096);
          expect(told).toBeGreaterThanOrEqual(truth);
          expect(told).toBeLessThanOrEqual(Math.max(truth * 2, 2));
        },
      ),
      { numRuns: 20 },
    );
  });
});
