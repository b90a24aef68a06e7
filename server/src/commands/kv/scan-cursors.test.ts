import { describe, expect, it } from "vitest";
import { rangeOf } from "../../structures/byte-range.ts";
import { ScanCursors } from "./scan-cursors.ts";

const textOf = (cursors: ScanCursors, id: number): string | undefined => cursors.find(id)?.toString();

describe("scan cursors", () => {
  it("give each key an id of its own, and keep copies", () => {
    const cursors = new ScanCursors(() => 0.5);
    const key = rangeOf("ab");
    const ids = [cursors.add(key), cursors.add(key), cursors.add(rangeOf("c"))];
    key.bytes.fill(0);
    expect(ids.map((id) => textOf(cursors, id))).toEqual(["ab", "ab", "c"]);
    expect(new Set(ids).size).toBe(3);
    expect(ids.every((id) => id > 0 && Number.isSafeInteger(id))).toBe(true);
  });

  it("do not know those of another run", () => {
    expect(textOf(new ScanCursors(() => 0.25), new ScanCursors(() => 0.75).add(rangeOf("a")))).toBeUndefined();
  });

  it("forget the one used longest ago, one past the limit", () => {
    const cursors = new ScanCursors(() => 0, 2);
    const [a, b] = [cursors.add(rangeOf("a")), cursors.add(rangeOf("b"))];
    expect(textOf(cursors, a)).toBe("a");
    const c = cursors.add(rangeOf("c"));
    expect([a, b, c].map((id) => textOf(cursors, id))).toEqual(["a", undefined, "c"]);
  });

  it("are bounded by the bytes of their keys", () => {
    const cursors = new ScanCursors(() => 0);
    const ids = Array.from({ length: 80 }, () => cursors.add(rangeOf("k".repeat(65_535))));
    expect(ids.filter((id) => cursors.find(id) !== undefined)).toEqual(ids.slice(-64));
  });
});
