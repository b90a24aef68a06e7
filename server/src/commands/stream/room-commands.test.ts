import { describe, expect, it } from "vitest";
import { caller, Engine, seededRandom } from "../../../test/engine.ts";
import { JsonCodec } from "../../codecs/json/json-codec.ts";
import { MessagePackCodec } from "../../codecs/msgpack/message-pack-codec.ts";
import { configFromFlags } from "../../config/load.ts";
import { ClientSession } from "../../fanout/client-session.ts";
import { PushEncoder } from "../../fanout/push-encoder.ts";
import { RoomFeeds } from "../../fanout/room-feeds.ts";
import { SubscriptionCount } from "../../fanout/subscription-count.ts";
import { SubscriptionIds } from "../../fanout/subscription-ids.ts";
import { limitsOf } from "../../limits.ts";
import { TurnEnd } from "../../runtime/turn-end.ts";
import { rangeOf } from "../../structures/byte-range.ts";
import { CommandError } from "../errors.ts";
import { streamSubscribe } from "./subscribe.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What a command answered that has to succeed. */
function answer(engine: Engine, command: string, payload: Fields): Fields {
  const result = engine.run(command, payload);
  if (result instanceof CommandError) throw new Error(`${command}: ${result.code} ${result.message}`);
  // Every command of rooms answers with an object.
  return result as Fields;
}

function codeOf(result: unknown): unknown {
  return result instanceof CommandError ? result.code : result;
}

function event(data: unknown, more: Fields = {}): Fields {
  return { event: "e", data, ...more };
}

const CODEC_LIMITS = { batchCommandsMax: 10, valueBytesMax: 1024 };
const CODECS = { json: new JsonCodec(CODEC_LIMITS), msgpack: new MessagePackCodec(CODEC_LIMITS) };
const DEFAULTS = limitsOf(configFromFlags()).room;

describe("events and time", () => {
  it("hides an event that is over its age, and forgets its dedup id, before it is trimmed", () => {
    const engine = new Engine();
    engine.run("stream.create", { room: "r", retention_secs: 10 });
    answer(engine, "stream.publish", { room: "r", ...event(0, { dedup_id: "x" }) });
    engine.nowMs += 5_000;
    answer(engine, "stream.publish", { room: "r", ...event(1) });
    expect(answer(engine, "stream.publish", { room: "r", ...event(2, { dedup_id: "x" }) }).duplicate).toBe(true);
    engine.nowMs += 5_000;
    const page = answer(engine, "stream.consume", { room: "r", from_offset: 0 });
    expect(page).toMatchObject({ oldest_offset: 1, next_offset: 2, gap: { from_offset: 0, to_offset: 0 } });
    expect(answer(engine, "stream.stats", { room: "r" })).toMatchObject({ message_count: 1, min_offset: 1 });
    expect(answer(engine, "stream.publish", { room: "r", ...event(2, { dedup_id: "x" }) })).toMatchObject({
      offset: 2,
    });
  });

  it("trims what is over its age as operations of their own, when it is due", () => {
    const engine = new Engine();
    engine.run("stream.create", { room: "r", retention_secs: 10 });
    for (let i = 0; i < 3; i++) answer(engine, "stream.publish", { room: "r", ...event(i) });
    const { rooms } = engine.fanout;
    expect(rooms.nextDueMs).toBe(engine.nowMs + 10_000);
    expect(rooms.runDue(engine.nowMs, 10)).toBe(0);
    engine.nowMs += 10_000;
    const before = engine.log.nextOffset;
    expect(rooms.runDue(engine.nowMs, 10)).toBe(1);
    expect(engine.log.nextOffset).toBe(before + 1);
    expect(answer(engine, "stream.stats", { room: "r" })).toMatchObject({ bytes: 0, message_count: 0, min_offset: 3 });
    expect(rooms.nextDueMs).toBe(Number.POSITIVE_INFINITY);
    expect(answer(engine, "stream.publish", { room: "r", ...event(3) })).toMatchObject({ offset: 3 });
    engine.state.rooms.checkInvariants();
  });
});

describe("many deadlines", () => {
  it("that events pushed out have made later are put right, though nothing is trimmed", () => {
    const engine = new Engine();
    const rooms = Array.from({ length: 1_500 }, (_, i) => `r${i}`);
    for (const room of rooms) answer(engine, "stream.create", { room, max_events: 1, retention_secs: 10 });
    for (const room of rooms) answer(engine, "stream.publish", { room, ...event(0) });
    engine.nowMs += 1_000;
    for (const room of rooms) answer(engine, "stream.publish", { room, ...event(1) });
    engine.nowMs += 9_000;
    const before = engine.log.nextOffset;
    engine.fanout.rooms.runDue(engine.nowMs, 10);
    expect(engine.fanout.rooms.nextDueMs).toBe(engine.nowMs + 1_000);
    expect(engine.log.nextOffset).toBe(before);
  });
});

describe("idle rooms", () => {
  it("are removed as operations, the longest unused first, but for those with subscribers", () => {
    const engine = new Engine();
    const feeds = new RoomFeeds({
      rooms: engine.state.rooms,
      state: engine.state,
      encoder: new PushEncoder(CODECS, 2 ** 20),
      turnEnd: new TurnEnd(() => {}),
      clock: { nowMs: () => engine.nowMs, monotonicMs: () => 0 },
      ids: new SubscriptionIds(),
      subscriptions: new SubscriptionCount(100),
      idleMs: 1_000,
    });
    feeds.attach(engine.executor);
    for (const room of ["read", "watched", "unused"]) answer(engine, "stream.create", { room });
    const outbox = { push: () => true };
    const session = ClientSession.of({ ...caller, session: undefined, outbox });
    const watched = engine.state.rooms.find(rangeOf("watched"));
    if (watched === undefined) throw new Error("the room was just made");
    feeds.subscribe(session, watched, {});
    engine.nowMs += 600;
    answer(engine, "stream.consume", { room: "read" });
    expect(feeds.runDue(engine.nowMs, 10)).toBe(0);
    engine.nowMs += 400;
    expect(feeds.runDue(engine.nowMs, 10)).toBe(1);
    // Whoever is told of it, and answers, does so at that instant.
    expect(engine.executor.nowMs).toBe(engine.nowMs);
    expect(answer(engine, "stream.list", {}).rooms).toEqual(["read", "watched"]);
    engine.nowMs += 600;
    expect(feeds.runDue(engine.nowMs, 1)).toBe(1);
    session.closed();
    engine.nowMs += 1_000;
    expect(feeds.runDue(engine.nowMs, 10)).toBe(1);
    expect(answer(engine, "stream.list", {}).rooms).toEqual([]);
    engine.state.rooms.checkInvariants();
  });
});

describe("limits", () => {
  it("holds an event against the limit of all, and against its room", () => {
    const engine = new Engine({ limits: { room: { ...DEFAULTS, eventBytesMax: 100 } } });
    const atLimit = event("d".repeat(97), { metadata: {} });
    expect(answer(engine, "stream.publish", { room: "r", ...atLimit }).offset).toBe(0);
    const over = engine.run("stream.publish", { room: "r", ...event("d".repeat(98), { metadata: {} }) });
    expect(over).toMatchObject({ code: "PAYLOAD_TOO_LARGE", details: { path: "data", limit_bytes: 100, bytes: 101 } });
    engine.run("stream.create", { room: "small", max_bytes: 34 });
    expect(codeOf(engine.run("stream.publish", { room: "small", ...event("d".repeat(19)) }))).toMatchObject({
      offset: 0,
    });
    expect(codeOf(engine.run("stream.publish", { room: "small", ...event("d".repeat(20)) }))).toBe("PAYLOAD_TOO_LARGE");
  });

  it("refuses a room too many, also within one record", () => {
    const engine = new Engine({ limits: { room: { ...DEFAULTS, roomsMax: 2 } } });
    engine.run("stream.create", { room: "a" });
    const both = engine.atomic([
      ["stream.create", { room: "b" }],
      ["stream.publish", { room: "c", ...event(1) }],
    ]);
    expect(both).toMatchObject({ code: "MEMORY_LIMIT_EXCEEDED", details: { rooms_max: 2 } });
    expect(engine.state.rooms.count).toBe(1);
    answer(engine, "stream.create", { room: "b" });
    expect(codeOf(engine.run("stream.get_or_create", { room: "c" }))).toBe("MEMORY_LIMIT_EXCEEDED");
    expect(answer(engine, "stream.get_or_create", { room: "b" }).created).toBe(false);
  });

  it("refuses events when memory is used up, while rooms can be read and deleted", () => {
    const engine = new Engine({ memoryBytesMax: 4 * 2 ** 20 });
    let result: unknown;
    let count = 0;
    for (; !(result instanceof CommandError) && count < 1000; count++) {
      result = engine.run("stream.publish", { room: "r", ...event("d".repeat(20_000)) });
    }
    expect(codeOf(result)).toBe("MEMORY_LIMIT_EXCEEDED");
    expect(count).toBeGreaterThan(100);
    expect(answer(engine, "stream.stats", { room: "r" }).message_count).toBe(count - 1);
    expect(answer(engine, "stream.delete", { room: "r" })).toEqual({ deleted: true });
    while (engine.state.rooms.freeDetached(100));
    expect(engine.state.rooms.usedBytes).toBe(0);
    answer(engine, "stream.publish", { room: "r", ...event("d".repeat(20_000)) });
    engine.state.rooms.checkInvariants();
  });

  it("takes what it can get from keys that may be evicted", () => {
    const engine = new Engine({ memoryBytesMax: 4 * 2 ** 20, evictionPolicy: "lru" });
    for (let i = 0; i < 400; i++) engine.run("kv.set", { key: `k${i}`, value: "v".repeat(8_000) });
    const before = engine.store.size;
    for (let i = 0; i < 60; i++) answer(engine, "stream.publish", { room: "r", ...event("d".repeat(20_000)) });
    expect(engine.store.size).toBeLessThan(before);
    expect(answer(engine, "stream.stats", { room: "r" }).message_count).toBe(60);
  });

  it("refuses a connection a subscription too many, but not another position in one that it has", () => {
    const engine = new Engine({ limits: { room: { ...DEFAULTS, subscriptionsPerConnectionMax: 1 } } });
    const subscriber = { ...caller, session: undefined, outbox: { push: () => true } };
    const subscribe = (room: string) => engine.executor.run(streamSubscribe, { room: rangeOf(room) }, subscriber);
    for (const room of ["a", "b"]) answer(engine, "stream.create", { room });
    // What else there is of the connection does not count: commands that wait, for example.
    ClientSession.of(subscriber).add({ closed: () => {}, drained: () => {} });
    expect(subscribe("a")).toMatchObject({ subscription_id: 1 });
    expect(subscribe("a")).toMatchObject({ subscription_id: 1 });
    expect(subscribe("b")).toMatchObject({ code: "INVALID_REQUEST", details: { subscriptions_max: 1 } });
    expect(answer(engine, "stream.stats", { room: "a" }).subscriber_count).toBe(1);
  });

  it("ends a page after a megabyte, and after 2000 events", () => {
    const engine = new Engine();
    for (let i = 0; i < 30; i++) answer(engine, "stream.publish", { room: "r", ...event("d".repeat(60_000)) });
    const first = answer(engine, "stream.consume", { room: "r", limit: 1_000_000 });
    expect(first.next_offset).toBe(17);
    expect(answer(engine, "stream.consume", { room: "r", from_offset: 17 }).next_offset).toBe(30);
    for (let i = 0; i < 3; i++) {
      const events = Array.from({ length: 1_000 }, (_, data) => event(data));
      answer(engine, "stream.publish_batch", { room: "many", events });
    }
    expect(answer(engine, "stream.consume", { room: "many", limit: 1_000_000 }).next_offset).toBe(2_000);
  });
});

describe("a generation", () => {
  it("of another room has all of the new one read, and says so", () => {
    const engine = new Engine();
    const publish = (count: number) => {
      for (let i = 0; i < count; i++) answer(engine, "stream.publish", { room: "r", ...event(i) });
    };
    publish(5);
    const { generation } = answer(engine, "stream.consume", { room: "r" });
    const went = { room: "r", from_offset: 4, generation };
    const same = answer(engine, "stream.consume", went);
    expect([same.next_offset, same.gap]).toEqual([5, undefined]);
    engine.run("stream.delete", { room: "r" });
    publish(2);
    const page = answer(engine, "stream.consume", { ...went, to_offset: 0 });
    const offsets = (page.events as readonly Fields[]).map(({ offset }) => offset);
    expect(offsets).toEqual([0, 1]);
    expect(page).toMatchObject({ next_offset: 2, gap: { from_offset: 4, to_offset: 4, reason: "recreated" } });
    expect(page.generation).not.toBe(generation);
    // From the end there is nothing to mistake.
    const last = answer(engine, "stream.consume", { ...went, from_offset: -1 });
    expect([last.next_offset, last.gap]).toEqual([2, undefined]);
    expect(engine.run("stream.consume", { ...went, strict: true })).toMatchObject({
      code: "OFFSET_TRIMMED",
      details: { oldest_offset: 0, newest_offset: 1, generation: page.generation },
    });
  });

  it("of an empty room is told as well", () => {
    const engine = new Engine();
    answer(engine, "stream.create", { room: "r" });
    const page = answer(engine, "stream.consume", { room: "r", from_offset: 3, generation: 0 });
    expect(page).toMatchObject({
      events: [],
      next_offset: 0,
      gap: { from_offset: 3, to_offset: 3, reason: "recreated" },
    });
  });

  it("says nothing without the offset that it goes with", () => {
    const engine = new Engine();
    answer(engine, "stream.create", { room: "r" });
    const refused = { code: "INVALID_PAYLOAD", details: { path: "generation" } };
    expect(engine.run("stream.consume", { room: "r", generation: 1 })).toMatchObject(refused);
    const subscriber = { ...caller, session: undefined, outbox: { push: () => true } };
    const args = { room: rangeOf("r"), from_offset: undefined, generation: 1 };
    expect(engine.executor.run(streamSubscribe, args, subscriber)).toMatchObject(refused);
  });
});

describe("one record", () => {
  it("leaves nothing of commands before one that is refused", () => {
    const engine = new Engine();
    const before = engine.log.nextOffset;
    const result = engine.atomic([
      ["stream.publish", { room: "new", ...event(1) }],
      ["stream.publish_batch", { room: "new", events: [event(2), event("d".repeat(2 ** 21))] }],
    ]);
    expect(codeOf(result)).toBe("PAYLOAD_TOO_LARGE");
    expect(engine.log.nextOffset).toBe(before);
    expect(codeOf(engine.run("stream.stats", { room: "new" }))).toBe("ROOM_NOT_FOUND");
    // What was staged is forgotten with it.
    expect(answer(engine, "stream.publish", { room: "new", ...event(1) })).toMatchObject({ offset: 0 });
  });

  it("sees rooms that it makes, events that it adds to several rooms, and their dedup ids", () => {
    const engine = new Engine();
    for (const room of ["a", "b"]) answer(engine, "stream.publish", { room, ...event(0, { dedup_id: "old" }) });
    const results = engine.atomic([
      ["stream.publish", { room: "a", ...event(1) }],
      ["stream.publish", { room: "b", ...event(1, { dedup_id: "x" }) }],
      ["stream.publish", { room: "c", ...event(0, { dedup_id: "x" }) }],
      ["stream.publish", { room: "a", ...event(2, { dedup_id: "x" }) }],
      ["stream.publish", { room: "b", ...event(2, { dedup_id: "x" }) }],
      ["stream.publish", { room: "b", ...event(2, { dedup_id: "old" }) }],
      ["stream.publish_batch", { room: "c", events: [event(1), event(2, { dedup_id: "x" }), event(2)] }],
      ["stream.create", { room: "c" }],
    ]);
    expect(codeOf(results)).toBe("ROOM_EXISTS");
    const offsets = engine.atomic([
      ["stream.publish", { room: "a", ...event(1) }],
      ["stream.publish", { room: "b", ...event(1, { dedup_id: "x" }) }],
      ["stream.publish", { room: "c", ...event(0, { dedup_id: "x" }) }],
      ["stream.publish", { room: "a", ...event(2, { dedup_id: "x" }) }],
      ["stream.publish", { room: "b", ...event(2, { dedup_id: "x" }) }],
      ["stream.publish", { room: "b", ...event(2, { dedup_id: "old" }) }],
      ["stream.publish_batch", { room: "c", events: [event(1), event(2, { dedup_id: "x" }), event(2)] }],
    ]);
    expect(offsets).toMatchObject([
      { offset: 1 },
      { offset: 1 },
      { offset: 0 },
      { offset: 2 },
      { offset: 1, duplicate: true },
      { offset: 0, duplicate: true },
      { first_offset: 1, last_offset: 2, duplicates: 1 },
    ]);
    const page = answer(engine, "stream.consume", { room: "c" });
    // The id that publishing gave is the one that readers see.
    const ids = (page.events as readonly Fields[]).map(({ id }) => id);
    expect(ids).toContain((offsets as readonly Fields[])[2].event_id);
    engine.state.rooms.checkInvariants();
  });
});

/** What a room has had, from its first event on. */
interface Model {
  readonly generation: number;
  readonly all: number[];
}

/** Random publishing against lists, and a reader that goes on from `next_offset`. */
class Run {
  readonly #engine = new Engine();
  readonly #random: () => number;
  readonly #models = new Map<string, Model>();
  readonly #readers = new Map<string, { generation: number; next: number }>();
  #published = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #model(room: string): Model {
    const { generation } = answer(this.#engine, "stream.stats", { room });
    const known = this.#models.get(room);
    if (known !== undefined && known.generation === generation) return known;
    const model = { generation: Number(generation), all: [] };
    this.#models.set(room, model);
    return model;
  }

  #payload(room: string): readonly [string, Fields] {
    const events = Array.from({ length: 1 + this.#below(4) }, () => event(this.#published++));
    if (events.length > 1) return ["stream.publish_batch", { room, events }];
    return ["stream.publish", { room, ...events[0] }];
  }

  #record(room: string, payload: Fields): void {
    const events = payload.events ?? [payload];
    for (const { data } of events as readonly Fields[]) this.#model(room).all.push(Number(data));
  }

  #publish(): void {
    const names = ["a", "b", "c"];
    const commands = Array.from({ length: 1 + this.#below(3) }, () => this.#payload(names[this.#below(3)]));
    const results = this.#engine.atomic(commands);
    if (results instanceof CommandError) throw new Error(results.message);
    for (const [, payload] of commands) this.#record(String(payload.room), payload);
  }

  #read(room: string): void {
    const { generation, all } = this.#model(room);
    const reader = this.#readers.get(room);
    const next = reader?.generation === generation ? reader.next : 0;
    const limit = 1 + this.#below(5);
    const page = answer(this.#engine, "stream.consume", { room, from_offset: next, limit });
    // What stream.consume declares to answer.
    const gap = page.gap as { from_offset: number; to_offset: number } | undefined;
    const events = page.events as readonly { offset: number; data: number }[];
    let expected = next;
    if (gap !== undefined) {
      expect(gap.from_offset).toBe(next);
      expected = gap.to_offset + 1;
      expect(expected).toBe(page.oldest_offset);
    }
    for (const { offset, data } of events) {
      expect([offset, data]).toEqual([expected, all[expected]]);
      expected++;
    }
    expect(page).toMatchObject({ next_offset: expected, newest_offset: all.length - 1, generation });
    expect(events.length).toBe(Math.min(limit, all.length - Math.max(next, Number(page.oldest_offset))));
    this.#readers.set(room, { generation, next: expected });
  }

  step(): void {
    const room = ["a", "b", "c"][this.#below(3)];
    const exists = !(this.#engine.run("stream.stats", { room }) instanceof CommandError);
    const at = this.#below(20);
    if (at < 9) this.#publish();
    else if (at < 16 && exists) this.#read(room);
    else if (at === 16 && exists) answer(this.#engine, "stream.delete", { room });
    else if (at === 17 && !exists) {
      const retention_secs = this.#below(3);
      answer(this.#engine, "stream.create", { room, max_events: 1 + this.#below(20), retention_secs });
    } else if (at === 18) this.#engine.nowMs += this.#below(1000);
    else this.#engine.fanout.rooms.runDue(this.#engine.nowMs, 100);
  }

  finish(): void {
    this.#engine.state.rooms.checkInvariants();
  }
}

describe("rooms, at random", () => {
  it.each(Array.from({ length: 20 }, (_, i) => 1 + i))("show what was published, in order: seed %i", (seed) => {
    const run = new Run(seed);
    for (let step = 0; step < 300; step++) run.step();
    run.finish();
  });
});
