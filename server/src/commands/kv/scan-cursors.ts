/**
 * Scan cursors that are integers: of each the key that its page ended with. Where there is no room the one used longest ago is
 * forgotten; asking for it then is an error, because beginning again would show keys twice or for ever.
 *
 *     id 8841 -> "user:104"    used longest ago      of owner shop
 *     id 8843 -> "user:2"                            of owner batch
 *     id 8842 -> "order:77"    used last             of owner shop
 *
 * Each owner (access/grant.ts) has a share, all there is by how many have cursors. It can be exceeded while there is room; then
 * who adds one forgets its own oldest, if it has more than its share, and else that of the owner who has most. So one that
 * begins scans and never ends them forgets nobody's but its own.
 *
 * Ids begin at a random number, so that one from before a restart is unknown and does not stand for another key.
 */
import { type ByteRange, copyRange } from "../../structures/byte-range.ts";

const CURSORS_MAX = 16_384;
/** Of keys. Some hundred bytes of bookkeeping come to each. */
const CURSOR_BYTES_MAX = 4 * 2 ** 20;

/** The cursors of one owner; it is gone with the last. */
interface OwnCursors {
  readonly owner: string;
  /** By id, in the order of their last use. */
  readonly keys: Map<number, ByteRange>;
  bytes: number;
}

export class ScanCursors {
  readonly #byOwner = new Map<string, OwnCursors>();
  /** Whose an id is. Any owner may go on with it: what a page shows is its own token's to say. */
  readonly #ownerOf = new Map<number, OwnCursors>();
  readonly #countMax: number;
  #bytes = 0;
  #nextId: number;

  /** @param random draws from [0, 1). */
  constructor(random: () => number, countMax = CURSORS_MAX) {
    this.#countMax = countMax;
    // Far from 2^53, and even after billions of pages.
    this.#nextId = 1 + Math.floor(random() * 2 ** 52);
  }

  /** Who has any. */
  get ownerCount(): number {
    return this.#byOwner.size;
  }

  /** Remembers a copy of a key; answers with its id, never 0. */
  add(key: ByteRange, owner: string): number {
    const id = this.#nextId++;
    const own = this.#byOwner.get(owner) ?? { owner, keys: new Map(), bytes: 0 };
    this.#byOwner.set(owner, own);
    own.keys.set(id, copyRange(key));
    own.bytes += key.length;
    this.#ownerOf.set(id, own);
    this.#bytes += key.length;
    while (this.#ownerOf.size > this.#countMax || this.#bytes > CURSOR_BYTES_MAX) {
      this.#forgetOldest(this.#hasMoreThanShare(own) ? own : this.#greatest());
    }
    return id;
  }

  find(id: number): ByteRange | undefined {
    const keys = this.#ownerOf.get(id)?.keys;
    const key = keys?.get(id);
    if (keys === undefined || key === undefined) return undefined;
    keys.delete(id);
    keys.set(id, key);
    return key;
  }

  #hasMoreThanShare(own: OwnCursors): boolean {
    return this.#partOf(own) * this.#byOwner.size > 1;
  }

  /** What an owner has of all there may be: of the count or of the bytes, whichever is more. */
  #partOf({ keys, bytes }: OwnCursors): number {
    return Math.max(keys.size / this.#countMax, bytes / CURSOR_BYTES_MAX);
  }

  /** Looks at all owners: only who has less than its share has this done, and they are no more than there are cursors. */
  #greatest(): OwnCursors {
    let greatest: OwnCursors | undefined;
    for (const each of this.#byOwner.values()) {
      if (greatest === undefined || this.#partOf(each) > this.#partOf(greatest)) greatest = each;
    }
    if (greatest === undefined) throw new Error("there are too many cursors, and they are nobody's");
    return greatest;
  }

  #forgetOldest(own: OwnCursors): void {
    for (const [id, { length }] of own.keys) {
      own.keys.delete(id);
      own.bytes -= length;
      this.#ownerOf.delete(id);
      this.#bytes -= length;
      break;
    }
    if (own.keys.size === 0) this.#byOwner.delete(own.owner);
  }
}
