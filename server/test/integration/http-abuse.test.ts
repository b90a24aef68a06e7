/** Clients that break off, dawdle, flood, or do not read: each costs bounded memory and touches nobody else. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { TransportOptions } from "../../src/transports/transport.ts";
import { testedTransport } from "../tested-transport.ts";
import { eventually, type RawClient, TransportUnderTest } from "./transport-under-test.ts";

const POST = "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

let server: TransportUnderTest;

async function listen(changes: Partial<TransportOptions> = {}): Promise<void> {
  const page = { status: 200, contentType: "text/plain", body: "page".repeat(1000) };
  server = await new TransportUnderTest(changes, [{ path: "/page", respond: () => page }]).listen();
}

/** Sends `request` over and over without reading, until the server cuts the connection or takes no more. */
async function flood(client: RawClient, request: string, bytesMax: number): Promise<void> {
  client.socket.pause();
  const burst = Buffer.from(request.repeat(Math.ceil(50_000 / request.length)));
  let sentBytes = 0;
  while (!client.socket.destroyed && sentBytes < bytesMax) {
    sentBytes += burst.length;
    const isFull = !client.socket.write(burst);
    if (isFull) await drainedOrClosed(client);
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The server reads on, or has closed. */
function drainedOrClosed(client: RawClient): Promise<void> {
  return new Promise((resolve) => {
    client.socket.once("drain", resolve);
    client.socket.once("close", () => resolve());
  });
}

/** What the process has without the garbage that is not collected yet. */
function collectedRss(): number {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  collect();
  return process.memoryUsage().rss;
}

async function isWell(): Promise<void> {
  expect((await server.post("still here")).text).toBe("json:still here");
}

afterEach(async () => {
  await server.stop();
  expect(server.connections.httpActive).toBe(0);
});

describe("malformed requests", () => {
  // node:http has handed the request over by then, and what it says of it cannot be an answer any more.
  const NATIVE = testedTransport === "native";

  it.each([
    ["a body length below zero", `${POST}Content-Length: -5\r\n\r\nhello`, "400"],
    ["two ways to say the length", `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello`, "400"],
    ["no Host", "POST /api/v1/command HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "400"],
    ["HTTP/1.0", "POST /api/v1/command HTTP/1.0\r\nHost: localhost\r\n\r\n", "505"],
    ["headers over 4 KB", `${POST}X-Large: ${"x".repeat(20_000)}\r\n\r\n`, "431"],
    ["bad chunks", `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n`, NATIVE ? "400" : ""],
  ])("closes the connection on %s", async (_, bytes, status) => {
    await listen();
    const client = await server.raw().send(bytes).closed();
    expect(client.received.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length)).toBe(status);
    expect(server.dispatch.handledCount).toBe(0);
    await isWell();
  });

  const headOf = (bytes: number) => `GET /page HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(bytes - 44)}\r\n\r\n`;
  const headersOf = (count: number) => `GET /page HTTP/1.1\r\nHost: localhost\r\n${"a: b\r\n".repeat(count - 1)}\r\n`;

  it.each([
    ["bytes", 4096, headOf],
    ["headers", 98, headersOf],
  ])("takes a head of so many %s and no more: %d", async (_, limit, head) => {
    await listen();
    expect(head === headOf ? head(limit).length : limit).toBe(limit);
    const client = await server.raw().send(head(limit)).answered("HTTP/1.1 200 ");
    client.destroy();
    const refused = await server
      .raw()
      .send(head(limit + 1))
      .closed();
    expect(refused.received).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe("bodies over the limit", () => {
  it("are refused by their announced length, before anything is read", async () => {
    await listen();
    const client = await server.raw().send(`${POST}Content-Length: 65537\r\n\r\n`).answered("PAYLOAD_TOO_LARGE");
    expect(client.received).toContain("HTTP/1.1 413 Payload Too Large");
    expect(client.received).toContain('"max_request_bytes":65536');
    client.destroy();
  });

  it("reach a client that sends the whole body before it reads", async () => {
    await listen();
    const answer = await server.post("x".repeat(5_000_000));
    expect(answer.status).toBe(413);
    expect(server.dispatch.handledCount).toBe(0);
  });

  it("are counted where no length is announced", async () => {
    await listen();
    const client = server.raw().send(`${POST}Transfer-Encoding: chunked\r\n\r\n`);
    for (let i = 0; i < 5; i++) client.send(`4000\r\n${"x".repeat(0x4000)}\r\n`);
    await client.answered("PAYLOAD_TOO_LARGE");
    expect(server.dispatch.handledCount).toBe(0);
    client.destroy();
  });

  it("hide in no gzip", async () => {
    await listen();
    const bomb = gzipSync(Buffer.alloc(30_000_000));
    expect(bomb.length).toBeLessThan(64 * 1024);
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => server.post(bomb, { "Content-Encoding": "gzip" })),
    );
    expect(answers.map((answer) => answer.status)).toEqual(Array(12).fill(413));
    expect(server.dispatch.handledCount).toBe(0);
    const largest = await server.post(gzipSync(Buffer.alloc(64 * 1024, "a")), { "Content-Encoding": "gzip" });
    expect(largest.status).toBe(200);
  });
});

describe("slow and broken-off bodies", () => {
  it("are cut off when they take too long", async () => {
    await listen({ connectionTimeoutMs: 1000 });
    const slow = server.raw().send(`${POST}Content-Length: 10\r\n\r\nhal`);
    await eventually(() => server.connections.bytesIn === 3);
    server.pass(0);
    server.pass(999);
    expect(slow.isClosed).toBe(false);
    server.pass(1);
    await slow.closed();
    expect(slow.received).toContain("408 Request Timeout");
    expect(server.connections.silentClientsCutOff).toBe(1);
  });

  it("are cut off where nothing of them ever comes", async () => {
    await listen({ connectionTimeoutMs: 1000 });
    const silent = server.raw().send(`${POST}Content-Length: 10\r\n\r\n`);
    await eventually(() => server.connections.httpRequests === 1);
    server.pass(0);
    server.pass(999);
    expect(silent.isClosed).toBe(false);
    server.pass(1);
    await silent.closed();
    expect(silent.received).toContain("408 Request Timeout");
    expect(server.connections.silentClientsCutOff).toBe(1);
  });

  it("do not outlive their deadline: a command that waits has none", async () => {
    await listen({ connectionTimeoutMs: 1000 });
    const waiting = server.raw().send(`${POST}Content-Length: 6\r\n\r\nwait:a`);
    await eventually(() => server.dispatch.waiting.size === 1);
    server.pass(60_000);
    server.dispatch.release("a", "late");
    await waiting.answered("late");
    expect(server.connections.silentClientsCutOff).toBe(0);
    waiting.destroy();
  });

  it("are not cut off when they are whole in time", async () => {
    await listen({ connectionTimeoutMs: 1000 });
    const slow = server.raw().send(`${POST}Content-Length: 10\r\n\r\nhello`);
    await eventually(() => server.connections.bytesIn === 5);
    server.pass(999);
    await slow.send("world").answered("json:helloworld");
    server.pass(5000);
    await slow.send(`${POST}Content-Length: 1\r\n\r\n!`).answered("json:!");
    slow.destroy();
  });

  it("cost nothing when the client leaves", async () => {
    await listen();
    const clients = Array.from({ length: 20 }, () =>
      server.raw().send(`${POST}Content-Length: 50000\r\n\r\n${"x".repeat(999)}`),
    );
    await eventually(() => server.connections.bytesIn === 20 * 999);
    for (const client of clients) client.destroy();
    await eventually(() => server.connections.httpActive === 0);
    expect(server.dispatch.handledCount).toBe(0);
    await isWell();
  });

  it("share a budget", async () => {
    const requestBytesMax = 8 * 1024 * 1024;
    await listen({ requestBytesMax });
    // Eight bodies of the largest size fit; a ninth finds no room, and finds it again when one has left.
    const large = "x".repeat(requestBytesMax - 1);
    const clients: RawClient[] = [];
    for (let i = 1; i <= 8; i++) {
      clients.push(server.raw().send(`${POST}Content-Length: ${requestBytesMax}\r\n\r\n${large}`));
      await eventually(() => server.connections.bytesIn === i * large.length);
    }
    const ninth = await server.raw().send(`${POST}Content-Length: 50\r\n\r\nx`).answered("SERVICE_UNAVAILABLE");
    clients[0].destroy();
    await eventually(() => server.connections.httpActive === 8);
    const bytesThen = server.connections.bytesIn;
    const tenth = server.raw().send(`${POST}Content-Length: 2\r\n\r\no`);
    await eventually(() => server.connections.bytesIn > bytesThen);
    await tenth.send("k").answered("json:ok");
    for (const client of [ninth, tenth, ...clients]) client.destroy();
  });
});

// uWS has a clock of its own, by which it does the same.
describe.runIf(testedTransport === "portable")("connections without a request", () => {
  it("are cut off after 10 s, those with one are not", async () => {
    await listen();
    const silent = server.raw();
    const halfHead = server.raw().send(POST);
    const waiting = server.raw().send(`${POST}Content-Length: 6\r\n\r\nwait:a`);
    const idle = await server.raw().send(`${POST}Content-Length: 1\r\n\r\nx`).answered("json:x");
    await eventually(() => server.connections.httpActive === 4 && server.dispatch.waiting.size === 1);
    server.pass(9999);
    expect(server.connections.httpActive).toBe(4);
    server.pass(1);
    await Promise.all([silent.closed(), halfHead.closed(), idle.closed()]);
    server.pass(60_000);
    server.dispatch.release("a", "late");
    await waiting.answered("late");
    server.pass(10_000);
    await waiting.closed();
  });
});

describe("replies that are not read", () => {
  it.each([
    ["commands", `${POST}Content-Length: 9\r\n\r\nsize:4000`],
    ["refusals", "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"],
    ["preflights", "OPTIONS /page HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["pages", "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["heads", "HEAD /page HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ])("end the connection of a client that pipelines %s", async (_, request) => {
    await listen();
    server.dispatch.keepsMessages = false;
    const client = server.raw();
    const rssBefore = collectedRss();
    await flood(client, request, 400_000_000);
    expect(client.socket.destroyed, "cut off long before the flood ended").toBe(true);
    // The kernel's buffers hold a few MB for both ends; what must not be there is a reply for each request.
    expect(collectedRss() - rssBefore).toBeLessThan(60_000_000);
    await isWell();
  });

  it.runIf(testedTransport === "portable")("are no better kept by a client that sends meanwhile", async () => {
    await listen();
    const client = server.raw();
    client.socket.pause();
    client.send(`${POST}Content-Length: 13\r\n\r\nsize:20000000`);
    await eventually(() => server.connections.unreadBytes > 0);
    client.send("GET / HTTP/1.1\r\n");
    await eventually(() => {
      // It says something, over and over.
      client.send("X: 1\r\n");
      server.pass(10);
      return server.connections.repliesAbandoned === 1;
    });
    expect(server.clock.monotonicMs()).toBeGreaterThanOrEqual(5000);
    expect(server.connections.unreadBytes).toBe(0);
    client.destroy();
  });

  it("wait for a client that reads late", async () => {
    await listen();
    const client = server.raw();
    client.socket.pause();
    client.send(`${POST}Content-Length: 13\r\n\r\nsize:20000000`);
    await eventually(() => server.dispatch.handledCount === 1);
    await isWell();
    client.socket.resume();
    const body = "x".repeat(20_000_000);
    await client.answered("\r\n\r\n");
    const bodyAt = client.received.indexOf("\r\n\r\n") + 4;
    await client.until(({ received }) => received.length >= bodyAt + body.length);
    expect(client.received.slice(bodyAt)).toBe(body);
    expect(server.connections.repliesAbandoned).toBe(0);
    await client.send(`${POST}Content-Length: 5\r\n\r\nagain`).answered("json:again");
    client.destroy();
  });

  it("end and count the connection of a client that pipelines beyond what its socket takes, though it reads", async () => {
    await listen();
    const client = server.raw();
    client.send(`${POST}Content-Length: 12\r\n\r\nsize:8000000`.repeat(3));
    await client.closed();
    expect(server.connections.repliesAbandoned).toBe(1);
    await isWell();
  });

  it("are forgotten when the client leaves", async () => {
    await listen();
    const client = server.raw();
    client.socket.pause();
    client.send(`${POST}Content-Length: 13\r\n\r\nsize:20000000`);
    await eventually(() => server.dispatch.handledCount === 1);
    client.destroy();
    await eventually(() => server.connections.repliesAbandoned === 1);
  });
});

describe("replies that many together do not read", () => {
  const BUDGET_BYTES = 64 * 1024 * 1024;

  it.each(["identity", "gzip"])("are refused past a budget, which comes back (%s)", async (encoding) => {
    await listen({ outboxBytesMax: 8 * 1024 * 1024 });
    const clients: RawClient[] = [];
    for (let i = 0; i < 8; i++) {
      const client = server.raw();
      client.socket.pause();
      client.send(`${POST}Accept-Encoding: ${encoding}\r\nContent-Length: 13\r\n\r\nsize:20000000`);
      clients.push(client);
    }
    await eventually(() => server.dispatch.handledCount === clients.length);
    expect(server.connections.unreadBytes).toBeGreaterThan(0);
    expect(server.connections.unreadBytes).toBeLessThanOrEqual(BUDGET_BYTES);
    await isWell();
    for (const client of clients) client.socket.resume();
    await Promise.all(clients.map((client) => client.answered("HTTP/1.1 ")));
    const refused = clients.filter(({ received }) => received.startsWith("HTTP/1.1 503 "));
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(clients.length);
    expect(refused[0].received).toContain("SERVICE_UNAVAILABLE");
    await eventually(() => server.connections.unreadBytes === 0);
    for (const client of clients) client.destroy();
    expect((await server.post("size:20000000")).bytes.length).toBe(20_000_000);
  });

  it("are given up with their clients", async () => {
    await listen({ outboxBytesMax: 8 * 1024 * 1024 });
    const client = server.raw();
    client.socket.pause();
    client.send(`${POST}Content-Length: 13\r\n\r\nsize:20000000`);
    await eventually(() => server.connections.unreadBytes > 0);
    client.destroy();
    await eventually(() => server.connections.unreadBytes === 0);
  });
});

describe("too many connections", () => {
  it("are closed at the door, one past the limit", async () => {
    await listen({ connectionsMax: 3 });
    const clients = [server.raw(), server.raw(), server.raw()];
    await eventually(() => server.connections.httpActive === 3);
    const fourth = await server.raw().closed();
    expect(fourth.received).toBe("");
    expect(server.connections).toMatchObject({ connectionsRefused: 1, httpActive: 3 });
    clients[0].destroy();
    await eventually(() => server.connections.httpActive === 2);
    await isWell();
    for (const client of clients) client.destroy();
  });
});
