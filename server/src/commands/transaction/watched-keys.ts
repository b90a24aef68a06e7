/**
 * The keys that a transaction must find as they were. A key is as it was if its version is: versions are offsets of the log
 * and never come again, so a key that was removed and made anew is another one. A missing key has version 0, and so has one
 * that has expired.
 *
 * A key is kept once, as the letters that stand for its bytes.
 */
import type { KeyView } from "../../state/key-view.ts";
import { byteName, bytesOfName } from "../../structures/byte-name.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import type { CommandError } from "../errors.ts";
import type { Holding } from "./transaction-memory.ts";

/** What a watched key takes beside its bytes: a string, an entry of a map, and a number. */
const WATCH_BYTES = 100;

export class WatchedKeys {
  /** Of the keys. */
  bytes = 0;
  readonly #holding: Holding;
  readonly #versions = new Map<string, number>();

  /** @param holding of these alone. */
  constructor(holding: Holding) {
    this.#holding = holding;
  }

  get count(): number {
    return this.#versions.size;
  }

  /**
   * From now on `isChanged` tells of them. A key that is watched already keeps the version it had first. Error, and none of
   * them is watched: MEMORY_LIMIT_EXCEEDED.
   */
  add(keys: readonly ByteRange[], view: KeyView): CommandError | undefined {
    const added = new Map<string, ByteRange>();
    let bytes = 0;
    for (const key of keys) {
      const name = byteName(key);
      if (this.#versions.has(name) || added.has(name)) continue;
      added.set(name, key);
      bytes += key.length;
    }
    const refusal = this.#holding.take(bytes + added.size * WATCH_BYTES);
    if (refusal !== undefined) return refusal;
    this.bytes += bytes;
    for (const [name, key] of added) this.#versions.set(name, view.peek(key)?.version ?? 0);
    return undefined;
  }

  /** Watches nothing any more, and holds nothing. Whoever drops them says so. */
  clear(): void {
    this.#versions.clear();
    this.bytes = 0;
    this.#holding.release();
  }

  /** Whether any of the keys was written, removed or has expired since it was added. */
  isChanged(view: KeyView): boolean {
    for (const [name, version] of this.#versions) {
      if ((view.peek(bytesOfName(name))?.version ?? 0) !== version) return true;
    }
    return false;
  }
}
