/** The pushes of rooms as frames (wire contract, section 5), and how many were sent. */
import { eventId } from "../commands/stream/event-id.ts";
import type { PushFormat } from "../dispatch/caller.ts";
import type { RoomCursor } from "../state/room-cursor.ts";
import { TAG_JSON, Value } from "../state/value.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import type { PushEncoder } from "./push-encoder.ts";
import type { RoomFeed } from "./room-feed.ts";

/** Why events are missing: they were over the room's limits, or the room is another one now. */
export type GapReason = "retention" | "recreated";

const NOTHING = new Uint8Array(0);

interface EventPush {
  readonly type: "event";
  subscription_id: number;
  room: string;
  id: string;
  offset: number;
  event: ByteRange | undefined;
  data: Value | undefined;
  metadata: Value | undefined;
  timestamp: number;
}

export class RoomPushes {
  /** Pushes that outboxes took, one for each subscriber. They grow; for the metrics. */
  eventCount = 0;
  gapCount = 0;
  readonly #encoder: PushEncoder;
  readonly #metadata = new Value(TAG_JSON, NOTHING, 0, 0);
  readonly #event: EventPush = {
    type: "event",
    subscription_id: 0,
    room: "",
    id: "",
    offset: 0,
    event: undefined,
    data: undefined,
    metadata: undefined,
    timestamp: 0,
  };

  constructor(encoder: PushEncoder) {
    this.#encoder = encoder;
  }

  /** The frame of the event that the cursor has arrived at, in the feed's room. */
  event(feed: RoomFeed, cursor: RoomCursor, format: PushFormat): Uint8Array {
    const push = this.#event;
    const { metadata } = cursor;
    const id = eventId(feed.room.id, cursor.offset);
    push.subscription_id = feed.subscriptionId;
    push.room = feed.name;
    push.id = id;
    push.offset = cursor.offset;
    push.event = cursor.event;
    push.data = cursor.data;
    push.metadata = undefined;
    if (metadata.end > metadata.start) {
      this.#metadata.bytes = metadata.bytes;
      this.#metadata.start = metadata.start;
      this.#metadata.end = metadata.end;
      push.metadata = this.#metadata;
    }
    push.timestamp = cursor.timestampMs;
    return this.#encoder.encode(push, format, id);
  }

  /**
   * The frame that says that no event from `fromOffset` to `toOffset`, both inclusive, will come. Where the room was
   * recreated they are offsets of the one before, and the generation is that of the new one. An event stream goes on after
   * it: else it would be told of the gap again each time.
   */
  gap(feed: RoomFeed, fromOffset: number, toOffset: number, reason: GapReason, format: PushFormat): Uint8Array {
    const gap = {
      type: "gap",
      subscription_id: feed.subscriptionId,
      room: feed.name,
      from_offset: fromOffset,
      to_offset: toOffset,
      reason,
      generation: reason === "recreated" ? feed.room.id : undefined,
    };
    return this.#encoder.encode(gap, format, eventId(feed.room.id, reason === "recreated" ? -1 : toOffset));
  }
}
