/** Subscriptions to rooms: pushes of events and gaps (wire contract, sections 4 and 5). */
import { expect } from "vitest";
import {
  type Case,
  type CommandStep,
  earlierField,
  failure,
  overHttpOnly,
  overWebSocketOnly,
  pushed,
  type Reply,
  run,
  someInteger,
} from "../case.ts";
import { noRoom, publish, published } from "./stream-rooms.ts";

const someText = expect.any(String) as string;

function subscribed(fromOffset: number, newestOffset: number): object {
  return {
    subscription_id: someInteger,
    from_offset: fromOffset,
    newest_offset: newestOffset,
    generation: someInteger,
  };
}

/** To a room that somebody is subscribed to. */
function publishTo(room: string, offset: number, subscribers: number): CommandStep {
  const expected = published(room, offset, { subscribers_notified: subscribers });
  return run("stream.publish", { room, event: "e", data: offset }, expected);
}

function event(room: string, offset: number, subscriptionId: unknown = someInteger): Reply {
  const fields = { id: someText, offset, event: "e", data: offset, timestamp: someInteger };
  return { type: "event", subscription_id: subscriptionId, room, ...fields };
}

function gap(room: string, from: number, to: number, more: object): Reply {
  return { type: "gap", subscription_id: someInteger, room, from_offset: from, to_offset: to, ...more };
}

const ended = { unsubscribed: 1 };

export const roomSubscriptions: readonly Case[] = [
  {
    name: "stream.subscribe to new events",
    skip: overWebSocketOnly,
    steps: [
      ...noRoom("live"),
      publish("live", 0),
      run("stream.subscribe", { room: "live", subscriber_id: "s" }, subscribed(1, 0)),
      publishTo("live", 1, 1),
      run(
        "stream.publish",
        { room: "live", event: "f", data: { a: 1 }, metadata: { m: 2 } },
        published("live", 2, { subscribers_notified: 1 }),
      ),
      pushed((_, earlier) => [
        event("live", 1, earlierField(earlier, 3, "subscription_id")),
        { ...event("live", 2), event: "f", data: { a: 1 }, metadata: { m: 2 } },
      ]),
      run("stream.stats", { room: "live" }, expect.objectContaining({ subscriber_count: 1, total_consumed: 2 })),
      run("stream.unsubscribe", { room: "live" }, ended),
      run("stream.unsubscribe", { room: "live" }, { unsubscribed: 0 }),
      publish("live", 3),
      run("stream.delete", { room: "live" }, { deleted: true }),
      pushed([]),
    ],
  },
  {
    name: "stream.subscribe with history, and again with another",
    skip: overWebSocketOnly,
    steps: [
      ...noRoom("past"),
      ...[0, 1, 2].map((offset) => publish("past", offset)),
      run("stream.subscribe", { room: "past", from_offset: 1 }, subscribed(1, 2)),
      pushed([event("past", 1), event("past", 2)]),
      publishTo("past", 3, 1),
      pushed([event("past", 3)]),
      run("stream.subscribe", { room: "past", from_offset: -1 }, subscribed(3, 3)),
      pushed([event("past", 3)]),
      run("stream.unsubscribe", (earlier) => ({ subscription_id: earlierField(earlier, 9, "subscription_id") }), ended),
      run("stream.delete", { room: "past" }, { deleted: true }),
    ],
  },
  {
    name: "a subscription names what it has missed",
    skip: overWebSocketOnly,
    steps: [
      ...noRoom("gaps"),
      run("stream.create", { room: "gaps", max_events: 2 }, { success: true, room: "gaps" }),
      ...[0, 1, 2, 3].map((offset) => publish("gaps", offset)),
      run("stream.subscribe", { room: "gaps", from_offset: 0 }, subscribed(0, 3)),
      pushed([gap("gaps", 0, 1, { reason: "retention" }), event("gaps", 2), event("gaps", 3)]),
      run("stream.delete", { room: "gaps" }, { deleted: true }),
      publishTo("gaps", 0, 1),
      pushed([gap("gaps", 4, 4, { reason: "recreated", generation: someInteger }), event("gaps", 0)]),
      run("stream.unsubscribe", { room: "gaps" }, ended),
      run(
        "stream.subscribe",
        (earlier) => ({ room: "gaps", from_offset: 3, generation: earlierField(earlier, 7, "generation") }),
        subscribed(0, 0),
      ),
      pushed([gap("gaps", 3, 3, { reason: "recreated", generation: someInteger }), event("gaps", 0)]),
      run("stream.unsubscribe", { room: "gaps" }, ended),
      run("stream.delete", { room: "gaps" }, { deleted: true }),
    ],
  },
  {
    name: "subscriptions that cannot be",
    skip: overWebSocketOnly,
    steps: [
      ...noRoom("nobody"),
      run("stream.subscribe", { room: "nobody" }, failure("ROOM_NOT_FOUND", { room: "nobody" })),
      run("stream.unsubscribe", { room: "nobody" }, { unsubscribed: 0 }),
      run("stream.unsubscribe", { subscription_id: 999_999_999 }, { unsubscribed: 0 }),
      run("stream.unsubscribe", {}, failure("INVALID_PAYLOAD", { path: "room" })),
      run("stream.unsubscribe", { room: "nobody", subscription_id: 1 }, failure("INVALID_PAYLOAD", { path: "room" })),
      {
        batch: [["stream.subscribe", { room: "nobody" }]],
        envelope: { atomic: true },
        expected: failure("INVALID_REQUEST"),
      },
    ],
  },
  {
    name: "subscriptions need a connection to push to",
    skip: overHttpOnly,
    steps: [
      run("stream.subscribe", { room: "nobody" }, failure("INVALID_REQUEST")),
      run("stream.unsubscribe", { room: "nobody" }, failure("INVALID_REQUEST")),
    ],
  },
];
