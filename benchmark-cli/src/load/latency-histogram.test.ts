import { describe, expect, it } from "vitest";
import { LatencyHistogram } from "./latency-histogram.ts";

describe("LatencyHistogram", () => {
  it("answers percentiles at most 1.6% above those of the sorted samples, and never below", () => {
    const histogram = new LatencyHistogram();
    const samples = Array.from({ length: 20_000 }, (_, i) => 0.001 * 1.0008 ** i);
    for (const ms of samples) histogram.add(ms);
    for (const share of [0, 0.01, 0.5, 0.95, 0.99, 0.999]) {
      const exactMs = samples[Math.floor(share * samples.length)];
      // Below 64 us a bucket is one microsecond.
      expect(histogram.percentileMs(share)).toBeGreaterThanOrEqual(exactMs);
      expect(histogram.percentileMs(share)).toBeLessThanOrEqual(Math.max(exactMs * 1.016, exactMs + 0.001));
    }
    expect(histogram.latency().maxMs).toBe(samples[samples.length - 1]);
  });

  it("adds up what other processes counted", () => {
    const parts = [new LatencyHistogram(), new LatencyHistogram()];
    const whole = new LatencyHistogram();
    for (let i = 0; i < 1_000; i++) {
      parts[i % 2].add(i / 7);
      whole.add(i / 7);
    }
    const merged = LatencyHistogram.of(parts.map((part) => part.export()));
    expect(merged.samples).toBe(1_000);
    expect(merged.latency()).toEqual({ ...whole.latency(), meanMs: expect.closeTo(whole.latency().meanMs) });
  });

  it("is empty after clear, and counts what is negative as none", () => {
    const histogram = new LatencyHistogram();
    histogram.add(5);
    histogram.clear();
    expect(histogram.percentileMs(0.5)).toBeNaN();
    histogram.add(-1);
    expect(histogram.latency().maxMs).toBe(0);
  });
});
