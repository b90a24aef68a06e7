/**
 * Redis' glob over bytes: `*` any run, `?` one byte, `[a-z]` and `[^a-z]` one of a class, `\` takes the next literally.
 *
 * Iterative with one point to come back to, the last `*`: a mismatch lets that star take one byte more. So the cost is at
 * most pattern x text, never exponential; callers bound the pattern.
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

export function matchesGlob(pattern: Range, text: Range): boolean {
  let at = pattern.start;
  let textAt = text.start;
  let starAt = -1;
  let starTextAt = 0;
  while (textAt < text.end) {
    if (at < pattern.end && pattern.bytes[at] === STAR) {
      starAt = ++at;
      starTextAt = textAt;
      continue;
    }
    const next = at < pattern.end ? matchOne(pattern, at, text.bytes[textAt]) : -1;
    if (next >= 0) {
      at = next;
      textAt++;
    } else if (starAt >= 0) {
      at = starAt;
      textAt = ++starTextAt;
    } else {
      return false;
    }
  }
  while (at < pattern.end && pattern.bytes[at] === STAR) at++;
  return at === pattern.end;
}

/** Matches one byte against the element at `at`; answers where the next element begins, or -1. */
function matchOne(pattern: Range, at: number, byte: number): number {
  const element = pattern.bytes[at];
  if (element === QUESTION) return at + 1;
  if (element === OPEN) return matchClass(pattern, at, byte);
  if (element === BACKSLASH && at + 1 < pattern.end) return pattern.bytes[at + 1] === byte ? at + 2 : -1;
  return element === byte ? at + 1 : -1;
}

/** As Redis: a class without its closing bracket ends with the pattern. */
function matchClass(pattern: Range, open: number, byte: number): number {
  const { bytes, end } = pattern;
  let at = open + 1;
  const negated = at < end && bytes[at] === CARET;
  if (negated) at++;
  let found = false;
  while (at < end && bytes[at] !== CLOSE) {
    if (bytes[at] === BACKSLASH && at + 1 < end) {
      at++;
      if (bytes[at] === byte) found = true;
    } else if (at + 2 < end && bytes[at + 1] === DASH) {
      const low = Math.min(bytes[at], bytes[at + 2]);
      const high = Math.max(bytes[at], bytes[at + 2]);
      if (byte >= low && byte <= high) found = true;
      at += 2;
    } else if (bytes[at] === byte) {
      found = true;
    }
    at++;
  }
  if (found === negated) return -1;
  return at < end ? at + 1 : end;
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
