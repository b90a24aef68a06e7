/** Lost connections: what is sent again, what fails and says so, and what the client makes of a server that talks nonsense. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import {
  CommandTimeoutError,
  ConnectionFailedError,
  ConnectionLostError,
  connect,
  ProtocolError,
  SynapClient,
} from "../src/index.ts";
import { failure, until } from "./condition.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { MessageProxy } from "./message-proxy.ts";
import { ServerProcess } from "./server-process.ts";

const quick = { reconnect: { initialMs: 5, maxMs: 50 } };

let server: ServerProcess;

beforeAll(async () => {
  server = await ServerProcess.start();
});

afterAll(() => server.end());

describe("connecting", () => {
  it("to nobody fails, and says to whom and why", async () => {
    const proxy = await FaultProxy.start(server.port);
    await proxy.end();
    const error = await failure(connect(proxy.url));
    expect(error).toBeInstanceOf(ConnectionFailedError);
    expect(String(error)).toContain(String(proxy.port));
    expect((error as Error).cause).toBeInstanceOf(Error);
  });

  it("to what is no Synap fails", async () => {
    const error = await failure(connect(`${server.url}/health`));
    expect(error).toBeInstanceOf(ConnectionFailedError);
  });

  it("to a server that does not answer fails in time", async () => {
    const proxy = await FaultProxy.start(server.port);
    proxy.hold();
    const error = await failure(connect(proxy.url, { connectTimeoutMs: 100 }));
    expect(error).toBeInstanceOf(ConnectionFailedError);
    await proxy.end();
  });

  it("with a token that does not come fails in time, or when the client is closed", async () => {
    const token = (): Promise<string> => new Promise(() => {});
    const error = await failure(connect(server.url, { token, connectTimeoutMs: 50 }));
    expect(error).toBeInstanceOf(ConnectionFailedError);
    const synap = new SynapClient({ url: server.url, token });
    const connecting = failure(synap.connect());
    await synap.close({ timeoutMs: 0 });
    expect(await connecting).toMatchObject({ code: "CLIENT_CLOSED" });
  });

  it("to several takes the first that is there", async () => {
    const proxy = await FaultProxy.start(server.port);
    await proxy.end();
    const synap = await connect([proxy.url, server.url]);
    expect((await synap.kv.set("a", 1)).success).toBe(true);
    await synap.close();
  });

  it("on first use waits for a server that comes late", async () => {
    const proxy = await FaultProxy.start(server.port);
    proxy.isRefusing = true;
    const synap = new SynapClient({ url: proxy.url, ...quick });
    const failed = new Promise((resolve) => synap.on("disconnected", resolve));
    const read = synap.kv.get("nothing");
    await failed;
    proxy.isRefusing = false;
    expect(await read).toBeNull();
    await synap.close();
    await proxy.end();
  });

  it("waits for a server that is still reading its data", async () => {
    const proxy = await MessageProxy.start(server.url);
    proxy.hooks.request = ({ request_id }, connection) => {
      const refusal = { success: false, code: "SERVICE_UNAVAILABLE", error: "The server is reading its data." };
      return connection < 4 ? { ...refusal, request_id } : undefined;
    };
    const synap = new SynapClient({ url: proxy.url, ...quick });
    expect((await synap.kv.set("a", 1)).success).toBe(true);
    await synap.close();
    await proxy.end();
  });

  it("to a server that takes no writes for now lets it be read", async () => {
    const proxy = await MessageProxy.start(server.url);
    proxy.hooks.request = ({ request_id, command }) => {
      const refusal = { success: false, code: "SERVICE_UNAVAILABLE", error: "The disk is full." };
      return command === "kv.del" || command === "kv.set" ? { ...refusal, request_id } : undefined;
    };
    const synap = await connect(proxy.url, quick);
    expect(await synap.kv.get("nothing")).toBeNull();
    expect(await failure(synap.kv.set("a", 1))).toMatchObject({ code: "SERVICE_UNAVAILABLE", retryable: true });
    await synap.close();
    await proxy.end();
  });

  it("never succeeding, commands end at their time limit with the reason", async () => {
    const proxy = await FaultProxy.start(server.port);
    proxy.isRefusing = true;
    const synap = new SynapClient({ url: proxy.url, timeoutMs: 200, ...quick });
    const error = await failure(synap.kv.set("a", 1));
    expect(error).toBeInstanceOf(CommandTimeoutError);
    expect(error).toMatchObject({ mayHaveHappened: false });
    expect((error as Error).cause).toBeInstanceOf(ConnectionFailedError);
    await synap.close();
    await proxy.end();
  });
});

describe("a connection that is lost", () => {
  let proxy: FaultProxy;
  let synap: SynapClient;

  beforeEach(async () => {
    proxy = await FaultProxy.start(server.port);
    synap = await connect(proxy.url, quick);
  });

  afterEach(async () => {
    await synap.close();
    await proxy.end();
  });

  it("costs reads nothing", async () => {
    await synap.kv.set("kept", 7);
    proxy.hold();
    const reads = Array.from({ length: 500 }, () => synap.kv.get("kept"));
    await until(() => synap.queuedCount === 0);
    proxy.cut();
    proxy.release();
    expect(new Set(await Promise.all(reads))).toEqual(new Set([7]));
  });

  it("in the middle of a frame costs reads nothing", async () => {
    await synap.kv.set("long", "x".repeat(10_000));
    for (const byteCount of [0, 1, 2, 3, 4, 100, 5_000]) {
      proxy.cutWithin(byteCount);
      expect(await synap.kv.get<string>("long")).toHaveLength(10_000);
    }
  });

  it("fails what cannot be sent again, and says that it may have happened", async () => {
    proxy.hold();
    const publish = failure(synap.pubsub.publish("a", 1));
    await until(() => synap.queuedCount === 0);
    proxy.cut();
    proxy.release();
    const error = await publish;
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(error).toMatchObject({ code: "CONNECTION_LOST", command: "pubsub.publish", mayHaveHappened: true });
  });

  it("does not fail what was not sent", async () => {
    proxy.isRefusing = true;
    const lost = new Promise((resolve) => synap.on("disconnected", resolve));
    proxy.cut();
    await lost;
    const publish = synap.pubsub.publish("a", 1);
    proxy.isRefusing = false;
    expect(await publish).toMatchObject({ topic: "a" });
  });

  it("is noticed when the server goes silent", async () => {
    await synap.close();
    synap = await connect(proxy.url, { heartbeatMs: 100, timeoutMs: 10_000, ...quick });
    proxy.hold();
    const read = synap.kv.get("nothing");
    const lost = await new Promise<{ error: Error }>((resolve) => synap.on("disconnected", resolve));
    expect(String(lost.error)).toContain("nothing came");
    proxy.release();
    expect(await read).toBeNull();
  });

  it("is noticed when the server stops, and found again when it is back", async () => {
    const second = await ServerProcess.start();
    proxy.targetPort = second.port;
    proxy.cut();
    await synap.kv.get("a");
    let stopped = false;
    const results: unknown[] = [];
    const loop = (async () => {
      while (!stopped) results.push(await synap.kv.get("a"));
    })();
    await until(() => results.length > 50);
    await second.stop();
    const third = await ServerProcess.start();
    proxy.targetPort = third.port;
    const before = results.length;
    await until(() => results.length > before + 50);
    stopped = true;
    await loop;
    await third.end();
  });
});

describe("writes, which are numbered", () => {
  it("are sent again and happen once, whenever the connection breaks", async () => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url, quick);
    await synap.kv.del("counter");
    let sent = 0;
    for (let round = 0; round < 30; round++) {
      if (round % 3 === 0) proxy.hold();
      const writes = Array.from({ length: 20 }, () => synap.kv.incr("counter"));
      sent += writes.length;
      await until(() => synap.queuedCount === 0);
      if (round % 3 === 0) {
        proxy.cut();
        proxy.release();
      } else proxy.cutWithin(round * 7);
      const sums = await Promise.all(writes);
      expect(sums).toEqual(Array.from({ length: 20 }, (_, i) => sent - 19 + i));
    }
    expect(await synap.kv.get("counter")).toBe(sent);
    await synap.close();
    await proxy.end();
  });
});

describe("a write whose answer was lost", () => {
  it("may have happened, when the client is closed before it is sent again", async () => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url, quick);
    proxy.hold();
    const error = failure(synap.kv.set("a", 1));
    await until(() => synap.queuedCount === 0);
    proxy.isRefusing = true;
    proxy.cut();
    await until(() => synap.queuedCount === 1);
    const unsent = failure(synap.kv.set("a", 2));
    await synap.close({ timeoutMs: 0 });
    expect(await error).toMatchObject({ code: "CLIENT_CLOSED", mayHaveHappened: true });
    expect(await unsent).toMatchObject({ code: "CLIENT_CLOSED", mayHaveHappened: false });
    await proxy.end();
  });

  it("is not sent again when the server may have forgotten its number", async () => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url, quick);
    await synap.kv.del("once");
    proxy.hold();
    const error = failure(synap.kv.incr("once"));
    await until(() => synap.queuedCount === 0);
    // As if this process had stood still for so long.
    const now = Date.now();
    const clock = vi.spyOn(Date, "now").mockReturnValue(now + 241_000);
    proxy.cut();
    proxy.release();
    expect(await error).toMatchObject({ code: "CONNECTION_LOST", command: "kv.incr", mayHaveHappened: true });
    clock.mockRestore();
    expect(await synap.kv.get("once")).toBe(1);
    await synap.close();
    await proxy.end();
  });

  it.each([
    ["SERVICE_UNAVAILABLE", true],
    ["READ_ONLY_REPLICA", true],
    ["WRONG_TYPE", false],
  ])("and is refused with %s when it comes again: may have happened: %s", async (code, mayHaveHappened) => {
    const proxy = await MessageProxy.start(server.url);
    const synap = await connect(proxy.url, { timeoutMs: 200, ...quick });
    let count = 0;
    proxy.hooks.request = ({ request_id, command }) => {
      if (command !== "kv.set") return undefined;
      count += 1;
      if (count === 1) proxy.cut();
      return count === 1 ? undefined : { success: false, code, error: "no", request_id };
    };
    expect(await failure(synap.kv.set("a", 1))).toMatchObject({ mayHaveHappened });
    expect(count).toBeGreaterThan(1);
    count = 1;
    // A replica is asked again, to the end of its time, and that may come while it is being asked.
    if (code !== "READ_ONLY_REPLICA") {
      expect(await failure(synap.kv.set("a", 1))).toMatchObject({ code, mayHaveHappened: false });
    }
    await synap.close();
    await proxy.end();
  });
});

describe("writes that are not numbered", () => {
  it("fail, and say that they may have happened", async () => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url, { idempotentWrites: false, ...quick });
    await synap.kv.del("unnumbered");
    proxy.cutWithin(0);
    const error = await failure(synap.kv.incr("unnumbered"));
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(error).toMatchObject({ mayHaveHappened: true });
    expect(await synap.kv.get("unnumbered")).toBe(1);
    await synap.close();
    await proxy.end();
  });
});

describe("a command that ends every connection", () => {
  it("is given up after six of them, and others go on", async () => {
    const proxy = await MessageProxy.start(server.url);
    const synap = await connect(proxy.url, { format: "json", ...quick });
    let cuts = 0;
    proxy.hooks.request = ({ command }) => {
      if (command === "kv.keys") {
        cuts += 1;
        proxy.cut();
      }
      return undefined;
    };
    const error = await failure(synap.kv.keys("poison"));
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(error).toMatchObject({ mayHaveHappened: false });
    expect(cuts).toBe(6);
    expect(await synap.kv.get("nothing")).toBeNull();
    await synap.close();
    await proxy.end();
  });
});

describe("a command that ends every connection that its frame comes over", () => {
  it("is found among the others, which get their answers", async () => {
    const proxy = await MessageProxy.start(server.url);
    const synap = await connect(proxy.url, { format: "json", ...quick });
    proxy.hooks.request = (frame) => {
      if (JSON.stringify(frame).includes("poison")) proxy.cut();
      return undefined;
    };
    const reads = Array.from({ length: 20 }, (_, i) => synap.kv.get(i === 7 ? "poison" : "nothing"));
    const results = await Promise.allSettled(reads);
    expect(results.map(({ status }) => status)).toEqual(results.map((_, i) => (i === 7 ? "rejected" : "fulfilled")));
    expect((results[7] as PromiseRejectedResult).reason).toBeInstanceOf(ConnectionLostError);
    await synap.close();
    await proxy.end();
  });
});

describe("nonsense from the server", () => {
  it.each([
    ["bytes that are no frame", Buffer.from("HTTP/1.1 418 teapot\r\n\r\n")],
    ["a frame that is no MessagePack", Buffer.from([0x82, 0x01, 0xc1])],
    ["a frame that is no message", Buffer.from([0x82, 0x01, 0x07])],
    ["text where bytes are expected", Buffer.from([0x81, 0x02, 0x7b, 0x7d])],
    [
      "a reply to nothing",
      Buffer.from([0x82, 0x15, 0x82, 0xa7, ...Buffer.from("success"), 0xc3, 0xaa, ...Buffer.from("request_id"), 0x07]),
    ],
  ])("%s: the connection is made anew", async (_name, bytes) => {
    const proxy = await FaultProxy.start(server.port);
    const synap = await connect(proxy.url, quick);
    const lost = new Promise<{ error: Error }>((resolve) => synap.on("disconnected", resolve));
    proxy.replaceNext(bytes);
    expect(await synap.kv.get("nothing")).toBeNull();
    const { error } = await lost;
    expect(error).toSatisfy((each) => each instanceof ProtocolError || each instanceof ConnectionFailedError);
    expect(proxy.connectionCount).toBe(2);
    await synap.close();
    await proxy.end();
  });

  it("a batch with too few results: the connection is made anew", async () => {
    const proxy = await MessageProxy.start(server.url);
    const synap = await connect(proxy.url, { format: "json", ...quick });
    let spoiled = 0;
    proxy.hooks.reply = (reply) => {
      if (!Array.isArray(reply.results) || spoiled > 0) return [reply];
      spoiled += 1;
      return [{ ...reply, results: reply.results.slice(1) }];
    };
    expect(await Promise.all([synap.kv.get("nothing"), synap.kv.get("nothing")])).toEqual([null, null]);
    expect(spoiled).toBe(1);
    await synap.close();
    await proxy.end();
  });

  it("a push that nobody knows is left alone", async () => {
    const proxy = await MessageProxy.start(server.url);
    const synap = await connect(proxy.url, { format: "json", ...quick });
    proxy.push({ type: "news", subscription_id: 99 });
    expect(await synap.kv.get("nothing")).toBeNull();
    await synap.close();
    await proxy.end();
  });
});
