/**
 * Lists of patterns that connections subscribe to. The same set of patterns is one subscription for all connections, with one
 * id, so that the frames of a message can be shared. What a message matches are targets: a pattern of a subscription.
 *
 *     pattern ids   from the trie       a.*  -> 1        #.x  -> 2
 *     subscription  [a.*]        id 7   target 1 (pattern 1)
 *                   [a.*, #.x]   id 9   target 2 (pattern 1), target 3 (pattern 2)
 *
 *     pattern       [ first target | targets | subscribers | messages u64 | since u64 ]    by the id of the trie
 *     target        [ next | hash of the set | pattern | subscription | after, before of the pattern | after of the subscription ]
 *     subscription  [ next | hash of the id | first target | links | id u64 | costly patterns ]
 *
 * A subscription's targets are in the order of their pattern ids, and the first one is found by the hash of the whole set.
 * Every target is a use of its pattern in the trie. A subscription goes with its last link, and then all its targets: until
 * then one that nobody is linked to any more stays, so that the set it stands for stays whole.
 *
 * Beside the trie 28 bytes for a pattern, 28 for a target, 28 for a subscription, and 10 for the two hash tables.
 */
import type { ByteRange } from "../structures/byte-range.ts";
import { HASH_FIELD, HashChains, type HashKey, hashKeyOf, hashPair, NEXT_FIELD } from "../structures/topic-hash.ts";
import { IntRecords } from "../structures/topic-records.ts";
import { TopicTrie } from "../structures/topic-trie.ts";

const PATTERN_FIRST = 0;
const PATTERN_TARGETS = 1;
const PATTERN_SUBSCRIBERS = 2;
const PATTERN_MESSAGES = 3;
const PATTERN_SINCE = 5;
const PATTERN_WIDTH = 7;

const TARGET_PATTERN = 2;
const TARGET_SUBSCRIPTION = 3;
const AFTER_OF_PATTERN = 4;
const BEFORE_OF_PATTERN = 5;
const AFTER_OF_SUBSCRIPTION = 6;
const TARGET_WIDTH = 7;

const SUBSCRIPTION_FIRST = 2;
const SUBSCRIPTION_LINKS = 3;
const SUBSCRIPTION_ID = 4;
const SUBSCRIPTION_COSTLY = 6;
const SUBSCRIPTION_WIDTH = 7;

export class TopicSubscriptions {
  /** What the last `match` found, in `matched[0, count)`, until the next one. */
  matched = new Int32Array(64);
  /** Patterns with at least one subscriber. */
  topicCount = 0;
  /** Links to patterns with a wildcard. */
  wildcardLinkCount = 0;
  /** Targets that nobody is linked to, kept since their subscription has others. */
  idleTargetCount = 0;
  readonly #trie: TopicTrie;
  readonly #key: HashKey;
  readonly #patterns = new IntRecords(PATTERN_WIDTH);
  readonly #targets = new IntRecords(TARGET_WIDTH);
  readonly #sets = new HashChains(this.#targets);
  readonly #subscriptions = new IntRecords(SUBSCRIPTION_WIDTH);
  readonly #ids = new HashChains(this.#subscriptions);

  constructor(seed: number) {
    this.#trie = new TopicTrie({ seed });
    this.#key = hashKeyOf(seed);
  }

  /** Different patterns of all subscriptions. */
  get patternCount(): number {
    return this.#trie.count;
  }

  /** Those that are costly to match (`isCostly` of structures/topic-problem.ts). */
  get costlyPatternCount(): number {
    return this.#trie.costlyCount;
  }

  /** What the patterns take that are in the trie. */
  get nameBytes(): number {
    return this.#trie.usedBytes;
  }

  /** What a pattern takes at most. */
  nameBytesOf(pattern: number): number {
    return this.#trie.bytesAloneOf(pattern);
  }

  /** Bytes in typed arrays. */
  get heldBytes(): number {
    const records = this.#patterns.heldBytes + this.#targets.heldBytes + this.#subscriptions.heldBytes;
    return this.#trie.heldBytes + records + this.#sets.heldBytes + this.#ids.heldBytes;
  }

  /**
   * Takes one use of each pattern; duplicates count once. `releasePatterns` or `intern` has to follow.
   * @param patterns in which `patternProblem` finds nothing.
   * @returns the pattern ids, in ascending order.
   */
  takePatterns(patterns: readonly ByteRange[]): number[] {
    const taken = patterns.map(({ bytes, start, end }) => this.#trie.add(bytes, start, end)).sort((a, b) => a - b);
    const different = taken.filter((pattern, index) => index === 0 || pattern !== taken[index - 1]);
    if (different.length < taken.length) {
      taken.forEach((pattern, index) => {
        if (index > 0 && pattern === taken[index - 1]) this.#trie.remove(pattern);
      });
    }
    return different;
  }

  releasePatterns(patterns: readonly number[]): void {
    for (const pattern of patterns) this.#trie.remove(pattern);
  }

  /** @returns the subscription to exactly these patterns, or 0. */
  find(patterns: readonly number[]): number {
    const hash = this.#hashOf(patterns);
    for (let target = this.#sets.first(hash); target !== 0; target = this.#targets.get(target, NEXT_FIELD)) {
      if (this.#targets.get(target, HASH_FIELD) === hash && this.#isSet(target, patterns)) {
        return this.#targets.get(target, TARGET_SUBSCRIPTION);
      }
    }
    return 0;
  }

  /**
   * The subscription to these patterns, made if there is none; the uses that `takePatterns` took are its own or given back.
   * One that is made goes with its last link, so at least one has to follow.
   */
  intern(patterns: readonly number[], newId: () => number): number {
    const known = this.find(patterns);
    if (known !== 0) {
      this.releasePatterns(patterns);
      return known;
    }
    const subscription = this.#subscriptions.take();
    const id = newId();
    setLong(this.#subscriptions, subscription, SUBSCRIPTION_ID, id);
    this.#ids.insert(subscription, this.#hashOfId(id));
    let last = 0;
    for (const pattern of patterns) {
      const target = this.#takeTarget(pattern, subscription);
      if (last === 0) this.#subscriptions.set(subscription, SUBSCRIPTION_FIRST, target);
      else this.#targets.set(last, AFTER_OF_SUBSCRIPTION, target);
      last = target;
    }
    this.#subscriptions.set(subscription, SUBSCRIPTION_COSTLY, this.countCostly(patterns));
    this.#sets.insert(this.firstTarget(subscription), this.#hashOf(patterns));
    return subscription;
  }

  /** How many of the patterns are costly to match. */
  countCostly(patterns: readonly number[]): number {
    let count = 0;
    for (const pattern of patterns) if (this.#trie.isCostly(pattern)) count++;
    return count;
  }

  /** The same of all patterns of a subscription: they are in the trie as long as any of them has a link. */
  costlyCountOf(subscription: number): number {
    return this.#subscriptions.get(subscription, SUBSCRIPTION_COSTLY);
  }

  /** @returns the subscription with this id, or 0. */
  findById(id: number): number {
    const hash = this.#hashOfId(id);
    let subscription = this.#ids.first(hash);
    while (subscription !== 0 && this.idOf(subscription) !== id) {
      subscription = this.#subscriptions.get(subscription, NEXT_FIELD);
    }
    return subscription;
  }

  idOf(subscription: number): number {
    return getLong(this.#subscriptions, subscription, SUBSCRIPTION_ID);
  }

  /** Its other targets follow by `nextTarget`. */
  firstTarget(subscription: number): number {
    return this.#subscriptions.get(subscription, SUBSCRIPTION_FIRST);
  }

  /** The next target of the same subscription, or 0. */
  nextTarget(target: number): number {
    return this.#targets.get(target, AFTER_OF_SUBSCRIPTION);
  }

  subscriptionOf(target: number): number {
    return this.#targets.get(target, TARGET_SUBSCRIPTION);
  }

  patternOf(target: number): number {
    return this.#targets.get(target, TARGET_PATTERN);
  }

  /** A connection is linked to the target, which has `links` now. */
  linked(target: number, links: number, nowMs: number): void {
    if (links === 1) this.idleTargetCount--;
    const subscription = this.subscriptionOf(target);
    this.#subscriptions.set(
      subscription,
      SUBSCRIPTION_LINKS,
      this.#subscriptions.get(subscription, SUBSCRIPTION_LINKS) + 1,
    );
    const pattern = this.patternOf(target);
    const subscribers = this.subscriberCount(pattern);
    this.#patterns.set(pattern, PATTERN_SUBSCRIBERS, subscribers + 1);
    if (this.#trie.isWildcard(pattern)) this.wildcardLinkCount++;
    if (subscribers > 0) return;
    this.topicCount++;
    setLong(this.#patterns, pattern, PATTERN_SINCE, nowMs);
    setLong(this.#patterns, pattern, PATTERN_MESSAGES, 0);
  }

  /** A link to the target is gone; it has `left`. With the last link of a subscription its targets are gone. */
  unlinked(target: number, left: number): void {
    if (left === 0) this.idleTargetCount++;
    const pattern = this.patternOf(target);
    const subscribers = this.subscriberCount(pattern) - 1;
    this.#patterns.set(pattern, PATTERN_SUBSCRIBERS, subscribers);
    if (this.#trie.isWildcard(pattern)) this.wildcardLinkCount--;
    if (subscribers === 0) this.topicCount--;
    const subscription = this.subscriptionOf(target);
    const links = this.#subscriptions.get(subscription, SUBSCRIPTION_LINKS) - 1;
    this.#subscriptions.set(subscription, SUBSCRIPTION_LINKS, links);
    if (links === 0) this.#release(subscription);
  }

  /**
   * Finds the targets that a topic matches, some of which may have no subscriber, and counts the message for each of their
   * patterns.
   * @param topic in which `topicProblem` finds nothing.
   * @returns how many there are.
   */
  match({ bytes, start, end }: ByteRange): number {
    const patternCount = this.#trie.match(bytes, start, end);
    let count = 0;
    for (let i = 0; i < patternCount; i++) {
      const pattern = this.#trie.matched[i];
      setLong(this.#patterns, pattern, PATTERN_MESSAGES, getLong(this.#patterns, pattern, PATTERN_MESSAGES) + 1);
      let target = this.firstTargetOf(pattern);
      while (target !== 0) {
        if (count === this.matched.length) {
          const larger = new Int32Array(count * 2);
          larger.set(this.matched);
          this.matched = larger;
        }
        this.matched[count++] = target;
        target = this.nextTargetOf(target);
      }
    }
    return count;
  }

  /** @returns the id of exactly this pattern, or 0 if no subscription has it. */
  findPattern({ bytes, start, end }: ByteRange): number {
    return this.#trie.find(bytes, start, end);
  }

  /** Its other targets follow by `nextTargetOf`. */
  firstTargetOf(pattern: number): number {
    return this.#patterns.get(pattern, PATTERN_FIRST);
  }

  /** The next target of the same pattern, or 0. */
  nextTargetOf(target: number): number {
    return this.#targets.get(target, AFTER_OF_PATTERN);
  }

  targetCountOf(pattern: number): number {
    return this.#patterns.get(pattern, PATTERN_TARGETS);
  }

  /** Links to the pattern, over all subscriptions that have it. */
  subscriberCount(pattern: number): number {
    return this.#patterns.get(pattern, PATTERN_SUBSCRIBERS);
  }

  /** Messages that have matched it since it has subscribers. */
  messageCount(pattern: number): number {
    return getLong(this.#patterns, pattern, PATTERN_MESSAGES);
  }

  /** Since when it has subscribers, in ms since the epoch. */
  sinceMs(pattern: number): number {
    return getLong(this.#patterns, pattern, PATTERN_SINCE);
  }

  patternText(pattern: number): string {
    return this.#trie.patternOf(pattern);
  }

  /** Writes the pattern's bytes, at most 255, to the front of `into` and returns how many. */
  writePattern(pattern: number, into: Uint8Array): number {
    return this.#trie.writePattern(pattern, into, 0);
  }

  /** The lowest id above `pattern` of one with subscribers, or 0. */
  patternAfter(pattern: number): number {
    let next = this.#trie.idAfter(pattern);
    while (next !== 0 && this.subscriberCount(next) === 0) next = this.#trie.idAfter(next);
    return next;
  }

  #takeTarget(pattern: number, subscription: number): number {
    const target = this.#targets.take();
    this.idleTargetCount++;
    this.#targets.set(target, TARGET_PATTERN, pattern);
    this.#targets.set(target, TARGET_SUBSCRIPTION, subscription);
    this.#patterns.reach(pattern);
    const first = this.firstTargetOf(pattern);
    this.#targets.set(target, AFTER_OF_PATTERN, first);
    if (first !== 0) this.#targets.set(first, BEFORE_OF_PATTERN, target);
    this.#patterns.set(pattern, PATTERN_FIRST, target);
    this.#patterns.set(pattern, PATTERN_TARGETS, this.targetCountOf(pattern) + 1);
    return target;
  }

  #release(subscription: number): void {
    this.#sets.remove(this.firstTarget(subscription));
    let target = this.firstTarget(subscription);
    while (target !== 0) {
      const next = this.nextTarget(target);
      this.#releaseTarget(target);
      target = next;
    }
    this.#ids.remove(subscription);
    this.#subscriptions.release(subscription);
    // The ids of patterns start low again.
    if (this.#subscriptions.count === 0) this.#patterns.reset();
  }

  #releaseTarget(target: number): void {
    const pattern = this.patternOf(target);
    const after = this.#targets.get(target, AFTER_OF_PATTERN);
    const before = this.#targets.get(target, BEFORE_OF_PATTERN);
    if (after !== 0) this.#targets.set(after, BEFORE_OF_PATTERN, before);
    if (before !== 0) this.#targets.set(before, AFTER_OF_PATTERN, after);
    else this.#patterns.set(pattern, PATTERN_FIRST, after);
    this.#patterns.set(pattern, PATTERN_TARGETS, this.targetCountOf(pattern) - 1);
    this.#targets.release(target);
    this.idleTargetCount--;
    this.#trie.remove(pattern);
  }

  #isSet(first: number, patterns: readonly number[]): boolean {
    let target = first;
    for (const pattern of patterns) {
      if (target === 0 || this.patternOf(target) !== pattern) return false;
      target = this.nextTarget(target);
    }
    return target === 0;
  }

  #hashOf(patterns: readonly number[]): number {
    let hash = patterns.length;
    for (const pattern of patterns) hash = hashPair(this.#key, hash, pattern);
    return hash;
  }

  #hashOfId(id: number): number {
    return hashPair(this.#key, id | 0, Math.floor(id / 2 ** 32));
  }

  /** Checks that nothing is left over where nobody is subscribed; throws where something is. For tests. */
  checkEmpty(): void {
    this.#trie.checkEmpty();
    const left = this.#targets.count + this.#subscriptions.count + this.#sets.count + this.#ids.count;
    if (left + this.topicCount + this.wildcardLinkCount + this.idleTargetCount > 0)
      throw new Error("targets or subscriptions are left over");
  }
}

/** A whole number below 2^53 in two fields. */
function getLong(records: IntRecords, id: number, field: number): number {
  return (records.get(id, field) >>> 0) + records.get(id, field + 1) * 2 ** 32;
}

function setLong(records: IntRecords, id: number, field: number, value: number): void {
  records.set(id, field, value | 0);
  records.set(id, field + 1, Math.floor(value / 2 ** 32));
}
