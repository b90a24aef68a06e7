import { describe, expect, it } from "vitest";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import { KeyStore, NONE } from "./key-store.ts";
import { TAG_TEXT } from "./value.ts";

describe("primed keys", () => {
  const store = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
  for (const name of ["a", "b"]) store.put(rangeOf(name), TAG_TEXT, new Uint8Array(0), 0, 0, 0, 1);
  const stored = (name: string) => store.find(rangeOf(name));
  const buffer = new Uint8Array(2);
  const keys = [new ByteRange(buffer, 0, 1), new ByteRange(buffer, 1, 2)];
  const hold = (text: string) => buffer.set(Buffer.from(text));

  it("do not answer for another key that has come to their place", () => {
    hold("ax");
    store.prime(keys, 2);
    expect([store.find(keys[0]), store.find(keys[1])]).toEqual([stored("a"), NONE]);
    store.prime(keys, 2);
    hold("bx");
    expect(store.find(keys[0])).toBe(stored("b"));
    store.prime(keys, 2);
    hold("zx");
    expect(store.find(keys[0])).toBe(NONE);
  });

  it("are forgotten with those that were not found", () => {
    hold("xy");
    store.prime(keys, 2);
    store.unprime();
    hold("ab");
    expect([store.find(keys[0]), store.find(keys[1])]).toEqual([stored("a"), stored("b")]);
  });
});
