/**
 * The keys that a transaction must find as they were. A key is as it was if its version is: versions are offsets of the log
 * and never come again, so a key that was removed and made anew is another one. A missing key has version 0, and so has one
 * that has expired.
 */
import type { KeyView } from "../../state/key-view.ts";
import { byteName } from "../../structures/byte-name.ts";
import { type ByteRange, copyRange } from "../../structures/byte-range.ts";

interface WatchedKey {
  readonly key: ByteRange;
  readonly version: number;
}

export class WatchedKeys {
  /** Of the keys. */
  bytes = 0;
  readonly #byName = new Map<string, WatchedKey>();

  get count(): number {
    return this.#byName.size;
  }

  /** From now on `isChanged` tells of it. A key that is watched already keeps the version it had first. */
  add(key: ByteRange, keys: KeyView): void {
    const name = byteName(key);
    if (this.#byName.has(name)) return;
    this.bytes += key.length;
    this.#byName.set(name, { key: copyRange(key), version: keys.peek(key)?.version ?? 0 });
  }

  clear(): void {
    this.#byName.clear();
    this.bytes = 0;
  }

  /** Whether any of the keys was written, removed or has expired since it was added. */
  isChanged(keys: KeyView): boolean {
    for (const { key, version } of this.#byName.values()) {
      if ((keys.peek(key)?.version ?? 0) !== version) return true;
    }
    return false;
  }
}
