import { beforeEach, describe, expect, test } from "vitest";
import { Connection, Fixture } from "../../test/dispatcher-fixture.ts";

const consume = (requestId?: string | number, waitMs = 1000) => ({
  command: "queue.consume",
  request_id: requestId,
  payload: { queue: "tasks", wait_ms: waitMs },
});

describe("a command that waits", () => {
  let fixture: Fixture;
  const publish = (payload: string) => fixture.run("queue.publish", { queue: "tasks", payload });

  beforeEach(() => {
    fixture = new Fixture();
    fixture.run("queue.create", { name: "tasks" });
  });

  test("is answered when there is something, with its own request id", () => {
    const connection = new Connection("websocket");
    expect(fixture.sendAs(connection, consume("r 1"))).toBeUndefined();
    publish("hello");
    expect(connection.lateReplies).toMatchObject([
      { success: true, request_id: "r 1", payload: { message: { payload: "hello" } } },
    ]);
    expect(fixture.dispatcher.waits.count).toBe(0);
    expect(fixture.bugs).toEqual([]);
  });

  test("is answered at once where something is there", () => {
    publish("hello");
    expect(fixture.sendAs(new Connection("websocket"), consume(1))).toMatchObject({
      payload: { message: { payload: "hello" } },
    });
  });

  test("is answered when its time is over and not before", () => {
    const connection = new Connection("http");
    expect(fixture.sendAs(connection, consume(undefined, 1000))).toBeUndefined();
    fixture.pass(999);
    expect(connection.lateReplies).toEqual([]);
    fixture.pass(1);
    expect(connection.lateReplies).toEqual([{ success: true, payload: { message: null } }]);
    publish("late");
    expect(connection.lateReplies).toHaveLength(1);
    expect(fixture.run("queue.stats", { queue: "tasks" }).body.payload).toMatchObject({ ready: 1, pending: 0 });
  });

  test("says when it is over, unless another is over before it", () => {
    const delaysMs: number[] = [];
    fixture.dispatcher.waits.onEarlier = (delayMs) => delaysMs.push(delayMs);
    for (const waitMs of [1000, 2000, 30, 500]) {
      fixture.sendAs(new Connection("websocket"), consume(1, waitMs));
    }
    expect(delaysMs).toEqual([1000, 30]);
    fixture.pass(10_000);
    fixture.sendAs(new Connection("websocket"), consume(1, 700));
    expect(delaysMs).toEqual([1000, 30, 700]);
  });

  test("those that wait are served in the order they came, one message each", () => {
    const connections = [1, 2, 3].map(() => new Connection("websocket"));
    for (const connection of connections) fixture.sendAs(connection, consume(1));
    publish("a");
    publish("b");
    const payloads = connections.map(({ lateReplies }) => lateReplies.map(({ payload }) => payload));
    expect(payloads).toMatchObject([[{ message: { payload: "a" } }], [{ message: { payload: "b" } }], []]);
  });

  test("takes nothing when its connection has closed", () => {
    const gone = new Connection("websocket");
    const next = new Connection("websocket");
    fixture.sendAs(gone, consume(1));
    fixture.sendAs(next, consume(1));
    gone.session?.closed();
    publish("a");
    expect(gone.lateReplies).toEqual([]);
    expect(next.lateReplies).toMatchObject([{ payload: { message: { payload: "a" } } }]);
    fixture.pass(2000);
    expect(gone.lateReplies).toEqual([]);
  });

  test("learns that its queue was deleted", () => {
    const connection = new Connection("websocket");
    fixture.sendAs(connection, consume(1));
    fixture.run("queue.delete", { queue: "tasks" });
    fixture.engine.endTurn();
    expect(connection.lateReplies).toMatchObject([{ success: false, code: "QUEUE_NOT_FOUND" }]);
  });

  test("needs a request id on a WebSocket", () => {
    expect(fixture.sendAs(new Connection("websocket"), consume())).toMatchObject({
      success: false,
      code: "INVALID_REQUEST",
    });
    expect(fixture.dispatcher.waits.count).toBe(0);
  });

  test("cannot be part of a batch", () => {
    for (const atomic of [true, false]) {
      const reply = fixture.sendAs(new Connection("websocket"), { type: "batch", atomic, commands: [consume()] });
      expect(JSON.stringify(reply)).toContain("a batch cannot wait");
    }
  });

  test("is refused past the limit of those of one connection that wait, until one of them does not any more", () => {
    const connection = new Connection("websocket");
    const replies = Array.from({ length: 1001 }, (_, i) => fixture.sendAs(connection, consume(i)));
    expect(replies.slice(0, 1000).every((reply) => reply === undefined)).toBe(true);
    expect(replies[1000]).toMatchObject({ success: false, code: "INVALID_REQUEST", details: { waiting_max: 1000 } });
    expect(fixture.sendAs(new Connection("websocket"), consume(1))).toBeUndefined();
    publish("a");
    expect(fixture.sendAs(connection, consume(1001))).toBeUndefined();
  });

  test("is answered when the server stops, and nothing waits any more", () => {
    const connection = new Connection("websocket");
    fixture.sendAs(connection, consume(1));
    fixture.dispatcher.stopping();
    expect(connection.lateReplies).toMatchObject([{ request_id: 1, payload: { message: null } }]);
    expect(fixture.sendAs(connection, consume(2))).toMatchObject({ request_id: 2, payload: { message: null } });
  });
});
