/** The command that reads events, under its two names: stream.consume and stream.history. */
import type { GapReason } from "../../fanout/room-pushes.ts";
import type { Room } from "../../state/room.ts";
import type { RoomCursor } from "../../state/room-cursor.ts";
import type { RoomStore } from "../../state/room-store.ts";
import { TAG_JSON, Value } from "../../state/value.ts";
import { ByteRange } from "../../structures/byte-range.ts";
import { named } from "../access-rule.ts";
import { readCommand } from "../command.ts";
import { fail } from "../errors.ts";
import { Choice, Flag, Integer, Items, Name, Optional, StoredValue, Struct, Text } from "../schema.ts";
import { roomNotFound } from "./create.ts";
import { eventId, generationAlone } from "./event-id.ts";
import { EVENT_FIELDS_BYTES, EVENTS_READ_MAX } from "./room-limits.ts";

const gap = Struct({
  from_offset: Integer(),
  to_offset: Integer({ description: "Inclusive." }),
  reason: Choice(["retention", "recreated"], {
    description:
      "`recreated` where the offsets were those of another room of this name; the events are of the new one.",
  }),
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

const consumeArguments = Struct(
  {
    room: Name(),
    from_offset: Optional(
      Integer({ description: "The first event wanted; negative counts from the end; absent for the oldest." }),
    ),
    generation: Optional(
      Integer({
        minimum: 0,
        description: "Of the room that the offsets were learned from; of another one all that is there is read.",
      }),
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
);

function consumeCommand<const Command extends string>(name: Command, summary: string) {
  return readCommand({
    name,
    access: "read",
    guard: named("room"),
    summary,
    atomic: false,
    arguments: consumeArguments,
    reply: consumeReply,
    read(args, { rooms, limits, nowMs }) {
      const { from_offset: fromOffset, generation } = args;
      if (generation !== undefined && fromOffset === undefined) return generationAlone();
      const room = rooms.find(args.room);
      if (room === undefined) return roomNotFound(args.room);
      const oldestOffset = rooms.oldestVisible(room, nowMs);
      const newestOffset = room.nextOffset - 1;
      const foreignOffset = generation === undefined || generation === room.generation ? -1 : (fromOffset ?? -1);
      const isForeign = foreignOffset >= 0;
      const wanted = wantedOffset(isForeign ? undefined : fromOffset, oldestOffset, room.nextOffset);
      if (args.strict === true && (isForeign || wanted < oldestOffset)) {
        return fail("OFFSET_TRIMMED", `the oldest event of this room is ${oldestOffset}`, {
          oldest_offset: oldestOffset,
          newest_offset: newestOffset,
          generation: room.generation,
        });
      }
      rooms.touch(room, nowMs);
      const toOffset = Math.min((isForeign ? undefined : args.to_offset) ?? newestOffset, newestOffset);
      const firstOffset = Math.max(wanted, oldestOffset);
      const count = Math.min(args.limit ?? 100, EVENTS_READ_MAX, toOffset - firstOffset + 1);
      const events = readEvents(rooms, room, firstOffset, count, limits.room.pageBytesMax);
      const lastMissing = Math.min(firstOffset - 1, toOffset);
      return {
        events,
        oldest_offset: oldestOffset,
        newest_offset: newestOffset,
        next_offset: (events.at(-1)?.offset ?? Math.max(lastMissing, wanted - 1)) + 1,
        generation: room.generation,
        gap: isForeign ? gapOf(foreignOffset, foreignOffset, "recreated") : gapOf(wanted, lastMissing, "retention"),
      };
    },
  });
}

function gapOf(fromOffset: number, toOffset: number, reason: GapReason) {
  return fromOffset <= toOffset ? { from_offset: fromOffset, to_offset: toOffset, reason } : undefined;
}

/** An offset that the room has not come to is taken for its next one. */
function wantedOffset(fromOffset: number | undefined, oldestOffset: number, nextOffset: number): number {
  if (fromOffset === undefined) return oldestOffset;
  return fromOffset < 0 ? Math.max(oldestOffset, nextOffset + fromOffset) : Math.min(fromOffset, nextOffset);
}

/** One page; it has an event at least, if there is one. */
function readEvents(rooms: RoomStore, room: Room, firstOffset: number, countMax: number, pageBytesMax: number) {
  const cursor = rooms.cursor();
  const events: ReturnType<typeof eventAt>[] = [];
  let bytes = 0;
  if (countMax <= 0) return events;
  cursor.seek(room, firstOffset);
  while (events.length < countMax && cursor.next()) {
    bytes += EVENT_FIELDS_BYTES + cursor.event.length + cursor.data.length + cursor.metadata.length;
    if (bytes > pageBytesMax && events.length > 0) break;
    events.push(eventAt(room, cursor));
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
