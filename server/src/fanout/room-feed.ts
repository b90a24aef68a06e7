/**
 * Who is subscribed to the rooms of one name, here. It outlives the room: when that is removed, its readers wait for the
 * next one of the name.
 *
 *     room     oldest ......................... next        what the store has
 *     live                              ^ nextOffset         one position for all live readers: they get each new event
 *     behind            ^        ^                           each with its own: they page until they meet the live ones
 *
 * Live readers stand in one list per format, because they share frames, and those behind in another: a reader is in one of
 * them, and knows its index. Adding and taking out cost O(1).
 */
import type { PushFormat } from "../dispatch/caller.ts";
import type { Room } from "../state/room.ts";
import type { RoomReader } from "./room-reader.ts";

export const PUSH_FORMATS: readonly PushFormat[] = ["json", "msgpack", "sse", "resp2", "resp3"];

/** Shared, and so never added to: most feeds have one reader, in one list. */
const NOBODY: RoomReader[] = [];
/** A list of fewer is copied to grow: V8 would make room for 16 more. */
const SHORT_LIST = 8;

export class RoomFeed {
  readonly subscriptionId: number;
  readonly name: string;
  /** The last room of this name. It may be deleted. */
  room: Room;
  /** The first offset that the live readers have not got; the room's `nextOffset`, unless the feed is unfinished. */
  nextOffset: number;
  /** There was too much for one step: the rest goes out at the end of the turn. */
  isUnfinished = false;
  /** The readers: those that are live, by their format, and those behind. Changed here alone. */
  json: readonly RoomReader[] = NOBODY;
  msgpack: readonly RoomReader[] = NOBODY;
  sse: readonly RoomReader[] = NOBODY;
  resp2: readonly RoomReader[] = NOBODY;
  resp3: readonly RoomReader[] = NOBODY;
  behind: readonly RoomReader[] = NOBODY;

  constructor(subscriptionId: number, room: Room) {
    this.subscriptionId = subscriptionId;
    this.name = room.name;
    this.room = room;
    this.nextOffset = room.nextOffset;
  }

  get liveCount(): number {
    let count = 0;
    for (const format of PUSH_FORMATS) count += this[format].length;
    return count;
  }

  get readerCount(): number {
    return this.liveCount + this.behind.length;
  }

  /** All of them, as they are now. */
  allReaders(): RoomReader[] {
    return [...PUSH_FORMATS.flatMap((format) => this[format]), ...this.behind];
  }

  /** Adds a reader: live, or behind. */
  add(reader: RoomReader, isLive: boolean): void {
    reader.isLive = isLive;
    const list = listOf(reader);
    const readers = this[list] as RoomReader[]; // Read-only for others.
    reader.index = readers.length;
    if (readers.length < SHORT_LIST) this[list] = [...readers, reader];
    else readers.push(reader);
  }

  /** The last of its list takes its place: a loop that runs from the end and takes out nobody else meets nobody twice. */
  remove(reader: RoomReader): void {
    const list = listOf(reader);
    const readers = this[list] as RoomReader[]; // Read-only for others.
    const last = readers.pop();
    if (last === undefined) throw new Error("a reader is in no list");
    if (last !== reader) {
      readers[reader.index] = last;
      last.index = reader.index;
    }
    if (readers.length === 0) this[list] = NOBODY;
  }
}

function listOf({ isLive, format }: RoomReader): PushFormat | "behind" {
  return isLive ? format : "behind";
}
