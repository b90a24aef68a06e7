import fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { json } from "../../test/conformance/format.ts";
import { answered, Connection } from "../../test/dispatcher-fixture.ts";
import { caller, dump } from "../../test/engine.ts";
import { IdempotentFixture } from "../../test/idempotent-fixture.ts";
import { Grant } from "../access/grant.ts";
import { allCommands } from "../commands/all.ts";
import { OP_PUT } from "../state/operation.ts";
import { OP_REMEMBER } from "../state/reply-operation.ts";
import { ReplyRow } from "../state/reply-row.ts";
import type { Format } from "./reply.ts";

const WINDOW_MS = 300_000;

type Message = Record<string, unknown>;
type Command = { readonly command: string; readonly payload: Message };

const increment = (key = "n"): Command => ({ command: "kv.incr", payload: { key } });
const get = (key = "n"): Command => ({ command: "kv.get", payload: { key } });

/** A batch that is idempotent as a whole. */
const numbered = (requestId: unknown, commands: readonly Message[], fields: Message = {}): Message => ({
  type: "batch",
  client_id: "c",
  request_id: requestId,
  idempotent: true,
  commands,
  ...fields,
});

/** A command of such a batch, as it is sent again by itself. */
const again = (requestId: unknown, index: number, command: Command): Message => ({
  ...command,
  request_id: requestId,
  index,
  idempotent: true,
});

const others = (commands: readonly Message[], fields: Message = {}): Message => ({
  type: "batch",
  client_id: "c",
  request_id: "another",
  commands,
  ...fields,
});

function resultsOf(fixture: IdempotentFixture, message: Message, format: Format = "json"): Message[] {
  const { results } = fixture.reply(message, format) as { results: Message[] };
  return results;
}

const payloadsOf = (fixture: IdempotentFixture, message: Message, format: Format = "json"): unknown[] =>
  resultsOf(fixture, message, format).map(({ payload }) => payload);

describe("an idempotent batch", () => {
  let fixture: IdempotentFixture;
  beforeEach(() => {
    fixture = new IdempotentFixture();
  });

  it.each(["json", "msgpack"] as const)("runs its writes once, and reads as often as it comes: %s", (format) => {
    const commands = [increment(), increment(), { command: "kv.set", payload: { key: "a", value: [1] } }, get()];
    const first = fixture.bytes(numbered(1, commands), format);
    expect(fixture.bytes(numbered(1, commands), format)).toEqual(first);
    fixture.run("kv.incr", { key: "n" });
    const results = resultsOf(fixture, numbered(1, commands), format);
    expect(results).toMatchObject([{ payload: { value: 1 } }, { payload: { value: 2 } }, {}, { payload: 3 }]);
    expect([fixture.get("n"), fixture.remembered]).toEqual([3, 1]);
    expect(fixture.replays).toBe(6);
    // It is another one under another id, and with the same one of another kind.
    expect(payloadsOf(fixture, numbered("1", [increment()]))).toEqual([{ value: 4 }]);
    expect(payloadsOf(fixture, numbered(1, [increment()], { client_id: "d" }))).toEqual([{ value: 5 }]);
  });

  it("answers as one that is not", () => {
    const other = new IdempotentFixture();
    const commands = [
      increment(),
      get(),
      { command: "kv.incr", payload: { key: 7 } },
      { command: "kv.none" },
      get("x"),
    ];
    for (const format of ["json", "msgpack"] as const) {
      const plain = other.bytes({ type: "batch", request_id: 1, commands }, format);
      expect(fixture.bytes(numbered(1, commands, { client_id: format }), format)).toEqual(plain);
    }
  });

  it("is a record for each 64 commands, with the memory of their replies at its end", () => {
    const offset = fixture.engine.log.nextOffset;
    const commands = Array.from({ length: 150 }, (_, i) => increment(`k${i}`));
    fixture.send(numbered(1, commands));
    const row = (count: number) => [...Array.from({ length: count }, () => OP_PUT), OP_REMEMBER];
    expect(fixture.kindsFrom(offset)).toEqual([row(64), row(64), row(22)]);
    expect(payloadsOf(fixture, numbered(1, commands))).toEqual(commands.map(() => ({ value: 1 })));
    expect(fixture.kindsFrom(offset)).toHaveLength(3);
    expect(fixture.remembered).toBe(3);
  });

  it("has commands that may be sent again by themselves, in any company and format", () => {
    const commands = Array.from({ length: 100 }, () => increment());
    fixture.send(numbered(1, commands));
    const places = [99, 0, 64, 63];
    for (const format of ["json", "msgpack"] as const) {
      const items = places.map((index) => again(1, index, increment()));
      const message = others([...items, increment("other")]);
      expect(payloadsOf(fixture, message, format).slice(0, 4)).toEqual(places.map((index) => ({ value: index + 1 })));
    }
    expect([fixture.get("n"), fixture.get("other")]).toEqual([100, 2]);
    // Beside new ones of an idempotent batch.
    const mixed = numbered(2, [increment(), again(1, 5, increment()), increment()]);
    for (let i = 0; i < 2; i++) {
      expect(payloadsOf(fixture, mixed)).toEqual([{ value: 101 }, { value: 6 }, { value: 102 }]);
    }
  });

  it("runs what was sent by itself before it came", () => {
    expect(payloadsOf(fixture, others([again(1, 1, increment())]))).toEqual([{ value: 1 }]);
    for (let i = 0; i < 2; i++) {
      expect(payloadsOf(fixture, numbered(1, [increment(), increment(), increment()]))).toEqual([
        { value: 2 },
        { value: 1 },
        { value: 3 },
      ]);
    }
    // Also where it is in the batch itself, and first.
    const own = numbered(2, [increment(), again(2, 3, increment()), increment(), increment()]);
    expect(payloadsOf(fixture, own)).toEqual([{ value: 4 }, { value: 5 }, { value: 6 }, { value: 5 }]);
    expect(fixture.get("n")).toBe(6);
  });

  it("refuses another command or payload in the place of one, and runs the others", () => {
    fixture.send(numbered(1, [increment(), increment()]));
    const results = resultsOf(fixture, numbered(1, [increment(), increment("m"), increment()]));
    expect(results).toMatchObject([
      { payload: { value: 1 } },
      { code: "INVALID_REQUEST", details: { path: "request_id" } },
      { payload: { value: 3 } },
    ]);
    expect(resultsOf(fixture, others([again(1, 0, { command: "kv.decr", payload: { key: "n" } })]))).toMatchObject([
      { code: "INVALID_REQUEST" },
    ]);
    expect(fixture.get("m")).toBeNull();
  });

  it("leaves nothing of what fails, and tries it again", () => {
    fixture.run("kv.set", { key: "text", value: "x" });
    const message = numbered(1, [increment(), increment("text"), increment()]);
    expect(resultsOf(fixture, message)).toMatchObject([{}, { code: "NOT_AN_INTEGER" }, { payload: { value: 2 } }]);
    fixture.run("kv.del", { key: "text" });
    expect(payloadsOf(fixture, message)).toEqual([{ value: 1 }, { value: 1 }, { value: 2 }]);
    expect(payloadsOf(fixture, message)).toEqual([{ value: 1 }, { value: 1 }, { value: 2 }]);
  });

  it("remembers by itself what is no part of a row: a long reply, a queue's delivery, a flush", () => {
    const long = "x".repeat(2_000);
    fixture.run("kv.set", { key: "long", value: long });
    fixture.run("queue.publish", { queue: "q", payload: "m" });
    fixture.run("queue.publish", { queue: "q", payload: "other" });
    const commands = [
      increment(),
      { command: "kv.getset", payload: { key: "long", value: 1 } },
      increment(),
      { command: "queue.consume", payload: { queue: "q" } },
      { command: "kv.flushdb", payload: {} },
      increment(),
    ];
    const offset = fixture.engine.log.nextOffset;
    const first = fixture.bytes(numbered(1, commands));
    expect(fixture.kindsFrom(offset).map((kinds) => kinds.length)).toEqual([2, 2, 2, 2, 2, 2]);
    expect(fixture.bytes(numbered(1, commands))).toEqual(first);
    expect(json.decode(first)).toMatchObject({
      results: [{ payload: { value: 1 } }, { payload: long }, {}, { payload: { message: { payload: "m" } } }, {}, {}],
    });
    expect(fixture.get("n")).toBe(1);
    expect(fixture.bugs).toEqual([]);
  });

  it("has no place for what cannot be remembered, unless that says so itself, and runs each time", () => {
    const publish = { command: "pubsub.publish", payload: { topic: "t", payload: 1 } };
    const results = resultsOf(fixture, numbered(1, [increment(), publish, increment()]));
    expect(results).toMatchObject([{}, { code: "INVALID_REQUEST" }, { payload: { value: 2 } }]);
    const offset = fixture.engine.log.nextOffset;
    const exempt = { idempotent: false };
    const message = numbered(2, [
      increment(),
      { ...publish, ...exempt },
      increment(),
      { ...increment("exempt"), ...exempt },
      { command: "transaction.multi", payload: { client_id: "t" }, ...exempt },
      { command: "transaction.exec", payload: { client_id: "t" }, ...exempt },
      increment(),
    ]);
    for (let round = 1; round <= 2; round++) {
      expect(resultsOf(fixture, message)).toMatchObject([
        { payload: { value: 3 } },
        { payload: { subscribers_matched: 0 } },
        { payload: { value: 4 } },
        { payload: { value: round } },
        {},
        { payload: { success: true } },
        { payload: { value: 5 } },
      ]);
    }
    const row = [OP_PUT, OP_REMEMBER];
    expect(fixture.kindsFrom(offset)).toEqual([row, row, [OP_PUT], row, [OP_PUT]]);
    expect(resultsOf(fixture, others([{ ...increment(), request_id: 2, ...exempt }]))).toBeUndefined();
  });

  it("lets a command be queued for a transaction where it is exempt, and only there", () => {
    fixture.run("transaction.multi", { client_id: "t" });
    const queued = { command: "kv.incr", payload: { key: "n", client_id: "t" }, idempotent: false };
    const message = numbered(1, [increment(), queued, increment()]);
    expect(payloadsOf(fixture, message)).toEqual([{ value: 1 }, { success: true, queued: true }, { value: 2 }]);
    expect(fixture.run("transaction.exec", { client_id: "t" }).body.payload).toMatchObject({ results: [{}] });
    expect(fixture.get("n")).toBe(3);
  });

  it("ends a record that grows large, and goes on with the next", () => {
    const value = "x".repeat(40_000);
    fixture.run("kv.set", { key: "source", value });
    const copy = (_: unknown, i: number) => ({
      command: "key.copy",
      payload: { source: "source", destination: `copy ${i}` },
    });
    const commands = Array.from({ length: 20 }, copy);
    const offset = fixture.engine.log.nextOffset;
    const first = resultsOf(fixture, numbered(1, commands));
    const records = fixture.kindsFrom(offset);
    expect(records.length).toBeGreaterThan(2);
    expect(records.every((kinds) => kinds.at(-1) === OP_REMEMBER)).toBe(true);
    expect(resultsOf(fixture, numbered(1, commands))).toEqual(first);
  });

  it("is forgotten when its time is over", () => {
    const message = numbered(1, [increment(), increment()]);
    fixture.send(message);
    fixture.pass(WINDOW_MS - 1);
    expect(payloadsOf(fixture, message)).toEqual([{ value: 1 }, { value: 2 }]);
    fixture.pass(1);
    expect(payloadsOf(fixture, message)).toEqual([{ value: 3 }, { value: 4 }]);
    expect(payloadsOf(fixture, others([again(1, 1, increment())]))).toEqual([{ value: 4 }]);
  });

  it("remembers command by command where the memory is nearly full, and refuses what it cannot", () => {
    const full = new IdempotentFixture({ memoryBytesMax: 4 * 2 ** 20 });
    let filled = 0;
    while (full.run("kv.set", { key: `fill ${filled}`, value: "x".repeat(2_000) }).status === 200) filled++;
    const message = numbered(1, [increment("a"), increment("b")]);
    const removal = numbered(2, [
      { command: "kv.del", payload: { key: "fill 0" } },
      { command: "kv.del", payload: { key: "fill 1" } },
    ]);
    const offset = full.engine.log.nextOffset;
    expect(payloadsOf(full, removal)).toEqual([{ deleted: true }, { deleted: true }]);
    expect(payloadsOf(full, removal)).toEqual([{ deleted: true }, { deleted: true }]);
    for (const { code } of resultsOf(full, message)) expect([undefined, "MEMORY_LIMIT_EXCEEDED"]).toContain(code);
    expect(full.kindsFrom(offset).every((kinds) => kinds.at(-1) === OP_REMEMBER)).toBe(true);
    full.engine.state.replies.checkInvariants();
  });

  it("is of the token it came with", () => {
    const sendAs = (name: string) => {
      const sender = { ...caller, grant: new Grant(name, [{ subsystem: "*", level: "admin", prefix: "" }]) };
      const message = new Uint8Array(json.encode(numbered(1, [increment()])));
      const reply = answered(fixture.dispatcher.handle(message, "json", "json", sender));
      return json.decode(Buffer.from(reply.bytes.subarray(0, reply.length)));
    };
    expect(sendAs("one")).toMatchObject({ results: [{ payload: { value: 1 } }] });
    expect(sendAs("two")).toMatchObject({ results: [{ payload: { value: 2 } }] });
    expect(sendAs("one")).toMatchObject({ results: [{ payload: { value: 1 } }] });
  });

  it("runs under the name of another token what comes behind a login in it", () => {
    const everything = [{ subsystem: "*", level: "admin", prefix: "" }] as const;
    const [before, after] = [new Grant("before", everything), new Grant("after", everything)];
    const login = { command: "auth", payload: { token: "t".repeat(40) }, idempotent: false };
    const message = numbered(1, [increment(), login, increment(), increment()]);
    const { access } = fixture.engine.node;
    access.authenticate = () => after;
    for (let round = 0; round < 2; round++) {
      const connection = new Connection("websocket");
      connection.grant = before;
      const { results } = fixture.sendAs(connection, message) as { results: Message[] };
      expect(connection.grant).toBe(after);
      expect([results[0], results[2], results[3]]).toMatchObject([1, 2, 3].map((value) => ({ payload: { value } })));
    }
    expect(fixture.get("n")).toBe(3);
  });

  it("is not answered before what it remembers may be, also where nothing is changed and it is cut short", () => {
    fixture.run("kv.set", { key: "a", value: 1 });
    const miss = { command: "kv.set", payload: { key: "a", value: 2, nx: true } };
    const { planner } = fixture.engine.executor;
    const find = planner.find.bind(planner);
    planner.find = (key) => {
      fixture.clock.advance(150);
      return find(key);
    };
    const message = new Uint8Array(json.encode(numbered(1, [miss, miss, miss])));
    const reply = answered(fixture.dispatcher.handle(message, "json", "json", caller));
    const { results } = json.decode(Buffer.from(reply.bytes.subarray(0, reply.length))) as { results: Message[] };
    expect(results).toMatchObject([{}, {}, { code: "PAYLOAD_TOO_LARGE" }]);
    expect(reply.releaseOffset).toBe(fixture.engine.log.nextOffset - 1);
    expect(fixture.remembered).toBe(1);
  });

  it("copies no reply that is too large to be remembered", () => {
    const small = new IdempotentFixture({ limits: { reply: { windowMs: WINDOW_MS, bytesMax: 64 * 1024 } } });
    small.run("kv.set", { key: "large", value: "x".repeat(40_000) });
    const add = vi.spyOn(ReplyRow.prototype, "add");
    const message = numbered(1, [{ command: "kv.getset", payload: { key: "large", value: 1 } }]);
    expect(resultsOf(small, message)).toMatchObject([{ code: "PAYLOAD_TOO_LARGE" }]);
    expect(add).not.toHaveBeenCalled();
    expect(String(small.get("large"))).toHaveLength(40_000);
    add.mockRestore();
  });

  it("has the time that its record takes charged to its writes", () => {
    fixture.run("queue.create", { name: "q" });
    const { log, node } = fixture.engine;
    const append = log.append.bind(log);
    log.append = (record) => {
      fixture.clock.advance(node.slowLog.thresholdMs);
      return append(record);
    };
    fixture.send(numbered(1, [increment(), increment(), { command: "queue.consume", payload: { queue: "q" } }, get()]));
    const slow = node.slowLog.latest(10).map(({ command }) => command);
    expect(slow).toEqual(["queue.consume", "kv.incr"]);
  });

  it("goes on behind a command with a bug, and keeps what ran before", () => {
    const [first, second] = [numbered(1, [increment(), increment("bug"), increment()]), numbered(2, [increment()])];
    const { log, executor } = fixture.engine;
    const { planner } = executor;
    const planPut = planner.put.bind(planner);
    planner.put = (key, value, deadlineMs) => {
      if (key.toString() === "bug") throw new Error("a bug");
      return planPut(key, value, deadlineMs);
    };
    const offset = log.nextOffset;
    expect(resultsOf(fixture, first)).toMatchObject([{}, { code: "INTERNAL_ERROR" }, { payload: { value: 2 } }]);
    expect(fixture.kindsFrom(offset)).toEqual([[OP_PUT, OP_PUT, OP_REMEMBER]]);
    expect(payloadsOf(fixture, second)).toEqual([{ value: 3 }]);
    expect(resultsOf(fixture, first)).toMatchObject([{ payload: { value: 1 } }, {}, { payload: { value: 2 } }]);
  });

  it.each<[string, Message, string]>([
    ["without a request_id", numbered(undefined, [increment()]), "request_id"],
    ["without a client_id", numbered(1, [increment()], { client_id: undefined }), "client_id"],
    [
      "with a client_id that is too long, though none uses it",
      others([again(1, 0, increment())], { client_id: "c".repeat(256) }),
      "client_id",
    ],
    ["with an index alone", numbered(1, [{ ...increment(), index: 0 }]), "request_id"],
    ["with an index that is none", others([again(1, -1, increment())]), "index"],
    ["with an index past every batch", others([again(1, 1_000_000, increment())]), "index"],
    ["with an index that is no integer", others([again(1, 1.5, increment())]), "index"],
    ["with an index and not idempotent", others([{ ...increment(), index: 1 }]), "index"],
    ["with an index of its own", numbered(1, [increment()], { index: 1 }), "index"],
    ["with an index in an atomic batch", numbered(1, [again(2, 1, increment())], { atomic: true }), "request_id"],
  ])("is refused %s", (_, message, path) => {
    for (const format of ["json", "msgpack"] as const) {
      expect(fixture.reply(message, format)).toMatchObject({ code: "INVALID_REQUEST", details: { path } });
    }
    expect(fixture.get("n")).toBeNull();
  });
});

const key = fc.constantFrom("a", "b", "c");
const value = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom("text", "x".repeat(600)));
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ command: fc.constantFrom("kv.get", "kv.incr", "kv.del", "kv.exists"), payload: fc.record({ key }) }),
  fc.record({ command: fc.constantFrom("kv.getset", "kv.append"), payload: fc.record({ key, value }) }),
  fc.record({
    command: fc.constantFrom("kv.set"),
    payload: fc.record({ key, value, nx: fc.boolean(), ttl_ms: fc.integer({ min: 1, max: 9 }) }),
  }),
  fc.record({ command: fc.constant("queue.publish"), payload: fc.record({ queue: key, payload: value }) }),
  fc.record({ command: fc.constant("queue.consume"), payload: fc.record({ queue: key }) }),
  fc.record({ command: fc.constant("kv.flushdb"), payload: fc.constant({}) }),
);
const isWrite = ({ command: name }: Command): boolean =>
  allCommands.some((each) => each.name === name && each.plan !== undefined);

/** Offsets differ by what is remembered. */
const withoutOffsets = (result: unknown): unknown =>
  JSON.parse(JSON.stringify(result).replace(/"(version|id|delivery_id|message_id)":\d+/g, '"$1":0'));

/** What comes again, as a whole or in parts, new ones between. */
const step = fc.oneof(
  fc.record({ batch: fc.nat(3) }),
  fc.record({
    parts: fc.array(fc.record({ batch: fc.nat(3), place: fc.nat(99) }), { minLength: 1, maxLength: 6 }),
  }),
);

it("gives and leaves what its writes would, run once each in the order in which they first came", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(command, { minLength: 1, maxLength: 80 }), { minLength: 4, maxLength: 4 }),
      fc.array(step, { minLength: 1, maxLength: 12 }),
      fc.constantFrom<Format>("json", "msgpack"),
      (batches, steps, format) => {
        const [fixture, model] = [new IdempotentFixture(), new IdempotentFixture()];
        const known = new Map<string, unknown>();
        const expected = (batch: number, place: number): unknown => {
          const each = batches[batch][place];
          const name = `${batch}/${place}`;
          if (known.has(name)) return known.get(name);
          const [result] = resultsOf(model, { type: "batch", commands: [each] }, format);
          if (isWrite(each) && result.success === true) known.set(name, withoutOffsets(result));
          return withoutOffsets(result);
        };
        for (const each of steps) {
          const places =
            "batch" in each
              ? batches[each.batch].map((_, place) => ({ batch: each.batch, place }))
              : each.parts.map(({ batch, place }) => ({ batch, place: place % batches[batch].length }));
          const message =
            "batch" in each
              ? numbered(each.batch, batches[each.batch])
              : others(places.map(({ batch, place }) => again(batch, place, batches[batch][place])));
          const wanted = places.map(({ batch, place }) => expected(batch, place));
          expect(withoutOffsets(resultsOf(fixture, message, format))).toEqual(wanted);
          for (const { clock } of [fixture, model]) clock.advance(2);
        }
        const { state } = fixture.engine;
        const replica = fixture.replica();
        expect(replica.replies.dump()).toEqual(state.replies.dump());
        expect(dump(replica.keys)).toEqual(dump(state.keys));
        state.replies.checkInvariants();
        expect(fixture.bugs).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
});
