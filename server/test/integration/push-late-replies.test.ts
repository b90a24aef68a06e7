/** Commands that wait: their replies come later, over WebSocket and HTTP, unless the peer is gone first. */
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { TransportOptions } from "../../src/transports/transport.ts";
import { eventually, TransportUnderTest } from "./transport-under-test.ts";

const POST = "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const GRACE_MS = 5000;

let server: TransportUnderTest;

async function listen(changes: Partial<TransportOptions> = {}): Promise<void> {
  server = await new TransportUnderTest(changes).listen();
}

async function connected(): Promise<{ socket: WebSocket; texts: string[]; kinds: boolean[] }> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/api/v1/ws`);
  const texts: string[] = [];
  const kinds: boolean[] = [];
  socket.on("message", (data, isBinary) => {
    texts.push(String(data));
    kinds.push(isBinary);
  });
  await eventually(() => socket.readyState === WebSocket.OPEN);
  return { socket, texts, kinds };
}

/** The session of a command that waits. */
async function waiting(name: string) {
  await eventually(() => server.dispatch.waiting.has(name));
  const peer = server.dispatch.waiting.get(name);
  if (peer === undefined) throw new Error(`${name} has been answered`);
  return peer;
}

afterEach(async () => {
  await server.stop();
  expect(server.connections.active).toBe(0);
});

describe("over WebSocket", () => {
  it("a late reply comes in the kind of its request, and does not hold up others", async () => {
    await listen();
    const client = await connected();
    client.socket.send(Buffer.from("wait:a"));
    client.socket.send("wait:b");
    client.socket.send("next");
    await eventually(() => client.texts.length === 1);
    server.dispatch.release("b", "B");
    server.dispatch.release("a", "A");
    await eventually(() => client.texts.length === 3);
    expect(client.texts).toEqual(["json:next", "B", "A"]);
    expect(client.kinds).toEqual([false, false, true]);
  });

  it("a late reply can be given by another's command, and by one's own", async () => {
    await listen();
    const [waiter, other] = [await connected(), await connected()];
    waiter.socket.send("wait:a");
    waiter.socket.send("wait:b");
    await waiting("b");
    other.socket.send("release:a");
    await eventually(() => waiter.texts.length === 1 && other.texts.length === 1);
    waiter.socket.send("release:b");
    await eventually(() => waiter.texts.length === 3);
    expect(waiter.texts).toEqual(["late a", "late b", "json:release:b"]);
    expect(other.texts).toEqual(["json:release:a"]);
  });

  it("a peer that goes is told of, and a reply to it goes nowhere", async () => {
    await listen();
    const client = await connected();
    client.socket.send("wait:a");
    const { session } = await waiting("a");
    client.socket.terminate();
    await eventually(() => session.closedCount === 1);
    server.dispatch.release("a", "A");
    await eventually(() => server.connections.active === 0);
    expect(session).toMatchObject({ closedCount: 1, drainedCount: 0 });
  });

  it("one that reads no late replies is cut off, but not in the middle of a command", async () => {
    await listen();
    const client = await connected();
    client.socket.send("wait:0");
    const { session } = await waiting("0");
    client.socket.pause();
    for (let i = 0; server.connections.slowClientsCutOff === 0; i++) {
      const name = String(i + 1);
      client.socket.send(`wait:${name}`);
      await eventually(() => server.dispatch.waiting.has(name));
      const next = server.dispatch.waiting.get(name);
      const release = () => server.dispatch.release(String(i), "x".repeat(100_000));
      release();
      expect(next?.session.closedCount).toBe(0);
      await new Promise((resolve) => setImmediate(resolve));
      if (server.connections.slowClientsCutOff > 0) expect(next?.session.closedCount).toBe(1);
      expect(session.closedCount).toBe(0);
    }
    client.socket.resume();
    await eventually(() => client.socket.readyState === WebSocket.CLOSED);
    expect(JSON.parse(client.texts.at(-1) ?? "")).toMatchObject({ code: "SLOW_CONSUMER" });
  });
});

describe("over HTTP", () => {
  it("a late reply is one like others, and the connection goes on", async () => {
    await listen();
    const client = server.raw().send(`${POST}Content-Length: 6\r\n\r\nwait:a`);
    const { caller, session } = await waiting("a");
    expect(caller.address).toBe("127.0.0.1");
    expect(client.received).toBe("");
    server.dispatch.release("a", "A");
    await client.answered("\r\n\r\nA");
    expect(client.received).toContain("HTTP/1.1 200 OK");
    expect(client.received).toContain("application/json");
    await client.send(`${POST}Content-Length: 1\r\n\r\nx`).answered("json:x");
    client.destroy();
    await eventually(() => server.connections.active === 0);
    expect(session).toMatchObject({ closedCount: 0, drainedCount: 0 });
  });

  it.each([1000, 200_000])("a late reply of %d bytes is compressed where others are", async (bytes) => {
    await listen();
    const client = server.raw();
    client.send(`${POST}Accept-Encoding: gzip\r\nContent-Length: 6\r\n\r\nwait:a`);
    await waiting("a");
    const text = "late ".repeat(bytes / 2);
    server.dispatch.release("a", text);
    await client.answered("\r\n\r\n");
    const head = client.received.slice(0, client.received.indexOf("\r\n\r\n") + 4);
    expect(head).toContain("Content-Encoding: gzip");
    const length = Number(/Content-Length: (\d+)/.exec(head)?.[1]);
    await client.until(({ received }) => received.length === head.length + length);
    expect(gunzipSync(Buffer.from(client.received.slice(head.length), "latin1")).toString()).toBe(text);
  });

  it("late replies can be given by another's command, over both protocols", async () => {
    await listen();
    const [http, websocket] = [server.raw(), await connected()];
    http.send(`${POST}Content-Length: 6\r\n\r\nwait:a`);
    websocket.socket.send("wait:b");
    await waiting("a");
    await waiting("b");
    expect((await server.post("release:b")).text).toBe("json:release:b");
    await eventually(() => websocket.texts.length === 1);
    websocket.socket.send("release:a");
    await http.answered("\r\n\r\nlate a");
    await eventually(() => websocket.texts.length === 2);
    expect(websocket.texts).toEqual(["late b", "json:release:a"]);
  });

  it("a client that goes is told of, once, and a reply to it goes nowhere", async () => {
    await listen();
    const client = server.raw().send(`${POST}Content-Length: 6\r\n\r\nwait:a`);
    const { caller, session } = await waiting("a");
    client.destroy();
    await eventually(() => session.closedCount === 1);
    server.dispatch.release("a", "A");
    expect(caller.address).toBe("");
    expect(session.closedCount).toBe(1);
    expect(server.connections).toMatchObject({ active: 0, repliesAbandoned: 0 });
  });

  it("a second request before the reply ends the connection, as it does for any other reply", async () => {
    await listen();
    const client = server.raw().send(`${POST}Content-Length: 6\r\n\r\nwait:a`);
    const { session } = await waiting("a");
    await client.send(`${POST}Content-Length: 1\r\n\r\nx`).closed();
    await eventually(() => session.closedCount === 1);
    expect(server.dispatch.handledCount).toBe(1);
  });

  it("a body that came in pieces takes no room while its command waits", async () => {
    const requestBytesMax = 8 * 1024 * 1024;
    await listen({ requestBytesMax });
    server.dispatch.keepsMessages = false;
    // Nine of these are more than the bodies of all requests together may hold.
    const clients = Array.from({ length: 9 }, () => server.raw());
    for (const [i, client] of clients.entries()) {
      const message = `wait:${i}:`.padEnd(requestBytesMax, "x");
      client.send(`${POST}Content-Length: ${message.length}\r\n\r\n${message}`);
      await waiting(String(i));
    }
    for (const client of clients) client.destroy();
  });
});

describe("stop", () => {
  it("has those answered that wait, and does not take the grace time for it", async () => {
    await listen();
    const [http, websocket] = [server.raw(), await connected()];
    http.send(`${POST}Content-Length: 6\r\n\r\nwait:a`);
    websocket.socket.send("wait:b");
    const { session } = await waiting("b");
    await waiting("a");
    const startedAt = performance.now();
    await server.transport.stop(GRACE_MS);
    expect(performance.now() - startedAt).toBeLessThan(GRACE_MS / 2);
    await http.closed();
    expect(http.received).toMatch(/Connection: close[\s\S]*\r\n\r\nstopping$/);
    await eventually(() => websocket.texts.length === 2);
    expect(websocket.texts[0]).toBe("stopping");
    expect(JSON.parse(websocket.texts[1])).toMatchObject({ code: "SHUTTING_DOWN" });
    expect(session.closedCount).toBe(1);
  });
});
