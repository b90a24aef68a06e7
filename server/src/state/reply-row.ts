/**
 * Several replies that are remembered as one: those of commands of one batch, told apart by their places in it.
 *
 *     place u8 | replyBytes u32 | hash 16 bytes | reply       for each, the places ascending
 *
 * Little endian. A row stands where a reply that is remembered alone has its bytes, and `NO_HASH` where that has its hash.
 */
import { ByteRange, copyBytes } from "../structures/byte-range.ts";
import { readUint32, writeUint32 } from "./operation.ts";
import type { RememberedReply } from "./remembered-reply.ts";
import { PAYLOAD_HASH_BYTES } from "./reply-operation.ts";

/** How many places a row has. Those of a longer batch are in rows of their own. */
export const ROW_PLACES = 64;
export const NO_HASH = new ByteRange(new Uint8Array(PAYLOAD_HASH_BYTES), 0, PAYLOAD_HASH_BYTES);

const HASH_AT = 5;
/** What a reply has in a row beside its bytes. */
export const PLACE_BYTES = HASH_AT + PAYLOAD_HASH_BYTES;

const INITIAL_BYTES = 8 * 1024;
const NOTHING = new Uint8Array(0);

/** A row that is being put together; used again and again. */
export class ReplyRow {
  /** Its bytes, until something is added. */
  readonly range = new ByteRange(NOTHING, 0, 0);
  #bytes = new Uint8Array(INITIAL_BYTES);

  get length(): number {
    return this.range.end;
  }

  /** Takes back what was added past `length`. */
  set length(length: number) {
    this.range.end = length;
  }

  /** Empties it, and gives back what a large reply made it grow to. */
  reset(): void {
    if (this.#bytes.length > INITIAL_BYTES * 16) this.#bytes = new Uint8Array(INITIAL_BYTES);
    this.range.place(this.#bytes, 0, 0);
  }

  /**
   * @param place above those that are in it.
   * @returns where the hash is to be written, in `range.bytes`.
   */
  add(place: number, reply: ByteRange): number {
    const at = this.range.end;
    const replyBytes = reply.end - reply.start;
    const end = at + PLACE_BYTES + replyBytes;
    if (end > this.#bytes.length) this.#grow(end);
    const bytes = this.#bytes;
    bytes[at] = place;
    writeUint32(bytes, at + 1, replyBytes);
    copyBytes(reply.bytes, reply.start, reply.end, bytes, at + PLACE_BYTES);
    this.range.place(bytes, 0, end);
    return at + HASH_AT;
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.range.end));
    this.#bytes = grown;
  }
}

/** Lets an entry that shows a row show the reply at a place of it; false, and unchanged, where the row has none there. */
export function showPlace(entry: RememberedReply, place: number): boolean {
  const { bytes, start, end } = entry.reply;
  let at = start;
  while (at < end) {
    const replyAt = at + PLACE_BYTES;
    const next = replyAt + readUint32(bytes, at + 1);
    if (bytes[at] === place) {
      entry.hash.place(bytes, at + HASH_AT, replyAt);
      entry.reply.place(bytes, replyAt, next);
      return true;
    }
    at = next;
  }
  return false;
}
