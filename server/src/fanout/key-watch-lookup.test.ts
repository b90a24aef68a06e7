import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyRange, rangeOf } from "../structures/byte-range.ts";
import { Glob } from "../structures/glob.ts";
import { GLOB_KEY_BYTES_MAX, KeyWatchLookup, WATCH_BYTES_MAX, WatchMatcher } from "./key-watch-lookup.ts";

interface Watch {
  readonly text: string;
  readonly isPattern: boolean;
  readonly matcher: WatchMatcher;
}

function watchOf(text: string, isPattern: boolean): Watch {
  return { text, isPattern, matcher: new WatchMatcher(copyRange(rangeOf(text)), isPattern) };
}

function found(lookup: KeyWatchLookup<Watch>, key: string): Watch[] {
  const into: Watch[] = [];
  // In the middle of other bytes, as in a record.
  const range = rangeOf(`##${key}##`);
  range.start += 2;
  range.end -= 2;
  lookup.match(range, into);
  return into;
}

describe("KeyWatchLookup", () => {
  it("finds exact keys, prefixes and globs, and forgets what is removed (property)", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "é", "*", "?", "[a]", "\\*"), maxLength: 5 });
    const watch = fc.record({ text, isPattern: fc.boolean() });
    // With seed 0 very many have the same hash.
    const seeds = fc.oneof(fc.constant(0), fc.nat());
    const key = fc.string({ unit: fc.constantFrom("a", "b", "é", "*"), maxLength: 6 });
    fc.assert(
      fc.property(fc.array(watch, { maxLength: 20 }), fc.array(key), seeds, (watches, keys, seed) => {
        const lookup = new KeyWatchLookup<Watch>(seed);
        const all = watches.map((each) => watchOf(each.text, each.isPattern));
        for (const each of all) lookup.add(each);
        const kept = all.filter((each, at) => {
          if (at % 3 > 0) return true;
          lookup.remove(each);
          return false;
        });
        for (const each of keys) {
          const expected = kept.filter(({ text: of, isPattern }) =>
            isPattern ? new Glob(rangeOf(of)).matches(rangeOf(each)) : each.startsWith(of),
          );
          const got = found(lookup, each);
          expect(new Set(got)).toEqual(new Set(expected));
          expect(got).toHaveLength(expected.length);
        }
        for (const each of kept) lookup.remove(each);
        expect(keys.flatMap((each) => found(lookup, each))).toEqual([]);
        lookup.checkEmpty();
      }),
      { numRuns: 300 },
    );
  });

  it("counts as globs only what is neither a key nor a prefix", () => {
    const lookup = new KeyWatchLookup<Watch>(1);
    for (const text of ["a", "a*", "*", "a*b", "?", "a**", "\\a"]) lookup.add(watchOf(text, true));
    lookup.add(watchOf("a*b", false));
    expect(lookup.globCount).toBe(4);
  });

  it("finds prefixes at the limit under keys of any length, and globs under keys up to theirs", () => {
    const lookup = new KeyWatchLookup<Watch>(1);
    const prefix = watchOf("p".repeat(WATCH_BYTES_MAX), false);
    const glob = watchOf("p*x", true);
    for (const watch of [prefix, glob]) lookup.add(watch);
    expect(found(lookup, `${"p".repeat(GLOB_KEY_BYTES_MAX - 1)}x`)).toEqual([prefix, glob]);
    expect(found(lookup, `${"p".repeat(GLOB_KEY_BYTES_MAX)}x`)).toEqual([prefix]);
    expect(found(lookup, "p".repeat(WATCH_BYTES_MAX - 1))).toEqual([]);
  });

  it("finds a prefix once where a longer part of the key has the same hash", () => {
    // With seed 0 a hash is changed by xor and addition alone.
    const lookup = new KeyWatchLookup<Watch>(0);
    const prefix = watchOf("a", false);
    const longer = watchOf("bb", false);
    for (const watch of [prefix, longer]) lookup.add(watch);
    expect(found(lookup, "a\u0001")).toEqual([prefix]);
  });

  it("does not take what is not there", () => {
    const lookup = new KeyWatchLookup<Watch>(1);
    expect(() => lookup.remove(watchOf("a", true))).toThrow("not here");
    expect(() => lookup.remove(watchOf("a*b", true))).toThrow("not here");
  });
});
