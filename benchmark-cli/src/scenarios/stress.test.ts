import { describe, expect, it } from "vitest";
import { growthOf } from "./stress.ts";

const MB = 2 ** 20;

function sizes(...megabytes: number[]): { serverRssBytes: number }[] {
  return megabytes.map((each) => ({ serverRssBytes: each * MB }));
}

describe("growth of memory", () => {
  it("is that of the last third beside the middle one, whatever came before", () => {
    expect(growthOf(sizes(50, 80, 90, 100, 100, 100, 110, 110, 110))).toBeCloseTo(0.1, 5);
    expect(growthOf(sizes(50, 80, 100, 100, 100, 100, 100, 100, 100))).toBe(0);
  });

  it("is not moved by one reading", () => {
    expect(growthOf(sizes(100, 100, 100, 100, 100, 100, 100, 500, 100))).toBe(0);
  });

  it("is unknown where nobody could read it", () => {
    expect(growthOf([{ serverRssBytes: null }, { serverRssBytes: null }, { serverRssBytes: null }])).toBeUndefined();
  });
});
