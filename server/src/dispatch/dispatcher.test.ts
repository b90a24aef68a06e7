import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answered, bodyOf, Connection, Fixture } from "../../test/dispatcher-fixture.ts";
import { caller, dump } from "../../test/engine.ts";
import { allCommands } from "../commands/all.ts";
import { ApplyFailure } from "../commands/execute.ts";

interface Request {
  readonly command: string;
  readonly payload: Record<string, unknown>;
}

const key = fc.constantFrom("a", "ab", "abc", "b", "ba", "c", "\u00e9", "k1", "k2", "k3");
const value = fc.oneof(
  fc.integer(),
  fc.string({ maxLength: 5 }),
  fc.constant("x".repeat(600)),
  fc.constant({ nested: [1] }),
);
const request: fc.Arbitrary<Request> = fc.oneof(
  fc.record({
    command: fc.constantFrom("kv.get", "kv.del", "kv.incr", "kv.exists", "kv.ttl", "kv.persist"),
    payload: fc.record({ key }),
  }),
  fc.record({
    command: fc.constantFrom("kv.set", "kv.append", "kv.getset", "kv.cas"),
    payload: fc.record({ key, value }),
  }),
  fc.record({
    command: fc.constant("kv.set"),
    payload: fc.record({ key, value, ttl_ms: fc.integer({ min: 1, max: 5 }) }),
  }),
  fc.record({ command: fc.constant("key.rename"), payload: fc.record({ source: key, destination: key }) }),
  fc.record({
    command: fc.constant("kv.mget"),
    payload: fc.record({ keys: fc.array(key, { minLength: 1, maxLength: 40 }) }),
  }),
  fc.record({ command: fc.constantFrom("kv.dbsize", "kv.scan", "kv.none"), payload: fc.constant({}) }),
);

describe("a batch", () => {
  it("answers and leaves what its commands one by one would, whatever keys they share", () => {
    const [together, apart] = [new Fixture(), new Fixture()];
    const removeAll = ({ engine }: Fixture) => {
      engine.nowMs = together.clock.nowMs();
      const { keys } = engine.run("kv.scan", { limit: 1_000 }) as { keys: string[] };
      for (const name of keys) engine.run("kv.del", { key: name });
    };
    fc.assert(
      fc.property(
        fc.array(fc.array(request, { minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 4 }),
        (messages) => {
          for (const fixture of [together, apart]) removeAll(fixture);
          for (const commands of messages) {
            const { body } = together.send({ commands });
            expect(body.results).toEqual(commands.map((each) => apart.send(each).body));
            expect(dump(together.engine.store)).toEqual(dump(apart.engine.store));
            // Past the deadline of some keys, and before that of others.
            for (const { clock } of [together, apart]) clock.advance(3);
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(together.observed).toEqual(apart.observed);
  });

  it("is looked at after each long reply, however quick its commands were before", () => {
    const fixture = new Fixture();
    fixture.run("kv.set", { key: "long", value: "x".repeat(30_000) });
    const { view } = fixture.engine;
    const find = view.find.bind(view);
    view.find = (key) => {
      if (key.toString() === "long") fixture.clock.advance(150);
      return find(key);
    };
    const commands = Array.from({ length: 30 }, (_, i) => ({
      command: "kv.get",
      payload: { key: i < 20 ? "short" : "long" },
    }));
    const { results } = fixture.send({ commands }).body as { results: { success: boolean }[] };
    expect(results.filter(({ success }) => success)).toHaveLength(22);
    expect(results[22]).toMatchObject({ code: "PAYLOAD_TOO_LARGE", details: { commands_done: 22 } });
  });

  it("is observed command by command", () => {
    const fixture = new Fixture();
    fixture.send({ commands: [{ command: "kv.dbsize" }, { command: "kv.none" }, { command: "kv.get", payload: {} }] });
    fixture.send({
      atomic: true,
      commands: [{ command: "kv.incr", payload: { key: "n" } }, { command: "kv.flushall" }],
    });
    expect(fixture.observed).toEqual([
      { command: "kv.dbsize", succeeded: true },
      { command: "kv.get", succeeded: false },
      { command: "kv.incr", succeeded: true },
      { command: "kv.flushall", succeeded: false },
    ]);
  });

  it("has an error in the place of a reply that finds no room any more, and goes on", () => {
    const fixture = new Fixture({}, 80 * 1024);
    fixture.run("kv.set", { key: "long", value: "x".repeat(30 * 1024) });
    const get = { command: "kv.get", payload: { key: "long" } };
    const { body } = fixture.send({ commands: [get, get, get, { command: "kv.incr", payload: { key: "n" } }] });
    expect(body.results).toMatchObject([
      { success: true },
      { success: true },
      { code: "PAYLOAD_TOO_LARGE", details: { limit_bytes: 80 * 1024 } },
      { payload: { value: 1 } },
    ]);
  });

  it("whose replies find no room even as errors is refused, and says how many of its commands have run", () => {
    const fixture = new Fixture({}, 66 * 1024);
    const name = "k".repeat(200);
    const commands = Array.from({ length: 1_000 }, (_, index) => ({
      command: "kv.set",
      payload: { key: name, value: index },
    }));
    const { status, body } = fixture.send({ request_id: 7, commands });
    expect([status, body]).toMatchObject([413, { success: false, request_id: 7, code: "PAYLOAD_TOO_LARGE" }]);
    const { commands_done: done } = body.details as { commands_done: number };
    expect(fixture.run("kv.get", { key: name }).body.payload).toBe(done - 1);
  });

  it("that is atomic and whose replies pass the limit has not happened", () => {
    const fixture = new Fixture({}, 80 * 1024);
    fixture.run("kv.set", { key: "long", value: "x".repeat(30 * 1024) });
    const get = { command: "kv.get", payload: { key: "long" } };
    const before = dump(fixture.engine.store);
    const { body } = fixture.send({
      atomic: true,
      commands: [{ command: "kv.incr", payload: { key: "n" } }, get, get, get],
    });
    expect(body).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(dump(fixture.engine.store)).toEqual(before);
    expect(fixture.engine.executor.counters.sets).toBe(1);
    expect(fixture.run("kv.exists", { key: "n" }).body.payload).toEqual({ exists: false });
  });
});

describe("a batch that holds the loop", () => {
  /** Each `kv.dbsize` takes so long. */
  const slow = (tookMs: number) => {
    const fixture = new Fixture();
    Object.defineProperty(fixture.engine.view, "size", {
      get() {
        fixture.clock.advance(tookMs);
        return 0;
      },
    });
    return fixture;
  };
  const increment = { command: "kv.incr", payload: { key: "n" } };
  const dbsize = { command: "kv.dbsize" };
  const tooMuch = { success: false, code: "PAYLOAD_TOO_LARGE", details: { limit_ms: 200, commands_done: 4 } };

  it("is cut short: what is left is answered and not run", () => {
    const fixture = slow(100);
    const { status, body } = fixture.send({ commands: [increment, dbsize, increment, dbsize, increment, dbsize] });
    expect([status, body.results]).toMatchObject([
      200,
      [{ payload: { value: 1 } }, { success: true }, { payload: { value: 2 } }, { success: true }, tooMuch, tooMuch],
    ]);
    expect(fixture.run("kv.get", { key: "n" }).body.payload).toBe(2);
  });

  it("and is atomic has not happened", () => {
    const fixture = slow(200);
    const { status, body } = fixture.send({ atomic: true, commands: [increment, dbsize, increment] });
    expect([status, body]).toMatchObject([413, { code: "PAYLOAD_TOO_LARGE", details: { index: 2 } }]);
    expect(fixture.run("kv.exists", { key: "n" }).body.payload).toEqual({ exists: false });
  });

  it("is not one that ends just in time", () => {
    const { body } = slow(66).send({ commands: [dbsize, dbsize, dbsize, increment] });
    expect(body.results).toMatchObject([{}, {}, {}, { payload: { value: 1 } }]);
  });
});

describe("a write whose reply finds no room", () => {
  const filled = () => {
    const fixture = new Fixture({}, 66 * 1024);
    // Six bytes each in a reply.
    fixture.run("kv.set", { key: "a", value: "\u0001".repeat(20 * 1024) });
    return fixture;
  };
  const writes = [
    { command: "kv.getset", payload: { key: "a", value: "new" } },
    { command: "kv.set", payload: { key: "a", value: "new", get: true } },
  ];

  it.each(writes)("has not happened: $command", (write) => {
    const fixture = filled();
    const before = dump(fixture.engine.store);
    expect(fixture.send(write).body).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(
      fixture.send({ commands: [write, { command: "kv.strlen", payload: { key: "a" } }] }).body.results,
    ).toMatchObject([{ code: "PAYLOAD_TOO_LARGE" }, { payload: { length: 20 * 1024 } }]);
    expect(dump(fixture.engine.store)).toEqual(before);
    expect(fixture.engine.executor.counters.sets).toBe(1);
  });
});

describe("requests that no command ran of", () => {
  it("are counted by reason", () => {
    const fixture = new Fixture();
    fixture.send([]);
    fixture.send({ payload: {} });
    fixture.send({ command: "kv.none" });
    fixture.send({ commands: [{ command: "kv.none" }, { command: "kv.dbsize" }] });
    fixture.send({ command: "kv.get", payload: {} });
    fixture.send({ command: "kv.incr", payload: { key: "n" }, idempotent: true });
    expect(fixture.dispatcher.refusedRequests).toEqual({ envelope: 3, unknownCommand: 2 });
  });
});

describe("a single command", () => {
  it("whose reply passes the limit answers with an error that still fits", () => {
    const fixture = new Fixture({}, 66 * 1024);
    for (const name of ["a", "b"]) fixture.run("kv.set", { key: name, value: "x".repeat(40 * 1024) });
    const { status, body } = fixture.send({ request_id: "r", command: "kv.mget", payload: { keys: ["a", "b"] } });
    expect([status, body]).toMatchObject([413, { success: false, request_id: "r", code: "PAYLOAD_TOO_LARGE" }]);
    expect(fixture.run("kv.get", { key: "a" }).status).toBe(200);
  });

  it("pushes in the format of the subscribe command, also of one in a batch", () => {
    const fixture = new Fixture();
    const connection = new Connection("websocket");
    const subscribe = { command: "pubsub.subscribe", payload: { topics: ["a"] } };
    connection.pushFormat = "msgpack";
    fixture.sendAs(connection, { type: "batch", commands: [subscribe] });
    fixture.run("pubsub.publish", { topic: "a", payload: 1 });
    expect(connection.pushed.map((text) => JSON.parse(text))).toMatchObject([{ type: "message", data: 1 }]);
  });

  it("answers in the format asked for, with the request id encoded anew", () => {
    const { dispatcher } = new Fixture();
    const message = Buffer.from('{"command":"kv.dbsize","request_id":"\\u017e"}');
    const packed = answered(dispatcher.handle(message, "json", "msgpack", caller));
    expect(packed.contentType).toBe("application/msgpack");
    expect(Buffer.from(packed.bytes.subarray(0, packed.length)).includes(Buffer.from("\xa2ž", "latin1"))).toBe(false);
    expect(Buffer.from(packed.bytes.subarray(0, packed.length)).includes(Buffer.from([0xa2, 0xc5, 0xbe]))).toBe(true);
    // {"command": "kv.dbsize", "request_id": 7}
    const request = Buffer.from("82a7636f6d6d616e64a96b762e646273697a65aa726571756573745f696407", "hex");
    expect(bodyOf(answered(dispatcher.handle(request, "msgpack", "json", caller)))).toEqual({
      success: true,
      request_id: 7,
      payload: { size: 0 },
    });
  });

  it("is entered in the slow log when it took as long as the threshold says", () => {
    const fixture = new Fixture();
    const slow = allCommands.find(({ name }) => name === "kv.dbsize");
    const peek = fixture.engine.view;
    const size = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(peek), "size")?.get;
    let tookMs = 9.5;
    Object.defineProperty(peek, "size", {
      get() {
        fixture.clock.advance(tookMs);
        return size?.call(peek);
      },
    });
    fixture.run("kv.dbsize");
    expect(fixture.engine.node.slowLog.length).toBe(0);
    tookMs = 10;
    fixture.run("kv.dbsize");
    expect(fixture.engine.node.slowLog.latest(5)).toMatchObject([
      { command: slow?.name, duration_ms: 10, client_id: caller.id },
    ]);
  });
});

describe("a bug in a command", () => {
  const broken = () => {
    const fixture = new Fixture();
    fixture.engine.executor.planner.put = () => {
      throw new Error("broken");
    };
    return fixture;
  };

  it("is INTERNAL_ERROR with an id that the log has too, and the next request is served", () => {
    const fixture = broken();
    const { status, body } = fixture.send({ command: "kv.set", payload: { key: "a", value: 1 }, request_id: 1 });
    expect([status, body]).toMatchObject([500, { code: "INTERNAL_ERROR", request_id: 1 }]);
    expect(fixture.bugs).toMatchObject([
      { id: (body.details as { id: string }).id, where: "kv.set", error: new Error("broken") },
    ]);
    expect(JSON.stringify(body)).not.toContain("broken");
    expect(fixture.run("kv.dbsize").body).toMatchObject({ success: true });
  });

  it("in an atomic batch undoes it", () => {
    const fixture = broken();
    fixture.engine.run("kv.dbsize");
    const { status, body } = fixture.send({
      atomic: true,
      commands: [{ command: "kv.dbsize" }, { command: "kv.set", payload: { key: "a", value: 1 } }],
    });
    expect([status, body]).toMatchObject([500, { code: "INTERNAL_ERROR", details: { index: 1 } }]);
    expect(fixture.engine.log.nextOffset).toBe(1);
  });

  it("in apply is not answered: the process must end", () => {
    const fixture = new Fixture();
    fixture.engine.state.applyStaged = () => {
      throw new Error("broken");
    };
    const set = { command: "kv.set", payload: { key: "a", value: 1 } };
    expect(() => fixture.send(set)).toThrow(ApplyFailure);
    expect(() => fixture.send({ commands: [set] })).toThrow(ApplyFailure);
    expect(() => fixture.send({ atomic: true, commands: [set] })).toThrow(ApplyFailure);
  });
});

describe("what a transport finds itself", () => {
  it("is refused in the envelope of a failure", () => {
    const reply = new Fixture().dispatcher.refuse("PAYLOAD_TOO_LARGE", "too large", "json", { limit_bytes: 5 });
    expect([reply.status, bodyOf(reply)]).toEqual([
      413,
      { success: false, error: "too large", code: "PAYLOAD_TOO_LARGE", details: { limit_bytes: 5 } },
    ]);
  });

  it("is told in a push before the connection is closed", () => {
    const reply = new Fixture().dispatcher.closing("SLOW_CONSUMER", "read faster", "json");
    expect(bodyOf(reply)).toEqual({ type: "closing", code: "SLOW_CONSUMER", error: "read faster" });
  });
});
