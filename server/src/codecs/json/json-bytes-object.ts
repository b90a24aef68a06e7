/** `{"$bytes": "<base64>"}`, the form that raw bytes have in JSON: finding it in text that the scanner has passed. */
import { base64DecodedLength } from "../base64.ts";
import type { OutputBuffer } from "../output-buffer.ts";
import { BACKSLASH, CLOSE_BRACE, QUOTE, skipSpace, skipString } from "./json-scanner.ts";
import { unescapeInto } from "./json-string.ts";

const NAME = new TextEncoder().encode("$bytes");

/** The base64 letters of a bytes object, or that there is none. Reused by the next call. */
export class BytesObject {
  /** The letters: in the text itself, or in the buffer given where they were escaped. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** How many bytes they stand for; -1 where they are not base64. */
  decodedLength = 0;

  /**
   * Is the object that opens at `open` exactly a bytes object, whether its letters are right or not?
   * @param end the end of the text that it is in.
   * @param scratch where escaped letters are unpacked; what was appended may be dropped after the decoding.
   */
  match(text: Uint8Array, open: number, end: number, scratch: OutputBuffer): boolean {
    const nameAt = skipSpace(text, open + 1);
    if (text[nameAt] !== QUOTE) return false;
    const nameEnd = skipString(text, nameAt, end);
    this.#setString(text, nameAt, nameEnd, scratch);
    if (!this.#isName()) return false;
    // Over the colon.
    const valueAt = skipSpace(text, skipSpace(text, nameEnd) + 1);
    if (text[valueAt] !== QUOTE) return false;
    const valueEnd = skipString(text, valueAt, end);
    if (text[skipSpace(text, valueEnd)] !== CLOSE_BRACE) return false;
    this.#setString(text, valueAt, valueEnd, scratch);
    this.decodedLength = base64DecodedLength(this.bytes, this.start, this.end);
    return true;
  }

  #isName(): boolean {
    if (this.end - this.start !== NAME.length) return false;
    for (let i = 0; i < NAME.length; i++) {
      if (this.bytes[this.start + i] !== NAME[i]) return false;
    }
    return true;
  }

  #setString(text: Uint8Array, open: number, past: number, scratch: OutputBuffer): void {
    this.bytes = text;
    this.start = open + 1;
    this.end = past - 1;
    for (let i = this.start; i < this.end; i++) {
      if (text[i] !== BACKSLASH) continue;
      const at = scratch.length;
      unescapeInto(scratch, text, this.start, this.end);
      this.bytes = scratch.bytes;
      this.start = at;
      this.end = scratch.length;
      return;
    }
  }
}
