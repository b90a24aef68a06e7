/** Pushes over WebSockets: what leaves together, in which order, and what becomes of a peer that does not read. */
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { TransportOptions } from "../../src/transports/transport.ts";
import { eventually, TransportUnderTest } from "./transport-under-test.ts";

let server: TransportUnderTest;

async function listen(changes: Partial<TransportOptions> = {}): Promise<void> {
  server = await new TransportUnderTest(changes).listen();
}

/** A client that listens under a name and keeps what it gets. */
class Listener {
  readonly name: string;
  readonly socket: WebSocket;
  readonly texts: string[] = [];
  readonly kinds: boolean[] = [];
  /** Reads from the socket so far: pushes written together come as one. */
  chunkCount = 0;
  closeCode: number | undefined;

  private constructor(name: string) {
    this.name = name;
    this.socket = new WebSocket(`ws://127.0.0.1:${server.port}/api/v1/ws`);
    this.socket.on("upgrade", (response) =>
      response.socket.on("data", () => {
        this.chunkCount += 1;
      }),
    );
    this.socket.on("message", (data: Buffer, isBinary) => {
      this.texts.push(data.toString());
      this.kinds.push(isBinary);
    });
    this.socket.on("close", (code) => {
      this.closeCode = code;
    });
    this.socket.on("error", () => {});
  }

  static async start(name: string): Promise<Listener> {
    const listener = new Listener(name);
    listener.socket.on("open", () => listener.socket.send(`listen:${name}`));
    await eventually(() => listener.texts.length === 1);
    return listener;
  }

  get session() {
    return server.dispatch.listener(this.name).session;
  }

  get caller() {
    return server.dispatch.listener(this.name).caller;
  }

  push(text: string | Uint8Array, isBinary = false): boolean {
    return server.dispatch.push(this.name, text, isBinary);
  }
}

afterEach(async () => {
  await server.stop();
  expect(server.connections.active).toBe(0);
  expect(server.connections.unreadBytes).toBe(0);
  for (const { session } of server.dispatch.listeners.values()) expect(session.closedCount).toBe(1);
});

describe("pushes", () => {
  it("of a turn arrive in order and in one piece, in their kinds", async () => {
    await listen();
    const client = await Listener.start("a");
    const chunksBefore = client.chunkCount;
    const texts = Array.from({ length: 50 }, (_, i) => `push ${i}`);
    for (const [i, text] of texts.entries()) expect(client.push(text, i % 2 === 1)).toBe(true);
    expect(client.caller.unreadBytes()).toBe(Buffer.byteLength(texts.join("")));
    await eventually(() => client.texts.length === 51);
    expect(client.texts.slice(1)).toEqual(texts);
    expect(client.kinds.slice(1)).toEqual(texts.map((_, i) => i % 2 === 1));
    expect(client.chunkCount - chunksBefore).toBe(1);
    expect(client.caller.unreadBytes()).toBe(0);
    expect(server.connections).toMatchObject({ pushes: 50, pushBytes: Buffer.byteLength(texts.join("")) });
  });

  it("come after the reply of the command that made them", async () => {
    await listen();
    const client = await Listener.start("a");
    const { dispatch } = server;
    const handle = dispatch.handle.bind(dispatch);
    dispatch.handle = (message, format, replyFormat, caller) => {
      caller.outbox?.push(Buffer.from("push"), false, 0);
      return handle(message, format, replyFormat, caller);
    };
    client.socket.send("command");
    await eventually(() => client.texts.length === 3);
    expect(client.texts.slice(1)).toEqual(["json:command", "push"]);
  });

  it("of one frame reach many, larger ones than a write holds too", async () => {
    await listen({ outboxBytesMax: 2_000_000 });
    const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => Listener.start(`client ${i}`)));
    const frames = [10, 20_000, 300_000, 5].map((bytes, i) => Buffer.alloc(bytes, String(i)));
    for (const frame of frames) for (const client of clients) expect(client.push(frame)).toBe(true);
    await eventually(() => clients.every((client) => client.texts.length === 5));
    for (const client of clients) expect(client.texts.slice(1)).toEqual(frames.map(String));
  });

  it("are refused once the peer is gone, and its session is told", async () => {
    await listen();
    const client = await Listener.start("a");
    client.push("before");
    client.socket.terminate();
    await eventually(() => server.connections.active === 0);
    expect(client.session.closedCount).toBe(1);
    expect(client.push("after")).toBe(false);
    expect(client.caller.unreadBytes()).toBe(0);
  });

  it("to a connection that gets none before it is gone are refused too", async () => {
    await listen();
    const client = new WebSocket(`ws://127.0.0.1:${server.port}/api/v1/ws`);
    client.on("open", () => client.send("hello"));
    await eventually(() => server.dispatch.handled.length === 1);
    const { caller } = server.dispatch.handled[0];
    client.terminate();
    await eventually(() => server.connections.active === 0);
    expect(caller.outbox?.push(Buffer.from("late"), false, 0)).toBe(false);
  });
});

describe("a listener that does not read", () => {
  it("is told why and cut off, the others get everything", async () => {
    await listen();
    const slow = await Listener.start("slow");
    const quick = await Listener.start("quick");
    slow.socket.pause();
    const frame = Buffer.alloc(20_000, "x");
    let pushed = 0;
    let isTaken = true;
    while (isTaken) {
      isTaken = slow.push(frame);
      expect(quick.push(frame)).toBe(true);
      pushed += 1;
      await eventually(() => quick.texts.length === pushed + 1);
      expect(slow.caller.unreadBytes()).toBeLessThanOrEqual(256 * 1024 + 64 * 1024);
    }
    expect(server.connections.slowClientsCutOff).toBe(1);
    expect(slow.session.closedCount).toBe(1);
    expect(slow.push("more")).toBe(false);
    const drainedBefore = slow.session.drainedCount;
    slow.socket.resume();
    await eventually(() => slow.closeCode !== undefined);
    expect(slow.closeCode).toBe(1013);
    expect(JSON.parse(slow.texts.at(-1) ?? "")).toMatchObject({ type: "closing", code: "SLOW_CONSUMER" });
    // What waited behind the socket is dropped, what it had taken is not.
    expect(slow.texts.slice(1, -1).every((text) => text.length === frame.length)).toBe(true);
    expect(slow.texts.length).toBeLessThan(pushed + 1);
    expect(slow.session).toMatchObject({ closedCount: 1, drainedCount: drainedBefore });
    expect(quick.closeCode).toBeUndefined();
    expect(quick.texts.length).toBe(pushed + 1);
  });

  it("is told of by `drained`, so that a reader far behind can be fed", async () => {
    await listen();
    const client = await Listener.start("a");
    const pageCount = 200;
    let next = 0;
    const feed = (): void => {
      while (next < pageCount && client.caller.unreadBytes() < 100_000) {
        expect(client.push(`${next}:${"x".repeat(50_000)}`)).toBe(true);
        next += 1;
      }
    };
    client.session.onDrained = feed;
    client.socket.pause();
    feed();
    let seen = -1;
    // Until the kernel takes no more: then the feed stops, though nothing is cut off.
    while (seen !== next) {
      seen = next;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(next).toBeLessThan(pageCount);
    client.socket.resume();
    await eventually(() => client.texts.length === pageCount + 1);
    expect(client.texts.slice(1).map((text) => Number.parseInt(text, 10))).toEqual([...Array(pageCount).keys()]);
    expect(server.connections.slowClientsCutOff).toBe(0);
    expect(client.caller.unreadBytes()).toBe(0);
  });

  it("is cut off for replies and pushes together", async () => {
    await listen();
    const client = await Listener.start("a");
    client.socket.pause();
    while (server.connections.slowClientsCutOff === 0) {
      client.socket.send("size:60000");
      client.push(Buffer.alloc(60_000, "p"));
      await new Promise((resolve) => setImmediate(resolve));
      expect(client.caller.unreadBytes()).toBeLessThanOrEqual(256 * 1024 + 64 * 1024);
    }
    client.socket.resume();
    await eventually(() => client.closeCode === 1013);
    expect(client.session.closedCount).toBe(1);
  });

  it("is cut off before its own limit where many together leave too much", async () => {
    await listen({ outboxBytesMax: 16 * 1024 * 1024 });
    const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => Listener.start(`client ${i}`)));
    for (const client of clients) client.socket.pause();
    const frame = Buffer.alloc(1_000_000, "x");
    for (let round = 0; round < 20 && server.connections.slowClientsCutOff === 0; round++) {
      for (const client of clients) client.push(frame);
      await new Promise((resolve) => setImmediate(resolve));
      expect(server.connections.unreadBytes).toBeLessThanOrEqual(64 * 1024 * 1024);
    }
    expect(server.connections.slowClientsCutOff).toBeGreaterThan(0);
    for (const client of clients) client.socket.terminate();
  });
});

describe("stop", () => {
  it("sends what waits before it says goodbye", async () => {
    await listen();
    const client = await Listener.start("a");
    for (let i = 0; i < 100; i++) client.push(`push ${i}`);
    await server.transport.stop(1000);
    await eventually(() => client.closeCode !== undefined);
    expect(client.closeCode).toBe(1001);
    expect(client.texts.slice(1, -1)).toEqual(Array.from({ length: 100 }, (_, i) => `push ${i}`));
    expect(JSON.parse(client.texts.at(-1) ?? "")).toMatchObject({ code: "SHUTTING_DOWN" });
    expect(client.session.closedCount).toBe(1);
    expect(client.push("after")).toBe(false);
  });

  it("sends all that waits to one that reads again", async () => {
    await listen({ outboxBytesMax: 32_000_000 });
    const client = await Listener.start("a");
    client.socket.pause();
    const frame = Buffer.alloc(100_000, "x");
    for (let i = 0; i < 200; i++) client.push(frame);
    await eventually(() => server.connections.unreadBytes > 0);
    const stopped = server.transport.stop(5000);
    client.socket.resume();
    await stopped;
    await eventually(() => client.closeCode !== undefined);
    expect(client.texts.length).toBe(202);
    expect(client.closeCode).toBe(1001);
  });
});
