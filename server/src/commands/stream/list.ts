/** Commands that tell about rooms: stream.list, stream.stats. */
import { slotOf } from "../../access/grant.ts";
import type { RoomStore } from "../../state/room-store.ts";
import { type ByteRange, rangeOf } from "../../structures/byte-range.ts";
import { FILTERED, named } from "../access-rule.ts";
import { readCommand } from "../command.ts";
import { isCommandError } from "../errors.ts";
import { cursorSchema, decodeNameCursor, encodeNameCursor } from "../name-cursor.ts";
import { Flag, Integer, Items, Name, Nullable, Optional, Struct, Text } from "../schema.ts";
import { roomNotFound } from "./create.ts";
import { ROOMS_LISTED_MAX } from "./room-limits.ts";

export const streamList = readCommand({
  name: "stream.list",
  access: "read",
  guard: FILTERED,
  summary: "Answers with the names of rooms in order, page by page.",
  atomic: false,
  arguments: Struct({
    cursor: Optional(cursorSchema),
    limit: Optional(
      Integer({ minimum: 1, maximum: ROOMS_LISTED_MAX, default: 1_000, description: "At most so many names." }),
    ),
  }),
  reply: Struct({
    rooms: Items(Name()),
    count: Integer({ description: "Names in this page." }),
    total: Integer({ description: "Rooms in all, of those that the token permits." }),
    cursor: Nullable(Text(), { description: "Null at the end." }),
    has_more: Flag(),
  }),
  read(args, { rooms, caller: { grant } }) {
    const after = decodeNameCursor(args.cursor, "stream.list");
    if (isCommandError(after)) return after;
    const limit = args.limit ?? 1_000;
    const prefixes = grant.prefixesOf(STREAM_READ);
    const names: string[] = [];
    let hasMore = false;
    for (let i = 0; i < prefixes.length && !hasMore; i++) {
      rooms.scan(after, prefixes[i], ({ name }) => {
        hasMore = names.length === limit;
        if (!hasMore) names.push(name);
        return !hasMore;
      });
    }
    const cursor = hasMore ? encodeNameCursor(names[names.length - 1]) : null;
    return {
      rooms: names.map(rangeOf),
      count: names.length,
      total: grant.allowsAll(STREAM_READ) ? rooms.count : countOf(rooms, prefixes),
      cursor,
      has_more: hasMore,
    };
  },
});

const STREAM_READ = slotOf("stream", "read");

function countOf(rooms: RoomStore, prefixes: readonly ByteRange[]): number {
  let count = 0;
  for (const prefix of prefixes) rooms.scan(undefined, prefix, () => ++count > 0);
  return count;
}

export const streamStats = readCommand({
  name: "stream.stats",
  access: "read",
  guard: named("room"),
  summary: "Tells how much is in a room, and who is subscribed to it.",
  atomic: false,
  arguments: Struct({ room: Name() }),
  reply: Struct({
    name: Name(),
    message_count: Integer({ description: "Events that can be read." }),
    min_offset: Integer({ description: "Of the oldest of them; the next event's if there is none." }),
    max_offset: Integer({ description: "Of the last event ever published; -1 before the first." }),
    subscriber_count: Integer(),
    total_published: Integer(),
    total_consumed: Integer({ description: "Events read or pushed on this node, one for each reader." }),
    bytes: Integer({ description: "What counts for max_bytes." }),
    created_at: Integer({ description: "Milliseconds since the epoch." }),
    generation: Integer({ description: "Grows with every creation of a room of this name." }),
  }),
  read(args, { rooms, fanout, nowMs }) {
    const room = rooms.find(args.room);
    if (room === undefined) return roomNotFound(args.room);
    const oldestOffset = rooms.oldestVisible(room, nowMs);
    return {
      name: args.room,
      message_count: room.nextOffset - oldestOffset,
      min_offset: oldestOffset,
      max_offset: room.nextOffset - 1,
      subscriber_count: fanout.rooms.subscriberCount(room),
      total_published: room.nextOffset,
      total_consumed: room.consumedCount,
      bytes: room.bytes,
      created_at: room.createdAtMs,
      generation: room.generation,
    };
  },
});
