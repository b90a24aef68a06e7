import { describe, expect, it } from "vitest";
import { type ByteRange, rangeOf } from "../structures/byte-range.ts";
import { OperationWriter } from "./operation.ts";
import type { Room, RoomConfig } from "./room.ts";
import { eventRecordBytes } from "./room-block.ts";
import {
  writeRoomCreate,
  writeRoomDelete,
  writeRoomExpire,
  writeRoomPublish,
  writeRoomTrim,
} from "./room-operation.ts";
import { RoomStore, TRIM_EVENTS_MAX } from "./room-store.ts";
import { TAG_TEXT, Value } from "./value.ts";

const CONFIG: RoomConfig = { maxEvents: 10_000, maxBytes: 2 ** 30, retentionMs: 0, dedupIdsMax: 1000 };

/** A store and a log of what was applied to it. */
class Bench {
  readonly store = new RoomStore();
  readonly #writer = new OperationWriter();
  #offset = 0;

  get nextOffset(): number {
    return this.#offset + 1;
  }

  apply(write: (writer: OperationWriter) => void): void {
    this.#writer.reset();
    write(this.#writer);
    const { bytes, length } = this.#writer;
    for (let at = 0; at < length; ) at = this.store.apply(bytes, at, length, ++this.#offset);
  }

  create(name: string, config: Partial<RoomConfig> = {}, atMs = 1000): Room {
    this.apply((writer) => writeRoomCreate(writer, rangeOf(name), { ...CONFIG, ...config }, atMs));
    return this.room(name);
  }

  publish(room: Room, data: string, timestampMs = 1000, dedupId = "", metadata = ""): void {
    this.apply((writer) =>
      writeRoomPublish(writer, room.id, event(data, dedupId, metadata), room.nextOffset, timestampMs),
    );
  }

  room(name: string): Room {
    const room = this.store.find(rangeOf(name));
    if (room === undefined) throw new Error(`no room ${name}`);
    return room;
  }

  dataFrom(room: Room, offset: number): string[] {
    const cursor = this.store.cursor();
    const data: string[] = [];
    cursor.seek(room, offset);
    while (cursor.next()) data.push(`${cursor.offset} ${cursor.data}`);
    return data;
  }

  changes(): string[] {
    const seen: string[] = [];
    this.store.drainChanges((room) => seen.push(`${room.name} ${room.id}${room.deleted ? " deleted" : ""}`));
    return seen;
  }
}

function event(data: string, dedupId = "", metadata = "", name = "e") {
  const range: ByteRange = rangeOf(data);
  const value = new Value(TAG_TEXT, range.bytes, range.start, range.end);
  return { event: rangeOf(name), data: value, metadata: rangeOf(metadata), dedupId: rangeOf(dedupId) };
}

describe("RoomStore", () => {
  it("gives events offsets from 0 and shows all of an event in place", () => {
    const bench = new Bench();
    const room = bench.create("a");
    bench.publish(room, "one", 2 ** 40 + 5, "id", '{"m":1}');
    bench.publish(room, "two", 2 ** 40 + 6);
    expect([room.oldestOffset, room.nextOffset, room.eventCount]).toEqual([0, 2, 2]);
    expect(room.lastPublishAtMs).toBe(2 ** 40 + 6);
    const cursor = bench.store.cursor();
    cursor.seek(room, 0);
    expect(cursor.next()).toBe(true);
    expect([cursor.offset, cursor.timestampMs, cursor.data.tag]).toEqual([0, 2 ** 40 + 5, TAG_TEXT]);
    const parts = [cursor.event, cursor.data, cursor.metadata, cursor.dedupId].map(String);
    expect(parts).toEqual(["e", "one", '{"m":1}', "id"]);
    expect(cursor.next()).toBe(true);
    expect([cursor.event, cursor.data, cursor.metadata, cursor.dedupId].map(String)).toEqual(["e", "two", "", ""]);
    expect(cursor.next()).toBe(false);
    expect(bench.dataFrom(room, 1)).toEqual(["1 two"]);
    expect(bench.dataFrom(room, 2)).toEqual([]);
  });

  it("keeps the last max_events events", () => {
    const bench = new Bench();
    const room = bench.create("a", { maxEvents: 3 });
    for (let i = 0; i < 10; i++) bench.publish(room, `${i}`);
    expect(bench.dataFrom(room, 0)).toEqual(["7 7", "8 8", "9 9"]);
    const single = bench.create("b", { maxEvents: 1 });
    for (let i = 0; i < 10; i++) bench.publish(single, `${i}`);
    expect(bench.dataFrom(single, 0)).toEqual(["9 9"]);
    bench.store.checkInvariants();
  });

  it("keeps the last events within max_bytes, to the byte", () => {
    const bench = new Bench();
    const bytes = eventRecordBytes(1, 10, 0, 0);
    const room = bench.create("a", { maxBytes: 5 * bytes });
    for (let i = 1; i <= 40; i++) {
      bench.publish(room, "x".repeat(10));
      expect([room.eventCount, room.bytes]).toEqual([Math.min(i, 5), Math.min(i, 5) * bytes]);
    }
    const tight = bench.create("b", { maxBytes: 5 * bytes - 1 });
    for (let i = 1; i <= 40; i++) {
      bench.publish(tight, "x".repeat(10));
      expect([tight.eventCount, tight.bytes]).toEqual([Math.min(i, 4), Math.min(i, 4) * bytes]);
    }
    // One event as large as the room takes the place of all others; a larger one is a bug of plan.
    const largest = "y".repeat(tight.eventBytesMax - eventRecordBytes(1, 0, 0, 0) - ((5 * bytes - 1) % 4));
    bench.publish(tight, largest);
    expect(tight.eventCount).toBe(1);
    expect(() => bench.publish(tight, `${largest}yyyy`)).toThrow("too large");
    bench.store.checkInvariants();
  });

  it("takes events larger than a block, among small ones", () => {
    const bench = new Bench();
    const room = bench.create("a");
    const sizes = [10, 300_000, 5, 70_000, 40_000, 1, 2_000_000, 3];
    for (const size of sizes) bench.publish(room, "z".repeat(size));
    bench.store.checkInvariants();
    expect(bench.dataFrom(room, 0).map((line) => line.length - 2)).toEqual(sizes);
    bench.apply((writer) => writeRoomTrim(writer, room.id, 4));
    expect(bench.dataFrom(room, 0).map((line) => line.length - 2)).toEqual(sizes.slice(4));
    bench.store.checkInvariants();
  });

  it("grows a generation with every creation and leaves nothing of the old room", () => {
    const bench = new Bench();
    const old = bench.create("a");
    bench.publish(old, "one", 1000, "id");
    bench.apply((writer) => writeRoomDelete(writer, old.id));
    expect(bench.store.find(rangeOf("a"))).toBeUndefined();
    expect(bench.store.roomOf(old.id)).toBeUndefined();
    expect([old.deleted, old.eventCount, bench.dataFrom(old, 0).length]).toEqual([true, 0, 0]);
    const room = bench.create("a");
    expect(room.generation).toBeGreaterThan(old.generation);
    expect([room.nextOffset, bench.store.findDedup(room, rangeOf("id"))]).toEqual([0, -1]);
    bench.apply((writer) => writeRoomExpire(writer, room.id));
    expect(bench.store.count).toBe(0);
  });

  it("creates a room and publishes to it in one record", () => {
    const bench = new Bench();
    const id = bench.nextOffset;
    bench.apply((writer) => {
      writeRoomCreate(writer, rangeOf("a"), CONFIG, 1000);
      writeRoomPublish(writer, id, event("one"), 0, 1000);
      writeRoomPublish(writer, id, event("two"), 1, 1000);
    });
    expect(bench.dataFrom(bench.room("a"), 0)).toEqual(["0 one", "1 two"]);
  });

  it("throws on what plan cannot have written", () => {
    const bench = new Bench();
    const room = bench.create("a");
    expect(() => bench.create("a")).toThrow("is there");
    expect(() => bench.apply((writer) => writeRoomPublish(writer, room.id, event("x"), 1, 0))).toThrow(
      "expects event 1",
    );
    expect(() => bench.apply((writer) => writeRoomPublish(writer, 99, event("x"), 0, 0))).toThrow("does not exist: 99");
    expect(() => bench.apply((writer) => writeRoomTrim(writer, room.id, 0))).toThrow("not after its oldest");
    expect(() => bench.apply((writer) => writeRoomTrim(writer, room.id, 1))).toThrow("not after its oldest");
    expect(() => bench.store.apply(Uint8Array.of(67, 1, 0), 0, 3, 9)).toThrow("4 bytes past its record");
    expect(() => bench.store.apply(Uint8Array.of(70), 0, 1, 9)).toThrow("unknown operation kind 70");
  });

  it("lists rooms in the order of their names", () => {
    const bench = new Bench();
    for (const name of ["b", "a", "ba", "é", "c"]) bench.create(name);
    const names: string[] = [];
    bench.store.scan(rangeOf("a"), undefined, (room) => names.push(room.name) < 3);
    expect(names).toEqual(["b", "ba", "c"]);
    bench.store.scan(rangeOf("c"), undefined, (room) => names.push(room.name) > 0);
    expect(names).toEqual(["b", "ba", "c", "é"]);
  });
});

describe("retention by age", () => {
  it("hides what is overdue and says what to trim", () => {
    const bench = new Bench();
    const { store } = bench;
    const room = bench.create("a", { retentionMs: 100 });
    expect(store.nextTrimMs).toBe(Number.POSITIVE_INFINITY);
    for (let i = 0; i < 1000; i++) bench.publish(room, `${i}`, 1000 + i);
    for (let i = 0; i <= 1000; i += 7) {
      // Event i was published at 1000 + i and is over its age from 1100 + i on.
      expect(store.oldestVisible(room, 1099 + i)).toBe(i);
    }
    expect(store.oldestVisible(room, 5000)).toBe(1000);
    expect(store.nextTrimMs).toBe(1100);
    expect(store.dueTrim(1099)).toBeUndefined();
    expect(store.dueTrim(1149)).toBe(room);
    expect(store.trimTarget(room, 1149)).toBe(50);
    bench.apply((writer) => writeRoomTrim(writer, room.id, 50));
    expect([room.oldestOffset, store.nextTrimMs]).toEqual([50, 1150]);
    expect(store.dueTrim(1149)).toBeUndefined();
    bench.apply((writer) => writeRoomTrim(writer, room.id, 1000));
    expect([room.eventCount, store.nextTrimMs]).toEqual([0, Number.POSITIVE_INFINITY]);
    store.checkInvariants();
    bench.publish(room, "again", 9000);
    expect([store.nextTrimMs, room.oldestOffset]).toEqual([9100, 1000]);
  });

  it("corrects a deadline that drops by number have outdated", () => {
    const bench = new Bench();
    const room = bench.create("a", { retentionMs: 100, maxEvents: 2 });
    for (let i = 0; i < 10; i++) bench.publish(room, `${i}`, 1000 + i * 10);
    expect(bench.store.nextTrimMs).toBe(1100);
    expect(bench.store.dueTrim(1150)).toBeUndefined();
    expect(bench.store.nextTrimMs).toBe(1180);
    expect(bench.store.dueTrim(1180)).toBe(room);
  });

  it("trims no more at once than a step may take", () => {
    const bench = new Bench();
    const room = bench.create("a", { retentionMs: 100, maxEvents: TRIM_EVENTS_MAX * 2 });
    bench.apply((writer) => {
      for (let i = 0; i < TRIM_EVENTS_MAX + 5; i++) writeRoomPublish(writer, room.id, event("x"), i, 1000);
    });
    expect(bench.store.dueTrim(2000)).toBe(room);
    expect(bench.store.trimTarget(room, 2000)).toBe(TRIM_EVENTS_MAX);
    bench.apply((writer) => writeRoomTrim(writer, room.id, TRIM_EVENTS_MAX));
    expect(bench.store.dueTrim(2000)).toBe(room);
    expect(bench.store.trimTarget(room, 2000)).toBe(TRIM_EVENTS_MAX + 5);
  });

  it("lets no timestamp go back, so that age follows order", () => {
    const bench = new Bench();
    const room = bench.create("a", { retentionMs: 100 });
    bench.publish(room, "0", 2000);
    bench.publish(room, "1", 1500);
    bench.publish(room, "2", 2001);
    expect(bench.store.oldestVisible(room, 2099)).toBe(0);
    expect(bench.store.oldestVisible(room, 2100)).toBe(2);
    bench.store.checkInvariants();
  });
});

describe("dedup ids", () => {
  it("finds the last ids whose events are in the room", () => {
    const bench = new Bench();
    const room = bench.create("a", { dedupIdsMax: 20, maxEvents: 1000 });
    const find = (i: number): number => bench.store.findDedup(room, rangeOf(`id ${i}`));
    expect(find(0)).toBe(-1);
    for (let i = 0; i < 100; i++) {
      bench.publish(room, "x", 1000, `id ${i}`);
      bench.publish(room, "no id");
      for (let j = 0; j <= i + 1; j++) expect(find(j), `${j} after ${i}`).toBe(j > i || j <= i - 20 ? -1 : j * 2);
    }
    bench.apply((writer) => writeRoomTrim(writer, room.id, 190));
    expect(find(94)).toBe(-1);
    expect(find(95)).toBe(190);
    bench.store.checkInvariants();
  });

  it("grows after ids were left behind", () => {
    const bench = new Bench();
    const room = bench.create("a");
    const publish = (from: number, to: number): void => {
      for (let i = from; i < to; i++) bench.publish(room, "x", 1000, `id ${i}`);
    };
    publish(0, 8);
    bench.apply((writer) => writeRoomTrim(writer, room.id, 6));
    // Six more overwrite what was trimmed; the table of eight grows for the next, when it has seen 14.
    publish(8, 40);
    expect(room.dedup?.offsets(room)).toEqual(Array.from({ length: 34 }, (_, i) => i + 6));
    for (let i = 0; i < 40; i++) expect(bench.store.findDedup(room, rangeOf(`id ${i}`))).toBe(i < 6 ? -1 : i);
  });

  it("tells ids with the same hash apart", () => {
    const bench = new Bench();
    const room = bench.create("a");
    bench.publish(room, "x", 1000, "id 1239");
    expect(bench.store.findDedup(room, rangeOf("id 650284"))).toBe(-1);
    bench.publish(room, "x", 1000, "id 650284");
    const found = ["id 1239", "id 650284"].map((id) => bench.store.findDedup(room, rangeOf(id)));
    expect(found).toEqual([0, 1]);
  });

  it("does not grow for ids whose events are gone", () => {
    const bench = new Bench();
    const room = bench.create("a", { maxEvents: 4 });
    for (let i = 0; i < 1000; i++) bench.publish(room, "x", 1000, `id ${i}`);
    expect(room.dedup?.slotBytes).toBeLessThan(300);
    expect(bench.store.findDedup(room, rangeOf("id 995"))).toBe(-1);
    expect(bench.store.findDedup(room, rangeOf("id 996"))).toBe(996);
  });
});

describe("idle rooms", () => {
  it("come longest unused first, and not while they are watched", () => {
    const bench = new Bench();
    const { store } = bench;
    const [a, b, c] = ["a", "b", "c"].map((name, i) => bench.create(name, {}, 1000 + i));
    expect(store.idleRoom(1099, 100)).toBeUndefined();
    expect(store.idleRoom(1100, 100)).toBe(a);
    store.touch(a, 1050);
    expect(store.idleRoom(1120, 100)).toBe(b);
    bench.publish(b, "x", 1060);
    store.watch(rangeOf("c"));
    expect(store.idleRoom(1155, 100)).toBe(a);
    bench.apply((writer) => writeRoomExpire(writer, a.id));
    expect(store.idleRoom(1155, 100)).toBeUndefined();
    store.unwatch(rangeOf("c"));
    expect(store.idleRoom(1200, 100)).toBe(b);
    bench.apply((writer) => writeRoomExpire(writer, b.id));
    expect(store.idleRoom(1254, 100)).toBeUndefined();
    expect(store.idleRoom(1255, 100)).toBe(c);
    store.touch(a, 9999);
    store.checkInvariants();
  });
});

describe("changes", () => {
  it("are those of watched rooms, each once, with removal and creation", () => {
    const bench = new Bench();
    const a = bench.create("a");
    const b = bench.create("b");
    bench.publish(a, "x");
    expect(bench.changes()).toEqual([]);
    bench.store.watch(rangeOf("a"));
    bench.store.watch(rangeOf("a"));
    bench.publish(a, "y");
    bench.publish(b, "y");
    bench.publish(a, "z");
    expect(bench.changes()).toEqual([`a ${a.id}`]);
    expect(bench.changes()).toEqual([]);
    bench.publish(a, "last");
    bench.apply((writer) => writeRoomDelete(writer, a.id));
    const again = bench.create("a");
    expect(bench.changes()).toEqual([`a ${a.id} deleted`, `a ${again.id}`]);
    expect(again.watched).toBe(2);
    bench.store.unwatch(rangeOf("a"));
    bench.apply((writer) => writeRoomDelete(writer, again.id));
    bench.store.unwatch(rangeOf("a"));
    expect(bench.changes()).toEqual([`a ${again.id} deleted`]);
    expect(bench.create("a").watched).toBe(0);
    expect(bench.changes()).toEqual([]);
  });

  it("are reported for a room that was watched before it was there", () => {
    const bench = new Bench();
    bench.store.watch(rangeOf("later"));
    const room = bench.create("later");
    expect(bench.changes()).toEqual([`later ${room.id}`]);
  });
});

describe("memory", () => {
  it("is all given back", () => {
    const bench = new Bench();
    const { store } = bench;
    for (let r = 0; r < 5; r++) {
      const room = bench.create(`room ${r}`, { retentionMs: 1000 });
      for (let i = 0; i < 500; i++) bench.publish(room, "x".repeat(i), 1000, `id ${i}`);
    }
    const { usedBytes } = store;
    for (let r = 0; r < 5; r++) bench.apply((writer) => writeRoomDelete(writer, bench.room(`room ${r}`).id));
    expect(store.detachedBytes).toBeGreaterThan(usedBytes / 2);
    let slices = 1;
    while (store.freeDetached(3)) {
      store.checkInvariants();
      slices++;
    }
    expect(slices).toBeGreaterThan(10);
    expect([store.detachedBytes, store.usedBytes]).toEqual([0, 0]);
    store.checkInvariants();
  });

  it("grows by no more than a write was said to need", () => {
    const bench = new Bench();
    const { store } = bench;
    const createBytes = store.createBytesNeeded(1);
    const room = bench.create("a", { retentionMs: 1000 });
    expect(store.usedBytes).toBeLessThanOrEqual(createBytes);
    for (let i = 0; i < 3000; i++) {
      const size = (i * 7919) % (i % 50 === 0 ? 90_000 : 400);
      const id = i % 3 === 0 ? `id ${i}` : "";
      const before = store.usedBytes;
      const needed = store.publishBytesNeeded(room, 1, size, 0, id.length);
      bench.publish(room, "x".repeat(size), 1000, id);
      expect(store.usedBytes - before).toBeLessThanOrEqual(needed);
    }
  });

  it("comes back from spans that removals have left sparse", () => {
    const bench = new Bench();
    const { store } = bench;
    const rooms = Array.from({ length: 1000 }, (_, i) => bench.create(`room ${i}`));
    for (const room of rooms) for (let i = 0; i < 5; i++) bench.publish(room, `${i}`.repeat(200 + i * 30));
    const { heldBytes } = store;
    rooms.forEach((room, i) => {
      if (i % 10 !== 0) bench.apply((writer) => writeRoomTrim(writer, room.id, 5));
    });
    const before = store.dump();
    expect(store.reclaimableBytes).toBeGreaterThan(heldBytes / 4);
    while (store.evacuate());
    store.checkInvariants();
    expect(store.dump()).toBe(before);
    expect(store.heldBytes).toBeLessThan(heldBytes * 0.6);
    // What is detached goes first: its blocks name rooms that are gone.
    bench.apply((writer) => writeRoomDelete(writer, rooms[0].id));
    expect(store.evacuate()).toBe(true);
    expect(store.detachedBytes).toBe(0);
  });

  it("is little more than the events take, at every size of a room", () => {
    for (const count of [1, 10, 100, 1000, 20_000]) {
      const bench = new Bench();
      const room = bench.create("a", { maxEvents: count });
      for (let i = 0; i < count * 3; i++) bench.publish(room, "x".repeat(200));
      // The oldest block is half gone, the newest half full.
      expect(room.ring.slotBytes / room.bytes, `${count} events`).toBeLessThan(count < 100 ? 2.2 : 1.35);
    }
  });

  it("does not waste blocks on events whose sizes alternate", () => {
    const bench = new Bench();
    const room = bench.create("a");
    for (let i = 0; i < 2000; i++) bench.publish(room, "x".repeat(i % 2 === 0 ? 40_000 : 10));
    expect(room.ring.slotBytes / room.bytes).toBeLessThan(1.2);
    bench.store.checkInvariants();
  });
});
