/**
 * Redis' glob over bytes: `*` any run, `?` one byte, `[a-z]` and `[^a-z]` one of a class, `\` takes the next literally.
 *
 * All ways to match are followed at once, one bit each: bit i says that the first i elements can match the text so far.
 * A byte moves every bit whose element takes it one up, and a star keeps its bit where it is:
 *
 *     a*[bc]    bits 0, 1, 2; takes['a'] = 001, takes['b'] = takes['c'] = 010, stays = 010
 *     text "axb": 001 -> 010 -> 010 -> 110, and bit 2 is set: it matches
 *
 * So a pattern cannot be chosen to make it slow: a text costs at most its bytes x `words`, the 32-bit words of all bits,
 * and ends early once no bit is left.
 */
const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;
const BACKSLASH = 0x5c;

interface Range {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

export class Glob {
  /** Of 32 bits each: 1 for patterns of up to 31 elements. */
  readonly words: number;
  /** For each byte, in `words` words, the elements that it matches. */
  readonly #takes: Int32Array;
  /** The bits before which a star stands. */
  readonly #stays: Int32Array;
  readonly #state: Int32Array;
  /** The elements: the bit that says that all of them matched. */
  #count = 0;

  constructor(pattern: Range) {
    // One bit more than elements, which are at most as many as bytes.
    this.words = ((pattern.end - pattern.start) >>> 5) + 1;
    this.#takes = new Int32Array(256 * this.words);
    this.#stays = new Int32Array(this.words);
    this.#state = new Int32Array(this.words);
    for (let at = pattern.start; at < pattern.end; ) at = this.#element(pattern, at);
  }

  /** Adds the element at `at` and answers where the next begins. */
  #element({ bytes, end }: Range, at: number): number {
    const byte = bytes[at];
    if (byte === STAR) {
      this.#stays[this.#count >>> 5] |= 1 << this.#count;
      return at + 1;
    }
    let next = at + 1;
    if (byte === QUESTION) this.#take(0, 255);
    else if (byte === OPEN) next = this.#class(bytes, at + 1, end);
    else if (byte === BACKSLASH && next < end) {
      this.#take(bytes[next], bytes[next]);
      next++;
    } else this.#take(byte, byte);
    this.#count++;
    return next;
  }

  /** Lets the element being added match the bytes from `low` to `high`. */
  #take(low: number, high: number): void {
    for (let byte = low; byte <= high; byte++) this.#takes[byte * this.words + (this.#count >>> 5)] |= 1 << this.#count;
  }

  /** As Redis: a class without its closing bracket ends with the pattern. */
  #class(bytes: Uint8Array, from: number, end: number): number {
    let at = from;
    const negated = at < end && bytes[at] === CARET;
    if (negated) at++;
    while (at < end && bytes[at] !== CLOSE) {
      if (bytes[at] === BACKSLASH && at + 1 < end) {
        this.#take(bytes[at + 1], bytes[at + 1]);
        at += 2;
      } else if (at + 2 < end && bytes[at + 1] === DASH) {
        this.#take(Math.min(bytes[at], bytes[at + 2]), Math.max(bytes[at], bytes[at + 2]));
        at += 3;
      } else {
        this.#take(bytes[at], bytes[at]);
        at++;
      }
    }
    if (negated) {
      const word = this.#count >>> 5;
      for (let byte = 0; byte < 256; byte++) this.#takes[byte * this.words + word] ^= 1 << this.#count;
    }
    return at < end ? at + 1 : end;
  }

  matches(text: Range): boolean {
    return this.words === 1 ? this.#matchesNarrow(text) : this.#matchesWide(text);
  }

  #matchesNarrow({ bytes, start, end }: Range): boolean {
    const takes = this.#takes;
    const stays = this.#stays[0];
    let state = 1;
    for (let at = start; at < end; at++) {
      state = ((state & takes[bytes[at]]) << 1) | (state & stays);
      if (state === 0) return false;
    }
    return ((state >>> this.#count) & 1) === 1;
  }

  #matchesWide({ bytes, start, end }: Range): boolean {
    const { words } = this;
    const takes = this.#takes;
    const stays = this.#stays;
    const state = this.#state.fill(0);
    state[0] = 1;
    for (let at = start; at < end; at++) {
      const row = bytes[at] * words;
      let carry = 0;
      let any = 0;
      for (let word = 0; word < words; word++) {
        const taken = state[word] & takes[row + word];
        const next = (taken << 1) | carry | (state[word] & stays[word]);
        carry = taken >>> 31;
        state[word] = next;
        any |= next;
      }
      if (any === 0) return false;
    }
    return ((state[this.#count >>> 5] >>> this.#count) & 1) === 1;
  }
}

/** How many bytes at the front of the pattern are literal: every match begins with them. */
export function literalPrefixLength(pattern: Range): number {
  let at = pattern.start;
  while (at < pattern.end) {
    const byte = pattern.bytes[at];
    if (byte === STAR || byte === QUESTION || byte === OPEN || byte === BACKSLASH) break;
    at++;
  }
  return at - pattern.start;
}
