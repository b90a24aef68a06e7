/**
 * Which watches a key falls under. Exact keys and prefixes are found by a hash that is taken while walking over the key,
 * in one step for each length that some watch has; other globs are tried one by one, so their number is limited.
 *
 *     key       u  s  e  r  :  7  :  n
 *     prefixes              ^     ^        lengths in use: 5 and 7, looked up by the hash so far
 *     exact                          ^     looked up at the end
 *
 * `user:*` is the prefix `user:`, `*` the empty one. Watches end after 255 bytes, so a longer key is walked no further; one
 * of over 1,024 bytes is not tried against globs, which would take time for each of its bytes.
 */
import type { ByteRange } from "../structures/byte-range.ts";
import { Glob, literalPrefixLength } from "../structures/glob.ts";

/** The longest pattern or prefix. */
export const WATCH_BYTES_MAX = 255;
export const GLOB_KEY_BYTES_MAX = 1024;
const STAR = 0x2a;

const EXACT = 0;
const PREFIX = 1;
const GLOB = 2;
type MatchKind = typeof EXACT | typeof PREFIX | typeof GLOB;

/** A pattern or a prefix, and how it is looked for. */
export class WatchMatcher {
  readonly kind: MatchKind;
  /** The key, the prefix or the glob. */
  readonly range: ByteRange;
  readonly glob: Glob | undefined;

  /** @param range kept: a copy of the caller's. */
  constructor(range: ByteRange, isPattern: boolean) {
    this.range = range;
    const bytes = range.end - range.start;
    const literal = isPattern ? literalPrefixLength(range) : bytes;
    this.kind = PREFIX;
    if (!isPattern) return;
    if (literal === bytes) this.kind = EXACT;
    else if (literal === bytes - 1 && range.bytes[range.end - 1] === STAR) range.end--;
    else {
      this.kind = GLOB;
      this.glob = new Glob(range);
    }
  }

  get isGlob(): boolean {
    return this.kind === GLOB;
  }
}

interface Watched {
  readonly matcher: WatchMatcher;
}

export class KeyWatchLookup<Watch extends Watched> {
  readonly #multiplier: number;
  /** Those with one hash together. */
  readonly #byHash = new Map<number, Watch[]>();
  readonly #globs: Watch[] = [];
  /** By length: how many prefixes have it. */
  readonly #prefixCounts = new Int32Array(WATCH_BYTES_MAX + 1);
  #longestPrefix = -1;
  #exactCount = 0;

  /** @param seed random: clients must not be able to choose keys whose hashes collide. */
  constructor(seed: number) {
    // Odd, so that no step of the hash loses a bit.
    this.#multiplier = (Math.floor(seed / 2 ** 21) ^ seed) | 1;
  }

  get globCount(): number {
    return this.#globs.length;
  }

  add(watch: Watch): void {
    const { matcher } = watch;
    if (matcher.isGlob) {
      this.#globs.push(watch);
      return;
    }
    const hash = this.#hashOf(matcher);
    const alike = this.#byHash.get(hash);
    if (alike === undefined) this.#byHash.set(hash, [watch]);
    else alike.push(watch);
    this.#count(matcher, 1);
  }

  remove(watch: Watch): void {
    const { matcher } = watch;
    if (matcher.isGlob) {
      take(this.#globs, watch);
      return;
    }
    const hash = this.#hashOf(matcher);
    const alike = this.#byHash.get(hash) ?? [];
    take(alike, watch);
    if (alike.length === 0) this.#byHash.delete(hash);
    this.#count(matcher, -1);
  }

  /** Adds to `into` what the key falls under. */
  match(key: ByteRange, into: Watch[]): void {
    const { bytes, start, end } = key;
    const length = end - start;
    const last = this.#exactCount > 0 && length <= WATCH_BYTES_MAX ? length : Math.min(length, this.#longestPrefix);
    let hash = 0;
    for (let at = 0; at <= last; at++) {
      if (this.#prefixCounts[at] > 0) this.#look(hash, key, PREFIX, at, into);
      if (at < last) hash = (Math.imul(hash ^ bytes[start + at], this.#multiplier) + at) | 0;
    }
    if (last === length && this.#exactCount > 0) this.#look(hash, key, EXACT, length, into);
    if (length > GLOB_KEY_BYTES_MAX) return;
    for (const watch of this.#globs) if (watch.matcher.glob?.matches(key)) into.push(watch);
  }

  /** Checks that nothing is left over where there is no watch; throws where something is. For tests. */
  checkEmpty(): void {
    if (this.#byHash.size + this.#globs.length + this.#exactCount > 0 || this.#longestPrefix >= 0) {
      throw new Error("something of watches is left over");
    }
  }

  #look(hash: number, key: ByteRange, kind: MatchKind, length: number, into: Watch[]): void {
    const alike = this.#byHash.get(hash);
    if (alike === undefined) return;
    for (const watch of alike) {
      const { kind: ofWatch, range } = watch.matcher;
      if (ofWatch === kind && range.end - range.start === length && startsWith(key, range)) into.push(watch);
    }
  }

  /** As `match` takes it on its way. */
  #hashOf({ range: { bytes, start, end } }: WatchMatcher): number {
    let hash = 0;
    for (let at = start; at < end; at++) hash = (Math.imul(hash ^ bytes[at], this.#multiplier) + (at - start)) | 0;
    return hash;
  }

  #count({ kind, range }: WatchMatcher, change: number): void {
    if (kind === EXACT) {
      this.#exactCount += change;
      return;
    }
    this.#prefixCounts[range.end - range.start] += change;
    this.#longestPrefix = WATCH_BYTES_MAX;
    while (this.#longestPrefix >= 0 && this.#prefixCounts[this.#longestPrefix] === 0) this.#longestPrefix--;
  }
}

/** The last one takes its place. */
function take<T>(items: T[], item: T): void {
  const at = items.indexOf(item);
  const last = items.pop();
  if (at < 0 || last === undefined) throw new Error("the watch is not here");
  if (at < items.length) items[at] = last;
}

function startsWith(key: ByteRange, prefix: ByteRange): boolean {
  for (let i = prefix.start, at = key.start; i < prefix.end; i++, at++) {
    if (key.bytes[at] !== prefix.bytes[i]) return false;
  }
  return true;
}
