import { afterEach, describe, expect, it } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import type { TransportOptions } from "../../src/transports/transport.ts";
import { testedTransport } from "../tested-transport.ts";
import { eventually, type RawClient, TransportUnderTest } from "./transport-under-test.ts";

let server: TransportUnderTest;

async function listen(changes: Partial<TransportOptions> = {}): Promise<void> {
  server = await new TransportUnderTest(changes).listen();
}

/** A client that keeps what it gets. */
class Client {
  readonly socket: WebSocket;
  readonly received: { text: string; isBinary: boolean }[] = [];
  closeCode: number | undefined;
  status: number | undefined;

  constructor(options: ClientOptions = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${server.port}/api/v1/ws`, options);
    this.socket.on("message", (data: Buffer, isBinary) => this.received.push({ text: data.toString(), isBinary }));
    this.socket.on("close", (code) => {
      this.closeCode = code;
    });
    this.socket.on("unexpected-response", (_, response) => {
      this.status = response.statusCode ?? 0;
      this.socket.terminate();
    });
    this.socket.on("error", () => {});
  }

  async opened(): Promise<this> {
    await eventually(() => this.socket.readyState === WebSocket.OPEN);
    return this;
  }
}

/** The handshake by hand, for what a well-behaved library does not do. */
function rawHandshake(...headers: readonly string[]): Promise<RawClient> {
  const request = [
    "GET /api/v1/ws HTTP/1.1",
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    ...headers,
  ];
  return server
    .raw()
    .send(`${request.join("\r\n")}\r\n\r\n`)
    .answered("101 Switching Protocols");
}

/** A masked frame (RFC 6455, section 5.2) with the mask 0, which changes nothing. */
function frame(opcode: number, payload: Uint8Array, final = true): Buffer {
  const header = Buffer.alloc(payload.length < 126 ? 6 : 14);
  header[0] = (final ? 0x80 : 0) | opcode;
  header[1] = 0x80 | (payload.length < 126 ? payload.length : 127);
  if (payload.length >= 126) header.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([header, payload]);
}

afterEach(async () => {
  await server.stop();
  expect(server.connections.active).toBe(0);
  expect([...server.connections.callers()]).toEqual([]);
});

describe("messages", () => {
  it("are answered in kind and in order", async () => {
    await listen();
    const client = await new Client().opened();
    client.socket.send("one");
    client.socket.send(Buffer.from("two"));
    client.socket.send("three");
    client.socket.send("");
    await eventually(() => client.received.length === 4);
    expect(client.received).toEqual([
      { text: "json:one", isBinary: false },
      { text: "msgpack:two", isBinary: true },
      { text: "json:three", isBinary: false },
      { text: "json:", isBinary: false },
    ]);
    expect(server.connections).toMatchObject({ websocketActive: 1, httpActive: 0, websocketMessages: 4, bytesIn: 11 });
    const [caller] = [...server.connections.callers()];
    expect(caller).toMatchObject({ protocol: "websocket", address: "127.0.0.1", connectedAtMs: server.clock.nowMs() });
    expect(new Set(server.dispatch.handled.map((handled) => handled.caller))).toEqual(new Set([caller]));
    client.socket.close();
    await eventually(() => server.connections.active === 0);
    expect(server.connections.invalidMessages).toBe(0);
  });

  it("may come in fragments and byte by byte", async () => {
    await listen();
    const client = await rawHandshake();
    const bytes = Buffer.concat([frame(1, Buffer.from("hel"), false), frame(0, Buffer.from("lo"))]);
    for (const byte of bytes)
      await new Promise<void>((resolve) => client.socket.write(Buffer.of(byte), () => resolve()));
    await client.answered("json:hello");
    client.destroy();
  });

  it("over the limit end the connection, one of exactly the limit does not", async () => {
    await listen({ requestBytesMax: 1000 });
    const client = await new Client().opened();
    client.socket.send("x".repeat(1000));
    await eventually(() => client.received.length === 1);
    client.socket.send("x".repeat(1001));
    await eventually(() => client.closeCode !== undefined);
    // uWS closes without a close frame; 1009 is right.
    expect(client.closeCode).toBe(testedTransport === "native" ? 1006 : 1009);
    expect(server.connections.invalidMessages).toBe(1);
    expect(server.dispatch.handledCount).toBe(1);
  });

  it.each([
    ["text that is not UTF-8", frame(1, Buffer.of(0xff, 0xfe))],
    ["a reserved opcode", frame(3, Buffer.from("x"))],
    ["a fragment of nothing", frame(0, Buffer.from("x"))],
    ["a frame that claims 2^60 bytes", Buffer.of(0x81, 0xff, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ["no frames at all", Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")],
  ])("close the connection on %s", async (_, bytes) => {
    await listen();
    const client = await rawHandshake();
    await client.send(bytes).closed();
    expect(server.dispatch.handledCount).toBe(0);
    await eventually(() => server.connections.active === 0);
    expect(server.connections.invalidMessages).toBe(1);
  });
});

describe("the handshake", () => {
  it.each([
    ["a foreign Host", { headers: { Host: "evil.example" } }, 403],
    ["a foreign Origin", { origin: "https://evil.example" }, 403],
    ["a page of another port", { origin: "http://localhost:3000" }, 403],
    ["another version", { protocolVersion: 8 as const }, 426],
  ])("is refused to %s", async (_, options, status) => {
    await listen();
    const client = new Client(options);
    await eventually(() => client.status !== undefined);
    expect(client.status).toBe(status);
    expect(server.connections.websocketActive).toBe(0);
  });

  it("is open to an allowed origin and to no origin", async () => {
    await listen();
    await new Client({ origin: "https://app.example.com" }).opened();
    await new Client().opened();
    expect(server.connections.websocketActive).toBe(2);
  });

  it("does not agree to compression", async () => {
    await listen();
    const client = await new Client({ perMessageDeflate: true }).opened();
    expect(client.socket.extensions).toBe("");
  });

  it("agrees to no subprotocol", async () => {
    await listen();
    const client = await rawHandshake("Sec-WebSocket-Protocol: chat, superchat");
    expect(client.received).not.toContain("Sec-WebSocket-Protocol");
    await client.send(frame(1, Buffer.from("hi"))).answered("json:hi");
    client.destroy();
  });

  it("is refused as a plain request where it has no key, or is not at its path", async () => {
    await listen();
    const upgrade = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    await server.raw().send(`GET /api/v1/ws HTTP/1.1\r\n${upgrade}\r\n`).answered("HTTP/1.1 426 ");
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    await server.raw().send(`GET /nowhere HTTP/1.1\r\n${upgrade}${key}\r\n`).answered("HTTP/1.1 404 ");
    await server.raw().send(`POST /api/v1/ws HTTP/1.1\r\n${upgrade}${key}\r\n`).answered("HTTP/1.1 405 ");
    expect(server.connections.websocketActive).toBe(0);
  });

  it("cannot be had with a body: such a request is answered like any other", async () => {
    await listen();
    const offer = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Type: application/json\r\n";
    const post = `POST /api/v1/command HTTP/1.1\r\n${offer}Content-Length: 5\r\n\r\nhello`;
    const client = await server.raw().send(post).answered("json:hello");
    client.received = "";
    await client.send(post).answered("json:hello");
    client.destroy();
    const unfinished = server.raw().send(post.slice(0, -5));
    await eventually(() => server.connections.httpRequests === 3);
    unfinished.destroy();
    await eventually(() => server.connections.httpActive === 0);
  });

  it("closes where it is refused, also if the client leaves first", async () => {
    await listen();
    const headers = "Host: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    const handshake = `GET /api/v1/ws HTTP/1.1\r\n${headers}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
    const clients = await Promise.all(Array.from({ length: 5 }, () => server.raw().send(handshake).answered(" 403 ")));
    for (const client of clients) client.destroy();
    await eventually(() => server.connections.httpActive === 0);
  });

  it("agrees to none of the subprotocols whose names cannot be read", async () => {
    await listen();
    const client = await rawHandshake("Sec-WebSocket-Protocol: ,,(chat)");
    await client.send(frame(1, Buffer.from("hi"))).answered("json:hi");
    client.destroy();
  });

  it("must be followed by a message in time", async () => {
    await listen({ connectionTimeoutMs: 1000 });
    const silent = await new Client().opened();
    const talker = await new Client().opened();
    talker.socket.send("hi");
    const halfFrame = await rawHandshake();
    halfFrame.send(frame(1, Buffer.alloc(100)).subarray(0, 50));
    await eventually(() => talker.received.length === 1 && server.connections.websocketActive === 3);
    server.pass(999);
    expect(server.connections.websocketActive).toBe(3);
    server.pass(1);
    await eventually(() => silent.closeCode !== undefined && halfFrame.isClosed);
    server.pass(5000);
    expect(talker.closeCode).toBeUndefined();
    expect(server.connections).toMatchObject({ websocketActive: 1, silentClientsCutOff: 2 });
  });
});

describe("a peer that has vanished", () => {
  it("is noticed by its missing pong and let go, one that answers pings stays", async () => {
    await listen({ idleTimeoutSecs: 8 });
    const present = await new Client().opened();
    present.socket.send("hi");
    // A raw socket answers no ping: to the server it looks as if the cable had been pulled after the first message.
    const vanished = await rawHandshake();
    vanished.send(frame(1, Buffer.from("hi")));
    await eventually(() => present.received.length === 1 && server.connections.websocketMessages === 2);
    // uWS has a clock of its own.
    await eventually(() => {
      server.pass(10);
      return vanished.isClosed;
    });
    expect(present.closeCode).toBeUndefined();
    expect(server.connections.websocketActive).toBe(1);
  });

  it("is not taken for one that sends a message slowly", async () => {
    await listen({ idleTimeoutSecs: 8 });
    const client = await rawHandshake();
    await client.send(frame(1, Buffer.from("hi"))).answered("json:hi");
    // It takes ten times as long as a peer may be silent.
    for (const byte of frame(1, Buffer.from("slow".repeat(20)))) {
      await new Promise<void>((resolve) => client.socket.write(Buffer.of(byte), () => resolve()));
      await new Promise((resolve) => setImmediate(resolve));
      server.pass(1000);
    }
    await client.answered("json:slowslow");
    client.destroy();
  });

  it.runIf(testedTransport === "portable")(
    "is not taken for one that reads slowly, but is found while it does",
    async () => {
      await listen({ idleTimeoutSecs: 2, outboxBytesMax: 64 * 1024 * 1024 });
      const client = await rawHandshake();
      client.socket.pause();
      client.send(frame(1, Buffer.from("size:60000000")));
      await eventually(() => server.connections.unreadBytes > 40_000_000);
      const startedMs = performance.now();
      let readBytes = 0;
      // node:net has a clock of its own, by which this is more than twice what a silent peer has. At 4 MB/s a third is read.
      for (let elapsedMs = 0; elapsedMs < 5000; elapsedMs = performance.now() - startedMs) {
        if (readBytes < elapsedMs * 4000) readBytes += client.socket.read()?.length ?? 0;
        await new Promise((resolve) => setImmediate(resolve));
        server.pass(500);
      }
      expect(server.connections.websocketActive).toBe(1);
      expect(server.connections.unreadBytes).toBeGreaterThan(0);
      await eventually(() => {
        server.pass(500);
        return server.connections.websocketActive === 0;
      });
      client.destroy();
    },
  );
});

describe("a client that does not read", () => {
  it("is told why and cut off when it reads at last", async () => {
    await listen();
    const slow = await new Client().opened();
    const other = await new Client().opened();
    slow.socket.pause();
    let sent = 0;
    while (server.connections.slowClientsCutOff === 0) {
      slow.socket.send("size:100000");
      sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
      expect([...server.connections.callers()][0].unreadBytes()).toBeLessThan(256 * 1024 + 64 * 1024);
    }
    expect(sent).toBeLessThan(1000);
    const handledThen = server.dispatch.handledCount;
    slow.socket.send("size:1");
    other.socket.send("hello");
    await eventually(() => other.received.length === 1);
    expect(server.dispatch.handledCount).toBe(handledThen + 1);
    slow.socket.resume();
    await eventually(() => slow.closeCode !== undefined);
    expect(slow.closeCode).toBe(1013);
    expect(JSON.parse(slow.received.at(-1)?.text ?? "")).toMatchObject({ type: "closing", code: "SLOW_CONSUMER" });
    expect(server.connections).toMatchObject({ slowClientsCutOff: 1, websocketActive: 1 });
  });

  it("is cut off in the end if it never reads", async () => {
    await listen();
    const slow = await new Client().opened();
    slow.socket.pause();
    while (server.connections.slowClientsCutOff === 0) {
      slow.socket.send("size:200000");
      await new Promise((resolve) => setImmediate(resolve));
    }
    server.pass(5000);
    await eventually(() => server.connections.websocketActive === 0);
    slow.socket.terminate();
  });

  it("is cut off before its own limit where many together leave too much", async () => {
    await listen({ outboxBytesMax: 8 * 1024 * 1024 });
    const budgetBytes = 64 * 1024 * 1024;
    const replyBytes = 500_000;
    const clients: Client[] = [];
    for (let i = 0; i < 12; i++) clients.push(await new Client().opened());
    for (const client of clients) client.socket.pause();
    const other = await new Client().opened();
    for (let round = 1; round < 100 && server.connections.slowClientsCutOff === 0; round++) {
      for (const client of clients) client.socket.send(`size:${replyBytes}`);
      await eventually(
        () => server.dispatch.handledCount === round * clients.length || server.connections.slowClientsCutOff > 0,
      );
      expect(server.connections.unreadBytes).toBeLessThanOrEqual(budgetBytes);
    }
    expect(server.connections.slowClientsCutOff).toBeGreaterThan(0);
    expect(server.connections.unreadBytes).toBeGreaterThan(budgetBytes - 9 * 1024 * 1024);
    other.socket.send("hello");
    await eventually(() => other.received.length === 1);
    for (const client of clients) client.socket.terminate();
    await eventually(() => server.connections.websocketActive === 1);
    expect(server.connections.unreadBytes).toBe(0);
  });

  it("cannot fill the memory with answers to its pings", async () => {
    await listen();
    const client = await rawHandshake();
    client.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 5000 }, () => frame(9, Buffer.alloc(120))));
    let sentBytes = 0;
    while (server.connections.slowClientsCutOff === 0 && sentBytes < 100_000_000) {
      sentBytes += pings.length;
      client.send(pings);
      await new Promise((resolve) => setImmediate(resolve));
      const unreadBytes = [...server.connections.callers()].map((caller) => caller.unreadBytes());
      expect(Math.max(0, ...unreadBytes)).toBeLessThan(1_000_000);
    }
    client.destroy();
    await eventually(() => server.connections.active === 0);
  });
});
