/**
 * Scan cursors that are integers: of each the key that its page ended with. The one used longest ago is forgotten first;
 * asking for it then is an error, because beginning again would show keys twice or for ever.
 *
 *     id 8841 -> "user:104"    used longest ago
 *     id 8843 -> "user:2"
 *     id 8842 -> "order:77"    used last
 *
 * Ids begin at a random number, so that one from before a restart is unknown and does not stand for another key.
 */
import { type ByteRange, copyRange } from "../../structures/byte-range.ts";

const CURSORS_MAX = 16_384;
/** Of keys. Some hundred bytes of bookkeeping come to each. */
const CURSOR_BYTES_MAX = 4 * 2 ** 20;

export class ScanCursors {
  /** In the order of their last use. */
  readonly #keys = new Map<number, ByteRange>();
  readonly #countMax: number;
  #bytes = 0;
  #nextId: number;

  /** @param random draws from [0, 1). */
  constructor(random: () => number, countMax = CURSORS_MAX) {
    this.#countMax = countMax;
    // Far from 2^53, and even after billions of pages.
    this.#nextId = 1 + Math.floor(random() * 2 ** 52);
  }

  /** Remembers a copy of a key; answers with its id, never 0. */
  add(key: ByteRange): number {
    const id = this.#nextId++;
    this.#keys.set(id, copyRange(key));
    this.#bytes += key.length;
    for (const [oldest, { length }] of this.#keys) {
      if (this.#keys.size <= this.#countMax && this.#bytes <= CURSOR_BYTES_MAX) break;
      this.#keys.delete(oldest);
      this.#bytes -= length;
    }
    return id;
  }

  find(id: number): ByteRange | undefined {
    const key = this.#keys.get(id);
    if (key === undefined) return undefined;
    this.#keys.delete(id);
    this.#keys.set(id, key);
    return key;
  }
}
