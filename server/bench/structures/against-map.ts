/**
 * Random look-ups of the key store beside those of `Map<string, string>` with the string built from the key's bytes, in one
 * process and in turns, so that both meet the same machine.
 *
 *     npx tsx server/bench/structures/against-map.ts [KEYS] [--json FILE]
 */
import { KeyStore } from "../../src/state/key-store.ts";
import { TAG_BYTES, TAG_TEXT, Value } from "../../src/state/value.ts";
import { KEY_BYTES, reusableKey, shuffled, VALUE_BYTES, value, writeKey } from "./bench-key.ts";
import { median, nanoseconds, readArguments, writeJson } from "./bench-report.ts";

const { numbers, jsonFile } = readArguments();
const count = numbers[0] ?? 1_000_000;
const ROUNDS = 7;
const STEPS = Math.min(count, 500_000);
const TOGETHER = 16;

const store = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
const map = new Map<string, string>();
const key = reusableKey();
const keyBuffer = Buffer.from(key.bytes.buffer);
for (const i of shuffled(count)) {
  writeKey(key.bytes, 0, i);
  store.put(key, TAG_BYTES, value, 0, VALUE_BYTES, 0, i + 1);
  map.set(keyBuffer.toString("latin1", 0, KEY_BYTES), "v".repeat(VALUE_BYTES - 8) + String(i).padStart(8, "0"));
}

// As in a socket buffer, the keys of a round are already there when the clock starts.
const keys = new Uint8Array(STEPS * KEY_BYTES);
const keysBuffer = Buffer.from(keys.buffer);
const read = new Value(TAG_TEXT, value, 0, 0);
const group = Array.from({ length: TOGETHER }, () => reusableKey());
for (const member of group) member.bytes = keys;
let seen = 0;

function getFromStore(): void {
  key.bytes = keys;
  for (let at = 0; at < keys.length; at += KEY_BYTES) {
    key.start = at;
    key.end = at + KEY_BYTES;
    store.readValue(store.find(key), read);
    seen += read.bytes[read.start];
  }
}

function getTogether(): void {
  for (let at = 0; at + TOGETHER * KEY_BYTES <= keys.length; ) {
    for (const member of group) {
      member.start = at;
      at += KEY_BYTES;
      member.end = at;
    }
    store.prime(group, TOGETHER);
    for (const member of group) {
      store.readValue(store.find(member), read);
      seen += read.bytes[read.start];
    }
  }
}

function getFromMap(): void {
  for (let at = 0; at < keys.length; at += KEY_BYTES) {
    const found = map.get(keysBuffer.toString("latin1", at, at + KEY_BYTES));
    if (found === undefined) throw new Error("a key is missing");
    seen += found.charCodeAt(0);
  }
}

const ways = { store: getFromStore, "store, 16 together": getTogether, map: getFromMap };
const times: Record<string, number[]> = { store: [], "store, 16 together": [], map: [] };
for (let round = 0; round < ROUNDS + 2; round++) {
  const order = shuffled(count);
  const first = (round * STEPS) % count;
  for (let step = 0; step < STEPS; step++) writeKey(keys, step * KEY_BYTES, order[(first + step) % count]);
  for (const [name, run] of Object.entries(ways)) {
    const time = nanoseconds(STEPS, run);
    if (round >= 2) times[name].push(time);
  }
}
const result = Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
console.log(
  `Random look-ups of ${count.toLocaleString("en")} keys, ns of processor time, medians of ${ROUNDS} rounds in turns\n`,
);
for (const [name, time] of Object.entries(result)) {
  console.log(`${name.padEnd(22)}${time.toFixed(0).padStart(6)}   ${(time / result.map).toFixed(2)} x Map`);
}
if (seen === 0) throw new Error("nothing was read");
writeJson(jsonFile, "against-map", { count, nanoseconds: result });
