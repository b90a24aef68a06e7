/**
 * Whether the memory limit holds for what the process really takes when value sizes drift: fills the store with 100-byte
 * values, then writes larger and larger ones under LRU eviction.
 *
 *     npx tsx server/bench/structures/memory-drift.ts [LIMIT_MB] [--json FILE]
 */

import { KeyStore, NONE } from "../../src/state/key-store.ts";
import { TAG_BYTES } from "../../src/state/value.ts";
import { ByteRange } from "../../src/structures/byte-range.ts";
import { KEY_BYTES, reusableKey, writeKey } from "./bench-key.ts";
import { printTable, readArguments, writeJson } from "./bench-report.ts";

const MB = 2 ** 20;
const { numbers, jsonFile } = readArguments();
const limitBytes = (numbers[0] ?? 512) * MB;
const value = new Uint8Array(4 * MB).fill(1);
const key = reusableKey();
const victim = new ByteRange(value, 0, 0);
const store = new KeyStore({ memoryBytesMax: limitBytes, evictionPolicy: "lru" });
const rssBefore = process.memoryUsage.rss();

let written = 0;
let stepMsMax = 0;
let usedMax = 0;
let heldMax = 0;

function put(valueBytes: number): void {
  const start = performance.now();
  while (store.usedBytes + store.slotBytesNeeded(KEY_BYTES, valueBytes, false) > store.memory.usableBytes) {
    const ref = store.evictionVictim(Math.random, () => false, start);
    if (ref === NONE) throw new Error("nothing to evict");
    store.readKey(ref, victim);
    store.remove(victim);
  }
  const before = process.cpuUsage();
  writeKey(key.bytes, 0, written++);
  store.put(key, TAG_BYTES, value, 0, valueBytes, 0, written);
  const { user, system } = process.cpuUsage(before);
  stepMsMax = Math.max(stepMsMax, (user + system) / 1000);
  usedMax = Math.max(usedMax, store.usedBytes);
  heldMax = Math.max(heldMax, store.heldBytes);
}

const rows = [100, 4096, 100, 20_000, 300, 300_000, 100, 3 * MB].map((valueBytes) => {
  stepMsMax = 0;
  usedMax = 0;
  heldMax = 0;
  const before = process.cpuUsage();
  const first = written;
  const total = 1.3 * limitBytes;
  for (let bytes = 0; bytes < total; bytes += valueBytes + KEY_BYTES + 30) put(valueBytes);
  const { user, system } = process.cpuUsage(before);
  return {
    size: valueBytes,
    keys: store.size,
    "used, MB": usedMax / MB,
    "held, MB": heldMax / MB,
    "RSS, MB": (process.memoryUsage.rss() - rssBefore) / MB,
    "RSS / limit": (process.memoryUsage.rss() - rssBefore) / limitBytes,
    "longest, ms": stepMsMax,
    "us per put": (user + system) / (written - first),
  };
});
printTable(
  `Drifting value sizes under a limit of ${limitBytes / MB} MB; columns are value sizes in order of time`,
  rows,
);
writeJson(jsonFile, "memory-drift", rows);
