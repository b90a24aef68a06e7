import { describe, expect, it } from "vitest";
import { FakeConnection, RoomsUnderTest } from "../../test/room-subscribers.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { UNREAD_BYTES_MAX } from "./room-pages.ts";

function offsetsOf(connection: FakeConnection): unknown[] {
  return connection.pushes.map((push) => (push.type === "event" ? push.offset : [push.from_offset, push.to_offset]));
}

describe("RoomFeeds", () => {
  it("pushes new events at once, in the format of each subscriber", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    under.publish("r", 2);
    const connections = (["json", "msgpack", "sse"] as const).map((format) => new FakeConnection(under, format));
    for (const connection of connections) {
      expect(connection.subscribe("r")).toEqual({ subscriptionId: 1, fromOffset: 2, newestOffset: 1, generation: 1 });
    }
    under.publish("r");
    for (const connection of connections) {
      expect(connection.pushes).toEqual([
        {
          type: "event",
          subscription_id: 1,
          room: "r",
          id: "1-2",
          offset: 2,
          event: "e",
          data: "1-2.",
          timestamp: under.clock.nowMs(),
        },
      ]);
    }
    expect(under.feeds.pushes.eventCount).toBe(3);
  });

  it("encodes an event once for all subscribers of a format", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    const [a, b, c] = [new FakeConnection(under), new FakeConnection(under), new FakeConnection(under, "msgpack")];
    for (const connection of [a, b, c]) connection.subscribe("r");
    under.publish("r");
    expect(a.frames[0]).toBe(b.frames[0]);
    expect(c.frames[0]).not.toBe(a.frames[0]);
  });

  it("gives history first, page by page, and then what came meanwhile", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    under.publish("r", 1000);
    const connection = new FakeConnection(under);
    expect(connection.subscribe("r", { fromOffset: 0 }).fromOffset).toBe(0);
    expect(connection.pushes).toEqual([]);
    expect(under.feeds.behindCount).toBe(1);
    under.endTurn();
    expect(connection.pushes.length).toBe(256);
    under.publish("r", 10);
    expect(connection.pushes.length).toBe(256);
    under.endTurns();
    expect(offsetsOf(connection)).toEqual(Array.from({ length: 1010 }, (_, i) => i));
    expect(under.feeds.behindCount).toBe(0);
    under.publish("r");
    expect(connection.pushes.length).toBe(1011);
  });

  it("counts a negative offset from the end", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    under.publish("r", 5);
    const connection = new FakeConnection(under);
    expect(connection.subscribe("r", { fromOffset: -2 }).fromOffset).toBe(3);
    const other = new FakeConnection(under);
    expect(other.subscribe("r", { fromOffset: -9 }).fromOffset).toBe(0);
    under.endTurns();
    expect(offsetsOf(connection)).toEqual([3, 4]);
    expect(other.pushes.length).toBe(5);
  });

  it("names what a history has lost, and what one record pushed out at once", () => {
    const under = new RoomsUnderTest();
    under.create("r", { maxEvents: 3 });
    under.publish("r", 5);
    const connection = new FakeConnection(under);
    connection.subscribe("r", { fromOffset: 1 });
    under.endTurns();
    expect(offsetsOf(connection)).toEqual([[1, 1], 2, 3, 4]);
    under.publish("r", 5);
    expect(offsetsOf(connection).slice(4)).toEqual([[5, 6], 7, 8, 9]);
  });

  it("shows a subscriber all events of one turn, also those that are gone at its end", () => {
    const under = new RoomsUnderTest();
    under.create("r", { maxEvents: 1 });
    const connection = new FakeConnection(under);
    connection.subscribe("r");
    for (let i = 0; i < 5; i++) under.publish("r");
    expect(offsetsOf(connection)).toEqual([0, 1, 2, 3, 4]);
  });

  it("lets a slow reader fall behind at no cost, and tells it what it has missed", () => {
    const under = new RoomsUnderTest();
    under.create("r", { maxEvents: 100 });
    const [slow, fast] = [new FakeConnection(under), new FakeConnection(under)];
    for (const connection of [slow, fast]) connection.subscribe("r");
    for (let i = 0; i < 1000; i++) {
      under.publish("r", 1, 1000);
      fast.flush();
      under.endTurn();
    }
    expect(fast.pushes.length).toBe(1000);
    const unread = slow.pushes.length;
    expect(slow.unread).toBeLessThan(UNREAD_BYTES_MAX + 2000);
    expect(under.feeds.behindCount).toBe(1);
    slow.read();
    under.endTurns();
    expect(offsetsOf(slow).slice(unread)).toEqual([[unread, 899], ...Array.from({ length: 100 }, (_, i) => 900 + i)]);
    expect(under.feeds.behindCount).toBe(0);
    expect(under.feeds.pushes.gapCount).toBe(1);
  });

  it("goes on with a reader that had too much in one turn and took it all at its end", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    const connection = new FakeConnection(under);
    connection.subscribe("r");
    for (let i = 0; i < 400; i++) under.publish("r", 1, 1000);
    expect(connection.pushes.length).toBeLessThan(400);
    under.endTurn();
    connection.flush();
    under.endTurns();
    expect(connection.pushes.length).toBe(400);
  });

  it("continues in a room that is made again, after a gap", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    under.publish("r", 2);
    const connection = new FakeConnection(under);
    connection.subscribe("r");
    under.delete("r");
    under.endTurns();
    const { id } = under.create("r");
    under.publish("r", 1);
    under.endTurns();
    under.publish("r", 1);
    expect(connection.pushes[0]).toEqual({
      type: "gap",
      subscription_id: 1,
      room: "r",
      from_offset: 2,
      to_offset: 2,
      reason: "recreated",
      generation: id,
    });
    expect(offsetsOf(connection).slice(1)).toEqual([0, 1]);
  });

  it("continues with a reader that was still behind when the room went", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    under.publish("r", 5);
    const connection = new FakeConnection(under);
    connection.subscribe("r", { fromOffset: 1 });
    under.delete("r");
    under.endTurns();
    expect(connection.pushes).toEqual([]);
    under.create("r");
    under.endTurns();
    under.publish("r", 1);
    expect(offsetsOf(connection)).toEqual([[1, 4], 0]);
  });

  it("tells who comes with a position in another room of the name", () => {
    const under = new RoomsUnderTest();
    const old = under.create("r").id;
    under.delete("r");
    under.create("r");
    under.publish("r", 2);
    const [told, further] = [new FakeConnection(under, "sse"), new FakeConnection(under)];
    expect(told.subscribe("r", { fromOffset: 1, generation: old }).fromOffset).toBe(0);
    further.subscribe("r", { fromOffset: 7 });
    under.endTurns();
    expect(offsetsOf(told)).toEqual([[1, 1], 0, 1]);
    expect(offsetsOf(further)).toEqual([[7, 7], 0, 1]);
  });

  it("replaces the position of a connection that subscribes again", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    under.publish("r", 3);
    const connection = new FakeConnection(under);
    connection.subscribe("r");
    connection.subscribe("r", { fromOffset: 1 });
    expect(under.feeds.subscriberCount(under.existing("r"))).toBe(1);
    under.endTurns();
    expect(offsetsOf(connection)).toEqual([1, 2]);
    connection.subscribe("r", { fromOffset: 0 });
    connection.subscribe("r");
    under.endTurns();
    under.publish("r");
    expect(offsetsOf(connection)).toEqual([1, 2, 3]);
  });

  it("finishes at the end of the turn what would be too many pushes at once", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    const connections = Array.from({ length: 100 }, () => new FakeConnection(under));
    for (const connection of connections) connection.subscribe("r");
    under.publish("r", 500);
    const [first] = connections;
    const atOnce = first.pushes.length;
    expect(atOnce).toBeGreaterThan(10);
    expect(atOnce).toBeLessThan(500);
    // Who comes now wants none of those that are still to be pushed.
    const late = new FakeConnection(under);
    expect(late.subscribe("r").fromOffset).toBe(500);
    under.publish("r", 1);
    expect(first.pushes.length).toBe(atOnce);
    under.endTurns();
    for (const connection of connections) expect(connection.pushes.length).toBe(501);
    expect(offsetsOf(late)).toEqual([500]);
  });

  it("gives pages to a few readers in each turn, and to each in its order", () => {
    const under = new RoomsUnderTest();
    under.lookMs = 1;
    under.create("r");
    under.publish("r", 300);
    const connections = Array.from({ length: 10 }, () => new FakeConnection(under));
    for (const connection of connections) connection.subscribe("r", { fromOffset: 0 });
    under.endTurn();
    expect(connections.map(({ pushes }) => pushes.length)).toEqual([256, 256, 256, 0, 0, 0, 0, 0, 0, 0]);
    for (let turn = 0; turn < 3; turn++) under.endTurn();
    expect(connections.map(({ pushes }) => pushes.length)).toEqual([300, 300, ...Array(8).fill(256)]);
    under.endTurns();
    for (const { pushes } of connections) expect(pushes.length).toBe(300);
  });

  it("survives subscribers that are cut off while they are served", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    const connections = Array.from({ length: 20 }, () => new FakeConnection(under));
    for (const [i, connection] of connections.entries()) {
      connection.subscribe("r");
      if (i % 3 === 0) connection.unreadBytesMax = 200;
    }
    under.publish("r", 5);
    const open = connections.filter((connection) => connection.isOpen);
    expect(open.length).toBe(13);
    for (const connection of open) expect(connection.pushes.length).toBe(5);
    expect(under.feeds.readerCount).toBe(13);
    expect(under.existing("r").watched).toBe(13);
  });

  it("refuses a subscription past the limit of all, and not a second call", () => {
    const under = new RoomsUnderTest(2);
    const { id } = under.create("r");
    const [a, b, c] = [new FakeConnection(under), new FakeConnection(under), new FakeConnection(under)];
    a.subscribe("r");
    b.subscribe("r");
    b.subscribe("r", { fromOffset: 0, generation: id });
    const refused = under.feeds.subscribe(c.session, under.existing("r"), {});
    expect(refused).toMatchObject({ code: "SERVICE_UNAVAILABLE", details: { subscriptions_max: 2 } });
    expect(under.feeds.heldBytes).toBeGreaterThan(0);
    a.close();
    c.subscribe("r");
    expect(under.subscriptions.count).toBe(2);
  });

  it("finds the readers of many connections again, in the order in which they leave", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    const connections = Array.from({ length: 30 }, () => new FakeConnection(under));
    for (const connection of connections) connection.subscribe("r");
    for (let step = 0; connections.length > 0; step++) {
      const [gone] = connections.splice((step * 7) % connections.length, 1);
      if (step % 2 === 0) gone.close();
      else expect(gone.unsubscribe("r")).toBe(true);
      under.publish("r");
      for (const connection of connections) expect(connection.pushes).toHaveLength(step + 1);
      expect(under.feeds.subscriberCount(under.existing("r"))).toBe(connections.length);
    }
  });

  it("leaves nothing behind when connections close or unsubscribe", () => {
    const under = new RoomsUnderTest();
    under.create("r");
    under.create("gone");
    const connection = new FakeConnection(under);
    for (let i = 0; i < 10_000; i++) {
      const { subscriptionId } = connection.subscribe("r", i % 2 === 0 ? {} : { fromOffset: 0 });
      if (i % 3 === 0) expect(under.feeds.unsubscribe(connection.session, subscriptionId)).toBe(true);
      else expect(connection.unsubscribe("r")).toBe(true);
    }
    expect(connection.unsubscribe("r")).toBe(false);
    expect(under.feeds.unsubscribe(connection.session, rangeOf("nothing"))).toBe(false);
    connection.subscribe("r");
    connection.subscribe("gone");
    under.delete("gone");
    connection.close();
    under.create("gone");
    under.publish("r");
    under.endTurns();
    expect(connection.session.partCount).toBe(0);
    const { readerCount, behindCount, heldBytes } = under.feeds;
    expect({ readerCount, behindCount, heldBytes }).toEqual({ readerCount: 0, behindCount: 0, heldBytes: 0 });
    expect([under.subscriptions.count, connection.session.roomCount]).toEqual([0, 0]);
    expect([under.existing("r").watched, under.existing("gone").watched]).toEqual([0, 0]);
  });
});
