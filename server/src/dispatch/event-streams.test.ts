import { beforeEach, describe, expect, test } from "vitest";
import { bodyOf, Connection, Fixture } from "../../test/dispatcher-fixture.ts";

describe("an event stream", () => {
  let fixture: Fixture;

  beforeEach(() => {
    fixture = new Fixture();
  });

  function open(query: string, lastEventId = "") {
    const connection = new Connection("sse");
    const reply = fixture.dispatcher.openEvents({ query, lastEventId }, connection);
    // Where a room's stream begins.
    const start = /^id: (.*)\n\n$/.exec(connection.pushed[0] ?? "")?.[1];
    if (start !== undefined) connection.pushed.shift();
    return { connection, start, failure: reply.status === undefined ? undefined : bodyOf(reply) };
  }

  function publish(...events: string[]) {
    for (const data of events) {
      expect(fixture.run("stream.publish", { room: "chat", event: "said", data }).status).toBe(200);
    }
    fixture.engine.endTurn();
  }

  /** The data of the events, in order. */
  function dataOf({ pushed }: Connection) {
    return pushed.map((text) => {
      const event = JSON.parse(text.slice(text.indexOf("data: ") + 6)) as Record<string, unknown>;
      return event.type === "event" ? event.data : event.type;
    });
  }

  test("has a room's history from an offset on, then what is new", () => {
    publish("a", "b", "c");
    const { connection, failure } = open("room=chat&from_offset=-2");
    expect(failure).toBeUndefined();
    fixture.engine.endTurn();
    publish("d");
    expect(dataOf(connection)).toEqual(["b", "c", "d"]);
    expect(connection.pushed[0]).toMatch(/^id: \d+-1\ndata: \{"type":"event",.*\}\n\n$/);
  });

  test("goes on after the last event that a browser names, whatever the query says", () => {
    publish("a", "b", "c");
    const first = open("room=chat&from_offset=0");
    fixture.engine.endTurn();
    const id = /^id: (\S+)/.exec(first.connection.pushed[1])?.[1] ?? "";
    const { connection } = open("room=chat&from_offset=0", id);
    fixture.engine.endTurn();
    expect(dataOf(connection)).toEqual(["c"]);
  });

  test("tells a browser that the room was made anew", () => {
    publish("a", "b");
    const first = open("room=chat&from_offset=0");
    fixture.engine.endTurn();
    const id = /^id: (\S+)/.exec(first.connection.pushed[1])?.[1] ?? "";
    fixture.run("stream.delete", { room: "chat" });
    publish("new");
    const { connection } = open("room=chat", id);
    fixture.engine.endTurn();
    expect(dataOf(connection)).toEqual(["gap", "new"]);
    expect(connection.pushed[0]).toContain('"reason":"recreated"');
  });

  test("begins with an id, so that nothing is lost when the connection is before the first event", () => {
    fixture.run("stream.create", { room: "chat" });
    const first = open("room=chat");
    expect(first.start).toMatch(/^\d+--1$/);
    publish("a");
    const second = open("room=chat", first.start);
    expect(second.start).toBe(first.start);
    fixture.engine.endTurn();
    expect(dataOf(second.connection)).toEqual(["a"]);
    const third = open("room=chat");
    publish("b", "c");
    const fourth = open("room=chat", third.start);
    const fromEnd = open("room=chat&from_offset=-1");
    fixture.engine.endTurn();
    expect(dataOf(fourth.connection)).toEqual(["b", "c"]);
    expect(fromEnd.start).toBe(first.start?.replace("--1", "-1"));
    expect(open("topic=a").start).toBeUndefined();
  });

  test("tells of a gap once: it has an id too", () => {
    fixture.run("stream.create", { room: "chat", max_events: 2 });
    publish("a", "b", "c", "d");
    const trimmed = open("room=chat&from_offset=0");
    fixture.engine.endTurn();
    const trimmedId = /^id: (\S+)/.exec(trimmed.connection.pushed[0])?.[1];
    expect(dataOf(trimmed.connection)).toEqual(["gap", "c", "d"]);
    expect(trimmedId).toMatch(/^\d+-1$/);
    const after = open("room=chat", trimmedId);
    fixture.engine.endTurn();
    expect(dataOf(after.connection)).toEqual(["c", "d"]);
    fixture.run("stream.delete", { room: "chat" });
    publish("new");
    // It has no id before the gap: who is cut off before that has to be told again.
    const recreated = open("room=chat", trimmedId);
    expect(recreated.start).toBeUndefined();
    fixture.engine.endTurn();
    const recreatedId = /^id: (\S+)/.exec(recreated.connection.pushed[0])?.[1];
    expect(recreatedId).toMatch(/^\d+--1$/);
    const again = open("room=chat", recreatedId);
    fixture.engine.endTurn();
    expect(dataOf(again.connection)).toEqual(["new"]);
  });

  test("has topics and patterns, also beside a room", () => {
    publish("a");
    const { connection } = open("room=chat&topic=orders.*&topic=a.%23");
    fixture.run("pubsub.publish", { topic: "orders.new", payload: 1 });
    fixture.run("pubsub.publish", { topic: "a.b.c", payload: 1 });
    expect(connection.pushed.map((text) => /"pattern":"([^"]+)"/.exec(text)?.[1])).toEqual(["orders.*", "a.#"]);
    expect(connection.pushed[0].startsWith("data: ")).toBe(true);
  });

  test.each([
    ["", "", "INVALID_PAYLOAD", "name a room or a topic"],
    ["room=a&room=b", "", "INVALID_PAYLOAD", "one room"],
    ["roam=a", "", "INVALID_PAYLOAD", "there is no parameter"],
    ["room=chat&from_offset=1.5", "", "INVALID_PAYLOAD", "must be an integer"],
    ["topic=a&from_offset=1", "", "INVALID_PAYLOAD", "only a room has a history"],
    ["topic=a&generation=1", "", "INVALID_PAYLOAD", "only a room has a history"],
    ["room=chat&generation=1", "", "INVALID_PAYLOAD", "goes with the from_offset"],
    ["room=chat", "yesterday", "INVALID_PAYLOAD", "Last-Event-ID"],
    ["topic=a..b", "", "INVALID_PAYLOAD", ""],
    ["room=nowhere", "", "ROOM_NOT_FOUND", ""],
    [`room=${"x".repeat(256)}`, "", "PAYLOAD_TOO_LARGE", "at most 255"],
  ])("refuses %j with Last-Event-ID %j by %s", (query, lastEventId, code, words) => {
    publish("a");
    const { connection, failure } = open(query, lastEventId);
    expect(failure).toMatchObject({ success: false, code, error: expect.stringContaining(words) });
    publish("b");
    expect(connection.pushed).toEqual([]);
  });

  test("leaves nothing subscribed where one of several cannot be", () => {
    publish("a");
    const { connection, failure } = open("room=chat&topic=a..b");
    expect(failure).toMatchObject({ code: "INVALID_PAYLOAD" });
    publish("b");
    expect(connection.pushed).toEqual([]);
    expect(fixture.engine.fanout.rooms.readerCount).toBe(0);
  });
});
