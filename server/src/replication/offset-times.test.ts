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
    expect(times.count).toBe(3);
    expect(times.lagMs(50, 60)).toBe(10);
  });

  it("is at most a fortieth too much, in bounded memory", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5000, max: 60_000 }),
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (count, stepMs, where) => {
          const times = new OffsetTimes();
          for (let i = 1; i <= count; i++) times.note(i, i * stepMs);
          const offset = Math.floor(where * (count - 1));
          const truth = (count - offset - 1) * stepMs;
          const told = times.lagMs(offset, count * stepMs);
          expect(times.count).toBeLessThanOrEqual(3 * 8192);
          expect(told).toBeGreaterThanOrEqual(truth);
          expect(told).toBeLessThanOrEqual(truth * (1 + 1 / 40) + 1);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("is half a day for who is behind for longer", () => {
    const times = new OffsetTimes();
    for (let i = 1; i <= 20_000; i++) times.note(i, i * 10_000);
    expect(times.lagMs(1, 20_000 * 10_000)).toBeGreaterThan(11 * 3_600_000);
  });
});
