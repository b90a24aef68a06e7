/**
 * The rooms' part of a snapshot: for each room, in the order of their ids, its image and its events, the oldest first.
 *
 *     room   160 | nameBytes u8 | maxEvents u32 | maxBytes u48 | retentionMs u48 | dedupIdsMax u32 | createdAtMs u48
 *                | name | roomId u48 | oldestOffset u48 | nextOffset u48 | lastPublishAtMs u48
 *     event  161 | tag u8 | eventBytes u16 | dataBytes u32 | metadataBytes u32 | dedupBytes u16 | roomId u48
 *                | roomOffset u48 | timestampMs u48 | event | metadata | dedup id | data
 *
 * Up to the name, and all of an event, they are the operations that create and publish (room-operation.ts).
 *
 * Events do not change; they come at one end of a room and go at the other. So what is left to write of a room are the
 * offsets from `next` to before `end`, its `nextOffset` at S:
 *
 *     events     12   13   14   15   16   17   18         going: 12 to 14 are written before they are dropped, if they
 *                gone  ^ next                  ^ end       are not written already; `next` goes with them
 *
 * A room that changes before the walker comes to it is begun: its image is written, and `next` and `end` are kept. The ring
 * of a room that is removed is kept too, and the walker writes it out before it walks on. Which dedup ids a room remembers
 * follows from its events: of those that have one, the last `dedupIdsMax`.
 *
 * Creating it costs O(1). A step is bounded by its budget and one event more; a change costs the images of the events that
 * it drops: as many bytes as the event that is published needs, or up to 10,000 events of a trim by age.
 */
import { ByteRange } from "../structures/byte-range.ts";
import type { DetachedRings } from "./detached-rings.ts";
import {
  checkImageEnd,
  EVENT_IMAGE,
  type ImageWriter,
  malformed,
  ROOM_IMAGE,
  type StoreImages,
  type StoreRestorer,
} from "./image.ts";
import { readUint48, writeUint48 } from "./operation.ts";
import type { Room, RoomConfig } from "./room.ts";
import { EventSource, eventRecordBytes } from "./room-block.ts";
import { RoomCursor } from "./room-cursor.ts";
import {
  CREATE_HEADER_BYTES,
  PUBLISH_HEADER_BYTES,
  readPublish,
  readRoomConfig,
  writeRoomCreate,
  writeRoomPublish,
} from "./room-operation.ts";
import type { RoomRing } from "./room-ring.ts";
import type { RoomStore } from "./room-store.ts";
import { TAG_JSON } from "./value.ts";

/** What a room's image has behind the name. */
const TAIL_BYTES = 24;

/** What a snapshot sees of the rooms while they change: everything is shown before it happens. */
export interface RoomObserver {
  /** Something of the room is about to change, or the room to go. */
  beforeChange(room: Room): void;
  /** Events before this offset are about to be dropped. */
  beforeDrop(room: Room, offset: number): void;
  /** The room goes. Returns whether its ring was taken over, with `DetachedRings#keep`; the room has an empty one then. */
  takesRing(room: Room): boolean;
}

/** What is left to write of a room. */
interface RoomRest {
  readonly roomId: number;
  /** The room, or what has the ring that it had. */
  source: { readonly ring: RoomRing };
  next: number;
  readonly end: number;
}

export class RoomImages implements StoreImages, RoomObserver {
  readonly #store: RoomStore;
  readonly #detached: DetachedRings;
  readonly #offset: number;
  readonly #images: ImageWriter;
  readonly #rooms: IterableIterator<Room>;
  readonly #cursor = new RoomCursor();
  #isDone = false;
  /** Of the room that is being walked. */
  #rest: RoomRest | undefined = undefined;
  /** Id of the last room that the walk has come to. */
  #reachedId = 0;
  /** By room id, of rooms that the walk has not come to and whose image was written. */
  readonly #begun = new Map<number, RoomRest>();
  /** Of removed rooms. */
  readonly #kept: RoomRest[] = [];

  /** @param offset the snapshot's, and the last one applied. */
  constructor(store: RoomStore, offset: number, images: ImageWriter) {
    this.#store = store;
    this.#detached = store.observe(this);
    this.#offset = offset;
    this.#images = images;
    this.#rooms = store.roomsById();
  }

  step(): boolean {
    while (!this.#isDone && this.#images.budgetBytes > 0) {
      const kept = this.#kept.at(-1);
      if (kept !== undefined) {
        if (this.#walk(kept)) this.#release(this.#kept.pop());
      } else if (this.#rest !== undefined) {
        if (this.#walk(this.#rest)) this.#rest = undefined;
      } else {
        this.#beginRoom();
      }
    }
    return this.#isDone;
  }

  end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#store.observe(undefined);
    this.#begun.clear();
    for (const rest of this.#kept.splice(0)) this.#release(rest);
  }

  #release(rest: RoomRest | undefined): void {
    if (rest !== undefined) this.#detached.release(rest.source.ring);
  }

  #beginRoom(): void {
    const { done, value: room } = this.#rooms.next();
    if (done === true || room.id > this.#offset) {
      this.end();
      return;
    }
    this.#rest = this.#begun.get(room.id) ?? this.#begin(room);
    if (this.#begun.delete(room.id)) this.#images.skip();
    this.#reachedId = room.id;
  }

  /** Writes the room's image. Nothing of the room has changed since S. */
  #begin(room: Room): RoomRest {
    const images = this.#images;
    const at = images.length;
    writeRoomCreate(images, this.#store.nameOf(room), room.config, room.createdAtMs);
    images.bytes[at] = ROOM_IMAGE;
    const tail = images.begin(TAIL_BYTES);
    writeUint48(images.bytes, tail, room.id);
    writeUint48(images.bytes, tail + 6, room.oldestOffset);
    writeUint48(images.bytes, tail + 12, room.nextOffset);
    writeUint48(images.bytes, tail + 18, room.lastPublishAtMs);
    return { roomId: room.id, source: room, next: room.oldestOffset, end: room.nextOffset };
  }

  /** Writes events until the budget is used up; returns whether there are no more. */
  #walk(rest: RoomRest): boolean {
    this.#cursor.seek(rest.source, rest.next);
    while (rest.next < rest.end && this.#images.budgetBytes > 0) this.#writeNext(rest);
    return rest.next === rest.end;
  }

  /** The cursor is before the event. */
  #writeNext(rest: RoomRest): void {
    const images = this.#images;
    const cursor = this.#cursor;
    if (!cursor.next() || cursor.offset !== rest.next)
      throw new Error(`event ${rest.next} of room ${rest.roomId} is gone before it was written`);
    const at = images.length;
    writeRoomPublish(images, rest.roomId, cursor, cursor.offset, cursor.timestampMs);
    images.bytes[at] = EVENT_IMAGE;
    rest.next++;
  }

  // What is about to change.

  beforeChange(room: Room): void {
    if (room.id <= this.#reachedId || room.id > this.#offset || this.#begun.has(room.id)) return;
    this.#begun.set(room.id, this.#begin(room));
  }

  beforeDrop(room: Room, offset: number): void {
    const rest = this.#restOf(room);
    if (rest === undefined || rest.next >= Math.min(offset, rest.end)) return;
    this.#cursor.seek(rest.source, rest.next);
    while (rest.next < offset && rest.next < rest.end) this.#writeNext(rest);
  }

  takesRing(room: Room): boolean {
    const rest = this.#restOf(room);
    if (rest === undefined) return false;
    if (rest === this.#rest) this.#rest = undefined;
    this.#begun.delete(room.id);
    if (rest.next === rest.end) return false;
    const ring = room.ring.handOver();
    rest.source = { ring };
    this.#detached.keep(ring);
    this.#kept.push(rest);
    return true;
  }

  #restOf(room: Room): RoomRest | undefined {
    return room.id === this.#rest?.roomId ? this.#rest : this.#begun.get(room.id);
  }
}

/** What the events of a room that is restored have to come to. */
interface RoomGoal {
  readonly nextOffset: number;
  readonly lastPublishAtMs: number;
}

export class RoomRestorer implements StoreRestorer {
  readonly kinds = [ROOM_IMAGE, EVENT_IMAGE];
  readonly #store: RoomStore;
  readonly #goals = new Map<Room, RoomGoal>();
  readonly #source = new EventSource();
  #idMax = 0;
  /** Of the room that was restored last. */
  #config: RoomConfig = { maxEvents: 1, maxBytes: 1, retentionMs: 0, dedupIdsMax: 0 };

  /** @param store empty. */
  constructor(store: RoomStore) {
    this.#store = store;
  }

  restore(bytes: Uint8Array, at: number, end: number): number {
    return bytes[at] === ROOM_IMAGE ? this.#room(bytes, at, end) : this.#event(bytes, at, end);
  }

  #room(bytes: Uint8Array, at: number, end: number): number {
    checkImageEnd(bytes, at, CREATE_HEADER_BYTES, end);
    const tail = at + CREATE_HEADER_BYTES + bytes[at + 1];
    checkImageEnd(bytes, at, tail + TAIL_BYTES - at, end);
    const id = readUint48(bytes, tail);
    const oldestOffset = readUint48(bytes, tail + 6);
    const nextOffset = readUint48(bytes, tail + 12);
    if (this.#store.roomOf(id) !== undefined) throw malformed(bytes, at, `the room ${id} is there twice`);
    if (oldestOffset > nextOffset) throw malformed(bytes, at, `events ${oldestOffset} to before ${nextOffset}`);
    this.#idMax = Math.max(this.#idMax, id);
    this.#config = readRoomConfig(bytes, at, this.#config);
    const name = new ByteRange(bytes, at + CREATE_HEADER_BYTES, tail);
    const room = this.#store.add(id, name, this.#config, readUint48(bytes, at + 22));
    room.ring.oldestOffset = oldestOffset;
    room.ring.nextOffset = oldestOffset;
    this.#goals.set(room, { nextOffset, lastPublishAtMs: readUint48(bytes, tail + 18) });
    return tail + TAIL_BYTES;
  }

  #event(bytes: Uint8Array, at: number, end: number): number {
    checkImageEnd(bytes, at, PUBLISH_HEADER_BYTES, end);
    const source = this.#source;
    readPublish(bytes, at, source);
    checkImageEnd(bytes, at, PUBLISH_HEADER_BYTES + source.length, end);
    const room = this.#store.roomOf(readUint48(bytes, at + 14));
    if (room === undefined) throw malformed(bytes, at, `there is no room ${readUint48(bytes, at + 14)}`);
    const roomOffset = readUint48(bytes, at + 20);
    if (roomOffset !== room.nextOffset || source.timestampMs < room.lastPublishAtMs)
      throw malformed(bytes, at, `event ${roomOffset} of room ${room.id} comes after ${room.nextOffset - 1}`);
    const { tag, eventBytes, dataBytes, metadataBytes, dedupBytes } = source;
    const recordBytes = eventRecordBytes(eventBytes, dataBytes, metadataBytes, dedupBytes);
    if (tag > TAG_JSON || recordBytes > room.eventBytesMax)
      throw malformed(bytes, at, `event ${roomOffset} of room ${room.id} cannot be in it`);
    this.#store.append(room, source);
    return at + PUBLISH_HEADER_BYTES + source.length;
  }

  finish(offset: number): void {
    if (this.#idMax > offset) throw new Error(`a room has id ${this.#idMax} in a snapshot at ${offset}`);
    for (const [room, { nextOffset, lastPublishAtMs }] of this.#goals) {
      if (room.nextOffset !== nextOffset || room.lastPublishAtMs > lastPublishAtMs)
        throw new Error(`room ${room.id} ends at event ${room.nextOffset} in a snapshot that says ${nextOffset}`);
      room.lastPublishAtMs = lastPublishAtMs;
      room.usedAtMs = Math.max(room.createdAtMs, lastPublishAtMs);
    }
    this.#store.finishRestore();
  }
}
