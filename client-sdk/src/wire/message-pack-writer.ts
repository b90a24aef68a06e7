/**
 * Writes MessagePack into chunks of 64 KB, one value after the other. A value stays where it was written: who keeps a range
 * keeps its chunk alive, and nothing is written over it. A value that does not fit moves, as far as it has come, to a new
 * chunk that is large enough.
 */
import { DEPTH_MAX } from "./codec.ts";
import {
  bytesOf,
  checkBigint,
  checkNumber,
  checkObject,
  checkText,
  hasToJson,
  isWritten,
  noForm,
  tooDeep,
} from "./encodable.ts";

const CHUNK_BYTES = 65_536;
/** Up to this length the characters of a string are copied one by one; the call of TextEncoder costs more than that. */
const SHORT_STRING = 48;
/** From here on three bytes for each character are too many to reserve. */
const LONG_STRING = 8_192;

const utf8 = new TextEncoder();

export class MessagePackWriter {
  bytes = new Uint8Array(CHUNK_BYTES);
  at = 0;
  /** Where the value begins that is being written. */
  start = 0;
  #view = new DataView(this.bytes.buffer);

  /** A new value begins here. */
  begin(): void {
    if (this.bytes.length - this.at < 256) this.#replace(CHUNK_BYTES, 0);
    this.start = this.at;
  }

  /** Takes back what was written of the value. */
  discard(): void {
    this.at = this.start;
  }

  /** Bytes that are MessagePack already. */
  raw(source: Uint8Array): void {
    const { length } = source;
    this.#reserve(length);
    const { bytes } = this;
    let { at } = this;
    for (let i = 0; i < length; i++) bytes[at++] = source[i];
    this.at = at;
  }

  value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        this.text(value);
        return;
      case "number":
        this.number(value);
        return;
      case "boolean":
        this.#byte(value ? 0xc3 : 0xc2);
        return;
      case "object":
        if (value === null) this.#byte(0xc0);
        else this.#object(value, depth);
        return;
      case "bigint":
        this.#bigint(value);
        return;
      default:
        throw noForm(value);
    }
  }

  text(text: string): void {
    const { length } = text;
    if (length > LONG_STRING) {
      const encoded = utf8.encode(text);
      if (encoded.length !== length) checkText(text);
      this.#long(encoded);
      return;
    }
    this.#reserve(5 + length * 3);
    if (length > SHORT_STRING || !this.#ascii(text, length)) this.#utf8(text);
  }

  number(value: number): void {
    this.#reserve(9);
    if (!Number.isSafeInteger(value)) {
      checkNumber(value);
      this.bytes[this.at] = 0xcb;
      this.#view.setFloat64(this.at + 1, value);
      this.at += 9;
    } else if (value >= 0) this.#unsigned(value);
    else this.#negative(value);
  }

  /** How many entries follow. */
  mapHead(count: number): void {
    this.#head(count, 0x80, 15, 0xde);
  }

  arrayHead(count: number): void {
    this.#head(count, 0x90, 15, 0xdc);
  }

  #object(value: object, depth: number): void {
    if (depth >= DEPTH_MAX) throw tooDeep();
    const bytes = bytesOf(value);
    if (bytes !== undefined) this.#bin(bytes);
    else if (Array.isArray(value)) this.#array(value, depth);
    else if (hasToJson(value)) this.value(value.toJSON(), depth + 1);
    else {
      checkObject(value);
      this.#map(value as Readonly<Record<string, unknown>>, depth);
    }
  }

  #array(items: readonly unknown[], depth: number): void {
    this.arrayHead(items.length);
    for (const item of items) this.value(isWritten(item) ? item : null, depth + 1);
  }

  #map(fields: Readonly<Record<string, unknown>>, depth: number): void {
    const names = Object.keys(fields);
    let count = 0;
    for (const name of names) if (isWritten(fields[name])) count++;
    this.mapHead(count);
    for (const name of names) {
      const field = fields[name];
      if (!isWritten(field)) continue;
      this.text(name);
      this.value(field, depth + 1);
    }
  }

  #ascii(text: string, length: number): boolean {
    const { bytes } = this;
    let { at } = this;
    if (length < 32) bytes[at++] = 0xa0 | length;
    else {
      bytes[at++] = 0xd9;
      bytes[at++] = length;
    }
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      bytes[at++] = code;
    }
    this.at = at;
    return true;
  }

  #utf8(text: string): void {
    const { bytes, at } = this;
    // The head's size depends on the length in bytes, which is known afterwards; most often the guess by characters holds.
    const guess = headBytes(text.length);
    const { written } = utf8.encodeInto(text, bytes.subarray(at + guess));
    if (written !== text.length) checkText(text);
    const head = headBytes(written);
    if (head !== guess) bytes.copyWithin(at + head, at + guess, at + guess + written);
    if (head === 1) bytes[at] = 0xa0 | written;
    else if (head === 2) {
      bytes[at] = 0xd9;
      bytes[at + 1] = written;
    } else {
      bytes[at] = 0xda;
      this.#view.setUint16(at + 1, written);
    }
    this.at = at + head + written;
  }

  #long(text: Uint8Array): void {
    this.#reserve(5 + text.length);
    this.bytes[this.at] = 0xdb;
    this.#view.setUint32(this.at + 1, text.length);
    this.bytes.set(text, this.at + 5);
    this.at += 5 + text.length;
  }

  #unsigned(value: number): void {
    const { bytes, at } = this;
    if (value < 0x80) {
      bytes[at] = value;
      this.at = at + 1;
    } else if (value < 0x1_0000) {
      bytes[at] = 0xcd;
      this.#view.setUint16(at + 1, value);
      this.at = at + 3;
    } else if (value < 0x1_0000_0000) {
      bytes[at] = 0xce;
      this.#view.setUint32(at + 1, value);
      this.at = at + 5;
    } else {
      bytes[at] = 0xcf;
      this.#view.setUint32(at + 1, Math.floor(value / 0x1_0000_0000));
      this.#view.setUint32(at + 5, value % 0x1_0000_0000);
      this.at = at + 9;
    }
  }

  #negative(value: number): void {
    const { bytes, at } = this;
    if (value >= -0x20) {
      bytes[at] = 0x100 + value;
      this.at = at + 1;
    } else if (value >= -0x8000_0000) {
      bytes[at] = 0xd2;
      this.#view.setInt32(at + 1, value);
      this.at = at + 5;
    } else {
      bytes[at] = 0xd3;
      this.#view.setBigInt64(at + 1, BigInt(value));
      this.at = at + 9;
    }
  }

  #bigint(value: bigint): void {
    checkBigint(value);
    this.#reserve(9);
    this.bytes[this.at] = 0xd3;
    this.#view.setBigInt64(this.at + 1, value);
    this.at += 9;
  }

  #bin(source: Uint8Array): void {
    const { length } = source;
    this.#reserve(5 + length);
    this.bytes[this.at] = 0xc6;
    this.#view.setUint32(this.at + 1, length);
    this.bytes.set(source, this.at + 5);
    this.at += 5 + length;
  }

  #head(count: number, fix: number, fixMax: number, code16: number): void {
    this.#reserve(5);
    const { bytes, at } = this;
    if (count <= fixMax) {
      bytes[at] = fix | count;
      this.at = at + 1;
    } else if (count < 0x1_0000) {
      bytes[at] = code16;
      this.#view.setUint16(at + 1, count);
      this.at = at + 3;
    } else {
      bytes[at] = code16 + 1;
      this.#view.setUint32(at + 1, count);
      this.at = at + 5;
    }
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.bytes[this.at++] = byte;
  }

  #reserve(count: number): void {
    if (this.bytes.length - this.at >= count) return;
    const begun = this.at - this.start;
    this.#replace(Math.max(CHUNK_BYTES, begun * 2 + count), begun);
  }

  /** A new chunk, with what was written of the value at its begin. */
  #replace(size: number, begun: number): void {
    const chunk = new Uint8Array(size);
    chunk.set(this.bytes.subarray(this.start, this.start + begun));
    this.bytes = chunk;
    this.#view = new DataView(chunk.buffer);
    this.start = 0;
    this.at = begun;
  }
}

function headBytes(length: number): number {
  if (length < 32) return 1;
  return length < 0x100 ? 2 : 3;
}
