import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/engine.ts";
import { type ByteRange, copyRange, rangeOf } from "../structures/byte-range.ts";
import { KeyStore } from "./key-store.ts";
import { KeyView } from "./key-view.ts";
import { TAG_TEXT } from "./value.ts";

const NOW_MS = 1_000_000;

interface Item {
  readonly key: string;
  readonly value: string;
  /** Before, at or after the instant the view shows; 0 for none. */
  readonly deadlineMs: number;
}
type Staged =
  | (Item & { readonly kind: "put" })
  | { readonly kind: "remove"; readonly key: string }
  | { readonly kind: "flush" };

const key = fc.string({ unit: fc.constantFrom("a", "b", "\u00ff"), minLength: 1, maxLength: 3 });
const item = fc.record({
  key,
  value: fc.string({ maxLength: 3 }),
  deadlineMs: fc.constantFrom(0, 0, NOW_MS - 1, NOW_MS, NOW_MS + 1),
});
const staged: fc.Arbitrary<Staged> = fc.oneof(
  {
    weight: 6,
    arbitrary: item.map((each) => ({
      ...each,
      kind: "put" as const,
      deadlineMs: each.deadlineMs > NOW_MS ? each.deadlineMs : 0,
    })),
  },
  { weight: 4, arbitrary: key.map((each) => ({ kind: "remove" as const, key: each })) },
  { weight: 1, arbitrary: fc.constant({ kind: "flush" as const }) },
);

/**
 * One for all tests, emptied key by key: a new store, and a flushed one, reserves memory by the chunk, too much to do for
 * every run of a property.
 */
const store = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });

function storedKeys(): ByteRange[] {
  const names: ByteRange[] = [];
  const name = rangeOf("");
  store.scan(undefined, undefined, (ref) => {
    store.readKey(ref, name);
    names.push(copyRange(name));
    return true;
  });
  return names;
}

function viewOf(items: readonly Item[], effects: readonly Staged[]) {
  for (const name of storedKeys()) store.remove(name);
  const view = new KeyView(store);
  view.nowMs = NOW_MS;
  const model = new Map<string, string>();
  for (const [index, { key: name, value, deadlineMs }] of items.entries()) {
    const { bytes, start, end } = rangeOf(value);
    store.put(rangeOf(name), TAG_TEXT, bytes, start, end, deadlineMs, index + 1);
    if (deadlineMs === 0 || deadlineMs > NOW_MS) model.set(name, value);
    else model.delete(name);
  }
  if (effects.length > 0) view.beginStaging();
  for (const effect of effects) {
    if (effect.kind === "flush") {
      view.stageFlush();
      model.clear();
    } else if (effect.kind === "remove") {
      view.stageRemove(rangeOf(effect.key));
      model.delete(effect.key);
    } else {
      view.stagePut(rangeOf(effect.key), TAG_TEXT, rangeOf(effect.value), effect.deadlineMs, 99);
      model.set(effect.key, effect.value);
    }
  }
  return { view, model };
}

/** Sorted as bytes, as the tree does. */
const sorted = (keys: Iterable<string>) => [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

function scanned(
  view: KeyView,
  after: string | undefined,
  prefix: string | undefined,
  limit: number,
): [string, string][] {
  const found: [string, string][] = [];
  const range = (text: string | undefined): ByteRange | undefined => (text === undefined ? undefined : rangeOf(text));
  view.scan(range(after), range(prefix), (name, entry) => {
    found.push([name.toString(), entry.value.toString()]);
    return found.length < limit;
  });
  return found;
}

describe("KeyView", () => {
  it("shows the store through what is staged, to look-ups and scans alike", () => {
    const optionally = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 30 }),
        fc.array(staged, { maxLength: 15 }),
        optionally(key),
        optionally(key),
        fc.integer({ min: 1, max: 12 }),
        (items, effects, after, prefix, limit) => {
          const { view, model } = viewOf(items, effects);
          const inRange = sorted(model.keys()).filter(
            (name) =>
              (after === undefined || Buffer.compare(Buffer.from(name), Buffer.from(after)) > 0) &&
              (prefix === undefined || name.startsWith(prefix)),
          );
          expect(scanned(view, after, prefix, limit)).toEqual(
            inRange.slice(0, limit).map((name) => [name, model.get(name)]),
          );
          for (const name of new Set([...items.map((each) => each.key), ...model.keys(), "zz"])) {
            expect(view.find(rangeOf(name))?.value.toString()).toBe(model.get(name));
            expect(view.metOverdue && model.has(name)).toBe(false);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("shows the store again when staging ends", () => {
    const { view } = viewOf(
      [{ key: "a", value: "1", deadlineMs: 0 }],
      [{ kind: "flush" }, { kind: "put", key: "b", value: "2", deadlineMs: 0 }],
    );
    expect([view.size, view.find(rangeOf("a"))]).toEqual([1, undefined]);
    view.endStaging();
    expect([view.size, view.find(rangeOf("b"))]).toEqual([1, undefined]);
    expect(view.find(rangeOf("a"))?.value.toString()).toBe("1");
  });

  it("counts keys through what is staged", () => {
    fc.assert(
      fc.property(
        fc.array(
          item.map((each) => ({ ...each, deadlineMs: 0 })),
          { maxLength: 10 },
        ),
        fc.array(staged, { maxLength: 10 }),
        (items, effects) => {
          const { view, model } = viewOf(items, effects);
          expect(view.size).toBe(model.size);
        },
      ),
    );
  });

  it("counts without looking at what is staged", () => {
    const { view } = viewOf([{ key: "a", value: "1", deadlineMs: 0 }], []);
    view.beginStaging();
    for (let index = 0; index < 50; index++) view.stagePut(rangeOf(`k${index}`), TAG_TEXT, rangeOf(""), 0, 1);
    view.stageRemove(rangeOf("a"));
    let lookups = 0;
    const { find } = store;
    store.find = (name) => {
      lookups++;
      return find.call(store, name);
    };
    try {
      expect(view.size).toBe(50);
    } finally {
      store.find = find;
    }
    expect(lookups).toBe(0);
  });

  it("tells where it hid an overdue key, until the next look-up", () => {
    const { view } = viewOf([{ key: "a", value: "1", deadlineMs: NOW_MS }], []);
    expect(view.find(rangeOf("a"))).toBeUndefined();
    expect(view.metOverdue).toBe(true);
    expect(view.find(rangeOf("b"))).toBeUndefined();
    expect(view.metOverdue).toBe(false);
  });

  it("looks many keys up in their order, whatever their number", () => {
    const items = Array.from({ length: 100 }, (_, index) => ({ key: `key${index}`, value: `${index}`, deadlineMs: 0 }));
    const { view } = viewOf(items, []);
    const wanted = Array.from({ length: 150 }, (_, index) => `key${(index * 7) % 130}`);
    const found: (string | undefined)[] = [];
    view.findEach(wanted.map(rangeOf), (entry) => found.push(entry?.value.toString()));
    expect(found).toEqual(wanted.map((name) => items.find((each) => each.key === name)?.value));
  });

  it("draws every key, and no overdue one", () => {
    const items = Array.from({ length: 20 }, (_, index) => ({
      key: `k${index}`,
      value: "",
      deadlineMs: index % 2 === 0 ? 0 : NOW_MS,
    }));
    const { view } = viewOf(items, []);
    const random = seededRandom(7);
    const drawn = new Set(Array.from({ length: 1_000 }, () => view.random(random)?.toString()));
    expect(sorted([...drawn].map(String))).toEqual(
      sorted(items.filter((each) => each.deadlineMs === 0).map((each) => each.key)),
    );
  });
});
