import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rangeOf } from "../structures/byte-range.ts";
import { firstAfter, StagedKeys } from "./staged-keys.ts";
import { TAG_TEXT, Value } from "./value.ts";

const key = fc.string({ unit: fc.constantFrom("a", "b", "\u00ff"), minLength: 1, maxLength: 3 });
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function put(staged: StagedKeys, name: string, text: string): void {
  const { bytes, start, end } = rangeOf(text);
  staged.set(rangeOf(name), new Value(TAG_TEXT, bytes, start, end), 0, 1);
}

describe("StagedKeys", () => {
  it("are in order after every change, and hold what was staged last", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 40 }), key, (changes, from) => {
        const staged = new StagedKeys();
        const model = new Map<string, string>();
        for (const [index, [name, looks]] of changes.entries()) {
          put(staged, name, `${index}`);
          model.set(name, `${index}`);
          if (!looks) continue;
          const ordered = staged.inOrder();
          const names = [...model.keys()].sort(byBytes);
          expect(ordered.map((each) => [each.key.toString(), each.value?.toString()])).toEqual(
            names.map((each) => [each, model.get(each)]),
          );
          const [inclusive, exclusive] = [true, false].map((is) => firstAfter(ordered, rangeOf(from), is));
          expect(inclusive).toBe(names.filter((each) => byBytes(each, from) < 0).length);
          expect(exclusive).toBe(names.filter((each) => byBytes(each, from) <= 0).length);
        }
      }),
    );
  });

  it("are not ordered again where no key came", () => {
    const staged = new StagedKeys();
    put(staged, "b", "1");
    put(staged, "a", "1");
    const ordered = staged.inOrder();
    put(staged, "b", "2");
    expect(staged.inOrder()).toBe(ordered);
    expect(ordered[1].value?.toString()).toBe("2");
  });
});
