/**
 * Replies of RESP2 and RESP3 into an output buffer. The version is that of the client whose reply is under way; the
 * dispatcher sets it before each.
 *
 *     +text\r\n   -text\r\n   :1\r\n   $3\r\nabc\r\n   $-1\r\n   *2\r\n       both
 *     _\r\n   %1\r\n   ~1\r\n   >1\r\n   ,1.5\r\n   #t\r\n   =7\r\ntxt:abc\r\n   RESP3 only
 */
import type { ReplySink } from "../../commands/resp/reply-sink.ts";
import { readInt64, TAG_INTEGER, type Value } from "../../state/value.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import { writeInteger } from "../decimal.ts";
import { OutputBuffer } from "../output-buffer.ts";

const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;
const COLON = 0x3a;
const DOLLAR = 0x24;
const STAR = 0x2a;
const PERCENT = 0x25;
const TILDE = 0x7e;
const GREATER = 0x3e;
const EQUALS = 0x3d;
const COMMA = 0x2c;

/** The longest line of a number: a type, 20 characters and the line end. */
const NUMBER_BYTES_MAX = 24;

const encoder = new TextEncoder();
const ascii = (text: string): Uint8Array => encoder.encode(text);
const OK = ascii("+OK\r\n");
const NULL_BULK = ascii("$-1\r\n");
const NULL_ARRAY = ascii("*-1\r\n");
const NULL = ascii("_\r\n");
const TRUE = ascii("#t\r\n");
const FALSE = ascii("#f\r\n");

export class RespWriter implements ReplySink {
  readonly out: OutputBuffer;
  version: 2 | 3 = 2;
  /** Digits of an integer value, whose length comes first. */
  readonly #digits = new OutputBuffer(64, 64);

  constructor(out: OutputBuffer) {
    this.out = out;
  }

  ok(): void {
    this.out.writeBytes(OK, 0, OK.length);
  }

  simple(text: string): void {
    this.#line(PLUS, text);
  }

  error(text: string): void {
    this.#line(MINUS, text.replace(/[\r\n]/g, " "));
  }

  integer(value: number | bigint): void {
    const { out } = this;
    out.ensure(NUMBER_BYTES_MAX);
    out.bytes[out.length++] = COLON;
    writeInteger(out, value);
    this.#endLine();
  }

  bulk(range: ByteRange): void {
    this.#bulk(DOLLAR, range.bytes, range.start, range.end);
  }

  value(value: Value): void {
    if (value.tag !== TAG_INTEGER) {
      this.#bulk(DOLLAR, value.bytes, value.start, value.end);
      return;
    }
    const digits = this.#digits;
    digits.length = 0;
    writeInteger(digits, readInt64(value.bytes, value.start));
    this.#bulk(DOLLAR, digits.bytes, 0, digits.length);
  }

  text(text: string): void {
    const bytes = encoder.encode(text);
    this.#bulk(DOLLAR, bytes, 0, bytes.length);
  }

  verbatim(text: string): void {
    if (this.version === 2) {
      this.text(text);
      return;
    }
    const bytes = encoder.encode(`txt:${text}`);
    this.#bulk(EQUALS, bytes, 0, bytes.length);
  }

  null(): void {
    const bytes = this.version === 2 ? NULL_BULK : NULL;
    this.out.writeBytes(bytes, 0, bytes.length);
  }

  nullArray(): void {
    const bytes = this.version === 2 ? NULL_ARRAY : NULL;
    this.out.writeBytes(bytes, 0, bytes.length);
  }

  array(count: number): void {
    this.#header(STAR, count);
  }

  map(count: number): void {
    if (this.version === 2) this.#header(STAR, count * 2);
    else this.#header(PERCENT, count);
  }

  set(count: number): void {
    this.#header(this.version === 2 ? STAR : TILDE, count);
  }

  push(count: number): void {
    this.#header(this.version === 2 ? STAR : GREATER, count);
  }

  double(value: number): void {
    const text = doubleText(value);
    if (this.version === 2) this.text(text);
    else this.#line(COMMA, text);
  }

  boolean(value: boolean): void {
    if (this.version === 2) {
      this.integer(value ? 1 : 0);
      return;
    }
    const bytes = value ? TRUE : FALSE;
    this.out.writeBytes(bytes, 0, bytes.length);
  }

  #line(type: number, text: string): void {
    const bytes = encoder.encode(text);
    const { out } = this;
    out.ensure(bytes.length + 3);
    out.bytes[out.length++] = type;
    out.writeBytes(bytes, 0, bytes.length);
    this.#endLine();
  }

  #header(type: number, count: number): void {
    const { out } = this;
    out.ensure(NUMBER_BYTES_MAX);
    out.bytes[out.length++] = type;
    writeInteger(out, count);
    this.#endLine();
  }

  /** The caller has made room. */
  #endLine(): void {
    const { out } = this;
    out.ensure(2);
    out.bytes[out.length] = CR;
    out.bytes[out.length + 1] = LF;
    out.length += 2;
  }

  #bulk(type: number, from: Uint8Array, start: number, end: number): void {
    const { out } = this;
    const count = end - start;
    out.ensure(count + NUMBER_BYTES_MAX);
    const to = out.bytes;
    let at = out.length;
    to[at++] = type;
    if (count < 10) {
      to[at++] = ZERO + count;
    } else if (count < 100) {
      const tens = (count / 10) | 0;
      to[at++] = ZERO + tens;
      to[at++] = ZERO + count - tens * 10;
    } else {
      out.length = at;
      writeInteger(out, count);
      at = out.length;
    }
    to[at] = CR;
    to[at + 1] = LF;
    out.length = at + 2;
    out.writeBytes(from, start, end);
    this.#endLine();
  }
}

/** As Redis prints doubles: 17 digits at most, `inf`, `-inf` and `nan`. */
function doubleText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return String(value);
}
