/** One remembered reply, as the store shows it, and a place among them to go on from. */
import { ByteRange } from "../structures/byte-range.ts";
import { type NewReply, REPLY_JSON, type ReplyFormat } from "./reply-operation.ts";

const NOTHING = new Uint8Array(0);

/** Reused by whoever reads: its ranges point into the store, and live until the next `apply` or `evacuate`. */
export class RememberedReply implements NewReply {
  readonly id = new ByteRange(NOTHING, 0, 0);
  readonly hash = new ByteRange(NOTHING, 0, 0);
  readonly reply = new ByteRange(NOTHING, 0, 0);
  format: ReplyFormat = REPLY_JSON;
  expiresAtMs = 0;
  /** The log offset of its operation: unique, and growing from the oldest to the newest. */
  position = 0;
}

/**
 * A walk over all replies, the oldest first, that goes on rightly whatever changed meanwhile. It keeps the id of the last
 * one it has shown, and not where that was: replies leave at the front alone, so where that one is gone, all before it are,
 * and the walk goes on with the oldest there is.
 */
export class ReplyCursor {
  /** Valid after `ReplyStore#advance` has answered true, as long as its ranges are. */
  readonly entry = new RememberedReply();
  /** Of the last one shown; 0 before the first. */
  position = 0;
  /** The id of the last one shown, in memory of its own. */
  readonly id = new ByteRange(NOTHING, 0, 0);

  /** Remembers the entry just read as the last one shown. */
  keep(): void {
    const { id, entry } = this;
    const idBytes = entry.id.end - entry.id.start;
    if (id.bytes.length < idBytes) id.bytes = new Uint8Array(Math.max(64, idBytes * 2));
    id.bytes.set(entry.id.bytes.subarray(entry.id.start, entry.id.end));
    id.end = idBytes;
    this.position = entry.position;
  }
}
