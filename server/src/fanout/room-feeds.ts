/**
 * Rooms to their subscribers: every event once, in order, history first, with no hole between history and live; what a
 * reader can no longer get is named by a gap.
 *
 *     commit --> new events --> live readers        one frame per format, pushed to all (`#broadcast`)
 *                                 | too much unread
 *                                 v
 *     turn end -> pages --> readers behind          each from its own offset (room-pages.ts), then live again
 *
 * A reader behind costs its position and nothing else: no event waits for it but in the room, so it is never cut off by
 * events, however far behind, and finds a gap where the room has dropped some. The same paging serves the history that a
 * subscriber asks for.
 *
 * No turn is long: what would be too many pushes goes on at the end of the turn from where it was, after others were
 * served, and a turn gives pages for a few milliseconds, to one reader after the other.
 */
import type { CommandError } from "../commands/errors.ts";
import type { Executor } from "../commands/execute.ts";
import type { Outbox } from "../dispatch/caller.ts";
import type { TurnEnd, TurnEndTask } from "../runtime/turn-end.ts";
import type { Room } from "../state/room.ts";
import type { RoomCursor } from "../state/room-cursor.ts";
import type { RoomStore } from "../state/room-store.ts";
import { type ByteRange, rangeOf } from "../structures/byte-range.ts";
import type { ClientSession } from "./client-session.ts";
import type { PushEncoder } from "./push-encoder.ts";
import { PUSH_FORMATS, RoomFeed } from "./room-feed.ts";
import { RoomPages, UNREAD_BYTES_MAX } from "./room-pages.ts";
import { RoomPushes } from "./room-pushes.ts";
import { type ReaderOwner, RoomReader } from "./room-reader.ts";
import type { SubscriptionCount } from "./subscription-count.ts";
import type { SubscriptionIds } from "./subscription-ids.ts";

export interface RoomFeedsParts {
  readonly rooms: RoomStore;
  /** What the rooms hold is that of this offset. */
  readonly state: { readonly appliedOffset: number };
  readonly encoder: PushEncoder;
  readonly turnEnd: TurnEnd;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly ids: SubscriptionIds;
  /** Of all kinds; shared. */
  readonly subscriptions: SubscriptionCount;
  /** How long a room may be unused, without subscribers, before it is removed; 0 for ever. */
  readonly idleMs: number;
}

export interface RoomPosition {
  /** The first event wanted; negative counts from the end; absent for new events only. */
  readonly fromOffset?: number | undefined;
  /** The generation of the room that `fromOffset` was learned from. */
  readonly generation?: number | undefined;
}

export interface RoomSubscription {
  readonly subscriptionId: number;
  /** Where the subscription begins: with this event, or the gap that it is in. */
  readonly fromOffset: number;
  /** Of the room's last event; -1 before the first. */
  readonly newestOffset: number;
  readonly generation: number;
}

/** What broadcasts may cost in one turn, in pushes of 100 ns. The event that uses it up is finished. */
const TURN_PUSHES = 20_000;
/** What encoding a frame costs in pushes, at least, and the bytes of it that cost one more. */
const ENCODING_PUSHES = 16;
const ENCODED_BYTES_PER_PUSH = 64;
/** Heap of a subscription, and of a name that has some; measured. */
const READER_BYTES = 200;
const FEED_BYTES = 300;

export class RoomFeeds implements ReaderOwner {
  readonly pushes: RoomPushes;
  readonly #rooms: RoomStore;
  readonly #state: RoomFeedsParts["state"];
  readonly #clock: RoomFeedsParts["clock"];
  readonly #ids: SubscriptionIds;
  readonly #subscriptions: SubscriptionCount;
  readonly #idleMs: number;
  readonly #task: TurnEndTask;
  readonly #cursor: RoomCursor;
  readonly #pages: RoomPages;
  readonly #byName = new Map<string, RoomFeed>();
  #executor: Executor | undefined = undefined;
  #unfinished: RoomFeed[] = [];
  #behindCount = 0;
  #readerCount = 0;
  /** What is left for broadcasts in this turn. */
  #pushesLeft = TURN_PUSHES;
  /** A push can close a connection, which can commit: then the step under way is finished first. */
  #isBusy = false;
  readonly #visit = (room: Room): void => this.#changed(room);

  constructor(parts: RoomFeedsParts) {
    this.#rooms = parts.rooms;
    this.#state = parts.state;
    this.#clock = parts.clock;
    this.#ids = parts.ids;
    this.#subscriptions = parts.subscriptions;
    this.#idleMs = parts.idleMs;
    this.pushes = new RoomPushes(parts.encoder);
    this.#cursor = parts.rooms.cursor();
    this.#task = parts.turnEnd.add(() => this.#runTurn());
    const { rooms, state, clock } = parts;
    this.#pages = new RoomPages({ rooms, state, clock, pushes: this.pushes, task: this.#task }, (reader) => {
      this.#joinLive(reader);
    });
  }

  /** The executor holds the fan-out, so it comes later. Needed by `runDue` alone. */
  attach(executor: Executor): void {
    this.#executor = executor;
  }

  /** Subscriptions, of all rooms. */
  get readerCount(): number {
    return this.#readerCount;
  }

  /** Those of them that are not live. */
  get behindCount(): number {
    return this.#behindCount;
  }

  /** Heap bytes of all this; an estimate. */
  get heldBytes(): number {
    return this.#readerCount * READER_BYTES + this.#byName.size * FEED_BYTES;
  }

  subscriberCount(room: Room): number {
    return this.#byName.get(room.name)?.readerCount ?? 0;
  }

  isSubscribed(session: ClientSession, room: Room): boolean {
    return readerOf(session, this.#byName.get(room.name)?.subscriptionId) !== undefined;
  }

  /**
   * Subscribes a connection to the rooms of this room's name. It may be again: then the position and the format are new.
   * The connection has an outbox. History comes from the end of the turn on, so after the reply. Error: SERVICE_UNAVAILABLE.
   */
  subscribe(session: ClientSession, room: Room, position: RoomPosition): RoomSubscription | CommandError {
    const { outbox } = session.caller;
    if (outbox === undefined) throw new Error("a subscriber needs an outbox");
    const there = readerOf(session, this.#byName.get(room.name)?.subscriptionId);
    if (there === undefined && !this.#subscriptions.take(1)) return this.#subscriptions.refusal();
    const reader = there ?? this.#addReader(session, room, outbox);
    const { feed } = reader;
    if (reader.isLive) this.#leaveLive(reader);
    reader.turnsOver = 0;
    reader.format = session.format;
    const fromOffset = this.#place(reader, room, position);
    if (reader.room === room && reader.nextOffset === feed.nextOffset) this.#joinLive(reader);
    else this.#pages.enqueue(reader);
    return {
      subscriptionId: feed.subscriptionId,
      fromOffset,
      newestOffset: room.nextOffset - 1,
      generation: room.generation,
    };
  }

  #addFeed(room: Room): RoomFeed {
    const feed = new RoomFeed(this.#ids.next(), room);
    this.#byName.set(feed.name, feed);
    return feed;
  }

  #addReader(session: ClientSession, room: Room, outbox: Outbox): RoomReader {
    const feed = this.#byName.get(room.name) ?? this.#addFeed(room);
    const reader = new RoomReader(feed, session, outbox, this);
    session.add(reader, feed.subscriptionId);
    session.roomCount++;
    feed.add(reader, false);
    this.#rooms.watch(rangeOf(feed.name));
    this.#readerCount++;
    this.#behindCount++;
    return reader;
  }

  /** Sets where a reader begins, and returns that. */
  #place(reader: RoomReader, room: Room, { fromOffset, generation }: RoomPosition): number {
    reader.room = room;
    if (fromOffset === undefined) {
      reader.nextOffset = room.nextOffset;
    } else if (fromOffset < 0) {
      const oldest = this.#rooms.oldestVisible(room, this.#clock.nowMs());
      reader.nextOffset = Math.max(oldest, room.nextOffset + fromOffset);
    } else {
      reader.nextOffset = fromOffset;
      // An offset that this room has not come to is that of a room before it, whatever was said.
      if ((generation ?? room.generation) !== room.generation || fromOffset > room.nextOffset) {
        reader.room = undefined;
        return 0;
      }
    }
    return reader.nextOffset;
  }

  /** Ends a connection's subscription to a room, by name or by the id that `subscribe` gave; false if there is none. */
  unsubscribe(session: ClientSession, subscription: ByteRange | number): boolean {
    const id =
      typeof subscription === "number" ? subscription : this.#byName.get(subscription.toString())?.subscriptionId;
    const reader = readerOf(session, id);
    if (reader === undefined) return false;
    session.remove(reader.feed.subscriptionId);
    this.closed(reader);
    return true;
  }

  /** For the reader: its connection is gone. */
  closed(reader: RoomReader): void {
    const { feed } = reader;
    reader.isEnded = true;
    if (!reader.isLive) this.#behindCount--;
    feed.remove(reader);
    reader.session.roomCount--;
    this.#readerCount--;
    this.#subscriptions.give(1);
    this.#rooms.unwatch(rangeOf(feed.name));
    if (feed.readerCount === 0) this.#byName.delete(feed.name);
  }

  /** For the reader: its connection has read what it was sent. */
  drained(reader: RoomReader): void {
    reader.turnsOver = 0;
    if (!reader.isLive) this.#pages.enqueue(reader);
  }

  /** Call it after every commit that changed rooms: new events go to the live readers of their rooms. */
  committed(): void {
    if (this.#isBusy) {
      this.#task.request();
      return;
    }
    this.#isBusy = true;
    try {
      this.#rooms.drainChanges(this.#visit);
    } finally {
      this.#isBusy = false;
    }
  }

  #changed(room: Room): void {
    const feed = this.#byName.get(room.name);
    if (feed === undefined || room.deleted) return;
    // At the end of the turn there is a new budget.
    this.#task.request();
    if (feed.room !== room) this.#recreated(feed, room);
    else if (!feed.isUnfinished && !this.#broadcast(feed)) this.#leaveUnfinished(feed);
  }

  #leaveUnfinished(feed: RoomFeed): void {
    feed.isUnfinished = true;
    this.#unfinished.push(feed);
  }

  /** Nobody is live in a new room before they were told of the gap. */
  #recreated(feed: RoomFeed, room: Room): void {
    for (const reader of feed.allReaders()) {
      if (reader.isLive) this.#fallBehind(reader, feed.nextOffset);
      else this.#pages.enqueue(reader);
    }
    feed.room = room;
    feed.nextOffset = room.nextOffset;
  }

  // Live readers.

  /** Pushes what is new to the live readers; false if there was too much for this step. */
  #broadcast(feed: RoomFeed): boolean {
    const { room } = feed;
    if (room.deleted) return true;
    if (feed.nextOffset < room.oldestOffset && feed.liveCount > 0) this.#broadcastGap(feed, room.oldestOffset);
    const cursor = this.#cursor;
    cursor.seek(room, feed.nextOffset);
    while (feed.liveCount > 0 && cursor.next()) {
      if (this.#pushesLeft <= 0) return false;
      for (const format of PUSH_FORMATS) {
        if (feed[format].length === 0) continue;
        const pushed = this.#pushToLive(feed, format, this.pushes.event(feed, cursor, format));
        this.pushes.eventCount += pushed;
        room.consumedCount += pushed;
      }
      feed.nextOffset = cursor.offset + 1;
    }
    feed.nextOffset = room.nextOffset;
    return true;
  }

  #broadcastGap(feed: RoomFeed, oldestOffset: number): void {
    for (const format of PUSH_FORMATS) {
      if (feed[format].length === 0) continue;
      const frame = this.pushes.gap(feed, feed.nextOffset, oldestOffset - 1, "retention", format);
      this.pushes.gapCount += this.#pushToLive(feed, format, frame);
    }
    feed.nextOffset = oldestOffset;
  }

  /** Pushes a frame to all live readers of a format; who has too much unread falls behind. Returns how many got it. */
  #pushToLive(feed: RoomFeed, format: RoomReader["format"], frame: Uint8Array): number {
    const live = feed[format];
    const isBinary = format === "msgpack";
    const { appliedOffset } = this.#state;
    let pushed = 0;
    this.#pushesLeft -= live.length + ENCODING_PUSHES + Math.floor(frame.length / ENCODED_BYTES_PER_PUSH);
    // From the end: a reader may leave the list, and its connection may close, while it is served.
    for (let i = live.length - 1; i >= 0; i--) {
      const reader = live[i];
      if (reader.session.caller.unreadBytes() > UNREAD_BYTES_MAX) this.#fallBehind(reader, feed.nextOffset);
      else if (reader.outbox.push(frame, isBinary, appliedOffset)) pushed++;
    }
    return pushed;
  }

  #joinLive(reader: RoomReader): void {
    this.#behindCount--;
    reader.room = undefined;
    reader.feed.remove(reader);
    reader.feed.add(reader, true);
  }

  #leaveLive(reader: RoomReader): void {
    this.#behindCount++;
    reader.feed.remove(reader);
    reader.feed.add(reader, false);
  }

  #fallBehind(reader: RoomReader, nextOffset: number): void {
    this.#leaveLive(reader);
    reader.room = reader.feed.room;
    reader.nextOffset = nextOffset;
    reader.turnsOver = 0;
    this.#pages.enqueue(reader);
  }

  // At the end of the turn.

  /** What is left of broadcasts, then pages; returns whether there is more. */
  #runTurn(): boolean {
    this.#pushesLeft = TURN_PUSHES;
    this.committed();
    this.#isBusy = true;
    try {
      this.#finishBroadcasts();
      this.#pages.give();
    } finally {
      this.#isBusy = false;
    }
    return this.#pages.isWanted || this.#unfinished.length > 0;
  }

  #finishBroadcasts(): void {
    const feeds = this.#unfinished;
    if (feeds.length === 0) return;
    const served: RoomFeed[] = [];
    this.#unfinished = [];
    for (const feed of feeds) {
      const list = this.#pushesLeft > 0 ? served : this.#unfinished;
      if (this.#broadcast(feed)) feed.isUnfinished = false;
      else list.push(feed);
    }
    // Those for whom nothing was left are the first in the next turn.
    this.#unfinished.push(...served);
  }

  // Due work.

  /** When `runDue` has events to end; `Infinity` for never. Idle rooms are looked for whenever it is called. */
  get nextDueMs(): number {
    return this.#rooms.nextTrimMs;
  }

  /**
   * Ends events that are over their age and removes idle rooms, as operations, one record each.
   * @returns how many of up to `limit` steps were taken; fewer means that nothing more is due.
   */
  runDue(nowMs: number, limit: number): number {
    const executor = this.#executor;
    if (executor === undefined) throw new Error("due work needs an executor");
    executor.at(nowMs);
    let steps = 0;
    while (steps < limit && this.#runStep(executor, nowMs)) steps++;
    return steps;
  }

  #runStep(executor: Executor, nowMs: number): boolean {
    const rooms = this.#rooms;
    const overdue = rooms.dueTrim(nowMs);
    if (overdue !== undefined) {
      executor.begin();
      executor.planner.rooms.trim(overdue, rooms.trimTarget(overdue, nowMs));
      executor.commit();
      return true;
    }
    // It has put right some deadlines and there are more.
    if (rooms.nextTrimMs <= nowMs) return true;
    const idle = this.#idleMs === 0 ? undefined : rooms.idleRoom(nowMs, this.#idleMs);
    if (idle === undefined) return false;
    executor.begin();
    executor.planner.rooms.expire(idle);
    executor.commit();
    return true;
  }
}

/** A session's reader, by the id of its subscription. */
function readerOf(session: ClientSession, subscriptionId: number | undefined): RoomReader | undefined {
  const part = subscriptionId === undefined ? undefined : session.find(subscriptionId);
  return part instanceof RoomReader ? part : undefined;
}
