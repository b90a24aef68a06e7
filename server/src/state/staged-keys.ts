/**
 * What a record being planned has made of the keys it touched: by key for look-ups, and in key order for scans.
 *
 * The order is made when a scan asks for it and then kept: keys that came since are sorted on their own and merged in, so
 * a batch that writes and scans in turn does not sort everything again and again.
 */
import { type ByteRange, compareRanges, copyRange } from "../structures/byte-range.ts";
import type { Value } from "./value.ts";

/** Changes in place when the key is staged again, so that its place in the order stays good. */
export interface StagedKey {
  readonly key: ByteRange;
  /** `undefined` where the key was removed. */
  value: Value | undefined;
  deadlineMs: number;
  version: number;
}

export class StagedKeys {
  readonly #byName = new Map<string, StagedKey>();
  #ordered: StagedKey[] = [];
  /** Those that are not in `#ordered` yet. */
  #added: StagedKey[] = [];

  get(key: ByteRange): StagedKey | undefined {
    return this.#byName.get(nameOf(key));
  }

  set(key: ByteRange, value: Value | undefined, deadlineMs: number, version: number): void {
    const name = nameOf(key);
    const staged = this.#byName.get(name);
    if (staged !== undefined) {
      staged.value = value;
      staged.deadlineMs = deadlineMs;
      staged.version = version;
      return;
    }
    const added = { key: copyRange(key), value, deadlineMs, version };
    this.#byName.set(name, added);
    this.#added.push(added);
  }

  clear(): void {
    this.#byName.clear();
    this.#ordered = [];
    this.#added = [];
  }

  /** All of them in unsigned byte order of their keys. Good until the next `set` or `clear`. */
  inOrder(): readonly StagedKey[] {
    if (this.#added.length > 0) {
      this.#ordered = merged(this.#ordered, this.#added.sort(byKey));
      this.#added = [];
    }
    return this.#ordered;
  }
}

function byKey(a: StagedKey, b: StagedKey): number {
  return compareRanges(a.key, b.key);
}

function merged(a: readonly StagedKey[], b: readonly StagedKey[]): StagedKey[] {
  const all: StagedKey[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) all.push(byKey(a[i], b[j]) < 0 ? a[i++] : b[j++]);
  while (i < a.length) all.push(a[i++]);
  while (j < b.length) all.push(b[j++]);
  return all;
}

/** The place in `keys`, which are in order, of the first one after `key`, or from it on if `inclusive`. */
export function firstAfter(keys: readonly StagedKey[], key: ByteRange, inclusive: boolean): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareRanges(keys[middle].key, key);
    if (order < 0 || (order === 0 && !inclusive)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One string per key: each byte a char, so that no two keys share one. */
function nameOf(key: ByteRange): string {
  return Buffer.from(key.bytes.buffer, key.bytes.byteOffset + key.start, key.end - key.start).toString("latin1");
}
