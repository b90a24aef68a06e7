import { beforeEach, describe, expect, it, test } from "vitest";
import { json } from "../../test/conformance/format.ts";
import { answered, Connection } from "../../test/dispatcher-fixture.ts";
import { caller, dump } from "../../test/engine.ts";
import { FORMATS, IdempotentFixture } from "../../test/idempotent-fixture.ts";
import { Grant } from "../access/grant.ts";
import { fail } from "../commands/errors.ts";
import { OP_PUT } from "../state/operation.ts";
import { OLD_REPLY_JSON, OLD_REPLY_MSGPACK, OP_REMEMBER, writeRemember } from "../state/reply-operation.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";

const WINDOW_MS = 300_000;

type Message = Record<string, unknown>;

const once = (requestId: unknown, command: string, payload: unknown, clientId: unknown = "c"): Message => ({
  command,
  payload,
  client_id: clientId,
  request_id: requestId,
  idempotent: true,
});

const item = (requestId: unknown, command: string, payload: unknown): Message => ({
  command,
  payload,
  request_id: requestId,
  idempotent: true,
});

const increment = (requestId: unknown, key = "n"): Message => once(requestId, "kv.incr", { key });

describe("an idempotent write", () => {
  let fixture: IdempotentFixture;
  beforeEach(() => {
    fixture = new IdempotentFixture();
  });

  it.each(["json", "msgpack"] as const)("gets its first reply again, byte by byte, and runs once: %s", (format) => {
    const first = fixture.bytes(increment("r"), format);
    expect(FORMATS[format].decode(Buffer.from(first))).toEqual({
      success: true,
      request_id: "r",
      payload: { value: 1 },
    });
    fixture.run("kv.incr", { key: "n" });
    expect(fixture.bytes(increment("r"), format)).toEqual(first);
    expect(fixture.get("n")).toBe(2);
    expect([fixture.remembered, fixture.replays]).toEqual([1, 1]);
  });

  it.each(["json", "msgpack"] as const)("is remembered whole where its reply outgrows the buffer: %s", (format) => {
    const keys = ["a", "b", "c"];
    for (const key of keys) fixture.run("kv.set", { key, value: key.repeat(40_000) });
    const commands = keys.map((key, i) => item(i, "kv.getset", { key, value: 1 }));
    const message = { type: "batch", client_id: "c", commands };
    const first = fixture.reply(message, format);
    expect(first).toMatchObject({ results: keys.map((key) => ({ payload: key.repeat(40_000) })) });
    expect(fixture.reply(message, format)).toEqual(first);
  });

  it("answers as one that is not", () => {
    const other = new IdempotentFixture();
    for (const format of ["json", "msgpack"] as const) {
      for (const [command, payload] of [
        ["kv.set", { key: "a", value: { deep: ["x", 1.5, null] } }],
        ["kv.getset", { key: "a", value: "text" }],
        ["kv.getset", { key: "b", value: "text" }],
        ["kv.set", { key: "a", value: 2, get: true }],
        ["kv.mset", { pairs: [{ key: "c", value: 1 }] }],
      ] as const) {
        const plain = other.bytes({ command, payload, request_id: 1 }, format);
        // Versions are offsets of the log, and differ by what is remembered.
        const withoutVersion = (bytes: Buffer) =>
          JSON.stringify(FORMATS[format].decode(bytes)).replace(/"version":\d+/, "");
        const message = once(1, command, payload, `${command} ${JSON.stringify(payload)} ${format}`);
        expect(withoutVersion(fixture.bytes(message, format))).toBe(withoutVersion(plain));
      }
    }
  });

  it("is one record with what it remembers, the memory last", () => {
    const offset = fixture.engine.log.nextOffset;
    fixture.send(once(1, "kv.set", { key: "a", value: 1 }));
    fixture.send(once(2, "kv.set", { key: "a", value: 2, nx: true }));
    expect(fixture.kindsFrom(offset)).toEqual([[OP_PUT, OP_REMEMBER], [OP_REMEMBER]]);
  });

  it("is remembered where it changes nothing", () => {
    fixture.run("kv.set", { key: "a", value: 1 });
    const message = once(1, "kv.set", { key: "a", value: 2, nx: true });
    const first = fixture.bytes(message);
    expect(json.decode(first)).toMatchObject({ payload: { success: false } });
    fixture.run("kv.del", { key: "a" });
    expect(fixture.bytes(message)).toEqual(first);
    expect(fixture.run("kv.exists", { key: "a" }).body.payload).toEqual({ exists: false });
  });

  it("runs again where it has failed", () => {
    fixture.run("kv.set", { key: "n", value: "text" });
    expect(fixture.send(increment(1)).body).toMatchObject({ code: "NOT_AN_INTEGER", request_id: 1 });
    expect(fixture.remembered).toBe(0);
    fixture.run("kv.del", { key: "n" });
    expect(fixture.send(increment(1)).body).toMatchObject({ payload: { value: 1 } });
  });

  it("is answered again with what an earlier version has remembered, whose hashes were others", () => {
    const { executor, state } = fixture.engine;
    const { bytes } = rangeOf("\u0001ci7");
    for (const [format, reply] of [
      [OLD_REPLY_JSON, '{"value":41}'],
      [OLD_REPLY_MSGPACK, "\x81\xa5value\x29"],
    ] as const) {
      executor.at(fixture.engine.nowMs);
      executor.begin();
      const remembered = {
        id: new ByteRange(bytes, 0, bytes.length),
        hash: rangeOf("of another kind."),
        format,
        reply: new ByteRange(new Uint8Array(Buffer.from(reply, "latin1")), 0, reply.length),
        expiresAtMs: fixture.engine.nowMs + WINDOW_MS,
      };
      writeRemember(executor.planner.writer, remembered, state.replies.count);
      executor.commit();
      expect(fixture.send(increment(7)).body.payload).toEqual({ value: 41 });
    }
    expect(fixture.get("n")).toBeNull();
  });

  it("is another one with another id, of whatever kind, or of another client", () => {
    for (const id of ["7", 7, "", "07", 8, 2 ** 53 - 1, -7]) fixture.send(increment(id));
    fixture.send(once(7, "kv.incr", { key: "n" }, "other"));
    fixture.send(once(7, "kv.incr", { key: "n" }, "othe"));
    expect(fixture.get("n")).toBe(9);
    expect(fixture.replays).toBe(0);
  });

  it("is the same one however its id is encoded", () => {
    expect(fixture.reply(increment(2 ** 40))).toMatchObject({ payload: { value: 1 } });
    // msgpackr writes an integer of this size as a float.
    expect(fixture.reply(increment(2 ** 40), "msgpack")).toMatchObject({ request_id: 2 ** 40, payload: { value: 1 } });
    fixture.reply(increment("\u00e9\n"), "msgpack");
    const escaped =
      '{"command":"kv.incr","payload":{"key":"n"},"client_id":"\\u0063","request_id":"\\u00e9\\n","idempotent":true}';
    const reply = answered(fixture.dispatcher.handle(Buffer.from(escaped), "json", "json", caller));
    expect(Buffer.from(reply.bytes.subarray(0, reply.length)).toString()).toContain('"value":2');
    expect(fixture.replays).toBe(2);
  });

  it.each([
    ["another key", once(1, "kv.incr", { key: "m" })],
    ["another amount", once(1, "kv.incr", { key: "n", amount: 2 })],
    ["another command", once(1, "kv.decr", { key: "n" })],
    [
      "an atomic batch of the same",
      {
        ...increment(1),
        command: undefined,
        payload: undefined,
        atomic: true,
        commands: [{ command: "kv.incr", payload: { key: "n" } }],
      },
    ],
  ])("with the id of one that asked for something else is refused: %s", (_, message) => {
    fixture.send(increment(1));
    expect(fixture.send(message)).toMatchObject({
      status: 400,
      body: { code: "INVALID_REQUEST", request_id: 1, details: { path: "request_id" } },
    });
    expect(fixture.send(increment(1)).body.payload).toEqual({ value: 1 });
    expect(fixture.get("n")).toBe(1);
    expect(fixture.get("m")).toBe(null);
  });

  it("is forgotten when its time is over", () => {
    fixture.send(increment(1));
    fixture.pass(WINDOW_MS - 1);
    expect(fixture.send(increment(1)).body.payload).toEqual({ value: 1 });
    fixture.pass(1);
    expect(fixture.send(increment(1)).body.payload).toEqual({ value: 2 });
    // The old one is still there, and hidden behind the new one.
    expect(fixture.remembered).toBe(2);
    expect(fixture.send(increment(1)).body.payload).toEqual({ value: 2 });
  });

  it("is not answered where writes are refused, though it is remembered there", () => {
    const batch = { type: "batch", commands: [{ command: "kv.incr", payload: { key: "m" } }], atomic: true };
    const atomic = { ...batch, client_id: "c", request_id: "b", idempotent: true };
    const first = [fixture.bytes(increment("r")), fixture.bytes(atomic)];
    const { executor } = fixture.engine;
    executor.writeRefusal = fail("READ_ONLY_REPLICA", "write to the master");
    for (const message of [increment("r"), atomic]) {
      expect(fixture.send(message).body).toMatchObject({ success: false, code: "READ_ONLY_REPLICA" });
    }
    executor.writeRefusal = undefined;
    expect([fixture.bytes(increment("r")), fixture.bytes(atomic)]).toEqual(first);
    expect(fixture.get("n")).toBe(1);
  });

  it("is remembered by whoever applies the log", () => {
    fixture.send(increment(1));
    fixture.send(once("two", "kv.set", { key: "a", value: [1] }, "d"));
    const { state } = fixture.engine;
    const replica = fixture.replica();
    expect(replica.replies.dump()).toEqual(state.replies.dump());
    expect(replica.replies.count).toBe(2);
    expect(dump(replica.keys)).toEqual(dump(state.keys));
  });

  it("does not run where its reply is too large to be remembered", () => {
    const small = new IdempotentFixture({ limits: { reply: { windowMs: WINDOW_MS, bytesMax: 16 * 1000 } } });
    small.run("kv.set", { key: "a", value: "x".repeat(998) });
    const message = (id: number) => once(id, "kv.getset", { key: "a", value: "y".repeat(999) });
    expect(small.send(message(1)).body).toMatchObject({ payload: "x".repeat(998) });
    expect(small.send(message(2))).toMatchObject({
      status: 413,
      body: { code: "PAYLOAD_TOO_LARGE", request_id: 2, details: { limit_bytes: 1000 } },
    });
    expect(small.send(message(1)).body).toMatchObject({ payload: "x".repeat(998) });
    expect(small.remembered).toBe(1);
  });

  it("does not run where its reply is over the limit of replies", () => {
    const small = new IdempotentFixture({}, 66 * 1024);
    // As JSON, every control character takes six bytes.
    small.run("kv.set", { key: "a", value: "\u0001".repeat(20 * 1024) });
    const message = once(1, "kv.getset", { key: "a", value: "b" });
    expect(small.send(message).body).toMatchObject({ code: "PAYLOAD_TOO_LARGE", request_id: 1 });
    expect(small.remembered).toBe(0);
    expect(small.reply(message, "msgpack")).toMatchObject({ payload: "\u0001".repeat(20 * 1024) });
    // Remembered, and too large for this reader.
    expect(small.send(message).body).toMatchObject({ code: "PAYLOAD_TOO_LARGE", request_id: 1 });
    expect(small.get("a")).toBe("b");
  });

  it("asks for both ids, and for a client id of its length", () => {
    const refusal = (message: Message) => fixture.send(message).body;
    const write = increment(1);
    expect(refusal({ ...write, request_id: undefined })).toMatchObject({
      code: "INVALID_REQUEST",
      details: { path: "request_id" },
    });
    expect(refusal({ ...write, client_id: undefined })).toMatchObject({
      request_id: 1,
      details: { path: "client_id" },
    });
    expect(refusal({ ...write, client_id: "" })).toMatchObject({ code: "INVALID_REQUEST" });
    expect(refusal({ ...write, client_id: "x".repeat(256) })).toMatchObject({ code: "INVALID_REQUEST" });
    expect(refusal({ ...write, client_id: "x".repeat(255) })).toMatchObject({ payload: { value: 1 } });
    expect(fixture.dispatcher.refusedRequests.envelope).toBe(4);
  });

  it("keeps its payload to itself where the arguments are wrong", () => {
    expect(fixture.send(once(1, "kv.incr", { key: 5 })).body).toMatchObject({ code: "INVALID_PAYLOAD", request_id: 1 });
    expect(fixture.send(once(1, "kv.none", {})).body).toMatchObject({ code: "INVALID_COMMAND" });
    expect(fixture.send(increment(1)).body).toMatchObject({ payload: { value: 1 } });
  });
});

describe("what is no write", () => {
  it("is read as often as it is sent", () => {
    const fixture = new IdempotentFixture();
    const message = once(1, "kv.get", { key: "a" });
    expect(fixture.send(message).body.payload).toBeNull();
    fixture.run("kv.set", { key: "a", value: 1 });
    expect(fixture.send(message).body.payload).toBe(1);
    expect(fixture.send(increment(1)).body.payload).toEqual({ value: 1 });
    expect([fixture.remembered, fixture.replays]).toEqual([1, 0]);
  });

  it.each([
    ["pubsub.publish", { topic: "a", payload: 1 }],
    ["pubsub.subscribe", { topics: ["a"] }],
    ["transaction.exec", { client_id: "c" }],
  ])("and has no place in the log is refused: %s", (command, payload) => {
    const fixture = new IdempotentFixture();
    const connection = new Connection("websocket");
    expect(fixture.sendAs(connection, once(1, command, payload))).toMatchObject({
      code: "INVALID_REQUEST",
      details: { path: "idempotent" },
    });
    expect(fixture.send({ client_id: "c", commands: [item(1, command, payload)] }).body.results).toMatchObject([
      { code: "INVALID_REQUEST" },
    ]);
  });

  it("or waits in a transaction is refused, and spoils it", () => {
    const fixture = new IdempotentFixture();
    fixture.run("transaction.multi", { client_id: "c" });
    expect(fixture.send(increment(1)).body).toMatchObject({ code: "INVALID_REQUEST" });
    const batch = { type: "batch", client_id: "c", commands: [item(2, "kv.incr", { key: "n" })] };
    expect(fixture.send(batch).body).toMatchObject({ results: [{ code: "INVALID_REQUEST" }] });
    expect(fixture.run("transaction.exec", { client_id: "c" }).body.payload).toMatchObject({ aborted: true });
    expect(fixture.send(increment(1)).body).toMatchObject({ payload: { value: 1 } });
  });
});

describe("a repeat in the other format", () => {
  const MESSAGES = [
    once(1, "kv.set", { key: "a", value: { deep: ["x", 1.5, null, true, -7] } }),
    once(2, "kv.getset", { key: "a", value: '\u0001 \u00e9 "' }),
    once(3, "kv.getset", { key: "a", value: 2n ** 62n }),
    once(4, "kv.getset", { key: "a", value: Uint8Array.of(0, 255) }),
    once(5, "kv.getset", { key: "a", value: Uint8Array.of(97, 98) }),
    once(6, "kv.getset", { key: "a", value: 1 }),
    once(7, "kv.getset", { key: "none", value: 1 }),
    once(8, "kv.mset", { pairs: [{ key: "b", value: [] }] }),
    once("9", "queue.publish", { queue: "q", payload: { a: [Uint8Array.of(255)] }, headers: { h: "1" } }),
    once(10, "queue.consume", { queue: "q" }),
    {
      type: "batch",
      client_id: "c",
      request_id: 11,
      idempotent: true,
      atomic: true,
      commands: [
        { command: "kv.set", payload: { key: "a", value: "x" } },
        { command: "kv.getset", payload: { key: "a", value: Uint8Array.of(255) } },
        { command: "kv.mget", payload: { keys: ["a", "b"] } },
      ],
    },
  ];

  it.each([
    ["json", "msgpack"],
    ["msgpack", "json"],
  ] as const)("of a request in %s says the same in %s", (first, other) => {
    const [fixture, control] = [new IdempotentFixture(), new IdempotentFixture()];
    for (const message of MESSAGES) {
      // What a reader of the other format gets at first.
      const expected = control.reply(message, other);
      fixture.reply(message, first);
      const replays = fixture.replays;
      const again = fixture.reply(message, other);
      // JSON has shown bytes that are text as text, and does not tell any more.
      const ofText = first === "json" && message.request_id === 6;
      expect(again).toEqual(ofText ? { ...(expected as Message), payload: "ab" } : expected);
      // Asked for in one format and answered in the other.
      expect(fixture.reply(message, first, other)).toEqual(again);
      expect(fixture.replays).toBe(replays + 2);
    }
  });
});

describe("an atomic batch", () => {
  const commands = [
    { command: "kv.incr", payload: { key: "n" } },
    { command: "kv.get", payload: { key: "n" } },
    { command: "queue.publish", payload: { queue: "q", payload: "m" } },
  ];
  const batch = (requestId: unknown, of: readonly Message[] = commands): Message => ({
    type: "batch",
    atomic: true,
    idempotent: true,
    client_id: "c",
    request_id: requestId,
    commands: of,
  });

  it.each(["json", "msgpack"] as const)("is one request: one record, one reply: %s", (format) => {
    const fixture = new IdempotentFixture();
    const offset = fixture.engine.log.nextOffset;
    const first = fixture.bytes(batch(1), format);
    expect(FORMATS[format].decode(Buffer.from(first))).toMatchObject({
      success: true,
      results: [{ payload: { value: 1 } }, { payload: 1 }, {}],
    });
    expect(fixture.bytes(batch(1), format)).toEqual(first);
    expect(fixture.kindsFrom(offset)).toHaveLength(1);
    expect([fixture.remembered, fixture.replays, fixture.get("n")]).toEqual([1, 1, 1]);
  });

  it("runs again where it has failed, also where its repeat would", () => {
    const fixture = new IdempotentFixture();
    const message = batch(1, [...commands, { command: "kv.incr", payload: { key: "text" } }]);
    fixture.run("kv.set", { key: "text", value: "x" });
    expect(fixture.send(message).body).toMatchObject({ code: "NOT_AN_INTEGER", details: { index: 3 } });
    fixture.run("kv.del", { key: "text" });
    const first = fixture.bytes(message);
    fixture.run("kv.set", { key: "text", value: "x" });
    expect(fixture.bytes(message)).toEqual(first);
    expect(fixture.get("n")).toBe(1);
  });

  it("with another order is another request", () => {
    const fixture = new IdempotentFixture();
    fixture.send(batch(1));
    expect(fixture.send(batch(1, [...commands].reverse())).body).toMatchObject({ code: "INVALID_REQUEST" });
    expect(fixture.send(batch(1, commands.slice(0, 2))).body).toMatchObject({ code: "INVALID_REQUEST" });
  });

  it("that only reads is read as often as it is sent", () => {
    const fixture = new IdempotentFixture();
    const reading = batch(1, [{ command: "kv.exists", payload: { key: "n" } }]);
    fixture.send(reading);
    fixture.run("kv.incr", { key: "n" });
    expect(fixture.send(reading).body.results).toMatchObject([{ payload: { exists: true } }]);
    expect(fixture.remembered).toBe(0);
  });

  it("does not run where its reply is too large to be remembered", () => {
    const fixture = new IdempotentFixture({ limits: { reply: { windowMs: WINDOW_MS, bytesMax: 1600 } } });
    expect(fixture.send(batch(1)).body).toMatchObject({ code: "PAYLOAD_TOO_LARGE", request_id: 1 });
    expect(fixture.get("n")).toBeNull();
  });

  it.each(["request_id", "client_id", "idempotent"])("has commands without %s", (field) => {
    const fixture = new IdempotentFixture();
    const refused = fixture.send(batch(1, [{ ...commands[0], [field]: field === "idempotent" ? true : "x" }])).body;
    expect(refused).toMatchObject({ code: "INVALID_REQUEST", details: { path: field } });
  });
});

describe("a batch that is not atomic", () => {
  let fixture: IdempotentFixture;
  beforeEach(() => {
    fixture = new IdempotentFixture();
  });
  const batch = (commands: readonly Message[], fields: Message = { client_id: "c" }): Message => ({
    commands,
    ...fields,
  });

  it("has commands that run once, each for itself", () => {
    const commands = [
      item(1, "kv.incr", { key: "n" }),
      { command: "kv.incr", payload: { key: "n" } },
      item("1", "kv.incr", { key: "n" }),
      item(1, "kv.incr", { key: "n" }),
      item(1, "kv.decr", { key: "n" }),
      item(2, "kv.get", { key: "n" }),
    ];
    const results = (values: number[]) => [
      { success: true, payload: { value: 1 } },
      { success: true, payload: { value: values[0] } },
      { success: true, payload: { value: 3 } },
      { success: true, payload: { value: 1 } },
      expect.objectContaining({ success: false, code: "INVALID_REQUEST" }),
      { success: true, payload: values[1] },
    ];
    expect(fixture.send(batch(commands)).body.results).toEqual(results([2, 3]));
    expect(fixture.send(batch(commands)).body.results).toEqual(results([4, 4]));
    // One of them on its own is the same request.
    expect(fixture.send(increment(1)).body.payload).toEqual({ value: 1 });
    expect(fixture.get("n")).toBe(4);
  });

  it("may say it for all of them, each with its request id", () => {
    const fields = { client_id: "c", idempotent: true };
    const one = { command: "kv.incr", payload: { key: "n" } };
    expect(
      fixture.send(
        batch(
          [
            { ...one, request_id: 1 },
            { ...one, request_id: 2 },
          ],
          fields,
        ),
      ).body.results,
    ).toMatchObject([{ payload: { value: 1 } }, { payload: { value: 2 } }]);
    expect(fixture.send(batch([{ ...one, request_id: 2 }], fields)).body.results).toMatchObject([
      { payload: { value: 2 } },
    ]);
    // Without the batch's or an own one.
    expect(fixture.send(batch([{ ...one, request_id: 3 }, one], fields)).body).toMatchObject({
      code: "INVALID_REQUEST",
      details: { path: "request_id" },
    });
    const { body } = fixture.send(batch([item(3, "kv.incr", { key: "n" }), { ...one, idempotent: true }]));
    expect(body).toMatchObject({ code: "INVALID_REQUEST", details: { path: "request_id", index: 1 } });
    expect(body.error).toContain("whole batch");
    expect(fixture.get("n")).toBe(2);
  });

  it("may have commands of several clients", () => {
    const one = item(1, "kv.incr", { key: "n" });
    fixture.send(batch([one, { ...one, client_id: "d" }, { ...one, client_id: "c" }]));
    expect(fixture.get("n")).toBe(2);
    expect(fixture.send(batch([{ ...one, client_id: "d" }], {})).body.results).toMatchObject([
      { payload: { value: 2 } },
    ]);
    expect(fixture.send(batch([one], {})).body).toMatchObject({
      code: "INVALID_REQUEST",
      details: { path: "client_id" },
    });
  });

  it.each(["request_id", "client_id"])("has no use for %s in a command that is not idempotent", (field) => {
    expect(fixture.send(batch([{ command: "kv.incr", payload: { key: "n" }, [field]: "x" }])).body).toMatchObject({
      code: "INVALID_REQUEST",
      details: { path: field },
    });
    expect(fixture.get("n")).toBeNull();
  });

  it("cannot wait, idempotent or not", () => {
    fixture.run("queue.create", { name: "q" });
    const { body } = fixture.send(batch([item(1, "queue.consume", { queue: "q", wait_ms: 10 })]));
    expect(body.results).toMatchObject([{ code: "INVALID_REQUEST" }]);
  });
});

describe("a write that waits", () => {
  let fixture: IdempotentFixture;
  beforeEach(() => {
    fixture = new IdempotentFixture();
    fixture.run("queue.create", { name: "q" });
  });
  const consume = (requestId: unknown, waitMs = 1000) =>
    once(requestId, "queue.consume", { queue: "q", wait_ms: waitMs });
  const publish = (payload: string) => fixture.run("queue.publish", { queue: "q", payload });

  test("gets the same delivery again", () => {
    publish("m");
    const connection = new Connection("websocket");
    const first = fixture.sendAs(connection, consume(1));
    expect(first).toMatchObject({ payload: { message: { payload: "m" } } });
    publish("other");
    expect(fixture.sendAs(connection, consume(1))).toEqual(first);
    expect(fixture.run("queue.stats", { queue: "q" }).body.payload).toMatchObject({ ready: 1, pending: 1 });
  });

  test("is remembered when it is answered, with the record of its delivery", () => {
    const [first, second] = [new Connection("websocket"), new Connection("websocket")];
    expect(fixture.sendAs(first, consume(1))).toBeUndefined();
    expect(fixture.remembered).toBe(0);
    // Its client has connected again, and asks again while the first one waits.
    expect(fixture.sendAs(second, consume(1))).toBeUndefined();
    publish("m");
    publish("other");
    expect(first.lateReplies).toMatchObject([{ request_id: 1, payload: { message: { payload: "m" } } }]);
    expect(second.lateReplies).toEqual(first.lateReplies);
    expect(fixture.sendAs(second, consume(1))).toEqual(first.lateReplies[0]);
    expect(fixture.run("queue.stats", { queue: "q" }).body.payload).toMatchObject({ ready: 1, pending: 1 });
    expect(fixture.bugs).toEqual([]);
  });

  test("is remembered when its time is over, as one that found nothing", () => {
    const [connection, other] = [new Connection("websocket"), new Connection("websocket")];
    fixture.sendAs(connection, consume(1, 100));
    fixture.pass(100);
    expect(connection.lateReplies).toMatchObject([{ request_id: 1, payload: { message: null } }]);
    publish("m");
    expect(fixture.sendAs(other, consume(1, 100))).toEqual(connection.lateReplies[0]);
    expect(fixture.sendAs(other, consume(2, 100))).toMatchObject({ payload: { message: { payload: "m" } } });
  });

  test("keeps what it is known by while others are written", () => {
    const connection = new Connection("websocket");
    expect(fixture.sendAs(connection, consume(1))).toBeUndefined();
    fixture.send(increment(2));
    publish("m");
    publish("other");
    expect(connection.lateReplies).toHaveLength(1);
    expect(fixture.sendAs(connection, consume(1))).toEqual(connection.lateReplies[0]);
  });

  test("leaves nothing when its connection closes before", () => {
    const connection = new Connection("websocket");
    fixture.sendAs(connection, consume(1));
    connection.session?.closed();
    publish("m");
    expect(fixture.remembered).toBe(0);
    expect(fixture.sendAs(new Connection("websocket"), consume(1))).toMatchObject({
      payload: { message: { payload: "m" } },
    });
  });

  test("with the id of one that was answered meanwhile, and asked for something else, is refused", () => {
    const [first, second] = [new Connection("websocket"), new Connection("websocket")];
    fixture.sendAs(first, consume(1, 1000));
    fixture.sendAs(second, consume(1, 2000));
    publish("m");
    publish("other");
    expect(first.lateReplies).toMatchObject([{ payload: { message: { payload: "m" } } }]);
    expect(second.lateReplies).toMatchObject([{ code: "INVALID_REQUEST" }]);
  });
});

describe("the memory of idempotent writes", () => {
  it("takes that of keys, but never of those that the same record writes, and replicas follow", () => {
    const fixture = new IdempotentFixture({ memoryBytesMax: 4 * 2 ** 20, evictionPolicy: "lru" });
    for (let i = 0; i < 8000; i++) {
      const value = "x".repeat(i % 700);
      expect(fixture.send(once(i, "kv.set", { key: `k${i}`, value, get: true })).body).toMatchObject({ success: true });
      if (i % 100 === 0) expect(fixture.get(`k${i}`)).toBe(value);
    }
    const { state } = fixture.engine;
    expect(state.evictedCount).toBeGreaterThan(100);
    const replica = fixture.replica();
    expect(replica.replies.dump()).toEqual(state.replies.dump());
    expect(dump(replica.keys)).toEqual(dump(state.keys));
  });
});

it("keeps the ids of each token apart from those of the others, whatever client_id they say", () => {
  const fixture = new IdempotentFixture();
  const incrementAs = (name: string) => {
    const sender = { ...caller, grant: new Grant(name, [{ subsystem: "*", level: "admin", prefix: "" }]) };
    const message = new Uint8Array(json.encode(increment(1)));
    const reply = answered(fixture.dispatcher.handle(message, "json", "json", sender));
    return json.decode(Buffer.from(reply.bytes.subarray(0, reply.length)));
  };
  expect(incrementAs("one")).toMatchObject({ payload: { value: 1 } });
  expect(incrementAs("two")).toMatchObject({ payload: { value: 2 } });
  expect(incrementAs("one")).toMatchObject({ payload: { value: 1 } });
  expect(fixture.reply(increment(1))).toMatchObject({ payload: { value: 3 } });
});
