/**
 * MessagePack to JSON text, for values that are kept as JSON. Every integer keeps its digits; binary becomes
 * `{"$bytes": base64}`. JSON has no NaN, no infinity, no extensions and no map keys but strings: `failure` names these.
 *
 * The input has passed the scanner, so it ends where it should and is not too deep. Stops soon after the text has become
 * longer than it may be.
 */
import { writeAscii, writeInteger } from "../decimal.ts";
import { writeBytesObject, writeJsonString } from "../json/json-string.ts";
import type { OutputBuffer } from "../output-buffer.ts";
import {
  FALSE,
  headerLength,
  isArray,
  isBinary,
  isFloat,
  isInteger,
  isMap,
  isString,
  NIL,
  numberLength,
  readFloat,
  readInteger,
  readLength,
  TRUE,
} from "./message-pack-format.ts";

const COMMA = 0x2c;
const COLON = 0x3a;

type WriteBinary = (out: OutputBuffer, bytes: Uint8Array, start: number, end: number) => void;

export class MessagePackToJson {
  /** Why the value has no JSON text; set where `write` answers -1. */
  failure = "";
  /** The text became longer than `write` was told; set where it answers -1. */
  isTooLong = false;
  #lengthMax = 0;
  readonly #writeBinary: WriteBinary;

  /** @param writeBinary what becomes of binary: by default the object that is accepted on write. */
  constructor(writeBinary: WriteBinary = writeBytesObject) {
    this.#writeBinary = writeBinary;
  }

  /**
   * Appends the JSON text of the value at `at`.
   * @param textBytesMax how long the text may be.
   * @returns past the value, or -1.
   */
  write(out: OutputBuffer, bytes: Uint8Array, at: number, textBytesMax: number): number {
    this.isTooLong = false;
    this.#lengthMax = out.length + textBytesMax;
    const past = this.#value(out, bytes, at);
    if (past >= 0 && out.length > this.#lengthMax) return this.#tooLong();
    return past;
  }

  #fail(failure: string): -1 {
    this.failure = failure;
    return -1;
  }

  #tooLong(): -1 {
    this.isTooLong = true;
    return -1;
  }

  #value(out: OutputBuffer, bytes: Uint8Array, at: number): number {
    const format = bytes[at];
    if (isInteger(format)) {
      writeInteger(out, readInteger(bytes, at));
      return at + 1 + numberLength(format);
    }
    if (isString(format)) return this.#string(out, bytes, at);
    if (isMap(format)) return this.#map(out, bytes, at);
    if (isArray(format)) return this.#array(out, bytes, at);
    if (isFloat(format)) return this.#float(out, bytes, at);
    if (isBinary(format)) {
      const start = at + headerLength(format);
      const end = start + readLength(bytes, at);
      this.#writeBinary(out, bytes, start, end);
      return end;
    }
    if (format === NIL) writeAscii(out, "null");
    else if (format === TRUE) writeAscii(out, "true");
    else if (format === FALSE) writeAscii(out, "false");
    else return this.#fail("has an extension type, which has no meaning here");
    return at + 1;
  }

  #string(out: OutputBuffer, bytes: Uint8Array, at: number): number {
    const start = at + headerLength(bytes[at]);
    const end = start + readLength(bytes, at);
    writeJsonString(out, bytes, start, end);
    return end;
  }

  #float(out: OutputBuffer, bytes: Uint8Array, at: number): number {
    const value = readFloat(bytes, at);
    if (!Number.isFinite(value)) return this.#fail("has a number that is not finite");
    writeAscii(out, Object.is(value, -0) ? "-0" : value.toString());
    return at + 1 + numberLength(bytes[at]);
  }

  #array(out: OutputBuffer, bytes: Uint8Array, at: number): number {
    const count = readLength(bytes, at);
    let next = at + headerLength(bytes[at]);
    writeAscii(out, "[");
    for (let i = 0; i < count; i++) {
      if (out.length > this.#lengthMax) return this.#tooLong();
      if (i > 0) out.writeByte(COMMA);
      next = this.#value(out, bytes, next);
      if (next < 0) return -1;
    }
    writeAscii(out, "]");
    return next;
  }

  #map(out: OutputBuffer, bytes: Uint8Array, at: number): number {
    const count = readLength(bytes, at);
    let next = at + headerLength(bytes[at]);
    writeAscii(out, "{");
    for (let i = 0; i < count; i++) {
      if (out.length > this.#lengthMax) return this.#tooLong();
      if (i > 0) out.writeByte(COMMA);
      if (!isString(bytes[next])) return this.#fail("has a map whose keys are not all strings");
      next = this.#string(out, bytes, next);
      out.writeByte(COLON);
      next = this.#value(out, bytes, next);
      if (next < 0) return -1;
    }
    writeAscii(out, "}");
    return next;
  }
}
