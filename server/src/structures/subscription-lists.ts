/**
 * Who subscribes to what: links between targets (patterns, rooms) and subscribers, both named by small integers.
 *
 *     link         [ next | hash | target | subscriber | after, before of the target | after, before of the subscriber ]
 *     target       [ first link | links ]        a list of its links, the newest first
 *     subscriber   [ first link | links ]        likewise
 *
 * Every link is in two lists and in a hash table by (target, subscriber). 32 bytes and about 5 of the table for a link, 8
 * for each target and subscriber up to the highest id ever used while there are links: ids should be dense.
 *
 * A visitor may add and remove any links. A link removed before its turn is not shown; one added during a visit is not
 * shown by that visit. Visits may be nested. A walk is a visit that may stop and go on later; there is one at a time.
 *
 * add, remove, find and the counts cost O(1) expected, a visit O(links shown).
 */
import { HASH_FIELD, HashChains, type HashKey, hashKeyOf, hashPair, NEXT_FIELD } from "./topic-hash.ts";
import { IntRecords } from "./topic-records.ts";

/** -1 in a free record. */
const TARGET = 2;
const SUBSCRIBER = 3;
/** In a link, where the pair of its target's list begins, and that of its subscriber's. */
const OF_TARGET = 4;
const OF_SUBSCRIBER = 6;
const AFTER = 0;
const BEFORE = 1;
const LINK_FIELDS = 8;

const FIRST = 0;
const COUNT = 1;
const LIST_FIELDS = 2;

export interface SubscriptionListsOptions {
  /** Any safe integer; 53 random bits where clients must not be able to choose pairs that collide. */
  readonly seed: number;
}

/** `id` is that of a subscriber or of a target, whichever the list is not of; `link` is the handle for `remove`. */
export type LinkVisitor = (id: number, link: number) => void;

export class SubscriptionLists {
  readonly #key: HashKey;
  readonly #links = new IntRecords(LINK_FIELDS);
  readonly #pairs = new HashChains(this.#links);
  readonly #targets = new IntRecords(LIST_FIELDS);
  readonly #subscribers = new IntRecords(LIST_FIELDS);
  /** The link that the walk shows next, then each running visit, the innermost last; and which of its two lists it goes along. */
  readonly #visitLinks: number[] = [0];
  readonly #visitLists: number[] = [OF_TARGET];

  constructor({ seed }: SubscriptionListsOptions) {
    this.#key = hashKeyOf(seed);
  }

  /** Links in all. */
  get count(): number {
    return this.#links.count;
  }

  /** Bytes in typed arrays. */
  get heldBytes(): number {
    return this.#links.heldBytes + this.#pairs.heldBytes + this.#targets.heldBytes + this.#subscribers.heldBytes;
  }

  /**
   * Links a subscriber to a target, both from 0 up.
   * @returns the handle of the link, from 1 up; if the two are linked already, that of the link they have.
   */
  add(target: number, subscriber: number): number {
    const hash = hashPair(this.#key, target, subscriber);
    const known = this.#find(target, subscriber, hash);
    if (known !== 0) return known;
    const link = this.#links.take();
    this.#links.set(link, TARGET, target);
    this.#links.set(link, SUBSCRIBER, subscriber);
    this.#pairs.insert(link, hash);
    this.#insert(this.#targets, target, link, OF_TARGET);
    this.#insert(this.#subscribers, subscriber, link, OF_SUBSCRIBER);
    return link;
  }

  /** The link's handle may be given out again at once. */
  remove(link: number): void {
    const target = link > 0 && link < this.#links.end ? this.#links.get(link, TARGET) : -1;
    if (target < 0) throw new Error(`link ${link} is not in use`);
    const subscriber = this.#links.get(link, SUBSCRIBER);
    for (let i = 0; i < this.#visitLinks.length; i++) {
      if (this.#visitLinks[i] === link) this.#visitLinks[i] = this.#links.get(link, this.#visitLists[i] + AFTER);
    }
    this.#pairs.remove(link);
    this.#detach(this.#targets, target, link, OF_TARGET);
    this.#detach(this.#subscribers, subscriber, link, OF_SUBSCRIBER);
    this.#links.set(link, TARGET, -1);
    this.#links.release(link);
  }

  /** @returns the handle of the link between the two, or 0. */
  find(target: number, subscriber: number): number {
    return this.#find(target, subscriber, hashPair(this.#key, target, subscriber));
  }

  /** How many subscribers the target has. */
  subscriberCount(target: number): number {
    return this.#targets.has(target) ? this.#targets.get(target, COUNT) : 0;
  }

  /** How many targets the subscriber has. */
  targetCount(subscriber: number): number {
    return this.#subscribers.has(subscriber) ? this.#subscribers.get(subscriber, COUNT) : 0;
  }

  targetOf(link: number): number {
    return this.#links.get(link, TARGET);
  }

  subscriberOf(link: number): number {
    return this.#links.get(link, SUBSCRIBER);
  }

  /** The subscriber's newest link, or 0: for removing all of them in slices. */
  linkOfSubscriber(subscriber: number): number {
    return this.#subscribers.has(subscriber) ? this.#subscribers.get(subscriber, FIRST) : 0;
  }

  /** The target's newest link, or 0: for removing all of them in slices. */
  linkOfTarget(target: number): number {
    return this.#targets.has(target) ? this.#targets.get(target, FIRST) : 0;
  }

  /** Shows each subscriber of the target, the newest first. */
  visitSubscribers(target: number, visit: LinkVisitor): void {
    this.#visit(this.linkOfTarget(target), OF_TARGET, SUBSCRIBER, visit);
  }

  /** Shows each target of the subscriber, the newest first. */
  visitTargets(subscriber: number, visit: LinkVisitor): void {
    this.#visit(this.linkOfSubscriber(subscriber), OF_SUBSCRIBER, TARGET, visit);
  }

  /** Begins the walk along the target's links, instead of the one before. */
  beginWalk(target: number): void {
    this.#visitLinks[0] = this.linkOfTarget(target);
  }

  /** @returns the next link of the walk, the newest first, or 0 at its end. */
  walkOn(): number {
    const link = this.#visitLinks[0];
    if (link !== 0) this.#visitLinks[0] = this.#links.get(link, OF_TARGET + AFTER);
    return link;
  }

  /** `remove` moves on what a visit shows next, when it takes that away. */
  #visit(first: number, list: number, idField: number, visit: LinkVisitor): void {
    const depth = this.#visitLinks.length;
    this.#visitLinks.push(first);
    this.#visitLists.push(list);
    try {
      for (let link = first; link !== 0; link = this.#visitLinks[depth]) {
        this.#visitLinks[depth] = this.#links.get(link, list + AFTER);
        visit(this.#links.get(link, idField), link);
      }
    } finally {
      this.#visitLinks.length = depth;
      this.#visitLists.length = depth;
    }
  }

  #find(target: number, subscriber: number, hash: number): number {
    let link = this.#pairs.first(hash);
    while (link !== 0) {
      const chunk = this.#links.chunk(link);
      const offset = this.#links.offset(link);
      if (
        chunk[offset + HASH_FIELD] === hash &&
        chunk[offset + TARGET] === target &&
        chunk[offset + SUBSCRIBER] === subscriber
      ) {
        break;
      }
      link = chunk[offset + NEXT_FIELD];
    }
    return link;
  }

  /** Puts the link first in the list of `owner`. */
  #insert(lists: IntRecords, owner: number, link: number, list: number): void {
    lists.reach(owner);
    const first = lists.get(owner, FIRST);
    this.#links.set(link, list + AFTER, first);
    if (first !== 0) this.#links.set(first, list + BEFORE, link);
    lists.set(owner, FIRST, link);
    lists.set(owner, COUNT, lists.get(owner, COUNT) + 1);
  }

  #detach(lists: IntRecords, owner: number, link: number, list: number): void {
    const after = this.#links.get(link, list + AFTER);
    const before = this.#links.get(link, list + BEFORE);
    if (after !== 0) this.#links.set(after, list + BEFORE, before);
    if (before !== 0) this.#links.set(before, list + AFTER, after);
    else lists.set(owner, FIRST, after);
    lists.set(owner, COUNT, lists.get(owner, COUNT) - 1);
    // All lists are empty with the last link: the ids start low again.
    if (this.count === 1) lists.reset();
  }
}
