/** The command that reads events, under its two names: stream.consume and stream.history. */
import type { Room } from "../../state/room.ts";
import type { RoomCursor } from "../../state/room-cursor.ts";
import type { RoomStore } from "../../state/room-store.ts";
import { TAG_JSON, Value } from "../../state/value.ts";
import { ByteRange } from "../../structures/byte-range.ts";
import { readCommand } from "../command.ts";
import { fail } from "../errors.ts";
import { Flag, Integer, Items, Name, Optional, StoredValue, Struct, Text } from "../schema.ts";
import { roomNotFound } from "./create.ts";
import { eventId } from "./event-id.ts";
import { EVENTS_READ_BYTES, EVENTS_READ_MAX } from "./room-limits.ts";

const gap = Struct({
  from_offset: Integer(),
  to_offset: Integer({ description: "Inclusive." }),
});

const consumeReply = Struct({
  events: Items(
    Struct({
      id: Text(),
      offset: Integer(),
      event: Name(),
      data: StoredValue(),
      metadata: Optional(StoredValue()),
      timestamp: Integer({ description: "Milliseconds since the epoch." }),
    }),
  ),
  oldest_offset: Integer({ description: "Of the oldest event that is there; the next event's if there is none." }),
  newest_offset: Integer({ description: "Of the last event ever published; -1 before the first." }),
  next_offset: Integer({ description: "Where to read on: all before it is in the events or in the gap." }),
  generation: Integer({ description: "Another one means another room of the same name, with offsets of its own." }),
  gap: Optional({ ...gap, description: "Offsets asked for whose events are gone." }),
});

function consumeCommand<const Command extends string>(name: Command, summary: string) {
  return readCommand({
    name,
    access: "read",
    summary,
    atomic: false,
    arguments: Struct(
      {
        room: Name(),
        from_offset: Optional(
          Integer({ description: "The first event wanted; negative counts from the end; absent for the oldest." }),
        ),
        to_offset: Optional(Integer({ minimum: 0, description: "The last event wanted." })),
        limit: Optional(
          Integer({
            minimum: 1,
            default: 100,
            description: `At most so many events. A page has no more than ${EVENTS_READ_MAX}, or about a megabyte.`,
          }),
        ),
        strict: Optional(Flag({ description: "Fail where events that were asked for are gone." })),
      },
      { ignored: ["subscriber_id"] },
    ),
    reply: consumeReply,
    read(args, { rooms, nowMs }) {
      const room = rooms.find(args.room);
      if (room === undefined) return roomNotFound(args.room);
      const oldestOffset = rooms.oldestVisible(room, nowMs);
      const newestOffset = room.nextOffset - 1;
      const toOffset = Math.min(args.to_offset ?? newestOffset, newestOffset);
      const wanted = wantedOffset(args.from_offset, oldestOffset, room.nextOffset);
      const firstOffset = Math.max(wanted, oldestOffset);
      if (args.strict === true && wanted < oldestOffset) {
        return fail("OFFSET_TRIMMED", `the oldest event of this room is ${oldestOffset}`, {
          oldest_offset: oldestOffset,
          newest_offset: newestOffset,
          generation: room.generation,
        });
      }
      rooms.touch(room, nowMs);
      const events = readEvents(rooms, room, firstOffset, toOffset, args.limit ?? 100);
      const lastMissing = Math.min(firstOffset - 1, toOffset);
      return {
        events,
        oldest_offset: oldestOffset,
        newest_offset: newestOffset,
        next_offset: (events.at(-1)?.offset ?? Math.max(lastMissing, wanted - 1)) + 1,
        generation: room.generation,
        gap: wanted <= lastMissing ? { from_offset: wanted, to_offset: lastMissing } : undefined,
      };
    },
  });
}

/** An offset that the room has not come to is taken for its next one. */
function wantedOffset(fromOffset: number | undefined, oldestOffset: number, nextOffset: number): number {
  if (fromOffset === undefined) return oldestOffset;
  return fromOffset < 0 ? Math.max(oldestOffset, nextOffset + fromOffset) : Math.min(fromOffset, nextOffset);
}

/** One page; it has an event at least, if there is one. */
function readEvents(rooms: RoomStore, room: Room, firstOffset: number, toOffset: number, limit: number) {
  const cursor = rooms.cursor();
  const events: ReturnType<typeof eventAt>[] = [];
  let bytes = 0;
  const count = Math.min(limit, EVENTS_READ_MAX, toOffset - firstOffset + 1);
  if (count <= 0) return events;
  cursor.seek(room, firstOffset);
  while (events.length < count && bytes < EVENTS_READ_BYTES && cursor.next()) {
    events.push(eventAt(room, cursor));
    bytes += cursor.event.length + cursor.data.length + cursor.metadata.length;
  }
  room.consumedCount += events.length;
  return events;
}

/** Its ranges are in the store, and live until that changes. */
function eventAt(room: Room, cursor: RoomCursor) {
  const { offset, event, data, metadata } = cursor;
  return {
    id: eventId(room.generation, offset),
    offset,
    event: new ByteRange(event.bytes, event.start, event.end),
    data: data.view(),
    metadata: metadata.length === 0 ? undefined : new Value(TAG_JSON, metadata.bytes, metadata.start, metadata.end),
    timestamp: cursor.timestampMs,
  };
}

export const streamConsume = consumeCommand(
  "stream.consume",
  "Answers with events of a room in order, page by page, and with what is missing of those asked for.",
);

export const streamHistory = consumeCommand("stream.history", "The same as stream.consume.");
