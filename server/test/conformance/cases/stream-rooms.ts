/** Event rooms without subscriptions: making, publishing, reading, limits (wire contract, section 4). */
import { expect } from "vitest";
import { atomic, type Case, type CommandStep, earlierField, failure, run, someInteger } from "../case.ts";

const someText = expect.any(String) as string;

/** Two steps after which there is no room of this name, whatever cases before have left. */
export function noRoom(room: string): CommandStep[] {
  const made = { success: true, room, created: expect.any(Boolean) };
  return [run("stream.get_or_create", { room }, made), run("stream.delete", { room }, { deleted: true })];
}

export function published(room: string, offset: number, more: object = {}): object {
  const id = expect.stringMatching(new RegExp(`^\\d+-${offset}$`));
  return { event_id: id, offset, room, subscribers_notified: 0, ...more };
}

export function publish(room: string, offset: number, payload: object = {}): CommandStep {
  return run("stream.publish", { room, event: "e", data: offset, ...payload }, published(room, offset));
}

/** An event as it is read, by the payload that it was published with. */
function read(offset: number, data: unknown = offset, more: object = {}): object {
  return { id: someText, offset, event: "e", data, timestamp: someInteger, ...more };
}

function page(events: readonly object[], oldest: number, newest: number, next: number, more: object = {}): object {
  const offsets = { oldest_offset: oldest, newest_offset: newest, next_offset: next };
  return { events, ...offsets, generation: someInteger, ...more };
}

export const rooms: readonly Case[] = [
  {
    name: "stream.create and stream.get_or_create",
    steps: [
      ...noRoom("made"),
      run("stream.create", { room: "made", max_events: 2 }, { success: true, room: "made" }),
      run("stream.create", { room: "made" }, failure("ROOM_EXISTS", { room: "made" })),
      run("stream.get_or_create", { room: "made", max_events: 9 }, { success: true, room: "made", created: false }),
      ...[0, 1, 2].map((offset) => publish("made", offset)),
      run("stream.consume", { room: "made" }, page([read(1), read(2)], 1, 2, 3)),
      run("stream.create", { room: "made", max_events: 0 }, failure("INVALID_PAYLOAD", { path: "max_events" })),
      run(
        "stream.create",
        { room: "made", retention_secs: -1 },
        failure("INVALID_PAYLOAD", { path: "retention_secs" }),
      ),
      run("stream.create", { room: "" }, failure("INVALID_PAYLOAD", { path: "room" })),
      run("stream.create", { room: "r".repeat(256) }, failure("PAYLOAD_TOO_LARGE", { path: "room" })),
      run("stream.create", {}, failure("INVALID_PAYLOAD", { path: "room" })),
      run("stream.delete", { room: "made" }, { deleted: true }),
    ],
  },
  {
    name: "stream.publish makes a room, and its events are read as they were written",
    steps: [
      ...noRoom("log"),
      publish("log", 0, { data: { a: [1, "two", null] }, metadata: { by: "me" }, client_id: "c" }),
      run("stream.publish", { room: "log", event_type: "other", data: "text" }, published("log", 1)),
      publish("log", 2, { data: null, metadata: null }),
      publish("log", 3, { data: new Uint8Array([0, 255]) }),
      run(
        "stream.history",
        { room: "log", subscriber_id: "s" },
        page(
          [
            read(0, { a: [1, "two", null] }, { metadata: { by: "me" } }),
            read(1, "text", { event: "other" }),
            read(2, null),
            read(3, new Uint8Array([0, 255])),
          ],
          0,
          3,
          4,
        ),
      ),
      run("stream.publish", { room: "log", event: "e" }, failure("INVALID_PAYLOAD", { path: "data" })),
      run("stream.publish", { room: "log", data: 1 }, failure("INVALID_PAYLOAD", { path: "event" })),
      run(
        "stream.publish",
        { room: "log", event: "e", data: 1, metadata: [1] },
        failure("INVALID_PAYLOAD", { path: "metadata" }),
      ),
      run("stream.publish", { room: "log", event: "e", date: 1 }, failure("INVALID_PAYLOAD", { path: "date" })),
      run("stream.delete", { room: "log" }, { deleted: true }),
    ],
  },
  {
    name: "stream.publish with a dedup_id that is there answers with the first event",
    steps: [
      ...noRoom("once"),
      publish("once", 0, { dedup_id: "x" }),
      publish("once", 1, { dedup_id: "y" }),
      run(
        "stream.publish",
        { room: "once", event: "e", data: "again", dedup_id: "x" },
        published("once", 0, { duplicate: true }),
      ),
      publish("once", 2),
      run("stream.stats", { room: "once" }, expect.objectContaining({ message_count: 3, total_published: 3 })),
      run("stream.delete", { room: "once" }, { deleted: true }),
    ],
  },
  {
    name: "stream.publish_batch",
    steps: [
      ...noRoom("batch"),
      publish("batch", 0),
      run(
        "stream.publish_batch",
        {
          room: "batch",
          events: [
            { event: "e", data: 1, dedup_id: "one" },
            { event_type: "e", data: 2, metadata: { m: 1 } },
          ],
        },
        { first_offset: 1, last_offset: 2 },
      ),
      run(
        "stream.publish_batch",
        {
          room: "batch",
          events: [
            { event: "e", data: 1, dedup_id: "one" },
            { event: "e", data: 3 },
          ],
        },
        { first_offset: 1, last_offset: 3, duplicates: 1 },
      ),
      run(
        "stream.consume",
        { room: "batch" },
        page([read(0), read(1), read(2, 2, { metadata: { m: 1 } }), read(3)], 0, 3, 4),
      ),
      run("stream.publish_batch", { room: "batch", events: [] }, failure("INVALID_PAYLOAD", { path: "events" })),
      run(
        "stream.publish_batch",
        {
          room: "batch",
          events: [
            { event: "e", data: 1 },
            { event: "e", data: 1, metadata: "m" },
          ],
        },
        failure("INVALID_PAYLOAD", { path: "events[1].metadata" }),
      ),
      run("stream.stats", { room: "batch" }, expect.objectContaining({ message_count: 4 })),
      run("stream.delete", { room: "batch" }, { deleted: true }),
    ],
  },
  {
    name: "an event that is too large for its room, or for any",
    steps: [
      ...noRoom("small"),
      run("stream.create", { room: "small", max_bytes: 100 }, { success: true, room: "small" }),
      publish("small", 0, { data: "d".repeat(50) }),
      publish("small", 1, { data: "d".repeat(50) }),
      run(
        "stream.publish",
        { room: "small", event: "e", data: "d".repeat(100) },
        failure("PAYLOAD_TOO_LARGE", { path: "data", limit_bytes: 100 }),
      ),
      run(
        "stream.publish_batch",
        {
          room: "small",
          events: [
            { event: "e", data: 1 },
            { event: "e", data: "d".repeat(100) },
          ],
        },
        failure("PAYLOAD_TOO_LARGE", { path: "events[1].data" }),
      ),
      run(
        "stream.publish",
        { room: "small", event: "e", data: "d".repeat(16 * 1024) },
        failure("PAYLOAD_TOO_LARGE", { path: "data", limit_bytes: 16 * 1024 }),
      ),
      run("stream.consume", { room: "small" }, page([read(1, "d".repeat(50))], 1, 1, 2)),
      run("stream.delete", { room: "small" }, { deleted: true }),
    ],
  },
  {
    name: "stream.consume from both ends, in pages and strictly",
    steps: [
      ...noRoom("read"),
      run("stream.create", { room: "read", max_events: 4 }, { success: true, room: "read" }),
      run("stream.consume", { room: "read" }, page([], 0, -1, 0)),
      ...[0, 1, 2, 3, 4, 5].map((offset) => publish("read", offset)),
      run("stream.consume", { room: "read", limit: 2 }, page([read(2), read(3)], 2, 5, 4)),
      run("stream.consume", { room: "read", from_offset: 4 }, page([read(4), read(5)], 2, 5, 6)),
      run("stream.consume", { room: "read", from_offset: 3, to_offset: 4 }, page([read(3), read(4)], 2, 5, 5)),
      run("stream.consume", { room: "read", from_offset: -1 }, page([read(5)], 2, 5, 6)),
      run("stream.consume", { room: "read", from_offset: -99, limit: 1 }, page([read(2)], 2, 5, 3)),
      run("stream.consume", { room: "read", from_offset: 6 }, page([], 2, 5, 6)),
      run("stream.consume", { room: "read", from_offset: 99 }, page([], 2, 5, 6)),
      run(
        "stream.consume",
        { room: "read", from_offset: 1, limit: 1 },
        page([read(2)], 2, 5, 3, { gap: { from_offset: 1, to_offset: 1, reason: "retention" } }),
      ),
      run(
        "stream.consume",
        { room: "read", from_offset: 0, to_offset: 0 },
        page([], 2, 5, 1, { gap: { from_offset: 0, to_offset: 0, reason: "retention" } }),
      ),
      {
        command: "stream.consume",
        payload: { room: "read", from_offset: 1, strict: true },
        expected: failure("OFFSET_TRIMMED", { oldest_offset: 2, newest_offset: 5, generation: someInteger }),
      },
      run("stream.consume", { room: "read", from_offset: 5, strict: true }, page([read(5)], 2, 5, 6)),
      run("stream.consume", { room: "read", generation: 1 }, failure("INVALID_PAYLOAD", { path: "generation" })),
      run("stream.consume", { room: "read", limit: 0 }, failure("INVALID_PAYLOAD", { path: "limit" })),
      run("stream.consume", { room: "read", to_offset: -1 }, failure("INVALID_PAYLOAD", { path: "to_offset" })),
      run("stream.delete", { room: "read" }, { deleted: true }),
    ],
  },
  {
    name: "a room that is not there",
    steps: [
      ...noRoom("none"),
      run("stream.consume", { room: "none" }, failure("ROOM_NOT_FOUND", { room: "none" })),
      run("stream.history", { room: "none" }, failure("ROOM_NOT_FOUND", { room: "none" })),
      run("stream.stats", { room: "none" }, failure("ROOM_NOT_FOUND", { room: "none" })),
      run("stream.delete", { room: "none" }, { deleted: false }),
    ],
  },
  {
    name: "stream.stats, and the generation grows with every creation",
    steps: [
      ...noRoom("stats"),
      run("stream.create", { room: "stats", max_events: 2 }, { success: true, room: "stats" }),
      ...[0, 1, 2].map((offset) => publish("stats", offset)),
      run("stream.consume", { room: "stats" }, expect.objectContaining({ next_offset: 3 })),
      run(
        "stream.stats",
        { room: "stats" },
        {
          name: "stats",
          message_count: 2,
          min_offset: 1,
          max_offset: 2,
          subscriber_count: 0,
          total_published: 3,
          total_consumed: 2,
          bytes: someInteger,
          created_at: someInteger,
          generation: someInteger,
        },
      ),
      run("stream.delete", { room: "stats" }, { deleted: true }),
      publish("stats", 0),
      {
        command: "stream.stats",
        payload: { room: "stats" },
        expected: (_, earlier) => {
          const before = Number(earlierField(earlier, 7, "generation"));
          const grown = expect.toSatisfy((generation: unknown) => Number(generation) > before);
          return { success: true, payload: expect.objectContaining({ generation: grown, total_published: 1 }) };
        },
      },
      run("stream.delete", { room: "stats" }, { deleted: true }),
    ],
  },
  {
    name: "stream.list in pages",
    steps: [
      ...noRoom("!a"),
      ...noRoom("!b"),
      ...["!b", "!a"].map((room) => run("stream.create", { room }, { success: true, room })),
      run(
        "stream.list",
        {},
        {
          rooms: expect.arrayContaining(["!a", "!b"]),
          count: someInteger,
          total: someInteger,
          cursor: null,
          has_more: false,
        },
      ),
      run(
        "stream.list",
        { limit: 1 },
        { rooms: ["!a"], count: 1, total: someInteger, cursor: someText, has_more: true },
      ),
      {
        command: "stream.list",
        payload: (earlier) => ({ limit: 1, cursor: earlierField(earlier, 7, "cursor") }),
        expected: {
          success: true,
          payload: { rooms: ["!b"], count: 1, total: someInteger, cursor: null, has_more: false },
        },
      },
      run("stream.list", { cursor: "x" }, failure("INVALID_PAYLOAD", { path: "cursor" })),
      ...["!b", "!a"].map((room) => run("stream.delete", { room }, { deleted: true })),
    ],
  },
  {
    name: "an atomic batch sees the rooms and events of its own",
    steps: [
      ...noRoom("all"),
      atomic(
        [
          ["stream.create", { room: "all" }],
          ["stream.publish", { room: "all", event: "e", data: 0, dedup_id: "x" }],
          ["kv.set", { key: "k", value: 1 }],
          ["stream.publish", { room: "all", event: "e", data: 1 }],
          ["stream.publish", { room: "all", event: "e", data: 2, dedup_id: "x" }],
          ["stream.get_or_create", { room: "all" }],
          ["stream.publish_batch", { room: "all", events: [{ event: "e", data: 2 }] }],
        ],
        [
          { success: true, room: "all" },
          published("all", 0),
          { success: true, key: "k", version: someInteger },
          published("all", 1),
          published("all", 0, { duplicate: true }),
          { success: true, room: "all", created: false },
          { first_offset: 2, last_offset: 2 },
        ],
      ),
      run("stream.consume", { room: "all" }, page([read(0), read(1), read(2)], 0, 2, 3)),
      {
        batch: [
          ["stream.publish", { room: "all", event: "e", data: 3 }],
          ["stream.create", { room: "all" }],
        ],
        envelope: { atomic: true },
        expected: failure("ROOM_EXISTS"),
      },
      run("stream.stats", { room: "all" }, expect.objectContaining({ total_published: 3 })),
      {
        batch: [["stream.delete", { room: "all" }]],
        envelope: { atomic: true },
        expected: failure("INVALID_REQUEST"),
      },
      run("stream.delete", { room: "all" }, { deleted: true }),
    ],
  },
];
