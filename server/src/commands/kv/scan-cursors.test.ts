import { describe, expect, it } from "vitest";
import { rangeOf } from "../../structures/byte-range.ts";
import { ScanCursors } from "./scan-cursors.ts";

const textOf = (cursors: ScanCursors, id: number): string | undefined => cursors.find(id)?.toString();

describe("scan cursors", () => {
  it("give each key an id of its own, and keep copies", () => {
    const cursors = new ScanCursors(() => 0.5);
    const key = rangeOf("ab");
    const ids = [cursors.add(key, ""), cursors.add(key, ""), cursors.add(rangeOf("c"), "")];
    key.bytes.fill(0);
    expect(ids.map((id) => textOf(cursors, id))).toEqual(["ab", "ab", "c"]);
    expect(new Set(ids).size).toBe(3);
    expect(ids.every((id) => id > 0 && Number.isSafeInteger(id))).toBe(true);
  });

  it("do not know those of another run", () => {
    expect(textOf(new ScanCursors(() => 0.25), new ScanCursors(() => 0.75).add(rangeOf("a"), ""))).toBeUndefined();
  });

  it("forget the one used longest ago, one past the limit", () => {
    const cursors = new ScanCursors(() => 0, 2);
    const [a, b] = [cursors.add(rangeOf("a"), ""), cursors.add(rangeOf("b"), "")];
    expect(textOf(cursors, a)).toBe("a");
    const c = cursors.add(rangeOf("c"), "");
    expect([a, b, c].map((id) => textOf(cursors, id))).toEqual(["a", undefined, "c"]);
  });

  it("are bounded by the bytes of their keys", () => {
    const cursors = new ScanCursors(() => 0);
    const ids = Array.from({ length: 80 }, () => cursors.add(rangeOf("k".repeat(65_535)), ""));
    expect(ids.filter((id) => cursors.find(id) !== undefined)).toEqual(ids.slice(-64));
  });

  it("of one owner push out none of another, by count or by bytes, whoever came first", () => {
    for (const [key, countMax] of [
      ["k", 100],
      ["k".repeat(65_535), 1000],
    ] as const) {
      const cursors = new ScanCursors(() => 0, countMax);
      const early = Array.from({ length: 5 }, () => cursors.add(rangeOf(key), "early"));
      const flood = Array.from({ length: 2000 }, () => cursors.add(rangeOf(key), "flood"));
      const late = Array.from({ length: 5 }, () => cursors.add(rangeOf(key), "late"));
      flood.push(...Array.from({ length: 2000 }, () => cursors.add(rangeOf(key), "flood")));
      expect([...early, ...late].every((id) => textOf(cursors, id) === key)).toBe(true);
      const left = flood.filter((id) => cursors.find(id) !== undefined);
      expect(left).toEqual(flood.slice(-((key === "k" ? 100 : 64) - 10)));
    }
  });

  it("are shared evenly by owners who all want more than there are", () => {
    const cursors = new ScanCursors(() => 0, 90);
    const ids = new Map<string, number[]>([
      ["a", []],
      ["b", []],
      ["c", []],
    ]);
    for (let i = 0; i < 1000; i++) {
      for (const [owner, own] of ids)
        for (let n = owner === "a" ? 20 : 1; n > 0; n--) own.push(cursors.add(rangeOf("k"), owner));
    }
    const left = [...ids.values()].map((own) => own.filter((id) => cursors.find(id) !== undefined).length);
    expect(left.map((count) => Math.abs(count - 30) <= 1)).toEqual([true, true, true]);
  });

  it("leave nothing of owners who have none any more", () => {
    const cursors = new ScanCursors(() => 0, 50);
    const ids = Array.from({ length: 5000 }, (_, i) => cursors.add(rangeOf("k"), `owner-${i}`));
    expect(ids.filter((id) => cursors.find(id) !== undefined)).toHaveLength(50);
    expect(cursors.ownerCount).toBe(50);
  });
});
