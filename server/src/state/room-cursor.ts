/**
 * Reads the events of rooms in order, in place. One cursor serves any number of reads, one after the other.
 *
 *     cursor.seek(room, offset);
 *     while (cursor.next()) use(cursor.offset, cursor.data);
 *
 * Seeking costs O(log n), each event O(1). What it shows lives until the next change of the store or the next `next`.
 */
import { ByteRange } from "../structures/byte-range.ts";
import { eventCountOf, eventWordOf, firstOffsetOf, readEvent, timestampMsOf } from "./room-block.ts";
import type { RoomRing } from "./room-ring.ts";
import { TAG_JSON, Value } from "./value.ts";

const NOTHING = new Uint8Array(0);

export class RoomCursor {
  /** The event that `next` has arrived at. */
  offset = 0;
  timestampMs = 0;
  readonly event = new ByteRange(NOTHING, 0, 0);
  readonly data = new Value(TAG_JSON, NOTHING, 0, 0);
  /** JSON text; empty for none. */
  readonly metadata = new ByteRange(NOTHING, 0, 0);
  /** Empty for none. */
  readonly dedupId = new ByteRange(NOTHING, 0, 0);
  #ring: RoomRing | undefined = undefined;
  #nextOffset = 0;
  /** The block of the next event, and which of its events that is; it may be one past the last. */
  #block = 0;
  #index = 0;

  /** Goes to before the first event whose offset is `offset` or above, and that is still there. */
  seek({ ring }: { readonly ring: RoomRing }, offset: number): void {
    this.#ring = ring;
    this.#nextOffset = Math.max(offset, ring.oldestOffset);
    if (this.#nextOffset >= ring.nextOffset) return;
    this.#block = ring.blockOf(this.#nextOffset);
    const block = ring.blockAt(this.#block);
    this.#index = this.#nextOffset - firstOffsetOf(ring.slab.words[block >>> 24], block & 0xfffffe);
  }

  /** Goes to the next event; false if there is none. */
  next(): boolean {
    const ring = this.#ring;
    if (ring === undefined || this.#nextOffset >= ring.nextOffset) return false;
    let block = ring.blockAt(this.#block);
    if (this.#index === eventCountOf(ring.slab.words[block >>> 24], block & 0xfffffe)) {
      block = ring.blockAt(++this.#block);
      this.#index = 0;
    }
    const words = ring.slab.words[block >>> 24];
    const bytes = ring.slab.bytes[block >>> 24];
    const word = eventWordOf(words, bytes, block & 0xfffffe, this.#index++);
    this.offset = this.#nextOffset++;
    this.timestampMs = timestampMsOf(words, word);
    readEvent(words, bytes, word, this.event, this.metadata, this.dedupId, this.data);
    return true;
  }
}
