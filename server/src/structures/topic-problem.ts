/** What topics and patterns may look like (wire contract, section pubsub), and sentences about what is wrong with one. */

export const TOPIC_BYTES_MAX = 255;
const TOPIC_LEVELS_MAX = 32;
/** The most `#` in one pattern. */
const PATTERN_MANY_MAX = 3;
/** So many `*` before the last level make a pattern costly. */
const COSTLY_ONES_MIN = 3;

export const DOT = 0x2e;
/** `*`: exactly one level. */
export const ONE = 0x2a;
/** `#`: zero or more levels. */
export const MANY = 0x23;

/**
 * Whether `bytes[start, end)` can be published to: 1 to 255 bytes, 1 to 32 levels, none empty, no wildcard.
 * That the bytes are UTF-8 is for the codec to say.
 * @returns a sentence for people, or undefined if nothing is wrong.
 */
export function topicProblem(bytes: Uint8Array, start: number, end: number): string | undefined {
  const problem = levelsProblem("topic", bytes, start, end);
  if (problem !== undefined) return problem;
  let level = 1;
  for (let at = start; at < end; at++) {
    if (bytes[at] === DOT) level++;
    else if (bytes[at] === ONE || bytes[at] === MANY) {
      return `'${String.fromCharCode(bytes[at])}' is a wildcard of patterns and cannot be in a topic; it is in level ${level}`;
    }
  }
  return undefined;
}

/**
 * Whether `bytes[start, end)` can be subscribed to: as a topic, but a whole level may be `*` or `#`, and at most 3 are `#`.
 * @returns a sentence for people, or undefined if nothing is wrong.
 */
export function patternProblem(bytes: Uint8Array, start: number, end: number): string | undefined {
  const problem = levelsProblem("pattern", bytes, start, end);
  if (problem !== undefined) return problem;
  let level = 1;
  let manyCount = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte === DOT) level++;
    if (byte !== ONE && byte !== MANY) continue;
    const isWhole = (at === start || bytes[at - 1] === DOT) && (at + 1 === end || bytes[at + 1] === DOT);
    if (!isWhole) {
      return `the wildcard '${String.fromCharCode(byte)}' must be a whole level of a pattern; level ${level} has more in it`;
    }
    if (byte === MANY) manyCount++;
  }
  if (manyCount > PATTERN_MANY_MAX) {
    return `a pattern has at most ${PATTERN_MANY_MAX} levels that are '#'; this one has ${manyCount}`;
  }
  return undefined;
}

/**
 * Whether a pattern can cost the match of a topic that it does not match much time (topic-trie.ts): it has a `#` before its
 * last level, or three `*` there. Patterns that can are to be limited.
 */
export function isCostly(bytes: Uint8Array, start: number, end: number): boolean {
  let oneCount = 0;
  // A wildcard is a whole level, so only the last byte can be one in the last level.
  for (let at = start; at < end - 1; at++) {
    if (bytes[at] === MANY || (bytes[at] === ONE && ++oneCount === COSTLY_ONES_MIN)) return true;
  }
  return false;
}

/** How long the beginning is that all topics of a pattern have: up to its first wildcard, with the dot before that. */
export function literalTopicLength(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== ONE && bytes[at] !== MANY) at++;
  return at - start;
}

function levelsProblem(noun: string, bytes: Uint8Array, start: number, end: number): string | undefined {
  if (start === end) return `a ${noun} has 1 to ${TOPIC_BYTES_MAX} bytes; this one is empty`;
  if (end - start > TOPIC_BYTES_MAX) {
    return `a ${noun} has 1 to ${TOPIC_BYTES_MAX} bytes; this one has ${end - start}`;
  }
  let levelCount = 1;
  let emptyLevel = 0;
  let levelStart = start;
  for (let at = start; at <= end; at++) {
    if (at < end && bytes[at] !== DOT) continue;
    if (at === levelStart && emptyLevel === 0) emptyLevel = levelCount;
    if (at < end) levelCount++;
    levelStart = at + 1;
  }
  if (emptyLevel > 0) return `the levels of a ${noun}, which '.' separates, cannot be empty; level ${emptyLevel} is`;
  if (levelCount > TOPIC_LEVELS_MAX) {
    return `a ${noun} has at most ${TOPIC_LEVELS_MAX} levels; this one has ${levelCount}`;
  }
  return undefined;
}
