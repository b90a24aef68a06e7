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
const MAP_OF_3 = 0x83;
const SUCCESS = "success";
const REQUEST_ID = "request_id";
const PAYLOAD = "payload";

export class MessagePackReader {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  #at = 0;
  /** Names of fields, which are few and come again and again. */
  readonly #names: (string | undefined)[] = new Array(NAMES_KEPT).fill(undefined);
  readonly #floatBytes = new DataView(new ArrayBuffer(8));

  constructor() {
    // As they are in the source: a string that was read is compared with these letter by letter, and these with themselves at once.
    for (const name of [SUCCESS, REQUEST_ID, PAYLOAD]) {
      const { length } = name;
      this.#names[slotOf(length, name.charCodeAt(0), name.charCodeAt(length >> 1), name.charCodeAt(length - 1))] = name;
    }
  }

  /** @throws RangeError where it ends too early, goes on behind its end, or is of no known form. */
  read(frame: Uint8Array<ArrayBuffer>): unknown {
    this.#bytes = frame;
    this.#at = 0;
    const value = this.#success() ?? this.#value();
    if (this.#at !== frame.length) throw new RangeError("there is more than one value");
    return value;
  }

  /**
   * What most frames are: the answer to a command that succeeded. An object that is made at once is read faster than one that
   * gets its fields one by one.
   * @returns undefined where it is something else, of which nothing is read then.
   */
  #success(): object | undefined {
    if (this.#bytes[0] !== MAP_OF_3) return undefined;
    this.#at = 1;
    if (this.#name() === SUCCESS) {
      const success = this.#value();
      if (this.#name() === REQUEST_ID) {
        const requestId = this.#value();
        if (this.#name() === PAYLOAD) return { success, request_id: requestId, payload: this.#value() };
      }
    }
    this.#at = 0;
    return undefined;
  }

  #value(): unknown {
    const head = this.#bytes[this.#skip(1)];
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
        return this.#float(4).getFloat32(0);
      case 0xcb:
        return this.#float(8).getFloat64(0);
      case 0xd0:
        return (this.#uint8() << 24) >> 24;
      case 0xd1:
        return (this.#uint16() << 16) >> 16;
      case 0xd2:
        return this.#int32();
      case 0xd3:
        return this.#wide(this.#int32());
      case 0xcf:
        return this.#wide(this.#int32() >>> 0);
      default:
        return this.#sized(head);
    }
  }

  /** What has a size of 1, 2 or 4 bytes behind its head, and unsigned integers, which are written in the same way. */
  #sized(head: number): unknown {
    if (head >= 0xcc && head <= 0xce) return this.#size(head - 0xcc);
    if (head >= 0xc4 && head <= 0xc6) {
      const length = this.#size(head - 0xc4);
      return viewOf(this.#bytes, this.#skip(length), length);
    }
    if (head >= 0xd9 && head <= 0xdb) return this.#text(this.#size(head - 0xd9));
    if (head === 0xdc || head === 0xdd) return this.#array(this.#size(head - 0xdb));
    if (head === 0xde || head === 0xdf) return this.#map(this.#size(head - 0xdd));
    throw new RangeError(`no value begins with ${head}`);
  }

  /** @param power of the two that it has bytes. */
  #size(power: number): number {
    if (power === 0) return this.#uint8();
    return power === 1 ? this.#uint16() : this.#int32() >>> 0;
  }

  /** @param high its first half, signed or not. */
  #wide(high: number): number | bigint {
    const low = this.#int32() >>> 0;
    if (high >= -HIGH_MAX && high < HIGH_MAX) return high * HALF_RANGE + low;
    return (BigInt(high) << 32n) | BigInt(low);
  }

  #uint8(): number {
    return this.#bytes[this.#skip(1)];
  }

  #uint16(): number {
    const at = this.#skip(2);
    return (this.#bytes[at] << 8) | this.#bytes[at + 1];
  }

  #int32(): number {
    const at = this.#skip(4);
    const bytes = this.#bytes;
    return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }

  /** A view that begins with the next `count` bytes: always the same one, since a new one takes longer than all else of a number. */
  #float(count: number): DataView {
    const at = this.#skip(count);
    for (let i = 0; i < count; i++) this.#floatBytes.setUint8(i, this.#bytes[at + i]);
    return this.#floatBytes;
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
    const bytes = this.#bytes;
    const start = this.#skip(1);
    const head = bytes[start];
    const length = head & 0x1f;
    if (head < 0xa1 || head > 0xbf) {
      this.#at = start;
      return String(this.#value());
    }
    const at = this.#skip(length);
    const slot = slotOf(length, bytes[at], bytes[at + (length >> 1)], bytes[at + length - 1]);
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

function slotOf(length: number, first: number, middle: number, last: number): number {
  return (length * 37 + first * 5 + last + middle * 11) % NAMES_KEPT;
}

/** Not a part of Node's Buffer, which would be one too. */
function viewOf({ buffer, byteOffset }: Uint8Array<ArrayBuffer>, at: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset + at, length);
}

function isSame(text: string, bytes: Uint8Array, at: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}

function textOf(bytes: Uint8Array<ArrayBuffer>, at: number, length: number): string {
  const end = at + length;
  if (length > SHORT_STRING_BYTES) return UTF8.decode(viewOf(bytes, at, length));
  let text = "";
  let next = at;
  // Eight at a time: each call makes a string of its own, and each sum another.
  for (; next + 8 <= end; next += 8) {
    const [a, b, c, d] = [bytes[next], bytes[next + 1], bytes[next + 2], bytes[next + 3]];
    const [e, f, g, h] = [bytes[next + 4], bytes[next + 5], bytes[next + 6], bytes[next + 7]];
    if ((a | b | c | d | e | f | g | h) > 0x7f) return UTF8.decode(viewOf(bytes, at, length));
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  if (next + 4 <= end) {
    const [a, b, c, d] = [bytes[next], bytes[next + 1], bytes[next + 2], bytes[next + 3]];
    if ((a | b | c | d) > 0x7f) return UTF8.decode(viewOf(bytes, at, length));
    text += String.fromCharCode(a, b, c, d);
    next += 4;
  }
  for (; next < end; next++) {
    if (bytes[next] > 0x7f) return UTF8.decode(viewOf(bytes, at, length));
    text += String.fromCharCode(bytes[next]);
  }
  return text;
}
