/**
 * Checks MessagePack and tells where each value ends, without making values. Strings must be UTF-8; extensions and any
 * kind of map key pass here, because only some places refuse them.
 *
 * A length that is announced costs nothing until its bytes are there: a container of n items needs at least n more bytes,
 * which is looked at first. Recursion ends at `DEPTH_MAX`.
 *
 * `value` answers the position past the value, or -1 and then `failure` says what is wrong and `failedAt` where.
 */
import { DEPTH_MAX } from "../codec.ts";
import { isAsciiRange, isUtf8Range } from "../utf8.ts";
import {
  ARRAY16,
  BIN8,
  BIN32,
  EXT8,
  EXT32,
  FIXARRAY,
  FIXEXT1,
  FIXEXT16,
  FIXMAP,
  FIXSTR,
  headerLength,
  MAP16,
  NEGATIVE_FIXINT,
  NIL,
  numberLength,
  readLength,
  readUint16,
  readUint32,
  STR8,
} from "./message-pack-format.ts";

const NEVER_USED = 0xc1;
const NO_BYTES = new Uint8Array(0);

export class MessagePackScanner {
  failure = "";
  failedAt = 0;
  /** Where the content of the string read last begins; it ends where the string does. */
  textStart = 0;
  #bytes: Uint8Array = NO_BYTES;
  #end = 0;

  begin(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  fail(at: number, failure: string): -1 {
    this.failedAt = at;
    this.failure = failure;
    return -1;
  }

  /** The first byte of a value; -1 at the end. */
  formatAt(at: number): number {
    return at < this.#end ? this.#bytes[at] : -1;
  }

  /** @param depth how many arrays and maps are open around this value. */
  value(at: number, depth: number): number {
    const bytes = this.#bytes;
    if (at >= this.#end) return this.#truncated();
    const format = bytes[at];
    if (format < FIXMAP || format >= NEGATIVE_FIXINT) return at + 1;
    if (format < FIXARRAY) return this.#items(at, 2, depth);
    if (format < FIXSTR) return this.#items(at, 1, depth);
    if (format < NIL) return this.string(at);
    if (format >= MAP16) return this.#items(at, 2, depth);
    if (format >= ARRAY16) return this.#items(at, 1, depth);
    if (format >= STR8) return this.string(at);
    if (format >= BIN8 && format <= BIN32) return this.#binary(at);
    if ((format >= EXT8 && format <= EXT32) || format >= FIXEXT1) return this.#extension(at);
    if (format === NEVER_USED) return this.fail(at, "the byte c1 begins no value");
    return this.#bounded(at + 1 + numberLength(format));
  }

  /** The string at `at`, which must be one. */
  string(at: number): number {
    const past = this.stringEnd(at);
    if (past < 0 || isUtf8Range(this.#bytes, this.textStart, past)) return past;
    return this.fail(at, "a string is not UTF-8");
  }

  /** The same where the caller compares the string with one that is UTF-8. */
  stringEnd(at: number): number {
    const bytes = this.#bytes;
    const format = bytes[at];
    let start = at + 1;
    let length = format & 0x1f;
    if (format >= NIL) {
      start = at + headerLength(format);
      if (start > this.#end) return this.#truncated();
      length = readLength(bytes, at);
    }
    const past = start + length;
    if (past > this.#end) return this.#truncated();
    this.textStart = start;
    return past;
  }

  /** The item count of the array, or the pair count of the map, at `at`; -1 where they cannot all be there. */
  count(at: number, valuesPerItem: number): number {
    const start = at + headerLength(this.#bytes[at]);
    if (start > this.#end) return this.#truncated();
    const count = readLength(this.#bytes, at);
    return count * valuesPerItem > this.#end - start ? this.#truncated() : count;
  }

  #items(at: number, valuesPerItem: number, depth: number): number {
    if (depth >= DEPTH_MAX) return this.fail(at, `nested deeper than ${DEPTH_MAX} levels`);
    const count = this.count(at, valuesPerItem);
    if (count < 0) return -1;
    const bytes = this.#bytes;
    const end = this.#end;
    let next = at + headerLength(bytes[at]);
    for (let left = count * valuesPerItem; left > 0; left--) {
      // Names and keys, most often: short strings of ASCII, checked without a call.
      const format = next < end ? bytes[next] : NIL;
      const past = next + 1 + (format & 0x1f);
      if ((format & 0xe0) === FIXSTR && past <= end && isAsciiRange(bytes, next + 1, past)) {
        next = past;
        continue;
      }
      next = this.value(next, depth + 1);
      if (next < 0) return -1;
    }
    return next;
  }

  #binary(at: number): number {
    const start = at + headerLength(this.#bytes[at]);
    if (start > this.#end) return this.#truncated();
    return this.#bounded(start + readLength(this.#bytes, at));
  }

  #extension(at: number): number {
    const bytes = this.#bytes;
    const format = bytes[at];
    // One byte of type, then 1, 2, 4, 8 or 16 bytes.
    if (format >= FIXEXT1 && format <= FIXEXT16) return this.#bounded(at + 2 + (1 << (format - FIXEXT1)));
    const lengthBytes = 1 << (format - EXT8);
    const start = at + 2 + lengthBytes;
    if (start > this.#end) return this.#truncated();
    let length = bytes[at + 1];
    if (lengthBytes === 2) length = readUint16(bytes, at + 1);
    else if (lengthBytes === 4) length = readUint32(bytes, at + 1);
    return this.#bounded(start + length);
  }

  #bounded(past: number): number {
    return past > this.#end ? this.#truncated() : past;
  }

  #truncated(): -1 {
    return this.fail(this.#end, "the message ends too early");
  }
}
