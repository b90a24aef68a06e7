/** What the configuration says about rooms: limits, and what a room has that was created without saying. */
import type { RoomConfig } from "../../state/room.ts";

export interface RoomLimits {
  readonly defaults: RoomConfig;
  /** Name, data, metadata and dedup id of one event, in bytes. */
  readonly eventBytesMax: number;
  /** What the events of one page may have together, `EVENT_FIELDS_BYTES` for each included; a larger one comes alone. */
  readonly pageBytesMax: number;
  readonly roomsMax: number;
  /** Rooms that one connection may be subscribed to. */
  readonly subscriptionsPerConnectionMax: number;
}

/** How many events one command may publish: keeps what it does within the step that the loop allows. */
export const EVENTS_PUBLISHED_MAX = 1_000;
/** Events in one page of `stream.consume`. */
export const EVENTS_READ_MAX = 2_000;
/** Bytes of events, as they are stored, in one page, where replies may be large enough. */
export const EVENTS_READ_BYTES = 2 ** 20;
/** The other fields of an event, in a sixth of the bytes that they take at most in a reply. */
export const EVENT_FIELDS_BYTES = 30;
/** Names in one page of `stream.list`. */
export const ROOMS_LISTED_MAX = 2_000;
