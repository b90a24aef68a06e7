/**
 * The event rooms: their names in a radix tree, their events in rings of blocks (room-ring.ts), the deadlines of those that
 * drop events by age, and the order of their use. Deterministic in all that is state; what is node-local says so.
 *
 * A room is an object, found by name or by id. Its events are read with a cursor, in place, and live there until the
 * next `apply` or `evacuate`. A room that is removed stays as an object with `deleted` set, and has no events.
 */
import { ByteRange } from "../structures/byte-range.ts";
import { DEADLINE_ENTRY_BYTES, DeadlineHeap } from "../structures/deadline-heap.ts";
import { PageHeap } from "../structures/page-heap.ts";
import { scanTree } from "../structures/radix-scan.ts";
import { NONE, RadixTree } from "../structures/radix-tree.ts";
import * as record from "../structures/record.ts";
import { SlabAllocator } from "../structures/slab-allocator.ts";
import { DetachedRings } from "./detached-rings.ts";
import { readUint48 } from "./operation.ts";
import { ROOM_OBJECT_BYTES, Room, type RoomConfig } from "./room.ts";
import { EventSource, eventRecordBytes, ownerOf } from "./room-block.ts";
import { RoomChanges } from "./room-changes.ts";
import { checkRooms } from "./room-check.ts";
import { RoomCursor } from "./room-cursor.ts";
import { RoomDedup } from "./room-dedup.ts";
import { dumpRooms } from "./room-dump.ts";
import type { RoomObserver } from "./room-images.ts";
import {
  CREATE_HEADER_BYTES,
  OP_ROOM_CREATE,
  OP_ROOM_PUBLISH,
  OP_ROOM_TRIM,
  readPublish,
  readRoomConfig,
  roomOperationBytes,
} from "./room-operation.ts";
import { RoomRing } from "./room-ring.ts";
import { RoomUse } from "./room-use.ts";

/** The most events that one trim by age takes out. */
export const TRIM_EVENTS_MAX = 10_000;
/** Deadlines that one `dueTrim` corrects. */
const CORRECTIONS_MAX = 1000;
/** Blocks that one `evacuate` frees. */
const FREED_BLOCKS = 1000;
/** What a new name adds to the tree's nodes, with room to spare. */
const NODE_SLACK_BYTES = 32;

// Owners of pages.
const BLOCKS = 0;
const TABLES = 1;
const NAMES = 2;
const NODES = 3;

const NOTHING = new Uint8Array(0);

export class RoomStore {
  readonly #heap = new PageHeap();
  readonly #blocks = new SlabAllocator(this.#heap, BLOCKS);
  /** Directories of blocks, and dedup ids. */
  readonly #tables = new SlabAllocator(this.#heap, TABLES);
  readonly #names = new SlabAllocator(this.#heap, NAMES);
  /** Records without a value; the version of a name is the id of its room. */
  readonly #tree = new RadixTree(new SlabAllocator(this.#heap, NODES), this.#names);
  readonly #byId = new Map<number, Room>();
  /**
   * For each room that drops events by age and has some, when its oldest is over its age, or earlier: what other drops make
   * later is corrected when it comes up. Owned by the names' records.
   */
  readonly #trims = new DeadlineHeap();
  readonly #use = new RoomUse();
  readonly #changes = new RoomChanges();
  readonly #detached = new DetachedRings();
  #observer: RoomObserver | undefined = undefined;
  /** Of the room that was created last: most rooms have the same. */
  #config: RoomConfig = { maxEvents: 1, maxBytes: 1, retentionMs: 0, dedupIdsMax: 0 };
  readonly #moveBlock = (block: number): void => {
    const room = this.#roomOfName(ownerOf(this.#blocks.words[block >>> 24], block & 0xfffffe));
    if (room === undefined) throw new Error("a block has no room");
    room.ring.relocate(block);
  };
  readonly #source = new EventSource();
  readonly #cursor = new RoomCursor();
  readonly #range = new ByteRange(NOTHING, 0, 0);

  /** Rooms. */
  get count(): number {
    return this.#byId.size;
  }

  /** Bytes of rooms, names, events and deadlines: back at 0 when all rooms are removed and freed. */
  get usedBytes(): number {
    const slots = this.#blocks.usedBytes + this.#tables.usedBytes + this.#names.usedBytes + this.#tree.nodes.usedBytes;
    return slots + this.#trims.usedBytes + this.count * ROOM_OBJECT_BYTES;
  }

  /** Bytes of the pages these are in, and of the room objects. */
  get heldBytes(): number {
    return this.#heap.heldBytes + this.#trims.heldBytes + this.count * ROOM_OBJECT_BYTES;
  }

  /** `heldBytes` and pages that are free but stay with the process. */
  get residentBytes(): number {
    return this.#heap.residentBytes + this.#trims.heldBytes + this.count * ROOM_OBJECT_BYTES;
  }

  /** What of `usedBytes` waits for `freeDetached`. */
  get detachedBytes(): number {
    return this.#detached.slotBytes;
  }

  /** Whether there are addresses for so many bytes more. */
  canTake(bytes: number): boolean {
    return this.#heap.canTake(bytes);
  }

  find(name: ByteRange): Room | undefined {
    const ref = this.#tree.find(name.bytes, name.start, name.end);
    return ref === NONE ? undefined : this.#roomOfName(ref);
  }

  /** The room with this id (its generation, the offset of its creation) while it is there. */
  roomOf(id: number): Room | undefined {
    return this.#byId.get(id);
  }

  #roomOfName(ref: number): Room | undefined {
    return this.#byId.get(record.versionOf(this.#names.words[ref >>> 24], ref & 0xfffffe));
  }

  /**
   * Visits rooms in unsigned byte order of their names, strictly after `after`, those that begin with `prefix`, until `visit`
   * answers false.
   */
  scan(after: ByteRange | undefined, prefix: ByteRange | undefined, visit: (room: Room) => boolean): void {
    scanTree(this.#tree, after, prefix, (ref) => {
      const room = this.#roomOfName(ref);
      if (room === undefined) throw new Error("a name has no room");
      return visit(room);
    });
  }

  /** A cursor to keep and use for many reads. */
  cursor(): RoomCursor {
    return new RoomCursor();
  }

  /** Offset of the oldest event that is not over its age; `nextOffset` if there is none. O(log n). */
  oldestVisible(room: Room, nowMs: number): number {
    const { retentionMs } = room.config;
    return retentionMs === 0 ? room.oldestOffset : room.ring.firstAfter(nowMs - retentionMs);
  }

  /** Offset of the room's event with this dedup id, if it is among the last that are remembered; else -1. */
  findDedup(room: Room, dedupId: ByteRange): number {
    return room.dedup === undefined ? -1 : room.dedup.find(dedupId, room, this.#cursor);
  }

  // What the ticker asks. It applies what it makes of an answer before it asks again.

  /** When to ask `dueTrim`; `Infinity` for not at all. */
  get nextTrimMs(): number {
    return this.#trims.nextDeadlineMs;
  }

  /** A room with events over their age; undefined if there is none, or if `nextTrimMs` is due still: then ask again soon. */
  dueTrim(nowMs: number): Room | undefined {
    for (let corrected = 0; corrected < CORRECTIONS_MAX && this.#trims.nextDeadlineMs <= nowMs; corrected++) {
      const room = this.#roomOfName(this.#trims.ownerOf(this.#trims.nextHandle));
      if (room === undefined) throw new Error("a deadline has no room");
      this.#correctTrim(room);
      if (room.trimHandle >= 0 && this.#trims.deadlineMsOf(room.trimHandle) <= nowMs) return room;
    }
    return undefined;
  }

  /** What to trim a room to that `dueTrim` has found: `oldestVisible`, or nearer where that would be too many at once. */
  trimTarget(room: Room, nowMs: number): number {
    return Math.min(this.oldestVisible(room, nowMs), room.oldestOffset + TRIM_EVENTS_MAX);
  }

  /** A room that nobody watches and nobody used for so long, the longest unused first. */
  idleRoom(nowMs: number, idleMs: number): Room | undefined {
    return this.#use.idle(nowMs, idleMs);
  }

  /** Node-local: a read or subscription uses the room. */
  touch(room: Room, nowMs: number): void {
    if (!room.deleted) this.#use.touch(room, nowMs);
  }

  // What the fan-out asks.

  /** Node-local: has `drainChanges` report the room that has this name, now or later, until `unwatch` takes it back. */
  watch(name: ByteRange): void {
    this.#changes.watch(name.toString(), this.find(name));
  }

  unwatch(name: ByteRange): void {
    this.#changes.unwatch(name.toString(), this.find(name));
  }

  /** How many would watch a room of this name, if there is none now. */
  waitingFor(name: ByteRange): number {
    return this.#changes.waitingFor(name.toString());
  }

  /**
   * Visits each watched room, once, that since the last drain got events, was removed (`deleted`) or was created. In the
   * order in which this began. `visit` may watch and unwatch.
   */
  drainChanges(visit: (room: Room) => void): void {
    this.#changes.drain(visit);
  }

  // Memory.

  /** What `usedBytes` grows by at most when a room is created. */
  createBytesNeeded(nameBytes: number): number {
    const recordBytes = record.recordBytes(nameBytes, 0, false);
    return ROOM_OBJECT_BYTES + NODE_SLACK_BYTES + this.#names.slotBytesFor(recordBytes);
  }

  /**
   * What `usedBytes` grows by at most when one event is published. For more events of the same record the caller counts
   * their `eventRecordBytes`: most of them go into the block that this one has made.
   */
  publishBytesNeeded(
    room: Room,
    eventBytes: number,
    dataBytes: number,
    metadataBytes: number,
    dedupBytes: number,
  ): number {
    const recordBytes = eventRecordBytes(eventBytes, dataBytes, metadataBytes, dedupBytes);
    return room.ring.slotBytesNeeded(recordBytes) + DEADLINE_ENTRY_BYTES + this.#dedupBytesNeeded(room, dedupBytes);
  }

  #dedupBytesNeeded(room: Room, dedupBytes: number): number {
    if (dedupBytes === 0 || room.config.dedupIdsMax === 0) return 0;
    return room.dedup === undefined ? RoomDedup.initialSlotBytes(this.#tables) : room.dedup.growthBytes(room);
  }

  /** Frees up to `blocks` blocks, of at most 64 KB but for large events, of removed rooms; returns whether there are more. */
  freeDetached(blocks: number): boolean {
    return this.#detached.free(blocks);
  }

  /** What `evacuate` can give back, of `heldBytes` that are not in `usedBytes`. */
  get reclaimableBytes(): number {
    return this.#blocks.reclaimableBytes;
  }

  /**
   * Gives back pages that removals have left sparse: frees a slice of what is detached, or else moves the blocks of one span,
   * at most 2 MB, elsewhere. References into events are void then. Returns whether it did anything; not while a snapshot
   * keeps a ring.
   */
  evacuate(): boolean {
    if (this.#detached.isEmpty) return this.#blocks.evacuate(this.#moveBlock);
    const before = this.detachedBytes;
    this.freeDetached(FREED_BLOCKS);
    return this.detachedBytes < before;
  }

  // Operations.

  /**
   * Applies the operation at `at` and returns where the next one begins. Throws on what plan cannot have written.
   * @param end of the record.
   * @param offset the operation's own in the log.
   */
  apply(bytes: Uint8Array, at: number, end: number, offset: number): number {
    const next = at + roomOperationBytes(bytes, at);
    if (next > end)
      throw new Error(`operation of kind ${bytes[at]} at byte ${at} runs ${next - end} bytes past its record`);
    switch (bytes[at]) {
      case OP_ROOM_CREATE:
        this.#create(bytes, at, next, offset);
        break;
      case OP_ROOM_PUBLISH:
        this.#publish(bytes, at, offset);
        break;
      case OP_ROOM_TRIM:
        this.#trim(this.#existing(bytes, at + 1, offset), readUint48(bytes, at + 7), offset);
        break;
      default:
        this.#remove(this.#existing(bytes, at + 1, offset));
    }
    return next;
  }

  #existing(bytes: Uint8Array, at: number, offset: number): Room {
    const id = readUint48(bytes, at);
    const room = this.#byId.get(id);
    if (room === undefined) throw new Error(`operation at offset ${offset} names a room that does not exist: ${id}`);
    this.#observer?.beforeChange(room);
    return room;
  }

  #create(bytes: Uint8Array, at: number, next: number, offset: number): void {
    this.#config = readRoomConfig(bytes, at, this.#config);
    const name = new ByteRange(bytes, at + CREATE_HEADER_BYTES, next);
    this.add(offset, name, this.#config, readUint48(bytes, at + 22));
  }

  /** A new room; throws where there is one of this name. Only apply and a restore add any. */
  add(id: number, name: ByteRange, config: RoomConfig, createdAtMs: number): Room {
    const { start, end } = name;
    if (this.#tree.locate(name.bytes, start, end) !== NONE)
      throw new Error(`the room at offset ${id} is there: ${name}`);
    const ref = this.#names.allocate(record.recordBytes(end - start, 0, false)) | 1;
    const words = this.#names.words[ref >>> 24];
    record.writeHeader(words, ref & 0xfffffe, 0, false, end - start, 0, id);
    this.#names.bytes[ref >>> 24].set(name.bytes.subarray(start, end), record.keyWordOf(words, ref & 0xfffffe) * 4);
    this.#tree.insert(name.bytes, start, end, ref);
    const ring = new RoomRing(this.#blocks, this.#tables, ref);
    const room = new Room(id, name.toString(), config, createdAtMs, ring, ref);
    this.#byId.set(id, room);
    this.#use.add(room);
    this.#changes.created(room);
    return room;
  }

  #publish(bytes: Uint8Array, at: number, offset: number): void {
    const room = this.#existing(bytes, at + 14, offset);
    const { ring, config } = room;
    const roomOffset = readUint48(bytes, at + 20);
    if (roomOffset !== ring.nextOffset) {
      throw new Error(
        `publish at offset ${offset} expects event ${roomOffset} of ${room.name}, not ${ring.nextOffset}`,
      );
    }
    const source = this.#source;
    readPublish(bytes, at, source);
    const { eventBytes, metadataBytes, dedupBytes, dataBytes } = source;
    const recordBytes = eventRecordBytes(eventBytes, dataBytes, metadataBytes, dedupBytes);
    if (recordBytes > room.eventBytesMax) throw new Error(`publish at offset ${offset} is too large for ${room.name}`);
    source.timestampMs = Math.max(source.timestampMs, room.lastPublishAtMs);
    if (room.eventCount >= config.maxEvents) this.#drop(room, roomOffset - config.maxEvents + 1);
    const excessBytes = ring.bytes + recordBytes - config.maxBytes;
    if (excessBytes > 0) this.#drop(room, ring.offsetAfterBytes(excessBytes));
    this.append(room, source);
  }

  #drop(room: Room, offset: number): void {
    this.#observer?.beforeDrop(room, offset);
    room.ring.dropBefore(offset);
  }

  /** An event for which there is room, not before the last. Only apply and a restore append any. */
  append(room: Room, source: EventSource): void {
    const { config } = room;
    room.ring.append(source);
    room.lastPublishAtMs = source.timestampMs;
    this.#use.touch(room, source.timestampMs);
    if (config.retentionMs > 0 && room.trimHandle < 0) {
      room.trimHandle = this.#trims.add(source.timestampMs + config.retentionMs, room.nameRef);
    }
    if (source.dedupBytes > 0 && config.dedupIdsMax > 0) this.#rememberId(room, source);
    this.#changes.note(room);
  }

  #rememberId(room: Room, source: EventSource): void {
    const id = this.#range;
    id.bytes = source.bytes;
    id.start = source.start + source.eventBytes + source.metadataBytes;
    id.end = id.start + source.dedupBytes;
    room.dedup ??= new RoomDedup(this.#tables, room.config.dedupIdsMax);
    room.dedup.add(id, room.nextOffset - 1, room);
  }

  #trim(room: Room, oldestOffset: number, offset: number): void {
    if (oldestOffset <= room.oldestOffset || oldestOffset > room.nextOffset) {
      throw new Error(
        `trim at offset ${offset} of ${room.name} to event ${oldestOffset}, which is not after its oldest`,
      );
    }
    this.#drop(room, oldestOffset);
    if (room.trimHandle >= 0) this.#correctTrim(room);
  }

  /** Sets a room's deadline to that of its oldest event, or takes it out where there is none. */
  #correctTrim(room: Room): void {
    if (room.eventCount > 0) {
      const oldestMs = room.ring.timestampMsAt(room.oldestOffset);
      this.#trims.change(room.trimHandle, oldestMs + room.config.retentionMs);
      return;
    }
    this.#trims.remove(room.trimHandle);
    room.trimHandle = -1;
  }

  /** O(1): what is large is left for `freeDetached`. */
  #remove(room: Room): void {
    const name = this.nameOf(room);
    this.#tree.remove(name.bytes, name.start, name.end);
    this.#names.free(room.nameRef);
    this.#byId.delete(room.id);
    this.#use.remove(room);
    if (room.trimHandle >= 0) this.#trims.remove(room.trimHandle);
    room.trimHandle = -1;
    room.dedup?.free();
    room.dedup = undefined;
    if (this.#observer?.takesRing(room) !== true) this.#detached.add(room.ring);
    room.deleted = true;
    this.#changes.removed(room);
  }

  // Snapshots.

  /** Shows a snapshot all rooms before they change, until this is called with undefined; answers with what may be kept. */
  observe(observer: RoomObserver | undefined): DetachedRings {
    this.#observer = observer;
    return this.#detached;
  }

  /** All rooms, those that were created first come first. */
  roomsById(): IterableIterator<Room> {
    return this.#byId.values();
  }

  /** A room's name, in place. */
  nameOf({ nameRef }: Room): ByteRange {
    const words = this.#names.words[nameRef >>> 24];
    const start = record.keyWordOf(words, nameRef & 0xfffffe) * 4;
    const end = start + record.keyBytesOf(words, nameRef & 0xfffffe);
    return new ByteRange(this.#names.bytes[nameRef >>> 24], start, end);
  }

  /** Rooms were restored in any order: brings them into the order of their ids, and of their use. */
  finishRestore(): void {
    const rooms = [...this.#byId.values()].sort((a, b) => a.id - b.id);
    this.#byId.clear();
    for (const room of rooms) this.#byId.set(room.id, room);
    rooms.sort((a, b) => a.usedAtMs - b.usedAtMs);
    for (const room of rooms) this.#use.touch(room, room.usedAtMs);
  }

  /** All state as text, the same on every node that applied the same operations. */
  dump(): string {
    return dumpRooms(this);
  }

  /** Checks all structures against each other; throws where they disagree. For tests: it walks everything. */
  checkInvariants(): void {
    const slabs = { blocks: this.#blocks, tables: this.#tables, names: this.#names };
    checkRooms(this, { ...slabs, tree: this.#tree, trims: this.#trims, use: this.#use });
  }
}
