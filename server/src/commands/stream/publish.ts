/** Commands that add events to a room: stream.publish, stream.publish_batch. */
import type { NewEvent } from "../../state/room-operation.ts";
import { TAG_JSON, type Value } from "../../state/value.ts";
import { ByteRange } from "../../structures/byte-range.ts";
import { named } from "../access-rule.ts";
import { type WriteContext, writeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import type { Planner } from "../planner.ts";
import { Flag, Integer, List, Name, Optional, StoredValue, Struct, Text } from "../schema.ts";
import { eventId } from "./event-id.ts";
import { EVENTS_PUBLISHED_MAX } from "./room-limits.ts";
import type { PlannedRoom } from "./room-planner.ts";

const OPEN_BRACE = 0x7b;
const LETTER_N = 0x6e;
const NONE = new ByteRange(new Uint8Array(0), 0, 0);

const eventFields = {
  event: Name({ aliases: ["event_type"], description: "What kind of event it is." }),
  data: StoredValue({ description: "Any JSON value." }),
  metadata: Optional(StoredValue({ description: "An object that readers get beside the data." })),
  dedup_id: Optional(
    Name({ description: "An event with the same id that is still in the room makes this one a duplicate." }),
  ),
};

interface EventArguments {
  readonly event: ByteRange;
  readonly data: Value;
  readonly metadata?: Value;
  readonly dedup_id?: ByteRange;
}

/** Of the event being planned; its ranges are replaced, and copied when it is staged. */
const newEvent = { event: NONE, data: NONE as Value, metadata: NONE, dedupId: NONE };

/** Shows the arguments as an event. Errors: INVALID_PAYLOAD where the metadata is no object; `path` is that of the event. */
function eventOf(args: EventArguments, path: string): NewEvent | CommandError {
  const { metadata } = args;
  newEvent.event = args.event;
  newEvent.data = args.data;
  newEvent.metadata = NONE;
  newEvent.dedupId = args.dedup_id ?? NONE;
  if (metadata === undefined || isNull(metadata)) return newEvent;
  if (metadata.tag !== TAG_JSON || metadata.bytes[metadata.start] !== OPEN_BRACE) {
    return fail("INVALID_PAYLOAD", "metadata is a JSON object", { path: `${path}metadata` });
  }
  newEvent.metadata = metadata;
  return newEvent;
}

/** Clients of the original send null for none. */
function isNull({ tag, bytes, start }: Value): boolean {
  return tag === TAG_JSON && bytes[start] === LETTER_N;
}

/** Stages one event; returns its offset, or that of the event it repeats as `-1 - offset`. */
function publish(
  planned: PlannedRoom,
  args: EventArguments,
  path: string,
  { rooms }: Planner,
  { limits }: WriteContext,
): number | CommandError {
  const event = eventOf(args, path);
  if (isCommandError(event)) return event;
  if (args.dedup_id !== undefined) {
    const offset = rooms.findDuplicate(planned, args.dedup_id);
    if (offset >= 0) return -1 - offset;
  }
  return rooms.refusal(planned, event, limits.room, `${path}data`) ?? rooms.publish(planned, event);
}

/** The room of that name; made with the defaults where there is none. */
function roomNamed(name: ByteRange, { rooms }: Planner, { limits }: WriteContext): PlannedRoom | CommandError {
  return rooms.find(name) ?? rooms.create(name, limits.room.defaults, limits.room);
}

export const streamPublish = writeCommand({
  name: "stream.publish",
  access: "write",
  guard: named("room"),
  summary: "Adds an event to a room, which is created if there is none.",
  arguments: Struct({ room: Name(), ...eventFields }),
  reply: Struct({
    event_id: Text({ description: "The room's generation and the event's offset." }),
    offset: Integer(),
    room: Name(),
    subscribers_notified: Integer({ description: "Subscriptions to the room, those that are behind included." }),
    duplicate: Optional(Flag({ description: "An event with this dedup id was there: id and offset are its own." })),
  }),
  plan(args, planner, context) {
    const planned = roomNamed(args.room, planner, context);
    if (isCommandError(planned)) return planned;
    const offset = publish(planned, args, "", planner, context);
    if (isCommandError(offset)) return offset;
    const { room } = args;
    if (offset < 0) {
      const first = -1 - offset;
      const id = eventId(planned.id, first);
      return { event_id: id, offset: first, room, subscribers_notified: 0, duplicate: true };
    }
    return {
      event_id: eventId(planned.id, offset),
      offset,
      room,
      subscribers_notified: planned.subscriberCount,
      duplicate: undefined,
    };
  },
});

export const streamPublishBatch = writeCommand({
  name: "stream.publish_batch",
  access: "write",
  guard: named("room"),
  summary: "Adds several events to a room, all or none, with nothing between them.",
  arguments: Struct({ room: Name(), events: List(Struct(eventFields), { maxItems: EVENTS_PUBLISHED_MAX }) }),
  reply: Struct({
    first_offset: Integer({ description: "Of the list's first event." }),
    last_offset: Integer({ description: "Of the list's last event." }),
    duplicates: Optional(
      Integer({ description: "Events of the list that were there already, by their dedup ids; absent for none." }),
    ),
  }),
  plan(args, planner, context) {
    const planned = roomNamed(args.room, planner, context);
    if (isCommandError(planned)) return planned;
    let duplicates = 0;
    let firstOffset = -1;
    let lastOffset = -1;
    for (let i = 0; i < args.events.length; i++) {
      const offset = publish(planned, args.events[i], `events[${i}].`, planner, context);
      if (isCommandError(offset)) return offset;
      if (offset < 0) duplicates++;
      lastOffset = offset < 0 ? -1 - offset : offset;
      if (i === 0) firstOffset = lastOffset;
    }
    return {
      first_offset: firstOffset,
      last_offset: lastOffset,
      duplicates: duplicates === 0 ? undefined : duplicates,
    };
  },
});
