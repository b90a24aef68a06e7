/** How commands share frames, how many are on their way, and what ends the wait for them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  ClientClosedError,
  CommandTimeoutError,
  connect,
  InvalidPayloadError,
  PayloadTooLargeError,
  type SynapClient,
  TooManyCommandsError,
} from "../src/index.ts";
import { failure, until } from "./condition.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { type Fields, MessageProxy } from "./message-proxy.ts";
import { ServerProcess } from "./server-process.ts";

let server: ServerProcess;

beforeAll(async () => {
  server = await ServerProcess.start({ settings: ["protocol.max_reply_bytes=8mb"] });
});

afterAll(() => server.end());

describe("frames", () => {
  let proxy: MessageProxy;
  let synap: SynapClient;

  beforeEach(async () => {
    proxy = await MessageProxy.start(server.url);
    synap = await connect(proxy.url, { format: "json" });
  });

  afterEach(async () => {
    await synap.close();
    await proxy.end();
  });

  const commandsOf = (frame: Fields): unknown[] =>
    Array.isArray(frame.commands) ? frame.commands.map(({ command }: Fields) => command) : [frame.command];

  it("commands of one turn share one, those behind an async function too", async () => {
    const behind = async (hops: number): Promise<unknown> => {
      for (let i = 0; i < hops; i++) await undefined;
      return synap.kv.get("b");
    };
    await Promise.all([synap.kv.set("a", 1), behind(1), behind(2), synap.kv.incr("n")]);
    expect(proxy.commands).toHaveLength(1);
    expect(commandsOf(proxy.commands[0])).toHaveLength(4);
  });

  it("a command alone is no batch", async () => {
    await synap.kv.get("a");
    expect(proxy.commands).toMatchObject([{ command: "kv.get", payload: { key: "a" } }]);
  });

  it("what answers at length, or waits, goes alone, and the order stays", async () => {
    await Promise.all([
      synap.kv.set("a", 1),
      synap.kv.set("b", 1),
      synap.kv.scan(),
      synap.kv.get("a"),
      synap.kv.get("b"),
    ]);
    expect(proxy.commands.map(commandsOf)).toEqual([["kv.set", "kv.set"], ["kv.scan"], ["kv.get", "kv.get"]]);
  });

  it("promises are settled in the order of their commands", async () => {
    const order: number[] = [];
    await Promise.all(Array.from({ length: 600 }, (_, i) => synap.kv.get(`k${i % 7}`).then(() => order.push(i))));
    expect(order).toEqual(Array.from({ length: 600 }, (_, i) => i));
  });

  it("replies that come out of order find their commands", async () => {
    const held: Fields[] = [];
    proxy.hooks.reply = (reply) => {
      held.push(reply);
      return held.length < 3 ? [] : held.splice(0).reverse();
    };
    // Each alone, so that there are three frames.
    const replies = await Promise.all([synap.kv.mget(["a"]), synap.kv.keys("*"), synap.kv.scan({ limit: 1 })]);
    expect(replies[0]).toHaveLength(1);
    expect(Array.isArray(replies[1])).toBe(true);
    expect(replies[2]).toHaveProperty("hasMore");
  });

  it("what the server had no time for is sent again, in its order", async () => {
    let isFirst = true;
    proxy.hooks.request = (frame) => {
      if (!Array.isArray(frame.commands) || !isFirst) return undefined;
      isFirst = false;
      const overtime = { success: false, error: "late", code: "PAYLOAD_TOO_LARGE", details: { limit_ms: 200 } };
      return {
        type: "batch_response",
        success: true,
        request_id: frame.request_id,
        results: frame.commands.map(() => overtime),
      };
    };
    const writes = [1, 2, 3, 4, 5].map((value) => synap.kv.set("last", value));
    await Promise.all(writes);
    expect(await synap.kv.get("last")).toBe(5);
    expect(proxy.commands.slice(0, -1).map(({ commands }) => (commands as Fields[]).length)).toEqual([5, 5]);
  });

  it("whatever the server had no time for, writes keep the order of their issue", async () => {
    const missing = new Map<unknown, number>();
    let count = 0;
    proxy.hooks.request = (frame) => {
      count += 1;
      if (!Array.isArray(frame.commands) || count % 3 === 0) return undefined;
      const half = Math.ceil(frame.commands.length / 2);
      missing.set(frame.request_id, frame.commands.length - half);
      frame.commands = frame.commands.slice(0, half);
      return undefined;
    };
    proxy.hooks.reply = (reply) => {
      const overtime = { success: false, error: "late", code: "PAYLOAD_TOO_LARGE", details: { limit_ms: 200 } };
      const passedOver = Array.from({ length: missing.get(reply.request_id) ?? 0 }, () => overtime);
      return [Array.isArray(reply.results) ? { ...reply, results: [...reply.results, ...passedOver] } : reply];
    };
    const sums = await Promise.all(Array.from({ length: 3_000 }, () => synap.kv.incr("ordered")));
    expect(sums).toEqual(Array.from({ length: 3_000 }, (_, i) => i + 1));
  });

  it("no more are in flight than may be", async () => {
    await synap.close();
    const small = await connect(proxy.url, { format: "json", maxInFlight: 100 });
    let inFlight = 0;
    let most = 0;
    const countOf = (frame: Fields): number => (Array.isArray(frame.commands) ? frame.commands.length : 1);
    const sizes = new Map<unknown, number>();
    proxy.hooks.request = (frame) => {
      sizes.set(frame.request_id, countOf(frame));
      inFlight += countOf(frame);
      most = Math.max(most, inFlight);
      return undefined;
    };
    proxy.hooks.reply = (reply) => {
      inFlight -= sizes.get(reply.request_id) ?? 0;
      return [reply];
    };
    await Promise.all(Array.from({ length: 5_000 }, (_, i) => small.kv.get(`k${i}`)));
    // A frame is begun while there is room, and may pass the limit by its own size.
    expect(most).toBeLessThan(100 + 512);
    await small.close();
  });
});

describe("much at once", () => {
  // Takes 3 s, and as much again for each other program that the machine has to run.
  it("100,000 commands in one turn", { timeout: 60_000 }, async () => {
    const synap = await connect(server.url);
    const writes = Array.from({ length: 100_000 }, (_, i) => synap.kv.set(`much:${i % 1000}`, i));
    expect(synap.queuedCount).toBe(100_000);
    const drained = synap.drained().then(() => synap.queuedCount);
    const replies = await Promise.all(writes);
    expect(await drained).toBe(0);
    expect(replies.every(({ success }) => success)).toBe(true);
    const versions = replies.map(({ version }) => version ?? 0);
    expect(versions.every((version, i) => i === 0 || version > versions[i - 1])).toBe(true);
    await synap.close();
  });

  it("past maxQueued a command is refused, and those before it are not", async () => {
    const synap = await connect(server.url, { maxQueued: 1_000 });
    const results = await Promise.allSettled(Array.from({ length: 1_500 }, (_, i) => synap.kv.get(`k${i}`)));
    const refused = results.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(500);
    expect((refused[0] as PromiseRejectedResult).reason).toBeInstanceOf(TooManyCommandsError);
    await synap.close();
  });

  it("values that are too large together come one by one", async () => {
    const synap = await connect(server.url);
    const value = "v".repeat(1_000_000);
    const keys = Array.from({ length: 20 }, (_, i) => `large:${i}`);
    await Promise.all(keys.map((key) => synap.kv.set(key, value)));
    const [values, count] = await Promise.all([
      Promise.all(keys.map((key) => synap.kv.get<string>(key))),
      synap.kv.incr("large:count"),
    ]);
    expect(values.every((read) => read === value)).toBe(true);
    expect(count).toBe(1);
    await synap.close();
  });

  it("one that is too large by itself is an error of its own", async () => {
    const synap = await connect(server.url);
    await synap.kv.mset([{ key: "half", value: "v".repeat(5_000_000) }]);
    const results = await Promise.allSettled([synap.kv.get("a"), synap.kv.mget(["half", "half"]), synap.kv.get("a")]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((results[1] as PromiseRejectedResult).reason).toBeInstanceOf(PayloadTooLargeError);
    await synap.close();
  });

  it("one that the server would not read is refused here", async () => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url);
    const write = failure(synap.kv.set("huge", "x".repeat(17 * 2 ** 20)));
    expect(await synap.kv.get("nothing")).toBeNull();
    expect(await write).toBeInstanceOf(PayloadTooLargeError);
    expect(proxy.connectionCount).toBe(1);
    await synap.close();
    await proxy.end();
  });

  it("a refused command does not spoil the frame", async () => {
    const synap = await connect(server.url);
    const results = await Promise.allSettled([synap.kv.get("a"), synap.kv.get(""), synap.kv.get("b")]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((results[1] as PromiseRejectedResult).reason).toBeInstanceOf(InvalidPayloadError);
    await synap.close();
  });

  it("several connections share the work", async () => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url, { connections: 3 });
    for (let turn = 0; turn < 6; turn++) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => synap.kv.set(`pool:${i}`, turn)));
    }
    expect(proxy.openCount).toBe(3);
    await synap.close();
    await proxy.end();
  });
});

describe("giving up", () => {
  it("a signal ends the wait, before and after sending", async () => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url);
    const reason = new Error("enough");
    expect(await failure(synap.kv.get("a", { signal: AbortSignal.abort(reason) }))).toBe(reason);
    proxy.hold();
    const controller = new AbortController();
    const reads = [synap.kv.get("a", { signal: controller.signal }), synap.kv.get("nothing")];
    const aborted = failure(reads[0]);
    controller.abort(reason);
    expect(await aborted).toBe(reason);
    proxy.release();
    expect(await reads[1]).toBeNull();
    await synap.close();
    await proxy.end();
  });

  it("many may share a signal", async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): number => warnings.push(warning);
    process.on("warning", warned);
    const synap = await connect(server.url);
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 100 }, () => synap.kv.get("a", { signal })));
    const subscriptions = Array.from({ length: 20 }, (_, i) => synap.pubsub.subscribe(`shared.${i}`, { signal }));
    await Promise.all(subscriptions.map(({ ready }) => ready));
    // Warnings are told in a later turn.
    await synap.kv.get("a");
    expect(warnings).toEqual([]);
    process.off("warning", warned);
    await synap.close();
  });

  it("a time limit says whether the command may have happened", async () => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url, { timeoutMs: 150 });
    proxy.hold();
    const [read, write] = await Promise.all([failure(synap.kv.get("a")), failure(synap.kv.set("a", 1))]);
    expect(read).toBeInstanceOf(CommandTimeoutError);
    expect(read).toMatchObject({ mayHaveHappened: false, retryable: true });
    expect(write).toMatchObject({ code: "TIMEOUT", mayHaveHappened: true });
    proxy.release();
    expect(await synap.kv.get("nothing")).toBeNull();
    await synap.close();
    await proxy.end();
  });

  it("no time passes while this process is held up", async () => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url, { timeoutMs: 700, heartbeatMs: 500 });
    const lost: unknown[] = [];
    synap.on("disconnected", ({ error }) => lost.push(error));
    proxy.hold();
    const issuedAt = performance.now();
    const read = synap.kv.get("nothing");
    // Its time has begun to run.
    await until(() => performance.now() - issuedAt > 150);
    // The answer comes after time limits have been looked at once more.
    setImmediate(() => proxy.release());
    while (performance.now() - issuedAt < 2_500);
    expect(await read).toBeNull();
    expect(lost).toEqual([]);
    await synap.close();
    await proxy.end();
  });

  it("a message taken for a caller that gave up goes back to its queue", async () => {
    const synap = await connect(server.url);
    await synap.queue.create("orphans");
    const controller = new AbortController();
    const taken = failure(synap.queue.consume("orphans", { waitMs: 10_000, signal: controller.signal }));
    await until(async () => (await synap.queue.stats("orphans")).consumers === 1);
    controller.abort(new Error("gone home"));
    await taken;
    await synap.queue.publish("orphans", "left");
    expect(await synap.queue.consume("orphans", { waitMs: 5_000 })).toMatchObject({ payload: "left", retryCount: 1 });
    await synap.close();
  });

  it("closing answers what was issued, and refuses what comes later", async () => {
    const synap = await connect(server.url);
    const before = synap.kv.set("closing", 1);
    const closing = synap.close();
    const after = failure(synap.kv.get("closing"));
    expect((await before).success).toBe(true);
    expect(await after).toBeInstanceOf(ClientClosedError);
    await closing;
  });

  it("`await using` closes", async () => {
    let kept: SynapClient | undefined;
    {
      await using synap = await connect(server.url);
      kept = synap;
      await synap.kv.get("a");
    }
    expect(await failure(kept.kv.get("a"))).toBeInstanceOf(ClientClosedError);
  });
});
