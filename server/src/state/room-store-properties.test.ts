/** Random operations against rooms that are plain lists. A failure names its seed. */
import { describe, expect, it } from "vitest";
import { soaked } from "../../test/soak.ts";
import { rangeOf } from "../structures/byte-range.ts";
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
import { RoomStore } from "./room-store.ts";
import { TAG_BYTES, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value, type ValueTag } from "./value.ts";

const TAGS: readonly ValueTag[] = [TAG_TEXT, TAG_BYTES, TAG_INTEGER, TAG_JSON];

interface ModelEvent {
  readonly offset: number;
  readonly timestampMs: number;
  readonly text: string;
  readonly bytes: number;
  readonly dedupId: string;
}

class ModelRoom {
  events: ModelEvent[] = [];
  nextOffset = 0;
  lastMs = 0;
  /** Offset and id of all that had one. */
  readonly ids: { offset: number; id: string }[] = [];
  readonly id: number;
  readonly config: RoomConfig;

  constructor(id: number, config: RoomConfig) {
    this.id = id;
    this.config = config;
  }

  get oldestOffset(): number {
    return this.nextOffset - this.events.length;
  }

  publish(text: string, bytes: number, dedupId: string, timestampMs: number): void {
    this.lastMs = Math.max(this.lastMs, timestampMs);
    this.events.push({ offset: this.nextOffset, timestampMs: this.lastMs, text, bytes, dedupId });
    if (dedupId !== "" && this.config.dedupIdsMax > 0) this.ids.push({ offset: this.nextOffset, id: dedupId });
    this.nextOffset++;
    while (this.events.length > this.config.maxEvents || this.bytes > this.config.maxBytes) this.events.shift();
  }

  get bytes(): number {
    return this.events.reduce((sum, event) => sum + event.bytes, 0);
  }

  /** The last ids, of those events that are still there. */
  get remembered(): { offset: number; id: string }[] {
    const last = this.config.dedupIdsMax === 0 ? [] : this.ids.slice(-this.config.dedupIdsMax);
    return last.filter(({ offset }) => offset >= this.oldestOffset);
  }

  findDedup(id: string): number {
    return this.remembered.findLast((entry) => entry.id === id)?.offset ?? -1;
  }
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

class Run {
  readonly store = new RoomStore();
  readonly rooms = new Map<string, ModelRoom>();
  /** All operations, for applying them once more. */
  readonly #writer = new OperationWriter();
  readonly #random: () => number;
  #appliedBytes = 0;
  #offset = 0;
  #nowMs = 1_700_000_000_000;

  constructor(seed: number) {
    this.#random = mulberry32(seed);
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  step(): void {
    const name = `room ${this.#below(6)}`;
    const room = this.rooms.get(name);
    // Now and then the clock goes back.
    this.#nowMs += this.#below(20) - 3;
    if (room === undefined) this.#create(name);
    else if (this.#below(300) === 0) this.#remove(name, room);
    else if (this.#below(40) === 0) this.#trimTo(room, room.oldestOffset + 1 + this.#below(room.events.length));
    else for (let i = this.#below(12); i >= 0; i--) this.#publish(room);
    if (this.#below(10) === 0) this.#trimDue();
    if (this.#below(10) === 0) this.store.freeDetached(1 + this.#below(3));
    this.#apply();
    if (this.#below(20) === 0) this.store.evacuate();
  }

  #create(name: string): void {
    const config = {
      maxEvents: [1, 2, 7, 100, 3000][this.#below(5)],
      maxBytes: [300_000, 2000, 20_000, 2 ** 33][this.#below(4)],
      retentionMs: [0, 500, 5000][this.#below(3)],
      dedupIdsMax: [0, 1, 5, 1000][this.#below(4)],
    };
    this.rooms.set(name, new ModelRoom(this.#offset + 1, config));
    writeRoomCreate(this.#writer, rangeOf(name), config, this.#nowMs);
  }

  #remove(name: string, room: ModelRoom): void {
    this.rooms.delete(name);
    if (this.#below(2) === 0) writeRoomDelete(this.#writer, room.id);
    else writeRoomExpire(this.#writer, room.id);
  }

  #publish(room: ModelRoom): void {
    const name = "n".repeat(this.#below(5));
    const dataBytes = this.#below([30, 300, 3000, this.#below(10) === 0 ? 100_000 : 50][this.#below(4)]);
    const data = String(this.#below(10)).repeat(dataBytes);
    const metadata = this.#below(3) === 0 ? `{"m":${this.#below(1000)}}` : "";
    const dedupId = this.#below(2) === 0 ? `id ${this.#below(40)}` : "";
    const bytes = eventRecordBytes(name.length, dataBytes, metadata.length, dedupId.length);
    if (bytes > room.config.maxBytes) return;
    const tag = TAGS[this.#below(4)];
    const range = rangeOf(data);
    const value = new Value(tag, range.bytes, 0, range.end);
    const event = { event: rangeOf(name), data: value, metadata: rangeOf(metadata), dedupId: rangeOf(dedupId) };
    writeRoomPublish(this.#writer, room.id, event, room.nextOffset, this.#nowMs);
    room.publish([name, tag, data, metadata, dedupId].join(), bytes, dedupId, this.#nowMs);
  }

  #trimTo(room: ModelRoom, offset: number): void {
    if (room.events.length === 0) return;
    writeRoomTrim(this.#writer, room.id, offset);
    room.events = room.events.filter((event) => event.offset >= offset);
  }

  /** What the ticker does. Afterwards nothing is overdue. */
  #trimDue(): void {
    this.#apply();
    const { store } = this;
    for (let found = store.dueTrim(this.#nowMs); found !== undefined; found = store.dueTrim(this.#nowMs)) {
      const room = this.rooms.get(found.name);
      if (room === undefined) throw new Error(`${found.name} is due and not there`);
      const target = store.trimTarget(found, this.#nowMs);
      expect(target).toBeGreaterThan(found.oldestOffset);
      this.#trimTo(room, target);
      this.#apply();
    }
    expect(store.nextTrimMs).toBeGreaterThan(this.#nowMs);
    for (const { events, config } of this.rooms.values()) {
      if (config.retentionMs === 0) continue;
      expect(events.filter(({ timestampMs }) => timestampMs <= this.#nowMs - config.retentionMs)).toEqual([]);
    }
  }

  #apply(): void {
    const { bytes, length } = this.#writer;
    while (this.#appliedBytes < length)
      this.#appliedBytes = this.store.apply(bytes, this.#appliedBytes, length, ++this.#offset);
  }

  check(): void {
    this.store.checkInvariants();
    const names: string[] = [];
    this.store.scan(undefined, undefined, (room) => names.push(room.name) > 0);
    expect(names).toEqual([...this.rooms.keys()].sort());
    for (const [name, model] of this.rooms) {
      const room = this.store.find(rangeOf(name));
      if (room === undefined) throw new Error(`${name} is missing`);
      expect(this.store.roomOf(model.id)).toBe(room);
      this.#checkRoom(room, model);
    }
  }

  #checkRoom(room: Room, model: ModelRoom): void {
    expect([room.id, room.oldestOffset, room.nextOffset]).toEqual([model.id, model.oldestOffset, model.nextOffset]);
    expect([room.bytes, room.lastPublishAtMs]).toEqual([model.bytes, model.lastMs]);
    const cursor = this.store.cursor();
    for (const from of [0, model.oldestOffset + this.#below(model.events.length + 2)]) {
      const seen: string[] = [];
      cursor.seek(room, from);
      while (cursor.next()) {
        const text = [cursor.event, cursor.data.tag, cursor.data, cursor.metadata, cursor.dedupId].join();
        seen.push(`${cursor.offset} ${cursor.timestampMs} ${text}`);
      }
      const wanted = model.events.filter((event) => event.offset >= from);
      expect(seen).toEqual(wanted.map((event) => `${event.offset} ${event.timestampMs} ${event.text}`));
    }
    const ids = Array.from({ length: 40 }, (_, i) => `id ${i}`);
    expect(ids.map((id) => this.store.findDedup(room, rangeOf(id)))).toEqual(ids.map((id) => model.findDedup(id)));
    expect(room.dedup?.offsets(room) ?? []).toEqual(model.remembered.map((entry) => entry.offset));
    const nowMs = this.#nowMs - this.#below(1000);
    const visible = model.events.find((event) => event.timestampMs > nowMs - model.config.retentionMs);
    const oldest = model.config.retentionMs === 0 ? model.oldestOffset : (visible?.offset ?? model.nextOffset);
    expect(this.store.oldestVisible(room, nowMs)).toBe(oldest);
  }

  /** The same operations once more give the same state. */
  checkRepeated(): void {
    const again = new RoomStore();
    const { bytes, length } = this.#writer;
    let offset = 0;
    for (let at = 0; at < length; ) at = again.apply(bytes, at, length, ++offset);
    expect(again.dump()).toBe(this.store.dump());
  }
}

describe("RoomStore", () => {
  const drawnFrom = 8;
  for (let round = 0; round < soaked(10); round++) {
    const seed = round < drawnFrom ? round : Math.floor(Math.random() * 2 ** 31);
    it(`keeps what a list keeps, with seed ${seed}`, () => {
      const run = new Run(seed);
      for (let step = 0; step < 1500; step++) {
        run.step();
        if (step % 100 === 0) run.check();
      }
      run.check();
      run.checkRepeated();
      while (run.store.freeDetached(100));
      run.store.checkInvariants();
      expect(run.store.detachedBytes).toBe(0);
    });
  }
});
