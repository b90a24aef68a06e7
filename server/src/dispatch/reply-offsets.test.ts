/** A reply waits for what any of its commands has shown; what was refused before a command ran waits for nothing. */
import { beforeEach, describe, expect, it } from "vitest";
import { answered, bodyOf, Connection, Fixture } from "../../test/dispatcher-fixture.ts";
import { caller } from "../../test/engine.ts";
import { PushConnection } from "../../test/push-connection.ts";
import type { Reply } from "./reply.ts";

let fixture: Fixture;

beforeEach(() => {
  fixture = new Fixture({ firstOffset: 100 });
  for (const key of ["a", "b", "c"]) fixture.run("kv.set", { key, value: "1" });
});

function offsetOf(message: unknown): number {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  return answered(fixture.dispatcher.handle(Buffer.from(text), "json", "json", caller)).releaseOffset;
}

const get = (key: string) => ({ command: "kv.get", payload: { key } });
const set = (key: string) => ({ command: "kv.set", payload: { key, value: "2" } });

describe("a single command", () => {
  it("waits for what it shows", () => {
    expect(offsetOf(get("b"))).toBe(101);
    expect(offsetOf(set("b"))).toBe(103);
    expect(offsetOf(get("b"))).toBe(103);
    expect(offsetOf(get("a"))).toBe(100);
  });

  it.each([
    ["an envelope that cannot be read", "{"],
    ["no command", {}],
    ["an unknown command", { command: "kv.fetch", payload: {} }],
    ["wrong arguments", { command: "kv.get", payload: { key: 1 } }],
    ["what is not supported", { ...set("a"), idempotent: true }],
  ])("of %s waits for nothing, whatever came before", (_, message) => {
    expect(offsetOf(set("a"))).toBe(103);
    expect(offsetOf(message)).toBe(0);
  });

  it("that is queued in a transaction waits for nothing", () => {
    fixture.run("transaction.multi", { client_id: "me" });
    expect(offsetOf({ command: "kv.set", payload: { key: "a", value: "2", client_id: "me" } })).toBe(0);
    expect(offsetOf({ command: "transaction.exec", payload: { client_id: "me" } })).toBe(103);
  });

  it("whose reply is too large has written nothing, and waits for no such write", () => {
    fixture = new Fixture({ firstOffset: 100 }, 64 * 1024);
    fixture.run("kv.set", { key: "a", value: "\u0001".repeat(60_000) });
    const text = JSON.stringify({ command: "kv.getset", payload: { key: "a", value: "1" } });
    const reply = answered(fixture.dispatcher.handle(Buffer.from(text), "json", "json", caller));
    expect(bodyOf(reply)).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(reply.releaseOffset).toBe(100);
  });
});

describe("a batch", () => {
  it("waits for the latest that any of its commands shows", () => {
    expect(offsetOf({ commands: [get("c"), get("a"), { command: "admin.commands", payload: {} }] })).toBe(102);
    expect(offsetOf({ commands: [get("a"), set("b"), get("a")] })).toBe(103);
    expect(offsetOf({ commands: [get("a"), { command: "kv.fetch" }] })).toBe(100);
  });

  it("that is atomic waits for its record, or for what refused it", () => {
    expect(offsetOf({ commands: [set("a"), get("a"), set("b")], atomic: true })).toBe(104);
    const wrong = { command: "kv.incr", payload: { key: "text" } };
    expect(offsetOf({ command: "kv.set", payload: { key: "text", value: "x" } })).toBe(105);
    expect(offsetOf({ commands: [set("a"), get("a"), wrong], atomic: true })).toBe(105);
    expect(offsetOf(set("a"))).toBe(106);
  });
});

describe("what the transport asks for", () => {
  it("waits for nothing", () => {
    offsetOf(set("a"));
    expect(fixture.dispatcher.refuse("FORBIDDEN", "no", "json").releaseOffset).toBe(0);
    offsetOf(set("a"));
    expect(fixture.dispatcher.closing("SHUTTING_DOWN", "bye", "json").releaseOffset).toBe(0);
  });

  it("of an event stream waits for its room", () => {
    const opened = fixture.dispatcher.openEvents({ query: "room=none", lastEventId: "" }, new Connection("sse"));
    expect([opened.status, opened.releaseOffset]).toEqual([404, 102]);
    fixture.run("stream.create", { room: "r" });
    const client = new PushConnection(3, "sse");
    const stream = fixture.dispatcher.openEvents({ query: "room=r", lastEventId: "" }, client.caller);
    expect([stream.status, stream.releaseOffset]).toEqual([undefined, 103]);
    // Where it begins, for a browser that loses it before the first event.
    expect(client.releaseOffsets).toEqual([103]);
    const topics = fixture.dispatcher.openEvents({ query: "topic=t", lastEventId: "" }, new Connection("sse"));
    expect([topics.status, topics.releaseOffset]).toEqual([undefined, 0]);
  });
});

describe("a late reply", () => {
  /** A connection that notes what its late replies wait for. */
  class Waiter extends Connection {
    readonly releaseOffsets: number[] = [];

    override answerLate(reply: Reply): void {
      this.releaseOffsets.push(reply.releaseOffset);
      super.answerLate(reply, "json");
    }
  }

  function wait(): Waiter {
    const waiter = new Waiter("websocket");
    const consume = { command: "queue.consume", payload: { queue: "q", wait_ms: 1000 }, request_id: "1" };
    expect(fixture.sendAs(waiter, consume)).toBeUndefined();
    return waiter;
  }

  it("waits for its own delivery, and the command that caused it does not", () => {
    fixture.run("queue.create", { name: "q" });
    const waiter = wait();
    expect(offsetOf({ command: "queue.publish", payload: { queue: "q", payload: "x" } })).toBe(104);
    expect(waiter.releaseOffsets).toEqual([105]);
  });

  it("in the middle of a batch does not change what the batch waits for", () => {
    fixture.run("queue.create", { name: "q" });
    const waiter = wait();
    const publish = { command: "queue.publish", payload: { queue: "q", payload: "x" } };
    expect(offsetOf({ commands: [publish, get("a")] })).toBe(104);
    expect(waiter.releaseOffsets).toEqual([105]);
  });

  it("that shows nothing of the state waits for nothing, whatever came before it", () => {
    const waiter = new Waiter("websocket");
    const wait = { command: "admin.wait", payload: { replicas: 1, timeout_ms: 1000 }, request_id: "1" };
    expect(fixture.sendAs(waiter, wait)).toBeUndefined();
    fixture.run("kv.set", { key: "a", value: "3" });
    fixture.pass(1000);
    expect(waiter.releaseOffsets).toEqual([0]);
  });

  it("of nothing found waits for the state of its last moment", () => {
    fixture.run("queue.create", { name: "q" });
    const waiter = wait();
    fixture.run("kv.set", { key: "a", value: "3" });
    fixture.pass(1000);
    expect(waiter.releaseOffsets).toEqual([104]);
  });
});
