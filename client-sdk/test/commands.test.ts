/** The groups of commands against a real server, over both forms of the wire. */
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import {
  CannotEncodeError,
  connect,
  InvalidPayloadError,
  NotAnIntegerError,
  QueueExistsError,
  RoomNotFoundError,
  SchemaMismatchError,
  type ServerError,
  StaleDeliveryError,
  type StandardSchema,
  SynapClient,
  WrongTypeError,
} from "../src/index.ts";
import { failure } from "./condition.ts";
import { ServerProcess } from "./server-process.ts";

interface User {
  readonly name: string;
}

/** As Zod and its like would make it. */
const userSchema: StandardSchema<User> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate(value) {
      if (typeof value === "object" && value !== null && "name" in value && typeof value.name === "string") {
        return { value: { name: value.name } };
      }
      return { issues: [{ message: "name is not a string" }] };
    },
  },
};

const lateUserSchema: StandardSchema<User> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: async (value) => userSchema["~standard"].validate(value),
  },
};

let server: ServerProcess;

beforeAll(async () => {
  server = await ServerProcess.start();
});

afterAll(() => server.end());

describe.each(["msgpack", "json"] as const)("over %s", (format) => {
  let synap: SynapClient;

  beforeAll(async () => {
    synap = await connect(server.url, { format });
  });

  beforeEach(async () => {
    await synap.kv.flushdb();
  });

  afterAll(() => synap.close());

  it("values come back as they were", async () => {
    const values: unknown[] = [
      "text",
      "",
      "ünïcödé 漢字 🎈",
      "x".repeat(100),
      "é".repeat(50_000),
      0,
      -1,
      31,
      128,
      65_536,
      -33,
      -70_000,
      2 ** 40,
      -(2 ** 40),
      Number.MAX_SAFE_INTEGER,
      2n ** 62n,
      -(2n ** 63n),
      1.5,
      true,
      false,
      [],
      [1, [2, [3, null]]],
      {},
      { a: { b: { c: [1, "x", null, true] } } },
      Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`field${i}`, i])),
      Array.from({ length: 70_000 }, (_, i) => i % 7),
    ];
    await Promise.all(values.map((value, i) => synap.kv.set(`v${i}`, value)));
    const read = await Promise.all(values.map((_, i) => synap.kv.get(`v${i}`)));
    expect(read).toEqual(values);
  });

  it("bytes come back as bytes, where they are not text", async () => {
    const bytes = new Uint8Array([0, 255, 128, 7]);
    await synap.kv.set("bytes", bytes);
    expect([...((await synap.kv.get<Uint8Array>("bytes")) ?? [])]).toEqual([...bytes]);
    await synap.kv.set("nested", { inner: [bytes] });
    const nested = await synap.kv.get<{ inner: Uint8Array[] }>("nested");
    expect([...(nested?.inner[0] ?? [])]).toEqual([...bytes]);
  });

  it("fields that JSON leaves out are left out", async () => {
    await synap.kv.set("fields", { a: undefined, b: [undefined], at: new Date(0), f() {} });
    expect(await synap.kv.get("fields")).toEqual({ b: [null], at: "1970-01-01T00:00:00.000Z" });
  });

  it("a value without a form is refused here, and spoils nothing else", async () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const bad: unknown[] = [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      new Map(),
      new Set(),
      cycle,
      2n ** 64n,
      new Uint16Array(1),
      "a character that was cut: 😀".slice(0, -1),
    ];
    const writes = bad.map((value, i) => failure(synap.kv.set(`bad${i}`, value)));
    writes.push(failure(synap.kv.set("half \udc00", 1)));
    const good = synap.kv.set("good", 1);
    expect((await Promise.all(writes)).every((error) => error instanceof CannotEncodeError)).toBe(true);
    expect((await good).success).toBe(true);
  });

  it("what is done to an object after it was given changes nothing", async () => {
    const value = { n: 1 };
    const write = synap.kv.set("k", value);
    value.n = 2;
    await write;
    expect(await synap.kv.get("k")).toEqual({ n: 1 });
  });

  it("conditions, versions and expiry", async () => {
    const first = await synap.kv.set("k", "a", { ttlMs: 60_000 });
    expect(await synap.kv.set("k", "b", { nx: true })).toMatchObject({ success: false, reason: "exists" });
    expect(await synap.kv.cas("k", "c", { version: first.version ?? 0 })).toMatchObject({ success: true });
    expect(await synap.kv.cas("k", "d", { expect: "b" })).toMatchObject({ success: false, current: "c" });
    const meta = await synap.kv.getMeta("k");
    expect(meta).toMatchObject({ found: true, value: "c", type: "text", bytes: 1 });
    expect(meta.ttlMs).toBeGreaterThan(50_000);
    expect(await synap.kv.ttl("none")).toEqual({ ttl: -2, ttlMs: -2 });
    expect(await synap.kv.getMeta("none")).toMatchObject({ found: false, value: null, version: 0 });
  });

  it("counters keep every digit", async () => {
    expect(await synap.kv.incr("n")).toBe(1);
    expect(await synap.kv.incr("n", 2n ** 60n)).toBe(2n ** 60n + 1n);
    expect(await synap.kv.decr("n", 2n ** 60n)).toBe(1);
    expect(await synap.kv.incrWithin("n", 5, { max: 3 })).toEqual({ value: 1, limited: true });
    expect(await synap.kv.incrWithin("n", 2, { max: 3 })).toEqual({ value: 3, limited: false });
    expect(await synap.kv.incrByFloat("f", 0.1)).toBe(0.1);
  });

  it("one key or several", async () => {
    await synap.kv.mset([
      { key: "a", value: 1 },
      { key: "b", value: { x: 1 } },
    ]);
    expect(await synap.kv.mget(["a", "none", "b"])).toEqual([1, null, { x: 1 }]);
    expect(await synap.kv.exists("a")).toBe(true);
    expect(await synap.kv.exists(["a", "b", "none"])).toBe(2);
    expect(await synap.kv.del("none")).toBe(false);
    expect(await synap.kv.del(["a", "b", "none"])).toBe(2);
  });

  it("walks all keys", async () => {
    await synap.kv.mset(Array.from({ length: 250 }, (_, i) => ({ key: `w:${1000 + i}`, value: i })));
    const keys: string[] = [];
    for await (const key of synap.kv.keysOf({ prefix: "w:", limit: 40 })) keys.push(key);
    expect(keys).toEqual(Array.from({ length: 250 }, (_, i) => `w:${1000 + i}`));
  });

  it("each code of the server is an error of its own", async () => {
    await synap.kv.set("text", "abc");
    const error = await failure(synap.kv.incr("text"));
    expect(error).toBeInstanceOf(NotAnIntegerError);
    expect(error).toMatchObject({
      code: "NOT_AN_INTEGER",
      command: "kv.incr",
      retryable: false,
      mayHaveHappened: false,
    });
    expect((error as ServerError).requestId).toBeGreaterThan(0);
    await synap.kv.set("json", [1]);
    expect(await failure(synap.kv.append("json", "x"))).toBeInstanceOf(WrongTypeError);
    const payload = await failure(synap.command("kv.set", { key: "a", value: 1, tll: 3 } as never));
    expect(payload).toBeInstanceOf(InvalidPayloadError);
    expect((payload as ServerError).details.path).toBe("tll");
  });

  it("a schema checks what comes back, and gives the type", async () => {
    await synap.kv.set("user", { name: "Ada", secret: 1 });
    const user = await synap.kv.get("user", { schema: userSchema });
    expectTypeOf(user).toEqualTypeOf<User | null>();
    expect(user).toEqual({ name: "Ada" });
    expect(await synap.kv.get("user", { schema: lateUserSchema })).toEqual({ name: "Ada" });
    expect(await synap.kv.get("none", { schema: userSchema })).toBeNull();
    await synap.kv.set("user", { nom: "Ada" });
    for (const schema of [userSchema, lateUserSchema]) {
      const error = await failure(synap.kv.get("user", { schema }));
      expect(error).toBeInstanceOf(SchemaMismatchError);
      expect((error as SchemaMismatchError).issues).toEqual([{ message: "name is not a string" }]);
    }
  });

  it("a batch tells how each command went, with its type", async () => {
    const results = await synap.batch([
      { command: "kv.set", payload: { key: "a", value: "x" } },
      { command: "kv.incr", payload: { key: "a" } },
      { command: "kv.get", payload: { key: "a" } },
    ]);
    if (results[0].success) expectTypeOf(results[0].payload.version).toEqualTypeOf<number | undefined>();
    expect(results[0]).toMatchObject({ success: true, payload: { key: "a" } });
    expect(results[1].success === false && results[1].error).toBeInstanceOf(NotAnIntegerError);
    expect(results[2]).toEqual({ success: true, payload: "x" });
  });

  it("an atomic batch is all or nothing", async () => {
    await synap.kv.set("text", "abc");
    const error = await failure(
      synap.batch(
        [
          { command: "kv.set", payload: { key: "a", value: 1 } },
          { command: "kv.incr", payload: { key: "text" } },
        ],
        { atomic: true },
      ),
    );
    expect(error).toMatchObject({ code: "NOT_AN_INTEGER", details: { index: 1 } });
    expect(await synap.kv.get("a")).toBeNull();
    const done = await synap.batch([{ command: "kv.set", payload: { key: "a", value: 1 } }], { atomic: true });
    expect(done[0].success).toBe(true);
  });

  it("queues: publish, take, acknowledge, give back, die", async () => {
    const q = `q-${format}`;
    expect(await synap.queue.create(q, { retryBackoffMs: { initial: 0 }, defaultMaxRetries: 1 })).toMatchObject({
      created: true,
    });
    expect(await failure(synap.queue.create(q, { maxDepth: 5 }))).toBeInstanceOf(QueueExistsError);
    await synap.queue.publish(q, { n: 1 }, { headers: { trace_id: 7 }, priority: 9 });
    const message = await synap.queue.consume<{ n: number }>(q);
    expect(message).toMatchObject({ payload: { n: 1 }, headers: { trace_id: 7 }, retryCount: 0, maxRetries: 1 });
    if (message === null) throw new Error("a message was published");
    expect(await synap.queue.nack(q, message, { delayMs: 0 })).toMatchObject({ action: "requeued" });
    expect(await failure(synap.queue.ack(q, message))).toBeInstanceOf(StaleDeliveryError);
    const again = await synap.queue.consumeMany(q, 5, { waitMs: 2_000 });
    expect(again).toMatchObject([{ retryCount: 1 }]);
    expect(await synap.queue.nack(q, again[0])).toMatchObject({ action: "dead_lettered" });
    expect((await synap.queue.dead.list(q)).messages).toMatchObject([{ reason: "max_retries", payload: { n: 1 } }]);
    expect(await synap.queue.publishBatch(q, [{ payload: 1 }, { payload: 2, delayMs: 60_000 }])).toHaveLength(2);
    expect(await synap.queue.stats(q)).toMatchObject({ ready: 1, delayed: 1, dead: 1 });
    expect(await synap.queue.delete(q)).toBe(true);
  });

  it("rooms: publish and read by pages", async () => {
    const room = `room-${format}`;
    expect(await failure(synap.stream.consume(room))).toBeInstanceOf(RoomNotFoundError);
    await synap.stream.publish(room, "joined", { who_is: "ada" }, { metadata: { some_key: 1 } });
    await synap.stream.publishBatch(room, [{ event: "said", data: "hi", dedupId: "1" }]);
    const page = await synap.stream.consume<unknown>(room, { fromOffset: 0 });
    expect(page.events).toMatchObject([
      { offset: 0, event: "joined", data: { who_is: "ada" }, metadata: { some_key: 1 } },
      { offset: 1, event: "said", data: "hi" },
    ]);
    expect(page.nextOffset).toBe(2);
  });
});

describe("the client as the specification has it", () => {
  it("connects on first use", async () => {
    const client = new SynapClient({ url: server.url, format: "msgpack" });
    await client.kv.set("spec", 1);
    expect(await client.batch([{ command: "kv.get", payload: { key: "spec" } }])).toEqual([
      { success: true, payload: 1 },
    ]);
    await client.close();
  });

  it.each([
    [{ url: "localhost" }, /url/],
    [{ url: "ftp://localhost" }, /must begin/],
    [{ url: [] }, /at least one/],
    [{ url: "ws://localhost", format: "xml" as never }, /format/],
    [{ url: "ws://localhost", maxInFlight: 0 }, /maxInFlight/],
  ])("refuses options that cannot be meant: %j", (options, reason) => {
    expect(() => new SynapClient(options)).toThrow(reason);
  });
});
