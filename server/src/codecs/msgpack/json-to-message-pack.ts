/**
 * Stored JSON text to MessagePack. The text was checked when it was stored, so syntax is trusted here. Integers from -2^63
 * to 2^64 - 1 keep every digit, other numbers become floats, and an exact `{"$bytes": base64}` becomes binary.
 *
 * MessagePack wants the count of a container before its items. Two linear passes find it: the first counts the items of
 * every container, in the order in which they open; the second writes. (Writing first and moving what was written when
 * the header turns out longer would cost depth x length for text that a client has made up.)
 *
 *     text    {"a": [1, 2], "b": {}}
 *     counts  2     2            0
 */
import { decodeBase64 } from "../base64.ts";
import { parseInteger, parseNumber } from "../decimal.ts";
import { BytesObject } from "../json/json-bytes-object.ts";
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  LETTER_F,
  LETTER_N,
  LETTER_T,
  MINUS,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipPlain,
  skipSpace,
  skipString,
  skipValue,
} from "../json/json-scanner.ts";
import { unescapeInto } from "../json/json-string.ts";
import { OutputBuffer } from "../output-buffer.ts";
import { SCRATCH_BYTES_MAX } from "../scratch.ts";
import { FALSE, NIL, TRUE } from "./message-pack-format.ts";
import {
  writeArrayHeader,
  writeBinaryHeader,
  writeFloat,
  writeInteger,
  writeMapHeader,
  writeStringHeader,
} from "./message-pack-header.ts";

const UNPACKED_BYTES = 1024;
const COUNTS_INITIAL = 64;
/** More than this is given back after use. */
const COUNTS_KEPT_MAX = 16 * 1024;

export class JsonToMessagePack {
  readonly #unpacked = new OutputBuffer(UNPACKED_BYTES, SCRATCH_BYTES_MAX);
  readonly #bytesObject = new BytesObject();
  #counts = new Uint32Array(COUNTS_INITIAL);
  /** How many containers the first pass found. */
  #countLength = 0;
  /** The container that the second pass meets next. */
  #container = 0;
  /** Containers open at a point of the first pass, as positions in `#counts`. */
  readonly #open: number[] = [];
  #text: Uint8Array = new Uint8Array(0);
  #end = 0;

  write(out: OutputBuffer, text: Uint8Array, start: number, end: number): void {
    this.#text = text;
    this.#end = end;
    this.#container = 0;
    this.#countItems(start, end);
    this.#value(out, skipSpace(text, start));
    if (this.#counts.length > COUNTS_KEPT_MAX) this.#counts = new Uint32Array(COUNTS_INITIAL);
  }

  #countItems(start: number, end: number): void {
    const text = this.#text;
    const open = this.#open;
    open.length = 0;
    this.#countLength = 0;
    let at = start;
    while (at < end) {
      const byte = text[at];
      if (byte === QUOTE) {
        at = skipString(text, at, end);
        continue;
      }
      at++;
      if (byte === COMMA) {
        this.#counts[open[open.length - 1]]++;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        const first = text[skipSpace(text, at)];
        open.push(this.#countLength);
        // One more than its commas, unless it is empty.
        this.#addCount(first === CLOSE_BRACE || first === CLOSE_BRACKET ? 0 : 1);
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        open.pop();
      }
    }
  }

  #addCount(count: number): void {
    if (this.#countLength === this.#counts.length) {
      const grown = new Uint32Array(this.#counts.length * 2);
      grown.set(this.#counts);
      this.#counts = grown;
    }
    this.#counts[this.#countLength++] = count;
  }

  /** Writes the value that begins at `at`; answers the position past it. */
  #value(out: OutputBuffer, at: number): number {
    switch (this.#text[at]) {
      case QUOTE:
        return this.#string(out, at);
      case OPEN_BRACE:
        return this.#object(out, at);
      case OPEN_BRACKET:
        return this.#array(out, at);
      case LETTER_T:
        out.writeByte(TRUE);
        return at + 4;
      case LETTER_F:
        out.writeByte(FALSE);
        return at + 5;
      case LETTER_N:
        out.writeByte(NIL);
        return at + 4;
      default:
        return this.#number(out, at);
    }
  }

  #string(out: OutputBuffer, at: number): number {
    const text = this.#text;
    const start = at + 1;
    const end = skipPlain(text, start, this.#end);
    if (text[end] === QUOTE) {
      writeStringHeader(out, end - start);
      out.writeBytes(text, start, end);
      return end + 1;
    }
    const past = skipString(text, at, this.#end);
    const unpacked = this.#unpacked;
    unpacked.reset();
    unescapeInto(unpacked, text, start, past - 1);
    writeStringHeader(out, unpacked.length);
    out.writeBytes(unpacked.bytes, 0, unpacked.length);
    return past;
  }

  #number(out: OutputBuffer, at: number): number {
    const text = this.#text;
    const end = skipValue(text, at, this.#end);
    const integer = parseInteger(text, at, end);
    if (integer === undefined || (integer === 0 && text[at] === MINUS)) {
      writeFloat(out, parseNumber(text, at, end));
    } else {
      writeInteger(out, integer);
    }
    return end;
  }

  #array(out: OutputBuffer, open: number): number {
    const text = this.#text;
    const count = this.#counts[this.#container++];
    writeArrayHeader(out, count);
    let at = skipSpace(text, open + 1);
    for (let i = 0; i < count; i++) at = this.#next(this.#value(out, at));
    return at + 1;
  }

  #object(out: OutputBuffer, open: number): number {
    const text = this.#text;
    const count = this.#counts[this.#container];
    if (count === 1 && this.#isBytesObject(open)) {
      this.#container++;
      const { bytes, start, decodedLength } = this.#bytesObject;
      writeBinaryHeader(out, decodedLength);
      decodeBase64(out, bytes, start, decodedLength);
      return skipValue(text, open, this.#end);
    }
    this.#container++;
    writeMapHeader(out, count);
    let at = skipSpace(text, open + 1);
    for (let i = 0; i < count; i++) {
      at = this.#string(out, at);
      // Over the colon.
      at = skipSpace(text, skipSpace(text, at) + 1);
      at = this.#next(this.#value(out, at));
    }
    return at + 1;
  }

  #isBytesObject(open: number): boolean {
    this.#unpacked.reset();
    return this.#bytesObject.match(this.#text, open, this.#end, this.#unpacked) && this.#bytesObject.decodedLength >= 0;
  }

  /** After an item: to the next one, or to the closing byte. */
  #next(from: number): number {
    const text = this.#text;
    const at = skipSpace(text, from);
    return text[at] === COMMA ? skipSpace(text, at + 1) : at;
  }
}
