/**
 * What event rooms cost: operations by the number of events in a room and by the number of rooms, and memory.
 *
 *     node --expose-gc --import tsx server/bench/structures/rooms.ts [EVENTS ...] [--json FILE]
 *
 * Nanoseconds are per event, but where a name says otherwise. `beside` is what a room takes beside the events' own bytes.
 */
import { OperationWriter } from "../../src/state/operation.ts";
import type { Room, RoomConfig } from "../../src/state/room.ts";
import { writeRoomCreate, writeRoomDelete, writeRoomPublish, writeRoomTrim } from "../../src/state/room-operation.ts";
import { RoomStore } from "../../src/state/room-store.ts";
import { TAG_JSON, Value } from "../../src/state/value.ts";
import { rangeOf } from "../../src/structures/byte-range.ts";
import { shuffled } from "./bench-key.ts";
import { nanoseconds, printTable, readArguments, writeJson } from "./bench-report.ts";

const { numbers, jsonFile } = readArguments();
const eventCounts = numbers.length > 0 ? numbers : [10_000, 100_000, 1_000_000];
const ROOM_COUNTS = [1000, 10_000, 100_000];
const DATA_BYTES = 200;
const NAME = "message";
const MIN_STEPS = 200_000;
const ATMS = 1_700_000_000_000;
const CONFIG: RoomConfig = { maxEvents: 10_000, maxBytes: 2 ** 40, retentionMs: 0, dedupIdsMax: 1000 };

const writer = new OperationWriter();
const nothing = rangeOf("");
const data = new Value(TAG_JSON, rangeOf(`"${"x".repeat(DATA_BYTES - 2)}"`).bytes, 0, DATA_BYTES);
const event = { event: rangeOf(NAME), data, metadata: nothing, dedupId: nothing };
let offset = 0;

function applyTo(store: RoomStore): void {
  for (let at = 0; at < writer.length; ) at = store.apply(writer.bytes, at, writer.length, ++offset);
  writer.reset();
}

function createRoom(store: RoomStore, name: string, config: RoomConfig): Room {
  writeRoomCreate(writer, rangeOf(name), config, ATMS);
  applyTo(store);
  const room = store.roomOf(offset);
  if (room === undefined) throw new Error("the room is missing");
  return room;
}

function publishTo(store: RoomStore, room: Room, dedupId = nothing): void {
  writeRoomPublish(
    writer,
    room.id,
    dedupId === nothing ? event : { ...event, dedupId },
    room.nextOffset,
    ATMS + room.nextOffset,
  );
  applyTo(store);
}

/** One room with so many events. */
function measureEvents(size: number): Record<string, number> {
  const store = new RoomStore();
  const room = createRoom(store, "room", { ...CONFIG, maxEvents: size, retentionMs: 2 ** 40 });
  const steps = Math.max(size, MIN_STEPS);
  const result: Record<string, number> = { size };
  for (let i = 0; i < size; i++) publishTo(store, room);
  result["publish, full"] = nanoseconds(steps, () => {
    for (let i = 0; i < steps; i++) publishTo(store, room);
  });
  const cursor = store.cursor();
  let seen = 0;
  result["read in order"] = nanoseconds(size * Math.ceil(MIN_STEPS / size), () => {
    for (let pass = Math.ceil(MIN_STEPS / size); pass > 0; pass--) {
      cursor.seek(room, 0);
      while (cursor.next()) seen += cursor.data.bytes[cursor.data.start];
    }
  });
  const order = shuffled(size);
  result["seek, read 1"] = nanoseconds(steps, () => {
    for (let i = 0; i < steps; i++) {
      cursor.seek(room, room.oldestOffset + order[i % size]);
      if (cursor.next()) seen += cursor.data.bytes[cursor.data.start];
    }
  });
  result["find by age"] = nanoseconds(steps, () => {
    for (let i = 0; i < steps; i++)
      seen += store.oldestVisible(room, ATMS + 2 ** 40 + room.oldestOffset + order[i % size]);
  });
  if (seen === 0) throw new Error("nothing was read");
  result["beside, bytes"] = room.ring.slotBytes / size - DATA_BYTES - NAME.length;
  const ids = Array.from({ length: 4096 }, (_, i) => rangeOf(`client-7:request-${i}`));
  result["publish, id"] = nanoseconds(steps, () => {
    for (let i = 0; i < steps; i++) {
      const id = ids[i & 4095];
      if (store.findDedup(room, id) < 0) publishTo(store, room, id);
    }
  });
  measureRemovals(store, room, result);
  return result;
}

function measureRemovals(store: RoomStore, room: Room, result: Record<string, number>): void {
  const { oldestOffset } = room;
  const trims = Math.min(10, Math.floor(room.eventCount / 2000));
  result["trim 1000, us"] =
    nanoseconds(trims, () => {
      for (let i = 1; i <= trims; i++) {
        writeRoomTrim(writer, room.id, oldestOffset + i * 1000);
        applyTo(store);
      }
    }) / 1000;
  result["delete, us"] =
    nanoseconds(1, () => {
      writeRoomDelete(writer, room.id);
      applyTo(store);
    }) / 1000;
  let slices = 0;
  const sliceNanoseconds = nanoseconds(1, () => {
    do slices++;
    while (store.freeDetached(1000));
  });
  result["free 1000, us"] = sliceNanoseconds / slices / 1000;
}

/** So many rooms, empty at first, then with ten events each. */
function measureRooms(size: number): Record<string, number> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error("run with --expose-gc");
  const names = Array.from({ length: size }, (_, i) => rangeOf(`chat-room-${i}`));
  collect();
  const before = process.memoryUsage();
  const store = new RoomStore();
  const result: Record<string, number> = { size };
  result.create = nanoseconds(size, () => {
    for (const name of names) {
      writeRoomCreate(writer, name, CONFIG, ATMS);
      applyTo(store);
    }
  });
  collect();
  const heapBytes = process.memoryUsage().heapUsed - before.heapUsed;
  result["empty, in heap"] = heapBytes / size;
  result["empty, counted"] = store.usedBytes / size;
  result["empty, held"] = store.heldBytes / size;
  const order = shuffled(size);
  result.find = nanoseconds(size, () => {
    for (let i = 0; i < size; i++) if (store.find(names[order[i]]) === undefined) throw new Error("not found");
  });
  result.publish = nanoseconds(size * 10, () => {
    for (let i = 0; i < size * 10; i++) {
      const room = store.find(names[order[i % size]]);
      if (room !== undefined) publishTo(store, room);
    }
  });
  result["10 events, held"] = store.heldBytes / size;
  let listed = 0;
  result.scan = nanoseconds(size, () => store.scan(undefined, undefined, () => ++listed > 0));
  return result;
}

measureEvents(20_000);
const events = eventCounts.map(measureEvents);
printTable("One room with events of 200 bytes", events);
measureRooms(2000);
const rooms = ROOM_COUNTS.map(measureRooms);
printTable("Many rooms", rooms);
writeJson(jsonFile, "rooms", { events, rooms });
