/** Writes that are sent again under their number, over both forms of the wire: the server runs them once. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ConnectionLostError, connect, type SynapClient } from "../src/index.ts";
import { failure, until } from "./condition.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { type Fields, MessageProxy } from "./message-proxy.ts";
import { ServerProcess } from "./server-process.ts";

let server: ServerProcess;

beforeAll(async () => {
  server = await ServerProcess.start();
});

afterAll(() => server.end());

describe.each(["msgpack", "json"] as const)("over %s", (format) => {
  let messages: MessageProxy;
  let faults: FaultProxy;
  let synap: SynapClient;

  beforeEach(async () => {
    messages = await MessageProxy.start(server.url);
    faults = await FaultProxy.start(Number(new URL(messages.url).port));
    synap = await connect(faults.url, { format, reconnect: { initialMs: 5, maxMs: 20 } });
    await synap.kv.flushdb();
  });

  afterEach(async () => {
    await synap.close();
    await faults.end();
    await messages.end();
  });

  it("each write has a number, alone its own and in a frame that of the frame", async () => {
    await synap.kv.set("a", 1);
    await Promise.all([synap.kv.set("b", 1), synap.kv.get("b"), synap.queue.publish("q", 1)]);
    // Without what connections are greeted with, and the frames that a busy server has had sent again.
    const [, single, frame] = messages.commands;
    expect(single).toMatchObject({ command: "kv.set", idempotent: true });
    expect(single.request_id).toBeGreaterThan(0);
    expect(frame).toMatchObject({ type: "batch", idempotent: true, client_id: single.client_id });
    expect(frame.request_id).toBeGreaterThan(Number(single.request_id));
    expect((frame.commands as Fields[]).map((item) => Object.keys(item).join())).toEqual(
      Array.from({ length: 3 }, () => "command,payload"),
    );
  });

  it("errors of a frame have its number", async () => {
    await synap.kv.set("text", "x");
    const errors = await Promise.all([failure(synap.kv.incr("text")), failure(synap.kv.incr("text"))]);
    const { request_id: number } = messages.commands.at(-1) ?? {};
    expect(errors).toMatchObject([{ requestId: number }, { requestId: number }]);
  });

  it("what cannot be numbered says so in their frame, and runs each time", async () => {
    const [, subscribers, , , login] = await Promise.allSettled([
      synap.kv.set("b", 1),
      synap.pubsub.publish("t", 1),
      synap.kv.get("b"),
      synap.kv.set("c", 1),
      synap.command("auth", { token: "none such" }),
    ]);
    expect([subscribers.status, login.status]).toEqual(["fulfilled", "fulfilled"]);
    const [, frame] = messages.commands;
    expect(frame.idempotent).toBe(true);
    const exempt = [false, true, false, false, true];
    expect((frame.commands as Fields[]).map(({ idempotent }) => idempotent === false)).toEqual(exempt);
  });

  it("a batch of a caller may have anything in it that a batch may", async () => {
    const results = await synap.batch([
      { command: "kv.incr", payload: { key: "n" } },
      { command: "transaction.watch", payload: { client_id: "t", keys: ["n"] } },
      { command: "pubsub.subscribe", payload: { topics: ["t"] } },
      { command: "kv.watch", payload: { pattern: "none*" } },
      { command: "kv.get", payload: { key: "n" } },
    ]);
    expect(results).toMatchObject([{ payload: { value: 1 } }, {}, {}, {}, { payload: 1 }]);
    expect(results.map(({ success }) => success)).toEqual([true, true, true, true, true]);
  });

  it("a write that carries the client_id of a transaction waits for it, and is not numbered", async () => {
    await synap.transaction.multi("t1");
    const set = { key: "queued", value: 1, client_id: "t1" };
    expect(await synap.command("kv.set", set)).toEqual({ success: true, queued: true });
    const increment = { command: "kv.incr", payload: { key: "queued", client_id: "t1" } } as const;
    // The wire's own field, which the types of commands do not have.
    expect(await synap.batch([increment as { command: "kv.incr"; payload: { key: string } }])).toMatchObject([
      { payload: { queued: true } },
    ]);
    expect(await synap.kv.get("queued")).toBeNull();
    expect(await synap.transaction.exec("t1")).toMatchObject({ success: true });
    expect(await synap.kv.get("queued")).toBe(2);
  });

  it("a batch that is refused after a part of it has run says that it may have happened", async () => {
    messages.hooks = {
      reply: (message) => {
        if (message.type !== "batch_response") return [message];
        const { request_id } = message;
        const details = { limit_bytes: 1, commands_done: 1 };
        return [{ success: false, request_id, code: "PAYLOAD_TOO_LARGE", error: "too large", details }];
      },
    };
    const increment = { command: "kv.incr", payload: { key: "n" } } as const;
    const error = await failure(synap.batch([increment, { command: "kv.get", payload: { key: "n" } }]));
    expect(error).toMatchObject({ code: "PAYLOAD_TOO_LARGE", mayHaveHappened: true });
  });

  it("what is left of a frame is sent again by the numbers it had, and what is new beside it by others", async () => {
    const stop = new AbortController();
    let isLost = true;
    messages.hooks = { reply: (message) => (isLost && message.type === "batch_response" ? [] : [message]) };
    const first = [
      synap.kv.incr("n"),
      synap.kv.get("n"),
      synap.kv.incr("given up", 1, { signal: stop.signal }),
      synap.kv.incr("n"),
    ];
    await until(async () => (await direct("n")) === 2);
    stop.abort();
    await expect(first[2]).rejects.toThrow();
    isLost = false;
    const added = [synap.kv.incr("n"), synap.kv.incr("n")];
    faults.cut();
    // The read is run anew.
    expect(await Promise.all([first[0], first[1], first[3], ...added])).toEqual([1, 2, 2, 3, 4]);
    const frames = messages.commands.filter(({ commands }) => commands !== undefined);
    const { request_id: number } = frames[0];
    const items = frames.slice(1).flatMap(({ commands }) => commands as Fields[]);
    const repeated = items.filter(({ request_id }) => request_id === number);
    expect(repeated.map(({ index, idempotent }) => [index, idempotent])).toEqual([
      [0, true],
      [3, true],
    ]);
    expect(await synap.kv.get("given up")).toBe(1);
  });

  it("a single one that is left of a frame is sent again by its place in it, until it is answered", async () => {
    let lostCount = 0;
    messages.hooks = {
      reply: (message) => {
        if (message.type !== "batch_response" || lostCount === 2) return [message];
        lostCount += 1;
        faults.cut();
        return [];
      },
    };
    const stop = new AbortController();
    const writes = [synap.kv.incr("other", 1, { signal: stop.signal }), synap.kv.incr("n")];
    await until(() => lostCount === 1);
    stop.abort();
    await expect(writes[0]).rejects.toThrow();
    expect(await writes[1]).toBe(1);
    expect(lostCount).toBe(2);
    expect(await synap.kv.get("n")).toBe(1);
  });

  it.each<[string, Fields, boolean]>([
    ["replica, for now", { code: "SERVICE_UNAVAILABLE", error: "closing" }, false],
    ["no time left", { code: "PAYLOAD_TOO_LARGE", error: "late", details: { limit_ms: 200, commands_done: 0 } }, true],
    ["too large together", { code: "PAYLOAD_TOO_LARGE", error: "large", details: { commands_done: 0 } }, false],
    ["no such batch", { code: "INVALID_REQUEST", error: "what is index?" }, false],
  ])("what is left of a frame and refused is not taken for what never ran: %s", async (_, refusal, isItem) => {
    let count = 0;
    messages.hooks = {
      reply: (message) => {
        if (message.type !== "batch_response") return [message];
        count += 1;
        if (count === 1) {
          faults.cut();
          return [];
        }
        if (count > 2) return [message];
        const refused = { success: false, ...refusal };
        const { request_id } = message;
        return [isItem ? { ...message, results: [refused] } : { ...refused, request_id }];
      },
    };
    const stop = new AbortController();
    const writes = [synap.kv.incr("other", 1, { signal: stop.signal }), synap.kv.incr("n")];
    await until(() => count === 1);
    stop.abort();
    await expect(writes[0]).rejects.toThrow();
    const [outcome] = await Promise.allSettled([writes[1]]);
    // Either it is sent again, or its caller is told that it may have happened.
    if (outcome.status === "fulfilled") expect(outcome.value).toBe(1);
    else expect(outcome.reason).toMatchObject({ mayHaveHappened: true });
    expect(outcome.status).toBe(isItem ? "fulfilled" : "rejected");
    expect(await direct("n")).toBe(1);
  });

  it("a write whose answer is lost is sent again and happens once", async () => {
    faults.cutWithin(1);
    expect(await synap.kv.incr("n")).toBe(1);
    expect(await synap.kv.get("n")).toBe(1);
    expect(messages.repeatedCount).toBe(1);
  });

  it("so is a frame full of them, in their order", async () => {
    faults.hold();
    const sums = Promise.all(Array.from({ length: 100 }, () => synap.kv.incr("n")));
    await until(() => messages.requests.some(({ commands }) => Array.isArray(commands) && commands.length === 100));
    // All of them, on a server that is not too busy to run so many at once.
    await until(async () => Number(await direct("n")) > 0);
    faults.cut();
    faults.release();
    expect(await sums).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(messages.repeatedCount).toBeGreaterThan(0);
  });

  it("so are batches, atomic or not", async () => {
    for (const atomic of [false, true]) {
      faults.cutWithin(1);
      const results = await synap.batch(
        [
          { command: "kv.incr", payload: { key: `n-${atomic}` } },
          { command: "kv.incr", payload: { key: `n-${atomic}` } },
        ],
        { atomic },
      );
      expect(results).toMatchObject([{ payload: { value: 1 } }, { payload: { value: 2 } }]);
      expect(await synap.kv.get(`n-${atomic}`)).toBe(2);
    }
  });

  it("what is no write to the log is not numbered, nor sent again", async () => {
    faults.cutWithin(1);
    expect(await failure(synap.pubsub.publish("t", 1))).toBeInstanceOf(ConnectionLostError);
    await synap.kv.get("connected again");
    faults.cutWithin(1);
    expect(await failure(synap.queue.consume("none-such"))).toBeInstanceOf(ConnectionLostError);
  });

  async function direct(key: string): Promise<unknown> {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ command: "kv.get", payload: { key } });
    const response = await fetch(`${server.url}/api/v1/command`, { method: "POST", headers, body });
    return ((await response.json()) as Fields).payload;
  }
});
