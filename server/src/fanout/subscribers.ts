/**
 * Connections as subscribers of small numbered targets: what topics and key watches have in common. A target is one label
 * that pushes carry (its subscription id), so a push is encoded once for each format and shared by all who get it.
 *
 *     session --> subscriber 3 --+-- link 17 (json) ----> target 8 --> frame in JSON ------> outbox
 *                                '-- link 18 (msgpack) -> target 9 --> frame in MessagePack > outbox
 *
 * A link is 37 bytes (structures/subscription-lists.ts) and one for its format. Pushing costs no allocation per subscriber.
 * Closing a connection costs its links, a slice of them in each turn: until then those left count, and get nothing.
 */
import type { Outbox, PushFormat } from "../dispatch/caller.ts";
import type { TurnEnd, TurnEndTask } from "../runtime/turn-end.ts";
import { SubscriptionLists } from "../structures/subscription-lists.ts";
import type { ClientSession, SessionPart } from "./client-session.ts";

/** A link keeps its format as the index in here. */
const FORMATS: readonly PushFormat[] = ["json", "msgpack", "sse"];
const MSGPACK = FORMATS.indexOf("msgpack");
const LINKS_AT_FIRST = 64;
/** How many links of closed connections go in one turn, at 1 to 3 us each. */
const LINKS_CLOSED_PER_TURN = 1000;

/** What gives the frame of a push, encoded in a format. */
export interface FrameSource {
  encode(format: PushFormat): Uint8Array;
}

export interface SubscribersOptions {
  /** Random: clients must not be able to choose links whose hashes collide. */
  readonly seed: number;
  readonly turnEnd: TurnEnd;
  /** A link to the target is gone, taken away or closed with its connection. It may add no link. */
  readonly onUnlinked: (target: number) => void;
}

export class Subscribers {
  /** Pushes that outboxes took. Grows. */
  pushedCount = 0;
  readonly #onUnlinked: (target: number) => void;
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
  /** Of the push under way, one for each format as it is first needed. */
  readonly #frames: (Uint8Array | undefined)[] = FORMATS.map(() => undefined);
  #source: FrameSource | undefined;
  readonly #pushTo = (id: number, link: number): void => this.#pushToOne(id, link);

  constructor({ seed, turnEnd, onUnlinked }: SubscribersOptions) {
    this.#onUnlinked = onUnlinked;
    this.#lists = new SubscriptionLists({ seed });
    this.#closing = turnEnd.add(() => this.#closeSome());
  }

  /** Links in all. */
  get linkCount(): number {
    return this.#lists.count;
  }

  /** Connections with at least one link. */
  get connectionCount(): number {
    return this.#bySession.size;
  }

  /** Bytes in typed arrays. */
  get heldBytes(): number {
    return this.#lists.heldBytes + this.#formats.length;
  }

  /** How many links the connection has. */
  linkCountOf(session: ClientSession): number {
    const subscriber = this.#bySession.get(session);
    return subscriber === undefined ? 0 : this.#lists.targetCount(subscriber.id);
  }

  /** How many connections are linked to the target. */
  countOf(target: number): number {
    return this.#lists.subscriberCount(target);
  }

  isLinked(session: ClientSession, target: number): boolean {
    const subscriber = this.#bySession.get(session);
    return subscriber !== undefined && this.#lists.find(target, subscriber.id) !== 0;
  }

  /**
   * Links the connection to the target; from now on its pushes come in the session's present format.
   * @returns false if it was linked already; then only the format may have changed.
   */
  link(session: ClientSession, outbox: Outbox, target: number): boolean {
    const { id } = this.#bySession.get(session) ?? this.#admit(session, outbox);
    const { count } = this.#lists;
    const link = this.#lists.add(target, id);
    if (link >= this.#formats.length) {
      const formats = new Uint8Array(Math.max(link + 1, this.#formats.length * 2));
      formats.set(this.#formats);
      this.#formats = formats;
    }
    this.#formats[link] = FORMATS.indexOf(session.format);
    return this.#lists.count > count;
  }

  /** @returns whether there was a link to take away. */
  unlink(session: ClientSession, target: number): boolean {
    const subscriber = this.#bySession.get(session);
    const link = subscriber === undefined ? 0 : this.#lists.find(target, subscriber.id);
    if (subscriber === undefined || link === 0) return false;
    this.#lists.remove(link);
    this.#onUnlinked(target);
    if (this.#lists.targetCount(subscriber.id) === 0) {
      session.remove(subscriber);
      this.#dismiss(subscriber);
    }
    return true;
  }

  /** Shows each target of the connection, the newest first; it may take links away, those of this connection too. */
  visitTargets(session: ClientSession, visit: (target: number) => void): void {
    const subscriber = this.#bySession.get(session);
    if (subscriber !== undefined) this.#lists.visitTargets(subscriber.id, visit);
  }

  /** Pushes to all who are linked to the target; `source` is asked once for each format in use there, before this returns. */
  push(target: number, source: FrameSource): void {
    this.#source = source;
    this.#frames.fill(undefined);
    try {
      this.#lists.visitSubscribers(target, this.#pushTo);
    } finally {
      this.#source = undefined;
      this.#frames.fill(undefined);
    }
  }

  #pushToOne(id: number, link: number): void {
    const subscriber = this.#byId[id];
    if (subscriber === undefined) throw new Error(`a link leads to subscriber ${id}, which is not there`);
    // Nothing is encoded for those alone who are gone or being cut off.
    if (subscriber.isGone) return;
    const format = this.#formats[link];
    let frame = this.#frames[format];
    if (frame === undefined) {
      if (this.#source === undefined) throw new Error("nothing is being pushed");
      frame = this.#source.encode(FORMATS[format]);
      this.#frames[format] = frame;
    }
    if (subscriber.outbox.push(frame, format === MSGPACK)) this.pushedCount++;
    else subscriber.isGone = true;
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
        const target = lists.targetOf(link);
        lists.remove(link);
        this.#onUnlinked(target);
      } else return true;
    }
    return false;
  }

  #dismiss(subscriber: Subscriber): void {
    this.#bySession.delete(subscriber.session);
    this.#byId[subscriber.id] = undefined;
    this.#freeIds.push(subscriber.id);
    if (this.#bySession.size + this.#closed.length > 0) return;
    // Ids are dense again, and what many connections made it hold is given back.
    this.#byId.length = 0;
    this.#freeIds.length = 0;
    this.#formats = new Uint8Array(LINKS_AT_FIRST);
  }
}

class Subscriber implements SessionPart {
  readonly id: number;
  readonly session: ClientSession;
  readonly outbox: Outbox;
  /** The connection is closed, or about to be: its outbox has refused a push. */
  isGone = false;
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
