import { describe, expect, it } from "vitest";
import { soaked } from "../../test/soak.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import { ABSENT, KeyStore, NONE, PRIME_COUNT_MAX } from "./key-store.ts";
import { TAG_BYTES, TAG_TEXT, Value, type ValueTag } from "./value.ts";

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

function unlimited(): KeyStore {
  return new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
}

function keyOf(name: string): ByteRange {
  const bytes = Buffer.from(name, "latin1");
  return new ByteRange(new Uint8Array(bytes), 0, bytes.length);
}

function nameOf(store: KeyStore, ref: number): string {
  const key = new ByteRange(new Uint8Array(0), 0, 0);
  store.readKey(ref, key);
  return Buffer.from(key.bytes.buffer, key.bytes.byteOffset + key.start, key.end - key.start).toString("latin1");
}

function textOf(store: KeyStore, ref: number): string {
  const value = new Value(TAG_TEXT, new Uint8Array(0), 0, 0);
  store.readValue(ref, value);
  return Buffer.from(value.bytes.buffer, value.bytes.byteOffset + value.start, value.end - value.start).toString(
    "latin1",
  );
}

function put(
  store: KeyStore,
  name: string,
  value: string,
  deadlineMs = 0,
  version = 1,
  tag: ValueTag = TAG_TEXT,
): void {
  const bytes = Buffer.from(value, "latin1");
  store.put(keyOf(name), tag, bytes, 0, bytes.length, deadlineMs, version);
}

function namesFrom(store: KeyStore, after?: string, prefix?: string, limit = Number.POSITIVE_INFINITY): string[] {
  const names: string[] = [];
  store.scan(
    after === undefined ? undefined : keyOf(after),
    prefix === undefined ? undefined : keyOf(prefix),
    (ref) => {
      names.push(nameOf(store, ref));
      return names.length < limit;
    },
  );
  return names;
}

describe("KeyStore", () => {
  it("keeps the tag, the version and the deadline of a value", () => {
    const store = unlimited();
    const version = 2 ** 48 - 1;
    put(store, "a", "one", 1_700_000_000_123, version, TAG_BYTES);
    const ref = store.find(keyOf("a"));
    expect(store.tagOf(ref)).toBe(TAG_BYTES);
    expect(store.versionOf(ref)).toBe(version);
    expect(store.deadlineMsOf(ref)).toBe(1_700_000_000_123);
    expect(textOf(store, ref)).toBe("one");
    expect(store.find(keyOf("b"))).toBe(NONE);
    expect(store.versionOf(NONE)).toBe(0);
  });

  it("overwrites in place where the slot fits, and elsewhere where not", () => {
    const store = unlimited();
    put(store, "k", "x".repeat(100));
    const ref = store.find(keyOf("k"));
    put(store, "k", "y".repeat(101), 0, 2);
    expect(store.find(keyOf("k"))).toBe(ref);
    put(store, "k", "z".repeat(500), 0, 3);
    expect(store.find(keyOf("k"))).not.toBe(ref);
    expect(textOf(store, store.find(keyOf("k")))).toBe("z".repeat(500));
    store.checkInvariants();
  });

  it("puts a key where its caller has found it, or where it is by now", () => {
    const store = unlimited();
    put(store, "a", "of a");
    put(store, "b", "of b");
    const bytes = Buffer.from("new");
    const found = store.find(keyOf("a"));
    store.put(keyOf("a"), TAG_TEXT, bytes, 0, 3, 0, 2, found);
    expect([store.find(keyOf("a")), textOf(store, found)]).toEqual([found, "new"]);
    // Another key was looked up since; then the record has gone, and its place is another's.
    store.find(keyOf("b"));
    store.put(keyOf("a"), TAG_TEXT, bytes, 1, 3, 0, 3, found);
    store.remove(keyOf("a"));
    put(store, "c", "of c");
    expect(store.find(keyOf("c"))).toBe(found);
    store.find(keyOf("b"));
    store.put(keyOf("a"), TAG_TEXT, bytes, 2, 3, 0, 4, found);
    // One that was not there when it was looked up, but is now.
    const [d, e] = [keyOf("d"), keyOf("e")];
    store.find(d);
    put(store, "d", "of d");
    store.put(d, TAG_TEXT, bytes, 0, 1, 0, 5, ABSENT);
    // Another that is not there either was looked up since.
    store.find(e);
    store.find(keyOf("bcd"));
    store.put(e, TAG_TEXT, bytes, 0, 2, 0, 6, ABSENT);
    const texts = ["a", "b", "c", "d", "e"].map((name) => textOf(store, store.find(keyOf(name))));
    expect(texts).toEqual(["w", "of b", "of c", "n", "ne"]);
    store.checkInvariants();
  });

  it("adds, changes and takes away a deadline", () => {
    const store = unlimited();
    put(store, "k", "value");
    expect(store.setDeadline(keyOf("k"), 500, 2)).toBe(true);
    expect(store.setDeadline(keyOf("none"), 500, 2)).toBe(false);
    expect(store.nextDueRef(499)).toBe(NONE);
    expect(nameOf(store, store.nextDueRef(500))).toBe("k");
    store.setDeadline(keyOf("k"), 800, 3);
    expect([store.nextDueRef(500), store.nextDeadlineMs, store.memory.deadlines.count]).toEqual([NONE, 800, 1]);
    store.setDeadline(keyOf("k"), 0, 4);
    expect([
      store.memory.deadlines.count,
      textOf(store, store.find(keyOf("k"))),
      store.versionOf(store.find(keyOf("k"))),
    ]).toEqual([0, "value", 4]);
    put(store, "k", "other", 900, 5);
    put(store, "k", "other", 0, 6);
    expect(store.memory.deadlines.count).toBe(0);
    store.checkInvariants();
  });

  it("splices in place, behind the end and past it", () => {
    const store = unlimited();
    put(store, "k", "hello", 700);
    const splice = (offset: number, part: string): string => {
      const bytes = Buffer.from(part);
      store.splice(keyOf("k"), TAG_BYTES, offset, bytes, 0, bytes.length, 2);
      return textOf(store, store.find(keyOf("k")));
    };
    expect(splice(1, "u")).toBe("hullo");
    expect(splice(5, " you")).toBe("hullo you");
    expect(splice(400, "!")).toBe(`hullo you${"\0".repeat(391)}!`);
    expect(splice(402, "?")).toBe(`hullo you${"\0".repeat(391)}!\0?`);
    const ref = store.find(keyOf("k"));
    expect([store.deadlineMsOf(ref), store.tagOf(ref), store.versionOf(ref)]).toEqual([700, TAG_BYTES, 2]);
    expect(() => store.splice(keyOf("none"), TAG_TEXT, 0, new Uint8Array(1), 0, 1, 1)).toThrow();
    store.checkInvariants();
  });

  it("keeps keys that are prefixes of each other, of every length up to the limit", () => {
    const store = unlimited();
    const names = Array.from({ length: 300 }, (_, i) => "a".repeat(i + 1));
    names.push("a".repeat(65_535), `${"a".repeat(65_534)}b`, "\0", "\0\0", "\xff", "\xff\xff", "a\0");
    for (const name of names) put(store, name, name.slice(0, 50));
    store.checkInvariants();
    expect(namesFrom(store)).toEqual([...names].sort());
    for (const name of names) expect(store.remove(keyOf(name))).toBe(true);
    expect([store.size, store.usedBytes]).toEqual([0, 0]);
    store.checkInvariants();
  });

  it("stores large values and gives their pages back", () => {
    const store = unlimited();
    const large = new Uint8Array(5 * 2 ** 20).fill(7);
    for (let i = 0; i < 20; i++) store.put(rangeOf(`large ${i}`), TAG_BYTES, large, 0, large.length, 0, i + 1);
    store.checkInvariants();
    const value = new Value(TAG_TEXT, new Uint8Array(0), 0, 0);
    store.readValue(store.find(rangeOf("large 19")), value);
    expect(Buffer.compare(value.bytes.subarray(value.start, value.end), large)).toBe(0);
    const { heldBytes } = store;
    for (let i = 0; i < 20; i++) store.remove(rangeOf(`large ${i}`));
    expect(store.usedBytes).toBe(0);
    expect(heldBytes - store.heldBytes).toBeGreaterThanOrEqual(100 * 2 ** 20);
    store.checkInvariants();
  });

  it("flushes at once and lets the memory go in pieces", () => {
    const store = unlimited();
    for (let i = 0; i < 10_000; i++) put(store, `key ${i}`, "v".repeat(1000), i % 2);
    const { heldBytes } = store;
    store.flush();
    expect([store.size, store.usedBytes, store.memory.deadlines.count, store.find(keyOf("key 1"))]).toEqual([
      0,
      0,
      0,
      NONE,
    ]);
    expect(store.heldBytes).toBeGreaterThan(10_000_000);
    put(store, "new", "value");
    while (store.freeDetached(1));
    expect(store.heldBytes).toBeLessThan(heldBytes / 10);
    expect(namesFrom(store)).toEqual(["new"]);
    store.checkInvariants();
  });
});

describe("look-ups", () => {
  const store = unlimited();
  for (let i = 0; i < 5000; i++) put(store, `key ${i}`, `value ${i}`);

  it("finds primed keys as it finds them one by one", () => {
    const random = mulberry32(1);
    for (let round = 0; round < 200; round++) {
      const count = 1 + Math.floor(random() * PRIME_COUNT_MAX);
      const keys = Array.from({ length: count }, () => keyOf(`key ${Math.floor(random() * 10_000)}`));
      const expected = keys.map((key) => store.find(new ByteRange(key.bytes, key.start, key.end)));
      store.prime(keys, count);
      expect(keys.map((key) => store.find(key))).toEqual(expected);
      expect(store.find(keyOf("key 77"))).not.toBe(NONE);
      expect(store.find(keys[0])).toBe(expected[0]);
    }
  });

  it("does not answer from before a change", () => {
    const keys = ["a", "b", "key 1", "key 2"].map(keyOf);
    store.prime(keys, keys.length);
    put(store, "a", "now here");
    expect(store.find(keys[0])).not.toBe(NONE);
    expect(store.find(keys[1])).toBe(NONE);
    expect(textOf(store, store.find(keys[2]))).toBe("value 1");
    put(store, "key 2", "moved".repeat(100));
    expect(textOf(store, store.find(keys[3]))).toBe("moved".repeat(100));
    store.prime(keys, keys.length);
    store.remove(keyOf("key 2"));
    expect(store.find(keys[3])).toBe(NONE);
    store.prime(keys, keys.length);
    const flushed = unlimited();
    put(flushed, "a", "1");
    flushed.prime(keys, keys.length);
    flushed.flush();
    expect(flushed.find(keys[0])).toBe(NONE);
  });

  it("changes the key it was asked for, whatever was found before", () => {
    store.find(keyOf("key 10"));
    put(store, "key 11", "eleven");
    store.find(keyOf("key 12"));
    store.remove(keyOf("key 13"));
    store.find(keyOf("key 14"));
    put(store, "key 14", "fourteen");
    expect(textOf(store, store.find(keyOf("key 10")))).toBe("value 10");
    expect(textOf(store, store.find(keyOf("key 11")))).toBe("eleven");
    expect(textOf(store, store.find(keyOf("key 12")))).toBe("value 12");
    expect(textOf(store, store.find(keyOf("key 14")))).toBe("fourteen");
    store.checkInvariants();
  });
});

describe("scan", () => {
  it("goes on after a key that is gone, and sees what came between", () => {
    const store = unlimited();
    for (const name of ["a", "ab", "abc", "b", "ba", "c"]) put(store, name, "");
    expect(namesFrom(store, undefined, undefined, 2)).toEqual(["a", "ab"]);
    store.remove(keyOf("ab"));
    put(store, "aa", "");
    put(store, "abb", "");
    expect(namesFrom(store, "ab")).toEqual(["abb", "abc", "b", "ba", "c"]);
    expect(namesFrom(store, undefined, "a")).toEqual(["a", "aa", "abb", "abc"]);
    expect(namesFrom(store, "aa", "ab")).toEqual(["abb", "abc"]);
    expect(namesFrom(store, "abb", "ab")).toEqual(["abc"]);
    expect(namesFrom(store, "b", "a")).toEqual([]);
    expect(namesFrom(store, undefined, "zz")).toEqual([]);
    expect(namesFrom(store, "c")).toEqual([]);
    expect(namesFrom(unlimited())).toEqual([]);
  });

  it("pages like a sorted list, from any key and under any prefix", () => {
    const random = mulberry32(2);
    const store = unlimited();
    const alphabet = ["\0", "\x01", "a", "b", "\xfe", "\xff"];
    const draw = (): string =>
      Array.from({ length: 1 + Math.floor(random() * 6) }, () => alphabet[Math.floor(random() * alphabet.length)]).join(
        "",
      );
    const names = new Set<string>();
    for (let i = 0; i < 3000; i++) {
      const name = draw();
      names.add(name);
      put(store, name, "");
    }
    const sorted = [...names].sort();
    for (let i = 0; i < 2000; i++) {
      const after = random() < 0.8 ? draw() : undefined;
      const prefix = random() < 0.5 ? draw().slice(0, 2) : undefined;
      const expected = sorted.filter((name) => (after === undefined || name > after) && name.startsWith(prefix ?? ""));
      expect(namesFrom(store, after, prefix, 20), `seed 2, step ${i}`).toEqual(expected.slice(0, 20));
    }
  });
});

describe("half a million random operations, and ten times as many in a soak", () => {
  it("leave what a sorted model has", { timeout: soaked(60_000) }, () => {
    const seed = 20_250_601;
    const random = mulberry32(seed);
    const store = unlimited();
    const model = new Map<string, { value: string; deadlineMs: number; version: number }>();
    const names = randomNames(random, 20_000);
    let steps = 0;
    const context = (): string => `seed ${seed}, step ${steps}`;
    const change = (name: string, draw: number): void => {
      const old = model.get(name);
      if (draw < 0.45) {
        const value = "v".repeat(Math.floor(random() ** 4 * 700)) + steps;
        const deadlineMs = random() < 0.3 ? 1 + Math.floor(random() * 2 ** 41) : 0;
        let found = NONE;
        const key = keyOf(name);
        if (random() < 0.7) {
          found = store.find(key);
          if (found === NONE) found = ABSENT;
          const none = keyOf(`${names[Math.floor(random() * names.length)]}/none`);
          const other = random();
          if (other < 0.2) store.remove(none);
          else if (other < 0.4) store.setDeadline(none, 1, steps);
          else if (other < 0.6) store.find(none);
        }
        store.put(key, TAG_TEXT, Buffer.from(value), 0, value.length, deadlineMs, steps, found);
        model.set(name, { value, deadlineMs, version: steps });
      } else if (draw < 0.5 && old !== undefined) {
        const offset = Math.floor(random() * (old.value.length + 20));
        store.splice(keyOf(name), TAG_TEXT, offset, new Uint8Array([65, 66]), 0, 2, steps);
        const padded = old.value.padEnd(offset, "\0");
        model.set(name, { ...old, value: `${padded.slice(0, offset)}AB${padded.slice(offset + 2)}`, version: steps });
      } else if (draw < 0.55 && old !== undefined) {
        const deadlineMs = random() < 0.5 ? 0 : 1 + Math.floor(random() * 2 ** 41);
        store.setDeadline(keyOf(name), deadlineMs, steps);
        model.set(name, { ...old, deadlineMs, version: steps });
      } else if (draw < 0.8) {
        const removed = store.remove(keyOf(name));
        if (removed !== model.delete(name)) throw new Error(`remove: ${context()}`);
      } else {
        const ref = store.find(keyOf(name));
        if ((ref !== NONE) !== (old !== undefined)) throw new Error(`find: ${context()}`);
        if (old !== undefined && (store.versionOf(ref) !== old.version || store.deadlineMsOf(ref) !== old.deadlineMs)) {
          throw new Error(`header: ${context()}`);
        }
      }
    };
    // Phases of growth and of decline, so that nodes become large and small again.
    for (let phase = 0; phase < 10; phase++) {
      const declining = phase % 2 === 1;
      for (let i = 0; i < soaked(50_000); i++) {
        steps++;
        const draw = random();
        change(names[Math.floor(random() * names.length)], declining && draw < 0.45 && random() < 0.8 ? 0.6 : draw);
      }
      store.checkInvariants();
      compare(store, model, context());
    }
    for (const name of model.keys()) store.remove(keyOf(name));
    store.checkInvariants();
    expect([store.size, store.usedBytes, store.memory.deadlines.count], context()).toEqual([0, 0, 0]);
  });
});

function randomNames(random: () => number, count: number): string[] {
  const byte = (): string => String.fromCharCode(Math.floor(random() * 256));
  const bytes = (length: number): string => Array.from({ length }, byte).join("");
  const long = "a long shared prefix / ".repeat(10);
  const names = new Set<string>(["\0", "\xff", "\0\0", "\xff\xff"]);
  while (names.size < count) {
    const kind = random();
    const known = kind < 0.3 ? [...names].at(Math.floor(random() * 4)) : undefined;
    if (kind < 0.3) names.add((known ?? "") + bytes(1 + Math.floor(random() * 3)));
    else if (kind < 0.5) names.add(bytes(16));
    else if (kind < 0.6) names.add(long.slice(0, 1 + Math.floor(random() * long.length)));
    else if (kind < 0.75) names.add(long + bytes(Math.floor(random() * 3)));
    else if (kind < 0.9) names.add(`user:${Math.floor(random() * 1e6)}`);
    else names.add("\0".repeat(1 + Math.floor(random() * 20)) + (random() < 0.5 ? "\xff" : ""));
  }
  return [...names];
}

function compare(
  store: KeyStore,
  model: Map<string, { value: string; deadlineMs: number; version: number }>,
  context: string,
): void {
  const sorted = [...model.keys()].sort();
  let i = 0;
  store.scan(undefined, undefined, (ref) => {
    const name = sorted[i++];
    const expected = model.get(name);
    if (nameOf(store, ref) !== name || textOf(store, ref) !== expected?.value) throw new Error(`scan: ${context}`);
    if (store.versionOf(ref) !== expected.version || store.deadlineMsOf(ref) !== expected.deadlineMs) {
      throw new Error(`record: ${context}`);
    }
    return true;
  });
  expect([i, store.size], context).toEqual([sorted.length, sorted.length]);
}
