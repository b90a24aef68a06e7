/** All keys as text, to compare one state with another. What belongs to a node, as the clocks of eviction, is left out. */
import { ByteRange } from "../structures/byte-range.ts";
import type { KeyStore } from "./key-store.ts";
import { TAG_NAMES, TAG_TEXT, Value } from "./value.ts";

/** One line for each key, in key order. */
export function dumpKeys(store: KeyStore): string {
  const lines: string[] = [];
  const key = new ByteRange(new Uint8Array(0), 0, 0);
  const value = new Value(TAG_TEXT, key.bytes, 0, 0);
  store.scan(undefined, undefined, (ref) => {
    store.readKey(ref, key);
    store.readValue(ref, value);
    const instants = `version ${store.versionOf(ref)} deadline ${store.deadlineMsOf(ref)}`;
    lines.push(`key ${hex(key)} ${TAG_NAMES[value.tag]} ${hex(value)} ${instants}`);
    return true;
  });
  return lines.join("\n");
}

function hex({ bytes, start, end }: ByteRange): string {
  return Buffer.from(bytes.subarray(start, end)).toString("hex");
}
