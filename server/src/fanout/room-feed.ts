/**
 * Who is subscribed to the rooms of one name, here. It outlives the room: when that is removed, its readers wait for the
 * next one of the name.
 *
 *     room     oldest ......................... next        what the store has
 *     live                              ^ nextOffset         one position for all live readers: they get each new event
 *     behind            ^        ^                           each with its own: they page until they meet the live ones
 *
 * Live readers stand in one list per format, because they share frames. Adding and taking out cost O(1).
 */
import type { PushFormat } from "../dispatch/caller.ts";
import type { Room } from "../state/room.ts";
import { type ByteRange, rangeOf } from "../structures/byte-range.ts";
import type { ClientSession } from "./client-session.ts";
import type { RoomReader } from "./room-reader.ts";

export const PUSH_FORMATS: readonly PushFormat[] = ["json", "msgpack", "sse"];

export class RoomFeed {
  readonly subscriptionId: number;
  readonly name: string;
  readonly nameRange: ByteRange;
  /** The last room of this name. It may be deleted. */
  room: Room;
  /** The first offset that the live readers have not got; the room's `nextOffset`, unless the feed is unfinished. */
  nextOffset: number;
  /** There was too much for one step: the rest goes out at the end of the turn. */
  isUnfinished = false;
  readonly readers = new Map<ClientSession, RoomReader>();
  readonly live: Readonly<Record<PushFormat, RoomReader[]>> = { json: [], msgpack: [], sse: [] };

  constructor(subscriptionId: number, room: Room) {
    this.subscriptionId = subscriptionId;
    this.name = room.name;
    this.nameRange = rangeOf(room.name);
    this.room = room;
    this.nextOffset = room.nextOffset;
  }

  get liveCount(): number {
    const { json, msgpack, sse } = this.live;
    return json.length + msgpack.length + sse.length;
  }

  addLive(reader: RoomReader): void {
    reader.liveIndex = this.live[reader.format].push(reader) - 1;
  }

  /** The last of its list takes its place: a loop that runs from the end meets nobody twice. */
  removeLive(reader: RoomReader): void {
    const list = this.live[reader.format];
    const last = list.pop();
    if (last === undefined) throw new Error("a live reader is in no list");
    if (last !== reader) {
      list[reader.liveIndex] = last;
      last.liveIndex = reader.liveIndex;
    }
    reader.liveIndex = -1;
  }
}
