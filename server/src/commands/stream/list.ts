/** Commands that tell about rooms: stream.list, stream.stats. */
import { ByteRange, rangeOf } from "../../structures/byte-range.ts";
import { readCommand } from "../command.ts";
import { type CommandError, fail } from "../errors.ts";
import { Flag, Integer, Items, NAME_BYTES_MAX, Name, Nullable, Optional, Struct, Text } from "../schema.ts";
import { roomNotFound } from "./create.ts";
import { ROOMS_LISTED_MAX } from "./room-limits.ts";

/** base64url of the longest name, and the letter before it. */
const CURSOR_BYTES_MAX = 1 + Math.ceil(NAME_BYTES_MAX / 3) * 4;

export const streamList = readCommand({
  name: "stream.list",
  access: "read",
  summary: "Answers with the names of rooms in order, page by page.",
  atomic: false,
  arguments: Struct({
    cursor: Optional(
      Text({ maxBytes: CURSOR_BYTES_MAX, description: "The cursor of the page before; absent for the first page." }),
    ),
    limit: Optional(
      Integer({ minimum: 1, maximum: ROOMS_LISTED_MAX, default: 1_000, description: "At most so many names." }),
    ),
  }),
  reply: Struct({
    rooms: Items(Name()),
    count: Integer({ description: "Names in this page." }),
    total: Integer({ description: "Rooms in all." }),
    cursor: Nullable(Text(), { description: "Null at the end." }),
    has_more: Flag(),
  }),
  read(args, { rooms }) {
    const after = args.cursor === undefined ? undefined : decodeCursor(args.cursor);
    if (after !== undefined && !(after instanceof ByteRange)) return after;
    const limit = args.limit ?? 1_000;
    const names: string[] = [];
    let hasMore = false;
    rooms.scan(after, ({ name }) => {
      hasMore = names.length === limit;
      if (!hasMore) names.push(name);
      return !hasMore;
    });
    const cursor = hasMore ? encodeCursor(names[names.length - 1]) : null;
    return { rooms: names.map(rangeOf), count: names.length, total: rooms.count, cursor, has_more: hasMore };
  },
});

/** The last name, in letters that no client changes; the first one says how it is written. */
function encodeCursor(name: string): string {
  return `r${Buffer.from(name).toString("base64url")}`;
}

function decodeCursor(cursor: string): ByteRange | CommandError {
  const bytes = Buffer.from(cursor.slice(1), "base64url");
  if (cursor[0] !== "r" || bytes.length === 0 || bytes.toString("base64url") !== cursor.slice(1)) {
    return fail("INVALID_PAYLOAD", "cursor is not one that stream.list gave", { path: "cursor" });
  }
  return new ByteRange(bytes, 0, bytes.length);
}

export const streamStats = readCommand({
  name: "stream.stats",
  access: "read",
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
