import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/engine.ts";
import { soaked } from "../../test/soak.ts";
import { ByteRange, copyRange, rangeOf } from "../structures/byte-range.ts";
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

  it("stay right while their keys are added, replaced, resized and removed", () => {
    for (let seed = 1; seed <= soaked(300); seed++) {
      const random = seededRandom(seed);
      const churned = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
      const names = Array.from({ length: 40 }, (_, i) => rangeOf(`some-key-${i}`));
      const draw = () => names[Math.floor(random() * names.length)];
      const put = (version: number) => {
        const value = new Uint8Array(Math.floor(random() * 100));
        churned.put(draw(), TAG_TEXT, value, 0, value.length, random() < 0.2 ? 1e15 : 0, version);
      };
      for (let i = 1; i < 20; i++) put(i);
      const group = Array.from({ length: 30 }, () => copyRange(draw()));
      churned.prime(group, group.length);
      for (const [i, key] of group.entries()) {
        if (random() < 0.6) put(100 + i);
        if (random() < 0.3) churned.remove(draw());
        // A copy of the range is not one of the group, so the tree itself is asked.
        expect(churned.find(key), `seed ${seed}`).toBe(churned.find(copyRange(key)));
      }
      churned.unprime();
    }
  });
});
