import { describe, expect, it } from "vitest";
import { RecentWindow } from "./recent-window.ts";

/** The highest value seen; every open window sees each. */
class Peaks {
  readonly #open = new Set<{ peak: number }>();
  readonly start = (retired: { peak: number } | undefined) => {
    const window = retired ?? { peak: 0 };
    window.peak = 0;
    this.#open.add(window);
    return window;
  };
  see(value: number): void {
    for (const window of this.#open) window.peak = Math.max(window.peak, value);
  }
}

function peakReader() {
  const peaks = new Peaks();
  const recent = new RecentWindow(30, 0, peaks.start);
  return { peaks, peakAt: (nowMs: number) => recent.read(nowMs, ({ peak }) => peak) };
}

describe("RecentWindow", () => {
  it("shows a spike to every reader of the time after it, and forgets it", () => {
    const { peaks, peakAt } = peakReader();
    peaks.see(7);
    expect([1, 2, 29, 31].map(peakAt)).toEqual([7, 7, 7, 7]);
    expect(peakAt(32)).toBe(7); // The window that began at 0 with the other one.
    expect([61, 62].map(peakAt)).toEqual([7, 0]);
  });

  it("loses nothing when it is read rarely", () => {
    const { peaks, peakAt } = peakReader();
    expect(peakAt(1_000)).toBe(0);
    peaks.see(5);
    expect(peakAt(10_000)).toBe(5);
    expect(peakAt(20_000)).toBe(5);
    expect(peakAt(30_000)).toBe(0);
  });

  it("covers at least its span, also between two readers", () => {
    const { peaks, peakAt } = peakReader();
    let lastSpikeAt = Number.NEGATIVE_INFINITY;
    for (let nowMs = 1; nowMs < 1_000; nowMs++) {
      if (nowMs % 97 === 0) {
        peaks.see(nowMs);
        lastSpikeAt = nowMs;
      }
      if (nowMs % 7 === 0 || nowMs % 11 === 0) {
        const peak = peakAt(nowMs);
        if (nowMs - lastSpikeAt <= 30) expect(peak).toBe(lastSpikeAt);
        if (nowMs - lastSpikeAt > 2 * 30 + 7) expect(peak).toBe(0);
      }
    }
  });
});
