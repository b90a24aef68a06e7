import { describe, expect, it } from "vitest";
import { HashTable } from "./hash-table.ts";

/** Records of four words in one chunk: key, next, hash, unused. */
function recordsOf(count: number): { words: Int32Array; table: HashTable; ref: (i: number) => number } {
  const words = new Int32Array((count + 1) * 4);
  return { words, table: new HashTable([words], 1), ref: (i) => (i + 1) * 4 };
}

function find(table: HashTable, words: Int32Array, hash: number, key: number): number {
  for (let ref = table.first(hash); ref !== 0; ref = table.next(ref)) if (words[ref] === key) return ref;
  return 0;
}

const hashOf = (key: number): number => Math.imul(key, 0x9e37_79b1) ^ (key >> 3);

describe("the hash table", () => {
  it("finds what is in it and nothing else while it grows and shrinks", () => {
    const { words, table, ref } = recordsOf(20_000);
    for (let key = 0; key < 20_000; key++) {
      words[ref(key)] = key;
      table.add(ref(key), hashOf(key));
      if (key % 4001 === 0) table.checkInvariants();
    }
    for (let key = 0; key < 20_000; key++) expect(find(table, words, hashOf(key), key)).toBe(ref(key));
    expect(find(table, words, hashOf(20_001), 20_001)).toBe(0);
    const grown = table.heldBytes;
    for (let key = 0; key < 20_000; key += 1) {
      if (key % 100 !== 0) table.remove(ref(key));
      if (key % 4001 === 0) table.checkInvariants();
    }
    for (let key = 0; key < 20_000; key++) {
      expect(find(table, words, hashOf(key), key)).toBe(key % 100 === 0 ? ref(key) : 0);
    }
    expect(table.heldBytes).toBeLessThan(grown / 2);
    expect(table.count).toBe(200);
  });

  it("keeps records of one hash apart, and lets one take the place of another", () => {
    const { words, table, ref } = recordsOf(10);
    for (let key = 0; key < 5; key++) {
      words[ref(key)] = key;
      table.add(ref(key), 77);
    }
    words.copyWithin(ref(7), ref(2), ref(2) + 4);
    table.replace(ref(2), ref(7));
    table.remove(ref(4));
    table.remove(ref(0));
    expect(find(table, words, 77, 2)).toBe(ref(7));
    expect(find(table, words, 77, 4)).toBe(0);
    expect(() => table.remove(ref(4))).toThrow("not in the table");
    table.checkInvariants();
  });

  it("goes back to where it began when it is emptied", () => {
    const { table, ref } = recordsOf(5000);
    for (let round = 0; round < 3; round++) {
      for (let key = 0; key < 5000; key++) table.add(ref(key), hashOf(key));
      for (let key = 4999; key >= 0; key--) table.remove(ref(key));
      table.checkInvariants();
      expect(table.usedBytes).toBe(0);
    }
  });
});
