/**
 * One event room. What is state comes from operations alone; what is marked node-local does not, and no other node has it.
 */
import { EVENT_RECORD_BYTES_MAX } from "./room-block.ts";
import type { RoomDedup } from "./room-dedup.ts";
import type { RoomRing } from "./room-ring.ts";

export interface RoomConfig {
  /** 1 and more, below 2^32. */
  readonly maxEvents: number;
  /** 1 and more, of events as `eventRecordBytes` counts them. */
  readonly maxBytes: number;
  /** Age at which an event goes; 0 for none. */
  readonly retentionMs: number;
  /** How many of the last dedup ids are remembered; 0 for none. */
  readonly dedupIdsMax: number;
}

/** What a room takes in the JavaScript heap with a short name: as the benchmark of rooms measures it, rounded up. */
export const ROOM_OBJECT_BYTES = 448;

export class Room {
  /** The log offset of the operation that created it. */
  readonly id: number;
  readonly name: string;
  readonly config: RoomConfig;
  readonly createdAtMs: number;
  /** When the last event was published, also when it is gone; 0 before the first. */
  lastPublishAtMs = 0;
  /** True from its removal on: the object stands for a room that is gone, and another may have its name. */
  deleted = false;
  /** Node-local: events delivered to readers and subscribers. */
  consumedCount = 0;
  /** Node-local: subscriptions that `drainChanges` works for; 0 where it was removed. Only `RoomStore.watch` and `unwatch` change it. */
  watched = 0;
  /** Node-local: the instant of the last publish or `touch`. */
  usedAtMs: number;

  /** Owned by the store from here on. The ring of its events. */
  readonly ring: RoomRing;
  /** Made when the first event with a dedup id comes. */
  dedup: RoomDedup | undefined = undefined;
  /** Its name's record in the tree of names. */
  readonly nameRef: number;
  /** In the heap of trim deadlines; -1 for none. */
  trimHandle = -1;
  /** Whether it waits in the list that `drainChanges` goes through. */
  changed = false;
  /** Neighbours in the order of use. */
  usedBefore: Room | undefined = undefined;
  usedAfter: Room | undefined = undefined;

  constructor(id: number, name: string, config: RoomConfig, createdAtMs: number, ring: RoomRing, nameRef: number) {
    this.id = id;
    this.name = name;
    this.config = config;
    this.createdAtMs = createdAtMs;
    this.usedAtMs = createdAtMs;
    this.ring = ring;
    this.nameRef = nameRef;
  }

  /** Grows with every creation of a room of this name. */
  get generation(): number {
    return this.id;
  }

  /** Offset of the first event that is there; `nextOffset` if there is none. */
  get oldestOffset(): number {
    return this.ring.oldestOffset;
  }

  /** Offset of the next event; the first is 0. Also the number of events ever published. */
  get nextOffset(): number {
    return this.ring.nextOffset;
  }

  /** Events that are there, with those over their age that were not trimmed yet. */
  get eventCount(): number {
    return this.ring.nextOffset - this.ring.oldestOffset;
  }

  /** Bytes of these events as `eventRecordBytes` counts them. */
  get bytes(): number {
    return this.ring.bytes;
  }

  /** The largest event that fits, as `eventRecordBytes` counts it; plan refuses a larger one. */
  get eventBytesMax(): number {
    return Math.min(this.config.maxBytes, EVENT_RECORD_BYTES_MAX);
  }
}
