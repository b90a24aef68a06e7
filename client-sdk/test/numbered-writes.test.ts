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

  it("each write has a number of its own, alone and in a frame", async () => {
    await synap.kv.set("a", 1);
    await Promise.all([synap.kv.set("b", 1), synap.kv.get("b"), synap.queue.publish("q", 1)]);
    // A frame of several says once whose they are.
    const items = messages.requests.flatMap((message) =>
      Array.isArray(message.commands)
        ? (message.commands as Fields[]).map((item) => ({ ...item, client_id: message.client_id }))
        : [message],
    );
    // Without what connections are greeted with.
    const writes = items.filter(({ command }) => command !== "kv.get" && command !== "kv.del");
    expect(writes.every(({ idempotent }) => idempotent === true)).toBe(true);
    expect(new Set(writes.map(({ client_id }) => client_id)).size).toBe(1);
    // A busy server may have had one sent again, under its number.
    const different = new Set(writes.map(({ payload }) => JSON.stringify(payload)));
    expect(new Set(writes.map(({ request_id }) => request_id)).size).toBe(different.size);
    expect(items.find(({ command }) => command === "kv.get")).toEqual({
      command: "kv.get",
      payload: { key: "b" },
      client_id: writes[0].client_id,
    });
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
