import { expect, it } from "vitest";
import { RecentMap } from "./recent-map.ts";

it("keeps what was used last, and at most twice as much as it may", () => {
  const map = new RecentMap<number>(100);
  for (let i = 0; i < 1000; i++) {
    map.set(`k${i}`, i);
    expect(map.size).toBeLessThanOrEqual(200);
    // Asked for often enough, it stays.
    if (i % 50 === 0) expect(map.get("k0")).toBe(0);
    for (let back = 0; back < 50 && back <= i; back += 7) expect(map.get(`k${i - back}`)).toBe(i - back);
  }
  expect(map.get("k500")).toBeUndefined();
  map.set("k999", -1);
  expect(map.get("k999")).toBe(-1);
});

it("forgets what it is told to, wherever that is", () => {
  const map = new RecentMap<number>(10);
  for (let i = 0; i < 15; i++) map.set(`k${i}`, i);
  map.get("k3");
  map.forget((value) => value % 3 === 0);
  expect(Array.from({ length: 15 }, (_, i) => map.get(`k${i}`) === undefined)).toEqual(
    Array.from({ length: 15 }, (_, i) => i % 3 === 0),
  );
});
