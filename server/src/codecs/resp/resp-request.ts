/**
 * One request of RESP as the parser found it: no bytes of its own, only where its words are. Word 0 is the command's name.
 *
 *     bytes  ... $ 3 \r \n S E T \r \n $ 1 \r \n k \r \n $ 1 ...
 *                          ^     ^               ^ ^
 *     spans          [ first: start, end,     start, end, ... ]      two numbers for each word
 *
 * Valid until the parser is given other bytes; `copy` makes one that is not.
 */
import { ByteRange } from "../../structures/byte-range.ts";

const NOTHING = new Uint8Array(0);
const NO_SPANS = new Int32Array(0);

export class RespRequest {
  bytes: Uint8Array = NOTHING;
  /** Shared with other requests of the burst. */
  spans: Int32Array = NO_SPANS;
  /** Where this request's spans begin. */
  first = 0;
  /** Words, with the name. */
  count = 0;
  /** It came as a line, and not as an array. */
  isInline = false;

  /** Lets go of the bytes: nothing of the request can be read any more. */
  release(): void {
    this.bytes = NOTHING;
    this.spans = NO_SPANS;
    this.first = 0;
    this.count = 0;
  }

  start(word: number): number {
    return this.spans[this.first + 2 * word];
  }

  end(word: number): number {
    return this.spans[this.first + 2 * word + 1];
  }

  length(word: number): number {
    return this.end(word) - this.start(word);
  }

  range(word: number): ByteRange {
    return new ByteRange(this.bytes, this.start(word), this.end(word));
  }

  /** A word as a string: UTF-8, what is not becoming U+FFFD. */
  text(word: number): string {
    return this.range(word).toString();
  }

  /** Whether a word is `upper`, in any case of its letters. */
  is(word: number, upper: string): boolean {
    const start = this.start(word);
    if (this.end(word) - start !== upper.length) return false;
    for (let i = 0; i < upper.length; i++) {
      let byte = this.bytes[start + i];
      if (byte >= 0x61 && byte <= 0x7a) byte -= 0x20;
      if (byte !== upper.charCodeAt(i)) return false;
    }
    return true;
  }

  /** The same request in memory of its own, for what runs later. */
  copy(): RespRequest {
    const copied = new RespRequest();
    const from = this.start(0);
    copied.bytes = new Uint8Array(this.bytes.subarray(from, this.end(this.count - 1)));
    copied.spans = this.spans.slice(this.first, this.first + 2 * this.count);
    for (let i = 0; i < copied.spans.length; i++) copied.spans[i] -= from;
    copied.count = this.count;
    return copied;
  }
}
