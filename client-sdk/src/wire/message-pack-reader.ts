/**
 * Reads one MessagePack value: what a Synap server writes, and no extension types. It is our own for what it leaves out: a
 * library that knows them all, and makes code at run time, is as large as a quarter of the whole client may be.
 *
 * Integers past 2^53 come as bigint. Bytes are views of the frame.
 */
// A string may begin with what elsewhere marks the order of bytes.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
const HALF_RANGE = 2 ** 32;
/** 2^53 in halves of 32 bits: from here on a number does not hold every integer. */
const HIGH_MAX = 2 ** 21;
/** Shorter ones are put together by hand; the call of TextDecoder costs more than that. */
const SHORT_STRING_BYTES = 40;
const NAMES_KEPT = 512;

export class MessagePackReader {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** Names of fields, which are few and come again and again. */
  readonly #names: (string | undefined)[] = new Array(NAMES_KEPT).fill(undefined);

  /** @throws RangeError where it ends too early, goes on behind its end, or is of no known form. */
  read(frame: Uint8Array<ArrayBuffer>): unknown {
    this.#bytes = frame;
    this.#view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    this.#at = 0;
    const value = this.#value();
    if (this.#at !== frame.length) throw new RangeError("there is more than one value");
    return value;
  }

  #value(): unknown {
    const head = this.#view.getUint8(this.#at++);
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f);
    if (head < 0xa0) return this.#array(head & 0x0f);
    if (head < 0xc0) return this.#text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.#view.getFloat32(this.#skip(4));
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return this.#wide(this.#view.getInt32(this.#at), true);
      case 0xcf:
        return this.#wide(this.#view.getUint32(this.#at), false);
      default:
        return this.#sized(head);
    }
  }

  /** What has a size of 1, 2 or 4 bytes behind its head, and unsigned integers, which are written in the same way. */
  #sized(head: number): unknown {
    if (head >= 0xcc && head <= 0xce) return this.#size(head - 0xcc);
    if (head >= 0xc4 && head <= 0xc6) {
      const length = this.#size(head - 0xc4);
      return this.#bytes.subarray(this.#skip(length), this.#at);
    }
    if (head >= 0xd9 && head <= 0xdb) return this.#text(this.#size(head - 0xd9));
    if (head === 0xdc || head === 0xdd) return this.#array(this.#size(head - 0xdb));
    if (head === 0xde || head === 0xdf) return this.#map(this.#size(head - 0xdd));
    throw new RangeError(`no value begins with ${head}`);
  }

  /** @param power of the two that it has bytes. */
  #size(power: number): number {
    if (power === 0) return this.#view.getUint8(this.#at++);
    return power === 1 ? this.#view.getUint16(this.#skip(2)) : this.#view.getUint32(this.#skip(4));
  }

  #wide(high: number, isSigned: boolean): number | bigint {
    const at = this.#skip(8);
    if (high >= -HIGH_MAX && high < HIGH_MAX) return high * HALF_RANGE + this.#view.getUint32(at + 4);
    return isSigned ? this.#view.getBigInt64(at) : this.#view.getBigUint64(at);
  }

  /** Steps over so many bytes, which must be there. @returns where they begin */
  #skip(count: number): number {
    const at = this.#at;
    this.#at = at + count;
    if (this.#at > this.#bytes.length) throw new RangeError("it ends too early");
    return at;
  }

  #array(count: number): unknown[] {
    const items: unknown[] = [];
    // Not made by its count, which is only a claim.
    for (let i = 0; i < count; i++) items.push(this.#value());
    return items;
  }

  #map(count: number): Record<string, unknown> {
    const fields: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const name = this.#name();
      const value = this.#value();
      // Assigned, this one would be the prototype.
      if (name === "__proto__")
        Object.defineProperty(fields, name, { value, enumerable: true, configurable: true, writable: true });
      else fields[name] = value;
    }
    return fields;
  }

  #name(): string {
    const head = this.#view.getUint8(this.#at);
    const length = head & 0x1f;
    if (head < 0xa1 || head > 0xbf) return String(this.#value());
    const at = this.#skip(1 + length) + 1;
    const bytes = this.#bytes;
    const slot = (length * 37 + bytes[at] * 5 + bytes[at + length - 1] + bytes[at + (length >> 1)] * 11) % NAMES_KEPT;
    const known = this.#names[slot];
    if (known !== undefined && isSame(known, bytes, at, length)) return known;
    const name = textOf(bytes, at, length);
    if (name.length === length) this.#names[slot] = name;
    return name;
  }

  #text(length: number): string {
    return textOf(this.#bytes, this.#skip(length), length);
  }
}

function isSame(text: string, bytes: Uint8Array, at: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}

function textOf(bytes: Uint8Array, at: number, length: number): string {
  const end = at + length;
  if (length > SHORT_STRING_BYTES) return UTF8.decode(bytes.subarray(at, end));
  let text = "";
  let next = at;
  // Eight at a time: each call makes a string of its own, and each sum another.
  for (; next + 8 <= end; next += 8) {
    const [a, b, c, d] = [bytes[next], bytes[next + 1], bytes[next + 2], bytes[next + 3]];
    const [e, f, g, h] = [bytes[next + 4], bytes[next + 5], bytes[next + 6], bytes[next + 7]];
    if ((a | b | c | d | e | f | g | h) > 0x7f) return UTF8.decode(bytes.subarray(at, end));
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  if (next + 4 <= end) {
    const [a, b, c, d] = [bytes[next], bytes[next + 1], bytes[next + 2], bytes[next + 3]];
    if ((a | b | c | d) > 0x7f) return UTF8.decode(bytes.subarray(at, end));
    text += String.fromCharCode(a, b, c, d);
    next += 4;
  }
  for (; next < end; next++) {
    if (bytes[next] > 0x7f) return UTF8.decode(bytes.subarray(at, end));
    text += String.fromCharCode(bytes[next]);
  }
  return text;
}
