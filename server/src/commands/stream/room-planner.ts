/**
 * Stages what a record does to rooms, and shows rooms as they will be once it is applied: the commands of an atomic batch
 * are planned one after another before any of them is.
 *
 *     name --> store.find --> a room that is there --+
 *         \--> #created ----> one of this record ----+--> PlannedRoom: id, next offset, staged dedup ids
 *
 * What a record without a second room and without dedup ids needs is reused, so an ordinary publish allocates nothing here.
 * Removals cannot stand in an atomic batch, so what the store finds is still there. Events that the staged ones will push
 * out of a full room still count for deduplication in the same record.
 */
import type { Room, RoomConfig } from "../../state/room.ts";
import { EVENT_RECORD_BYTES_MAX, eventRecordBytes } from "../../state/room-block.ts";
import {
  CREATE_HEADER_BYTES,
  type NewEvent,
  PUBLISH_HEADER_BYTES,
  ROOM_ONLY_BYTES,
  TRIM_HEADER_BYTES,
  writeRoomCreate,
  writeRoomDelete,
  writeRoomExpire,
  writeRoomPublish,
  writeRoomTrim,
} from "../../state/room-operation.ts";
import type { RoomStore } from "../../state/room-store.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import { type CommandError, fail } from "../errors.ts";
import type { Planner } from "../planner.ts";
import type { RoomLimits } from "./room-limits.ts";

/** What an event takes in slots that are not filled yet, beside its own bytes: an upper bound of the usual. */
const SLOT_SLACK_BYTES = 64;

/** A room as it will be when what is staged so far is applied. */
export class PlannedRoom {
  /** As it is now; undefined for one that this record creates. */
  room: Room | undefined = undefined;
  id = 0;
  config: RoomConfig = { maxEvents: 0, maxBytes: 0, retentionMs: 0, dedupIdsMax: 0 };
  nextOffset = 0;
  /** Offsets of staged events by their dedup id. */
  dedupOffsets: Map<string, number> | undefined = undefined;
  /** Subscriptions that its events will reach. */
  subscriberCount = 0;
  /** Something was published to it in this record. */
  hasStaged = false;

  show(room: Room): this {
    this.room = room;
    this.id = room.id;
    this.config = room.config;
    this.nextOffset = room.nextOffset;
    this.dedupOffsets = undefined;
    this.subscriberCount = room.watched;
    this.hasStaged = false;
    return this;
  }
}

export class RoomPlanner {
  readonly #store: RoomStore;
  readonly #planner: Planner;
  /** The first room that is there and that the record looks at. */
  readonly #first = new PlannedRoom();
  #hasFirst = false;
  /** The others, by id. */
  readonly #others = new Map<number, PlannedRoom>();
  readonly #created = new Map<string, PlannedRoom>();

  constructor(store: RoomStore, planner: Planner) {
    this.#store = store;
    this.#planner = planner;
  }

  /** Forgets the record before. */
  begin(): void {
    this.#hasFirst = false;
    if (this.#others.size > 0) this.#others.clear();
    if (this.#created.size > 0) this.#created.clear();
  }

  /** Valid until the record is committed or discarded. */
  find(name: ByteRange): PlannedRoom | undefined {
    const room = this.#store.find(name);
    if (room !== undefined) return this.#planned(room);
    return this.#created.size === 0 ? undefined : this.#created.get(name.toString());
  }

  #planned(room: Room): PlannedRoom {
    if (!this.#hasFirst) {
      this.#hasFirst = true;
      return this.#first.show(room);
    }
    if (this.#first.id === room.id) return this.#first;
    let planned = this.#others.get(room.id);
    if (planned === undefined) {
      planned = new PlannedRoom().show(room);
      this.#others.set(room.id, planned);
    }
    return planned;
  }

  /** Stages the creation of a room that `find` has just shown not to be there. Errors: MEMORY_LIMIT_EXCEEDED. */
  create(name: ByteRange, config: RoomConfig, limits: RoomLimits): PlannedRoom | CommandError {
    const planner = this.#planner;
    if (this.#store.count + this.#created.size >= limits.roomsMax) {
      const message = "there are as many rooms as there may be: delete some, or raise stream.max_rooms";
      return fail("MEMORY_LIMIT_EXCEEDED", message, { rooms_max: limits.roomsMax });
    }
    const nameBytes = name.end - name.start;
    const planned = new PlannedRoom();
    planned.config = config;
    if (!planner.reserveBytes(this.#store.createBytesNeeded(nameBytes), this.#store)) return planned;
    if (!planner.admit(CREATE_HEADER_BYTES + nameBytes)) return planned;
    planned.id = planner.nextOffset;
    planned.subscriberCount = this.#store.waitingFor(name);
    this.#created.set(name.toString(), planned);
    writeRoomCreate(planner.writer, name, config, planner.nowMs);
    return planned;
  }

  /** Offset of the room's event with this dedup id, staged ones included; -1 if there is none, or it is over its age. */
  findDuplicate(planned: PlannedRoom, dedupId: ByteRange): number {
    const staged = planned.dedupOffsets?.get(dedupId.toString());
    if (staged !== undefined) return staged;
    const { room } = planned;
    if (room === undefined) return -1;
    const offset = this.#store.findDedup(room, dedupId);
    return offset >= 0 && offset >= this.#store.oldestVisible(room, this.#planner.nowMs) ? offset : -1;
  }

  /** Why an event cannot be in a room: PAYLOAD_TOO_LARGE, for what it has itself or with what the room keeps beside it. */
  refusal(planned: PlannedRoom, event: NewEvent, limits: RoomLimits, path: string): CommandError | undefined {
    const ownBytes = event.event.length + event.data.length + event.metadata.length + event.dedupId.length;
    if (ownBytes > limits.eventBytesMax) {
      return fail("PAYLOAD_TOO_LARGE", `an event may have at most ${limits.eventBytesMax} bytes`, {
        path,
        limit_bytes: limits.eventBytesMax,
        bytes: ownBytes,
      });
    }
    const recordBytes = recordBytesOf(event);
    const recordBytesMax = Math.min(planned.config.maxBytes, EVENT_RECORD_BYTES_MAX);
    if (recordBytes <= recordBytesMax) return undefined;
    return fail("PAYLOAD_TOO_LARGE", `an event of this room may take at most ${recordBytesMax} bytes`, {
      path,
      limit_bytes: recordBytesMax,
      bytes: recordBytes,
    });
  }

  /** Stages an event that `refusal` has nothing against; returns its offset. */
  publish(planned: PlannedRoom, event: NewEvent): number {
    const planner = this.#planner;
    const offset = planned.nextOffset;
    if (!planner.reserveBytes(this.#memoryBytes(planned, event), this.#store)) return offset;
    const { dedupId } = event;
    const ownBytes = event.event.length + event.data.length + event.metadata.length + dedupId.length;
    if (!planner.admit(PUBLISH_HEADER_BYTES + ownBytes)) return offset;
    writeRoomPublish(planner.writer, planned.id, event, offset, planner.nowMs);
    planned.nextOffset = offset + 1;
    planned.hasStaged = true;
    if (dedupId.length > 0 && planned.config.dedupIdsMax > 0) {
      planned.dedupOffsets ??= new Map();
      planned.dedupOffsets.set(dedupId.toString(), offset);
    }
    return offset;
  }

  /** The store knows what the next event takes; of those after it in a record it is enough to count the bytes. */
  #memoryBytes(planned: PlannedRoom, event: NewEvent): number {
    const { room } = planned;
    if (room === undefined || planned.hasStaged) return recordBytesOf(event) + SLOT_SLACK_BYTES;
    const { event: name, data, metadata, dedupId } = event;
    return this.#store.publishBytesNeeded(room, name.length, data.length, metadata.length, dedupId.length);
  }

  /** Stages the removal of a room, asked for by a client. */
  remove(room: Room): void {
    if (this.#planner.admit(ROOM_ONLY_BYTES)) writeRoomDelete(this.#planner.writer, room.id);
  }

  /** Stages the removal of a room that nobody uses. */
  expire(room: Room): void {
    if (this.#planner.admit(ROOM_ONLY_BYTES)) writeRoomExpire(this.#planner.writer, room.id);
  }

  /** Stages the end of events that are over their age: those before `oldestOffset`. */
  trim(room: Room, oldestOffset: number): void {
    if (this.#planner.admit(TRIM_HEADER_BYTES)) writeRoomTrim(this.#planner.writer, room.id, oldestOffset);
  }
}

function recordBytesOf({ event, data, metadata, dedupId }: NewEvent): number {
  return eventRecordBytes(event.length, data.length, metadata.length, dedupId.length);
}
