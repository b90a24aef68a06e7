/**
 * The remembered replies' part of a snapshot: an image each, the oldest first.
 *
 *     reply  176 | format u8 | idBytes u16 | replyBytes u32 | expiresAtMs u48 | position u48 | hash 16 bytes | id | reply
 *
 * A reply never changes; replies come at one end and leave at the other. So what is written is always all of them up to a
 * position, and the rest that was there at S is what lies between it and S:
 *
 *     positions    4    5    7    9   12  | 15           S = 13; the cursor is at 5
 *                  written   ^ next         newer        before 7 is forgotten, it is written, and the cursor moves on
 *
 * Whatever happens meanwhile they come in the same order, so that equal replies always give equal bytes here.
 *
 * A step is bounded by its budget and one reply more; forgetting one costs its image at most.
 */
import { copyBytes } from "../structures/byte-range.ts";
import {
  checkImageEnd,
  type ImageWriter,
  malformed,
  REPLY_IMAGE,
  type StoreImages,
  type StoreRestorer,
} from "./image.ts";
import { readUint16, readUint32, readUint48, writeUint16, writeUint32, writeUint48 } from "./operation.ts";
import { RememberedReply, ReplyCursor } from "./remembered-reply.ts";
import { isReplyFormat, PAYLOAD_HASH_BYTES } from "./reply-operation.ts";
import type { ReplyStore } from "./reply-store.ts";

const HASH_AT = 20;
const HEADER_BYTES = HASH_AT + PAYLOAD_HASH_BYTES;

/** Sees replies before they go. */
export interface ReplyObserver {
  /** The oldest reply, remembered at this position, is about to be forgotten. */
  beforeForget(position: number): void;
}

export class ReplyImages implements StoreImages, ReplyObserver {
  readonly #replies: ReplyStore;
  readonly #offset: number;
  readonly #images: ImageWriter;
  /** At the last reply that was written. */
  readonly #cursor = new ReplyCursor();
  #isDone = false;

  /** @param offset the snapshot's, and the last one applied. */
  constructor(replies: ReplyStore, offset: number, images: ImageWriter) {
    this.#replies = replies;
    this.#offset = offset;
    this.#images = images;
    replies.observe(this);
  }

  step(): boolean {
    while (!this.#isDone && this.#images.budgetBytes > 0) if (!this.#writeNext()) this.end();
    return this.#isDone;
  }

  end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#replies.observe(undefined);
  }

  beforeForget(position: number): void {
    if (position <= this.#cursor.position || position > this.#offset) return;
    if (!this.#writeNext()) throw new Error(`the reply at position ${position} is gone before it was written`);
  }

  /** Answers with false where none is left that was there at S. */
  #writeNext(): boolean {
    if (!this.#replies.advance(this.#cursor)) return false;
    const { entry } = this.#cursor;
    if (entry.position > this.#offset) return false;
    const { id, reply, hash } = entry;
    const idBytes = id.end - id.start;
    const replyBytes = reply.end - reply.start;
    const at = this.#images.begin(HEADER_BYTES + idBytes + replyBytes);
    const { bytes } = this.#images;
    bytes[at] = REPLY_IMAGE;
    bytes[at + 1] = entry.format;
    writeUint16(bytes, at + 2, idBytes);
    writeUint32(bytes, at + 4, replyBytes);
    writeUint48(bytes, at + 8, entry.expiresAtMs);
    writeUint48(bytes, at + 14, entry.position);
    copyBytes(hash.bytes, hash.start, hash.end, bytes, at + HASH_AT);
    copyBytes(id.bytes, id.start, id.end, bytes, at + HEADER_BYTES);
    copyBytes(reply.bytes, reply.start, reply.end, bytes, at + HEADER_BYTES + idBytes);
    return true;
  }
}

export class ReplyRestorer implements StoreRestorer {
  readonly kinds = [REPLY_IMAGE];
  readonly #replies: ReplyStore;
  readonly #entry = new RememberedReply();

  /** @param replies of an empty store. */
  constructor(replies: ReplyStore) {
    this.#replies = replies;
  }

  restore(bytes: Uint8Array, at: number, end: number): number {
    checkImageEnd(bytes, at, HEADER_BYTES, end);
    const idAt = at + HEADER_BYTES;
    const replyAt = idAt + readUint16(bytes, at + 2);
    const next = replyAt + readUint32(bytes, at + 4);
    checkImageEnd(bytes, at, next - at, end);
    const format = bytes[at + 1];
    if (!isReplyFormat(format)) throw malformed(bytes, at, `no reply has format ${format}`);
    const position = readUint48(bytes, at + 14);
    const entry = this.#entry;
    if (position <= entry.position)
      throw malformed(bytes, at, `the reply at position ${position} comes after ${entry.position}`);
    entry.format = format;
    entry.expiresAtMs = readUint48(bytes, at + 8);
    entry.position = position;
    entry.hash.place(bytes, at + HASH_AT, idAt);
    entry.id.place(bytes, idAt, replyAt);
    entry.reply.place(bytes, replyAt, next);
    this.#replies.restore(entry);
    return next;
  }

  finish(offset: number): void {
    const { position } = this.#entry;
    if (position > offset) throw new Error(`a reply has position ${position} in a snapshot at ${offset}`);
  }
}
