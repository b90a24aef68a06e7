/**
 * Bytes inside a larger buffer: a key in a socket buffer, a value in a slab. Nothing is copied, so a range is only as
 * long-lived as its buffer; whoever keeps one past the current command copies it (`copyRange`).
 */
export class ByteRange {
  bytes: Uint8Array;
  /** First byte, inclusive. */
  start: number;
  /** Past the last byte, exclusive. */
  end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** From now on these bytes. */
  place(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    return this;
  }

  /** Whether it is at this very place: the same bytes, unless they were changed since. */
  isPlaced(bytes: Uint8Array, start: number, end: number): boolean {
    return this.bytes === bytes && this.start === start && this.end === end;
  }

  /** Decodes UTF-8. For messages, logs and tests; the hot path stays with bytes. */
  toString(): string {
    return textDecoder.decode(this.bytes.subarray(this.start, this.end));
  }
}

const textDecoder = new TextDecoder();
const textEncoder = new TextEncoder();

/** The UTF-8 bytes of `text`, as a range over a buffer of its own. */
export function rangeOf(text: string): ByteRange {
  const bytes = textEncoder.encode(text);
  return new ByteRange(bytes, 0, bytes.length);
}

/** A range over a fresh copy of the same bytes. */
export function copyRange(range: ByteRange): ByteRange {
  // Not `slice`, which a Buffer has as a view.
  const bytes = new Uint8Array(range.bytes.subarray(range.start, range.end));
  return new ByteRange(bytes, 0, bytes.length);
}

export function rangesEqual(a: ByteRange, b: ByteRange): boolean {
  const length = a.end - a.start;
  if (length !== b.end - b.start) return false;
  for (let i = 0; i < length; i++) {
    if (a.bytes[a.start + i] !== b.bytes[b.start + i]) return false;
  }
  return true;
}

/** Below zero, zero or above zero, in unsigned byte order; a prefix comes before what it is a prefix of. */
export function compareRanges(a: ByteRange, b: ByteRange): number {
  const lengthA = a.end - a.start;
  const lengthB = b.end - b.start;
  const shared = lengthA < lengthB ? lengthA : lengthB;
  for (let i = 0; i < shared; i++) {
    const difference = a.bytes[a.start + i]! - b.bytes[b.start + i]!;
    if (difference !== 0) return difference;
  }
  return lengthA - lengthB;
}

/** Up to so many bytes a loop beats `set`, which needs a view first. */
const LOOP_BYTES_MAX = 64;

/** Copies `from[fromStart, fromEnd)` to `to` at `toStart`. */
export function copyBytes(from: Uint8Array, fromStart: number, fromEnd: number, to: Uint8Array, toStart: number): void {
  const length = fromEnd - fromStart;
  if (length > LOOP_BYTES_MAX) {
    to.set(fromStart === 0 && fromEnd === from.length ? from : from.subarray(fromStart, fromEnd), toStart);
    return;
  }
  let i = fromStart;
  let at = toStart;
  // Eight at a time: a third off the time of a loop that takes one.
  for (const last = fromEnd - 8; i <= last; i += 8) {
    to[at] = from[i];
    to[at + 1] = from[i + 1];
    to[at + 2] = from[i + 2];
    to[at + 3] = from[i + 3];
    to[at + 4] = from[i + 4];
    to[at + 5] = from[i + 5];
    to[at + 6] = from[i + 6];
    to[at + 7] = from[i + 7];
    at += 8;
  }
  for (; i < fromEnd; i++) to[at++] = from[i];
}
