import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HASH_FIELD, HashChains, hashBytes, hashKeyOf, hashPair, NEXT_FIELD } from "./topic-hash.ts";
import { IntRecords } from "./topic-records.ts";

function recordsOf(chains: HashChains, records: IntRecords, hash: number): number[] {
  const found: number[] = [];
  for (let id = chains.first(hash); id !== 0; id = records.get(id, NEXT_FIELD)) {
    if (records.get(id, HASH_FIELD) === hash) found.push(id);
  }
  return found.sort((a, b) => a - b);
}

describe("HashChains", () => {
  it("finds what was inserted and not removed, growing and shrinking", () => {
    const operation = fc.record({ insert: fc.boolean(), hash: fc.integer({ min: -9, max: 9 }), pick: fc.nat() });
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 200 }),
        fc.integer({ min: 1, max: 2 ** 31 }),
        (operations, spread) => {
          const records = new IntRecords(2);
          const chains = new HashChains(records);
          const model = new Map<number, number>();
          for (const { insert, hash, pick } of operations) {
            // Runs of one kind, so that the table passes sizes at which it splits and joins.
            for (let i = 0; i < 12; i++) {
              if (insert) {
                const id = records.take();
                const spreadHash = Math.imul(hash + i, spread);
                chains.insert(id, spreadHash);
                model.set(id, spreadHash);
              } else if (model.size > 0) {
                const id = [...model.keys()][pick % model.size];
                chains.remove(id);
                records.release(id);
                model.delete(id);
              }
            }
          }
          expect(chains.count).toBe(model.size);
          for (const hash of new Set(model.values())) {
            const expected = [...model].filter(([, of]) => of === hash).map(([id]) => id);
            expect(recordsOf(chains, records, hash)).toEqual(expected.sort((a, b) => a - b));
          }
        },
      ),
    );
  });

  it("gives its memory back", () => {
    const records = new IntRecords(2);
    const chains = new HashChains(records);
    const held = chains.heldBytes + records.heldBytes;
    const ids = Array.from({ length: 20_000 }, () => records.take());
    for (const id of ids) chains.insert(id, hashPair(hashKeyOf(1), id, 0));
    for (const id of ids) {
      chains.remove(id);
      records.release(id);
    }
    expect(chains.heldBytes + records.heldBytes).toBe(held);
  });
});

describe("hashBytes", () => {
  it("depends on every byte, the length and the seed, and not on what is around", () => {
    const hashes = new Set<number>();
    const key = hashKeyOf(2 ** 40 + 7);
    for (let length = 0; length < 12; length++) {
      const bytes = new Uint8Array(length + 2).fill(0xff, 0, 1).fill(0xff, length + 1);
      hashes.add(hashBytes(key, bytes, 1, length + 1));
      expect(hashBytes(key, bytes.slice(1, length + 1), 0, length)).toBe(hashBytes(key, bytes, 1, length + 1));
      for (let at = 1; at <= length; at++) {
        bytes[at] = 1;
        hashes.add(hashBytes(key, bytes, 1, length + 1));
        hashes.add(hashBytes(hashKeyOf(7), bytes, 1, length + 1));
        bytes[at] = 0;
      }
    }
    // 12 of zeros, and two for each of the 0 + 1 + ... + 11 places of a one.
    expect(hashes.size).toBe(12 + 2 * 66);
  });
});
