/**
 * Readers that are behind the live ones of their feed: each gets its events in pages, at the end of a turn, from its own
 * offset on, until it has met the live ones.
 *
 *     wants a page --> queue --> page --> met them: live
 *          ^             ^         |----> more to come, or once too much unread: queue again
 *          | drained()   |         |----> too much unread again: out, until it is drained
 *          |             |         \----> the room is gone: out, until there is another of its name
 */
import type { TurnEndTask } from "../runtime/turn-end.ts";
import type { RoomCursor } from "../state/room-cursor.ts";
import type { RoomStore } from "../state/room-store.ts";
import type { GapReason, RoomPushes } from "./room-pushes.ts";
import type { RoomReader } from "./room-reader.ts";

export interface RoomPagesParts {
  readonly rooms: RoomStore;
  /** What the rooms hold is that of this offset. */
  readonly state: { readonly appliedOffset: number };
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly pushes: RoomPushes;
  /** Has `give` called at the end of the turn. */
  readonly task: TurnEndTask;
}

/** With more than this unread a reader falls behind, and gets no page. */
export const UNREAD_BYTES_MAX = 256 * 1024;
/** A page of a reader that is behind. */
const PAGE_EVENTS = 256;
const PAGE_BYTES = 64 * 1024;
/** How long the pages of one turn may take. */
const TURN_MS = 3;
/**
 * Turns in which a reader may have too much unread before it has to wait to be drained. What it was sent in this turn leaves
 * at its end, and if the peer takes it all at once nothing is ever drained: so it is looked at once more after that.
 */
const TURNS_OVER = 2;

export class RoomPages {
  readonly #parts: RoomPagesParts;
  readonly #pushes: RoomPushes;
  readonly #cursor: RoomCursor;
  readonly #join: (reader: RoomReader) => void;
  /** In the order in which they get their pages. */
  #queue: RoomReader[] = [];

  /** @param join takes a reader that has met the live ones. */
  constructor(parts: RoomPagesParts, join: (reader: RoomReader) => void) {
    this.#parts = parts;
    this.#pushes = parts.pushes;
    this.#cursor = parts.rooms.cursor();
    this.#join = join;
  }

  /** Somebody waits for a page. */
  get isWanted(): boolean {
    return this.#queue.length > 0;
  }

  enqueue(reader: RoomReader): void {
    if (reader.isQueued) return;
    reader.isQueued = true;
    this.#queue.push(reader);
    this.#parts.task.request();
  }

  /** Gives one page to each reader that waits for one, for a few milliseconds. */
  give(): void {
    const readers = this.#queue;
    if (readers.length === 0) return;
    this.#queue = [];
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    const endMs = clock.monotonicMs() + TURN_MS;
    let served = 0;
    do {
      const reader = readers[served++];
      reader.isQueued = false;
      // Who was unsubscribed, or has subscribed anew without a past, has no page to get.
      if (!reader.isEnded && !reader.isLive && this.#page(reader, nowMs)) this.enqueue(reader);
    } while (served < readers.length && clock.monotonicMs() < endMs);
    if (served < readers.length) this.#queue = [...readers.slice(served), ...this.#queue];
  }

  /** Gives a reader its next page; returns whether it wants another, or another look, in the next turn. */
  #page(reader: RoomReader, nowMs: number): boolean {
    const { feed } = reader;
    // It is told when the next room of the name is there.
    if (feed.room.deleted) return false;
    if (reader.session.caller.unreadBytes() > UNREAD_BYTES_MAX) return ++reader.turnsOver < TURNS_OVER;
    reader.turnsOver = 0;
    if (!this.#enterRoom(reader) || !this.#skipMissing(reader, nowMs) || !this.#pushPage(reader)) return false;
    // It may also be ahead of the live ones: then it waits for them, whose broadcast is not finished.
    if (reader.nextOffset !== feed.nextOffset) return true;
    this.#join(reader);
    return false;
  }

  /** Takes a reader of a room that is gone to the one that is there. The three answer false when its connection is gone. */
  #enterRoom(reader: RoomReader): boolean {
    const { feed, room, nextOffset } = reader;
    if (room === feed.room) return true;
    const lastOffset = Math.max(nextOffset, (room?.nextOffset ?? 0) - 1);
    reader.room = feed.room;
    reader.nextOffset = 0;
    return this.#pushGap(reader, nextOffset, lastOffset, "recreated");
  }

  /** Tells a reader what the room has dropped. */
  #skipMissing(reader: RoomReader, nowMs: number): boolean {
    const { feed, nextOffset } = reader;
    const oldestOffset = this.#parts.rooms.oldestVisible(feed.room, nowMs);
    if (nextOffset >= oldestOffset) return true;
    reader.nextOffset = oldestOffset;
    return this.#pushGap(reader, nextOffset, oldestOffset - 1, "retention");
  }

  #pushGap(reader: RoomReader, fromOffset: number, toOffset: number, reason: GapReason): boolean {
    const frame = this.#pushes.gap(reader.feed, fromOffset, toOffset, reason, reader.format);
    if (!this.#push(reader, frame)) return false;
    this.#pushes.gapCount++;
    return true;
  }

  #pushPage(reader: RoomReader): boolean {
    const { feed, format } = reader;
    const cursor = this.#cursor;
    let bytes = 0;
    cursor.seek(feed.room, reader.nextOffset);
    for (let count = 0; count < PAGE_EVENTS && bytes < PAGE_BYTES && reader.nextOffset < feed.nextOffset; count++) {
      if (!cursor.next()) throw new Error(`${feed.name} has no event ${reader.nextOffset} to read`);
      const frame = this.#pushes.event(feed, cursor, format);
      if (!this.#push(reader, frame)) return false;
      this.#pushes.eventCount++;
      feed.room.consumedCount++;
      reader.nextOffset = cursor.offset + 1;
      bytes += frame.length;
    }
    return true;
  }

  #push(reader: RoomReader, frame: Uint8Array): boolean {
    return reader.outbox.push(frame, reader.format === "msgpack", this.#parts.state.appliedOffset);
  }
}
