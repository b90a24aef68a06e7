/**
 * What a full collection costs with many keys: in the key store, and in a `Map` of objects.
 *
 *     node --expose-gc --import tsx server/bench/structures/gc-pause.ts [KEYS] [--json FILE]
 */
import { KeyStore } from "../../src/state/key-store.ts";
import { TAG_BYTES } from "../../src/state/value.ts";
import { KEY_BYTES, reusableKey, VALUE_BYTES, value, writeKey } from "./bench-key.ts";
import { median, readArguments, writeJson } from "./bench-report.ts";

const { numbers, jsonFile } = readArguments();
const count = numbers[0] ?? 5_000_000;
const { gc } = globalThis;
if (gc === undefined) throw new Error("run with: node --expose-gc --import tsx");

function pausesMs(): number[] {
  gc?.();
  return Array.from({ length: 5 }, () => {
    const start = performance.now();
    gc?.();
    return performance.now() - start;
  });
}

const key = reusableKey();
const empty = pausesMs();
const store = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
for (let i = 0; i < count; i++) {
  writeKey(key.bytes, 0, i);
  store.put(key, TAG_BYTES, value, 0, VALUE_BYTES, 0, i + 1);
}
const overheadBytes = store.usedBytes / count - KEY_BYTES - VALUE_BYTES;
const withStore = pausesMs();
store.flush();
while (store.freeDetached(1));

const map = new Map<string, { value: string; deadlineMs: number; version: number }>();
const buffer = Buffer.from(key.bytes.buffer);
for (let i = 0; i < count; i++) {
  writeKey(key.bytes, 0, i);
  map.set(buffer.toString("latin1", 0, KEY_BYTES), { value: `value ${i}`, deadlineMs: 0, version: i + 1 });
}
const withMap = pausesMs();
if (map.size !== count) throw new Error("keys are missing");

const result = { count, emptyMs: median(empty), storeMs: median(withStore), mapMs: median(withMap), overheadBytes };
console.log(`Full collection, ms, medians of 5, ${count.toLocaleString("en")} keys`);
console.log(
  `nothing ${result.emptyMs.toFixed(1)}   key store ${result.storeMs.toFixed(1)}   Map of objects ${result.mapMs.toFixed(1)}`,
);
console.log(`overhead in the key store: ${overheadBytes.toFixed(1)} bytes per key`);
writeJson(jsonFile, "gc-pause", result);
