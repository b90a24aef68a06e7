/**
 * What the operations of the key store cost, and how that grows with the number of keys.
 *
 *     npx tsx server/bench/structures/key-store.ts [SIZE ...] [--10m] [--json FILE]
 */

import { KeyStore, NONE } from "../../src/state/key-store.ts";
import { TAG_BYTES, TAG_TEXT, Value } from "../../src/state/value.ts";
import { ByteRange } from "../../src/structures/byte-range.ts";
import { KEY_BYTES, reusableKey, shuffled, VALUE_BYTES, value, writeKey } from "./bench-key.ts";
import { nanoseconds, printTable, readArguments, writeJson } from "./bench-report.ts";

const { numbers, flags, jsonFile } = readArguments();
const sizes = numbers.length > 0 ? numbers : [10_000, 100_000, 1_000_000];
if (flags.has("10m")) sizes.push(10_000_000);

const STEPS_MAX = 1_000_000;
/** Small stores are gone through several times, so that there is something to measure. */
const STEPS_MIN = 500_000;

function measure(size: number): Record<string, number> {
  const store = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
  const order = shuffled(size);
  const key = reusableKey();
  const steps = Math.min(size, STEPS_MAX);
  const passes = Math.ceil(STEPS_MIN / steps);
  const repeated = (perPass: number, run: () => void): number =>
    nanoseconds(perPass * passes, () => {
      for (let pass = 0; pass < passes; pass++) run();
    });
  const result: Record<string, number> = { size };
  // The last of the inserts are measured: at the full size, not on the way there.
  const measured = Math.min(steps, Math.ceil(size / 2));
  const put = (i: number, version: number): void => {
    writeKey(key.bytes, 0, i);
    store.put(key, TAG_BYTES, value, 0, VALUE_BYTES, 0, version);
  };
  for (let i = 0; i < size - measured; i++) put(order[i], i + 1);
  result.insert = nanoseconds(measured, () => {
    for (let i = size - measured; i < size; i++) put(order[i], i + 1);
  });
  result.overhead = store.usedBytes / size - KEY_BYTES - VALUE_BYTES;
  result.held = store.heldBytes / size - KEY_BYTES - VALUE_BYTES;
  const lookups = shuffled(size);
  const read = new Value(TAG_TEXT, value, 0, 0);
  let found = 0;
  const get = (first: number): void => {
    for (let step = 0; step < steps; step++) {
      writeKey(key.bytes, 0, first + lookups[step]);
      const ref = store.find(key);
      if (ref === NONE) continue;
      store.readValue(ref, read);
      found += read.bytes[read.start] === 0x76 ? 1 : 0;
    }
  };
  get(0);
  result["get hit"] = repeated(steps, () => get(0));
  if (found !== steps * (passes + 1)) throw new Error(`found ${found} of ${steps * (passes + 1)}`);
  result["get miss"] = repeated(steps, () => get(size));
  const group = Array.from({ length: 16 }, () => reusableKey());
  const groups = Math.floor(steps / 16);
  result["get 16"] = repeated(groups * 16, () => {
    for (let first = 0; first < groups * 16; first += 16) {
      for (let i = 0; i < 16; i++) writeKey(group[i].bytes, 0, lookups[first + i]);
      store.prime(group, 16);
      for (let i = 0; i < 16; i++) {
        store.readValue(store.find(group[i]), read);
        found += read.bytes[read.start];
      }
    }
  });
  result["hot get"] = repeated(steps, () => {
    for (let step = 0; step < steps; step++) {
      writeKey(key.bytes, 0, lookups[step % 1000]);
      store.readValue(store.find(key), read);
      found += read.bytes[read.start];
    }
  });
  result.overwrite = repeated(steps, () => {
    for (let step = 0; step < steps; step++) put(lookups[step], step + 1);
  });
  const scans = Math.max(100, Math.floor(steps / 200));
  const shown = new ByteRange(value, 0, 0);
  result["scan 100, us"] =
    repeated(scans, () => {
      for (let step = 0; step < scans; step++) {
        writeKey(key.bytes, 0, lookups[step]);
        let left = 100;
        store.scan(key, undefined, (ref) => {
          store.readKey(ref, shown);
          found += shown.bytes[shown.start];
          return --left > 0;
        });
      }
    }) / 1000;
  result.delete = nanoseconds(measured, () => {
    for (let i = 0; i < measured; i++) {
      writeKey(key.bytes, 0, lookups[i]);
      store.remove(key);
    }
  });
  result["key maker"] = repeated(steps, () => {
    for (let step = 0; step < steps; step++) writeKey(key.bytes, 0, lookups[step]);
  });
  return result;
}

// Once unmeasured, so that every size runs the same optimized code.
measure(20_000);
const rows = sizes.map((size) => measure(size));
printTable(
  "The key store: nanoseconds per operation (scan: microseconds per 100 keys), overhead in bytes per key",
  rows,
);
writeJson(jsonFile, "key-store", rows);
