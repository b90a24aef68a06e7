/**
 * Connections as subscribers of small numbered targets: what topics and key watches have in common. A target is one label
 * that pushes carry (its subscription id), so a push is encoded once for each format and shared by all who get it.
 *
 *     session --> subscriber 3 --+-- link 17 (json) ----> target 8 --> frame in JSON ------> outbox
 *                                '-- link 18 (msgpack) -> target 9 --> frame in MessagePack > outbox
 *
 * A link is 37 bytes (structures/subscription-lists.ts) and one for its format. Pushing costs no allocation per subscriber.
 * Closing a connection costs its links, a slice of them in each turn: until then those left count, and get nothing.
 *
 * A turn makes `PUSHES_PER_TURN` pushes at most. What is past that is encoded and waits (subscribers-backlog.ts), up to
 * `BACKLOG_BYTES_MAX`; past that each push delivers the oldest ones first.
 */
import type { Outbox, PushFormat } from "../dispatch/caller.ts";
import type { TurnEnd, TurnEndTask } from "../runtime/turn-end.ts";
import { SubscriptionLists } from "../structures/subscription-lists.ts";
import type { ClientSession, SessionPart } from "./client-session.ts";
import { type Frames, SubscribersBacklog } from "./subscribers-backlog.ts";
import type { SubscriptionCount } from "./subscription-count.ts";

/** A link keeps its format as the index in here. */
const FORMATS: readonly PushFormat[] = ["json", "msgpack", "sse", "resp2", "resp3"];
const MSGPACK = FORMATS.indexOf("msgpack");
const LINKS_AT_FIRST = 64;
/** How many links of closed connections go in one turn, at 1 to 3 us each. */
const LINKS_CLOSED_PER_TURN = 1000;

/** At 0.2 to 0.5 us each. */
export const PUSHES_PER_TURN = 10_000;
const SHARE_MIN = 10;
export const BACKLOG_BYTES_MAX = 64 * 2 ** 20;

/** A connection may have this much of what is limited for all together, so that one cannot use it up. */
export function shareOf(max: number): number {
  return Math.max(SHARE_MIN, Math.floor(max / 10));
}

/** What gives the frame of a push, encoded in a format. */
export interface FrameSource {
  encode(format: PushFormat): Uint8Array;
}

export interface SubscribersOptions {
  /** Random: clients must not be able to choose links whose hashes collide. */
  readonly seed: number;
  readonly turnEnd: TurnEnd;
  /** Every link is one of these. */
  readonly subscriptions: SubscriptionCount;
  /** What the target's name costs a connection that is linked to it (subscription-names.ts). The same while it has links. */
  readonly nameBytesOf: (target: number) => number;
  /** Whether it is a glob, of which a connection may have a share; absent where there are none. As above. */
  readonly isGlob?: (target: number) => boolean;
  /** A link to the target is gone, taken away or closed with its connection. It may add no link. */
  readonly onUnlinked: (target: number) => void;
}

export class Subscribers {
  /** Pushes that outboxes took. Grows. */
  pushedCount = 0;
  readonly #onUnlinked: (target: number) => void;
  readonly #nameBytesOf: (target: number) => number;
  readonly #isGlob: (target: number) => boolean;
  readonly #subscriptions: SubscriptionCount;
  readonly #lists: SubscriptionLists;
  readonly #bySession = new Map<ClientSession, Subscriber>();
  /** By id; ids that are free are in `#freeIds`. */
  readonly #byId: (Subscriber | undefined)[] = [];
  readonly #freeIds: number[] = [];
  /** Connections that are gone and have links left, the oldest first. */
  readonly #closed: Subscriber[] = [];
  readonly #closing: TurnEndTask;
  /** By link. */
  #formats = new Uint8Array(LINKS_AT_FIRST);
  /** By target: a bit for each format that some link has had since there is one. */
  #targetFormats = new Uint8Array(LINKS_AT_FIRST);
  readonly #backlog = new SubscribersBacklog();
  readonly #turn: TurnEndTask;
  /** How many pushes this turn may still make. */
  #pushesLeft = PUSHES_PER_TURN;
  /** Of the push under way, one for each format as it is first needed. */
  readonly #frames: (Uint8Array | undefined)[] = FORMATS.map(() => undefined);
  #source: FrameSource | undefined;
  #releaseOffset = 0;
  readonly #pushTo = (id: number, link: number): void => this.#pushToOne(id, link);

  constructor({ seed, turnEnd, subscriptions, nameBytesOf, isGlob = () => false, onUnlinked }: SubscribersOptions) {
    this.#nameBytesOf = nameBytesOf;
    this.#isGlob = isGlob;
    this.#onUnlinked = onUnlinked;
    this.#subscriptions = subscriptions;
    this.#lists = new SubscriptionLists({ seed });
    this.#closing = turnEnd.add(() => this.#closeSome());
    this.#turn = turnEnd.add(() => this.#endTurn());
  }

  /** Links in all. */
  get linkCount(): number {
    return this.#lists.count;
  }

  /** Connections with at least one link. */
  get connectionCount(): number {
    return this.#bySession.size;
  }

  /** Bytes in typed arrays, and pushes that wait. */
  get heldBytes(): number {
    return this.#lists.heldBytes + this.#formats.length + this.#targetFormats.length + this.#backlog.heldBytes;
  }

  /** How many links the connection has. */
  linkCountOf(session: ClientSession): number {
    const subscriber = this.#bySession.get(session);
    return subscriber === undefined ? 0 : this.#lists.targetCount(subscriber.id);
  }

  /** What the names cost that the connection is linked to. */
  nameBytesOf(session: ClientSession): number {
    return this.#bySession.get(session)?.nameBytes ?? 0;
  }

  /** How many globs the connection is linked to. */
  globCountOf(session: ClientSession): number {
    return this.#bySession.get(session)?.globCount ?? 0;
  }

  /** How many connections are linked to the target. */
  countOf(target: number): number {
    return this.#lists.subscriberCount(target);
  }

  isLinked(session: ClientSession, target: number): boolean {
    const subscriber = this.#bySession.get(session);
    return subscriber !== undefined && this.#lists.find(target, subscriber.id) !== 0;
  }

  /** Whether `count` more links may be made. */
  hasRoom(count: number): boolean {
    return this.#subscriptions.count + count <= this.#subscriptions.max;
  }

  /**
   * Links the connection to the target; from now on its pushes come in the session's present format. For one that is not
   * linked, `hasRoom` has to be asked first.
   * @returns false if it was linked already; then only the format may have changed.
   */
  link(session: ClientSession, outbox: Outbox, target: number): boolean {
    const format = FORMATS.indexOf(session.format);
    const subscriber = this.#bySession.get(session) ?? this.#admit(session, outbox);
    const { id } = subscriber;
    const { count } = this.#lists;
    const link = this.#lists.add(target, id);
    this.#formats = reaching(this.#formats, link);
    this.#formats[link] = format;
    this.#targetFormats = reaching(this.#targetFormats, target);
    this.#targetFormats[target] |= 1 << format;
    if (this.#lists.count === count) return false;
    if (!this.#subscriptions.take(1)) throw new Error("a link was made for which there was no room");
    subscriber.nameBytes += this.#nameBytesOf(target);
    if (this.#isGlob(target)) subscriber.globCount++;
    this.#backlog.linked(link);
    return true;
  }

  /** @returns whether there was a link to take away. */
  unlink(session: ClientSession, target: number): boolean {
    const subscriber = this.#bySession.get(session);
    const link = subscriber === undefined ? 0 : this.#lists.find(target, subscriber.id);
    if (subscriber === undefined || link === 0) return false;
    this.#unlink(subscriber, link, target);
    if (this.#lists.targetCount(subscriber.id) === 0) {
      session.remove(subscriber);
      this.#dismiss(subscriber);
    }
    return true;
  }

  #unlink(subscriber: Subscriber, link: number, target: number): void {
    subscriber.nameBytes -= this.#nameBytesOf(target);
    if (this.#isGlob(target)) subscriber.globCount--;
    this.#lists.remove(link);
    this.#subscriptions.give(1);
    if (this.countOf(target) === 0) this.#targetFormats[target] = 0;
    this.#onUnlinked(target);
  }

  /** Shows each target of the connection, the newest first; it may take links away, those of this connection too. */
  visitTargets(session: ClientSession, visit: (target: number) => void): void {
    const subscriber = this.#bySession.get(session);
    if (subscriber !== undefined) this.#lists.visitTargets(subscriber.id, visit);
  }

  /**
   * Pushes to all who are linked to the target, now or, where the turn has made too many pushes, at the end of turns. `source`
   * is asked once for each format in use there, before this returns.
   * @param releaseOffset see `Outbox.push`.
   */
  push(target: number, source: FrameSource, releaseOffset: number): void {
    const count = this.countOf(target);
    if (count === 0) return;
    this.#turn.request();
    if (count > this.#pushesLeft || !this.#backlog.isEmpty) {
      this.#backlog.add(target, this.#framesFor(target, source), releaseOffset);
      while (this.#backlog.heldBytes > BACKLOG_BYTES_MAX) this.#pushFirst(Number.POSITIVE_INFINITY);
      return;
    }
    this.#pushesLeft -= count;
    this.#source = source;
    this.#releaseOffset = releaseOffset;
    this.#frames.fill(undefined);
    try {
      this.#lists.visitSubscribers(target, this.#pushTo);
    } finally {
      this.#source = undefined;
      this.#frames.fill(undefined);
    }
  }

  #pushToOne(id: number, link: number): void {
    const subscriber = this.#subscriber(id);
    // Nothing is encoded for those alone who are gone or being cut off.
    if (subscriber.isGone) return;
    const format = this.#formats[link];
    let frame = this.#frames[format];
    if (frame === undefined) {
      if (this.#source === undefined) throw new Error("nothing is being pushed");
      frame = this.#source.encode(FORMATS[format]);
      this.#frames[format] = frame;
    }
    this.#give(subscriber, frame, format, this.#releaseOffset);
  }

  #give(subscriber: Subscriber, frame: Uint8Array, format: number, releaseOffset: number): void {
    if (subscriber.outbox.push(frame, format === MSGPACK, releaseOffset)) this.pushedCount++;
    else subscriber.isGone = true;
  }

  #subscriber(id: number): Subscriber {
    const subscriber = this.#byId[id];
    if (subscriber === undefined) throw new Error(`a link leads to subscriber ${id}, which is not there`);
    return subscriber;
  }

  #framesFor(target: number, source: FrameSource): Frames {
    const formats = this.#targetFormats[target];
    return FORMATS.map((format, index) => ((formats >> index) & 1 ? source.encode(format) : undefined));
  }

  /** @returns whether pushes are left for the next turn. */
  #endTurn(): boolean {
    let left = this.#pushesLeft;
    while (left > 0 && !this.#backlog.isEmpty) left -= this.#pushFirst(left);
    this.#pushesLeft = PUSHES_PER_TURN;
    return !this.#backlog.isEmpty;
  }

  /**
   * Goes on with the first push that waits, for up to `most` of its subscribers.
   * @returns how much was done: one for the push, where it is over, and one for each subscriber.
   */
  #pushFirst(most: number): number {
    const push = this.#backlog.first;
    if (push === undefined) throw new Error("no push waits");
    if (!push.isUnderWay) this.#lists.beginWalk(push.target);
    push.isUnderWay = true;
    for (let count = 0; count < most; count++) {
      const link = this.#lists.walkOn();
      if (link === 0) {
        this.#backlog.shift(push);
        return count + 1;
      }
      const subscriber = this.#subscriber(this.#lists.subscriberOf(link));
      const format = this.#formats[link];
      const frame = push.frames[format];
      // There is no frame where the subscriber has taken to another format since: a push is delivered at most once.
      if (!subscriber.isGone && frame !== undefined && this.#backlog.isFor(push, link)) {
        this.#give(subscriber, frame, format, push.releaseOffset);
      }
    }
    return most;
  }

  #admit(session: ClientSession, outbox: Outbox): Subscriber {
    const id = this.#freeIds.pop() ?? this.#byId.length;
    const subscriber = new Subscriber(id, session, outbox, (closed) => this.#close(closed));
    session.add(subscriber);
    this.#byId[id] = subscriber;
    this.#bySession.set(session, subscriber);
    return subscriber;
  }

  #close(subscriber: Subscriber): void {
    subscriber.isGone = true;
    this.#bySession.delete(subscriber.session);
    this.#closed.push(subscriber);
    if (this.#closed.length === 1 && !this.#closeSome()) return;
    this.#closing.request();
  }

  /** @returns whether connections that are gone have links left. */
  #closeSome(): boolean {
    const lists = this.#lists;
    let left = LINKS_CLOSED_PER_TURN;
    for (let subscriber = this.#closed[0]; subscriber !== undefined; subscriber = this.#closed[0]) {
      const link = lists.linkOfSubscriber(subscriber.id);
      if (link === 0) {
        this.#closed.shift();
        this.#dismiss(subscriber);
      } else if (left-- > 0) {
        this.#unlink(subscriber, link, lists.targetOf(link));
      } else return true;
    }
    return false;
  }

  #dismiss(subscriber: Subscriber): void {
    if (subscriber.nameBytes + subscriber.globCount !== 0) {
      throw new Error("a subscriber without links still has names counted");
    }
    this.#bySession.delete(subscriber.session);
    this.#byId[subscriber.id] = undefined;
    this.#freeIds.push(subscriber.id);
    if (this.#bySession.size + this.#closed.length > 0) return;
    // Ids are dense again, and what many connections made it hold is given back.
    this.#byId.length = 0;
    this.#freeIds.length = 0;
    this.#formats = new Uint8Array(LINKS_AT_FIRST);
    this.#targetFormats = new Uint8Array(LINKS_AT_FIRST);
    this.#backlog.clear();
  }
}

/** `array`, or a larger one with its contents, so that it has `index`. */
function reaching(array: Uint8Array<ArrayBuffer>, index: number): Uint8Array<ArrayBuffer> {
  if (index < array.length) return array;
  const larger = new Uint8Array(Math.max(index + 1, array.length * 2));
  larger.set(array);
  return larger;
}

class Subscriber implements SessionPart {
  readonly id: number;
  readonly session: ClientSession;
  readonly outbox: Outbox;
  /** The connection is closed, or about to be: its outbox has refused a push. */
  isGone = false;
  /** Of all that it is linked to. */
  nameBytes = 0;
  globCount = 0;
  readonly #onClosed: (subscriber: Subscriber) => void;

  constructor(id: number, session: ClientSession, outbox: Outbox, onClosed: (subscriber: Subscriber) => void) {
    this.id = id;
    this.session = session;
    this.outbox = outbox;
    this.#onClosed = onClosed;
  }

  closed(): void {
    this.#onClosed(this);
  }

  /** Pushes here wait for nobody: who reads too slowly is cut off by the transport. */
  drained(): void {}
}
