import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DurationHistogram } from "./duration-histogram.ts";

const BOUNDS_SECONDS = [0.001, 0.01, 0.1];

describe("DurationHistogram", () => {
  it("counts a duration on a bound below it, and one past the last bound in the bucket without bound", () => {
    const durations = new DurationHistogram(1, BOUNDS_SECONDS);
    for (const durationMs of [0, 1, 1.0001, 10, 100, 100.5, 1e9]) durations.observe(0, durationMs);
    expect([0, 1, 2, 3].map((bucket) => durations.bucketCount(0, bucket))).toEqual([2, 2, 1, 2]);
    expect(durations.count(0)).toBe(7);
  });

  it("agrees with a list of all durations, series by series", () => {
    const observation = fc.tuple(fc.nat(2), fc.double({ min: 0, max: 500, noNaN: true }));
    fc.assert(
      fc.property(fc.array(observation), (observations) => {
        const durations = new DurationHistogram(3, BOUNDS_SECONDS);
        for (const [series, durationMs] of observations) durations.observe(series, durationMs);
        for (let series = 0; series < 3; series++) {
          const own = observations.filter(([of]) => of === series).map(([, durationMs]) => durationMs);
          let cumulative = 0;
          for (const [bucket, bound] of BOUNDS_SECONDS.entries()) {
            cumulative += durations.bucketCount(series, bucket);
            expect(cumulative).toBe(own.filter((durationMs) => durationMs <= bound * 1000).length);
          }
          expect(durations.count(series)).toBe(own.length);
          expect(durations.sumSeconds(series)).toBeCloseTo(own.reduce((sum, ms) => sum + ms, 0) / 1000, 9);
        }
      }),
    );
  });
});
