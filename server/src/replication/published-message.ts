/**
 * Messages of publish/subscribe on their way to replicas. They are not in the log, have no offset and are not sent again;
 * those of a turn share a frame:
 *
 *     u32 bytes of what follows | u48 timestamp | u8 id bytes | u16 name bytes | u8 tag of the data | u8 tag of the headers, 255 for none
 *     u32 data bytes | id | name | data | headers
 */
import type { PublishedMessage } from "../fanout/fanout.ts";
import { readUint16, readUint32, readUint48, writeUint16, writeUint32, writeUint48 } from "../state/operation.ts";
import { TAG_NAMES, Value, type ValueTag } from "../state/value.ts";
import { ByteRange, copyBytes } from "../structures/byte-range.ts";

const HEADER_BYTES = 19;
const NO_HEADERS = 255;
const INITIAL_BYTES = 64 * 1024;

/** Collects messages until they are sent. */
export class PublishedBatch {
  #bytes = new Uint8Array(INITIAL_BYTES);
  length = 0;
  count = 0;

  /** What was added, as the body of a frame: valid until the next `add`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  add({ messageId, name, data, headers, timestampMs }: PublishedMessage): void {
    const idBytes = messageId.length;
    const messageBytes = HEADER_BYTES + idBytes + name.length + data.length + (headers?.length ?? 0);
    this.#ensure(messageBytes);
    const bytes = this.#bytes;
    const start = this.length;
    writeUint32(bytes, start, messageBytes - 4);
    writeUint48(bytes, start + 4, timestampMs);
    bytes[start + 10] = idBytes;
    writeUint16(bytes, start + 11, name.length);
    bytes[start + 13] = data.tag;
    bytes[start + 14] = headers?.tag ?? NO_HEADERS;
    writeUint32(bytes, start + 15, data.length);
    let at = start + HEADER_BYTES;
    // An id is made of digits, letters and a dash.
    for (let i = 0; i < idBytes; i++) bytes[at++] = messageId.charCodeAt(i);
    for (const range of [name, data, headers]) {
      if (range === undefined) continue;
      copyBytes(range.bytes, range.start, range.end, bytes, at);
      at += range.length;
    }
    this.length = at;
    this.count++;
  }

  reset(): void {
    this.length = 0;
    this.count = 0;
    if (this.#bytes.length > INITIAL_BYTES * 16) this.#bytes = new Uint8Array(INITIAL_BYTES);
  }

  #ensure(bytes: number): void {
    if (this.length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + bytes));
    larger.set(this.bytes);
    this.#bytes = larger;
  }
}

/** Visits the messages in a frame, as views of it; returns what is wrong with it. */
export function readPublished(bytes: Uint8Array, visit: (message: PublishedMessage) => void): string | undefined {
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER_BYTES) return "a published message is cut off";
    const end = at + 4 + readUint32(bytes, at);
    const nameAt = at + HEADER_BYTES + bytes[at + 10];
    const dataAt = nameAt + readUint16(bytes, at + 11);
    const headersAt = dataAt + readUint32(bytes, at + 15);
    const dataTag = bytes[at + 13];
    const headersTag = bytes[at + 14];
    const isWhole = end <= bytes.length && (headersTag === NO_HEADERS ? headersAt === end : headersAt <= end);
    if (!isWhole || !isTag(dataTag)) return "a published message is none";
    if (headersTag !== NO_HEADERS && !isTag(headersTag)) return "the headers of a published message are none";
    visit({
      messageId: new ByteRange(bytes, at + HEADER_BYTES, nameAt).toString(),
      name: new ByteRange(bytes, nameAt, dataAt),
      data: new Value(dataTag, bytes, dataAt, headersAt),
      headers: headersTag === NO_HEADERS ? undefined : new Value(headersTag, bytes, headersAt, end),
      timestampMs: readUint48(bytes, at + 4),
    });
    at = end;
  }
  return undefined;
}

function isTag(tag: number): tag is ValueTag {
  return tag < TAG_NAMES.length;
}
