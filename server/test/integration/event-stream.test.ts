/** `GET /api/v1/events`: the bytes of a stream, silence, a peer that does not read or has gone, and the end. */
import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import type { TransportOptions } from "../../src/transports/transport.ts";
import { eventually, TransportUnderTest } from "./transport-under-test.ts";

const START = "retry: 2000\n\n";

let server: TransportUnderTest;

async function listen(changes: Partial<TransportOptions> = {}): Promise<void> {
  server = await new TransportUnderTest(changes).listen();
}

function requestText(name: string, headers = ""): string {
  return `GET /api/v1/events?${name} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
}

/** A client of Node's, which takes the chunks apart; it keeps what it gets, and the numbers of the events in it. */
class Stream {
  readonly ids: number[] = [];
  headers: IncomingHttpHeaders = {};
  isEnded = false;
  readonly #request: ClientRequest;
  #response: IncomingMessage | undefined;
  readonly #pieces: string[] = [];
  /** The part of an event that has not come whole, its middle left out. */
  #rest = "";

  constructor(name: string, headers: Record<string, string>) {
    const path = `/api/v1/events?${name}`;
    this.#request = httpRequest({ port: server.port, host: "127.0.0.1", path, headers, agent: false });
    this.#request.on("error", () => {});
    this.#request.on("response", (response) => {
      this.#response = response;
      this.headers = response.headers;
      response.on("data", (chunk: Buffer) => this.#receive(chunk.toString("latin1")));
      response.on("error", () => {});
      response.on("end", () => {
        this.isEnded = true;
      });
    });
    this.#request.end();
  }

  get body(): string {
    return this.#pieces.join("");
  }

  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  destroy(): void {
    this.#request.destroy();
  }

  has(text: string): Promise<void> {
    return eventually(() => this.body.includes(text));
  }

  #receive(text: string): void {
    this.#pieces.push(text);
    const events = (this.#rest + text).split("\n\n");
    const rest = events.pop() ?? "";
    this.#rest = rest.length > 100 ? `${rest.slice(0, 50)}${rest.slice(-1)}` : rest;
    for (const event of events) {
      const id = /^id: (\d+)\n/.exec(event);
      if (id !== null) this.ids.push(Number(id[1]));
    }
  }
}

/** A stream that listens under `name`. */
async function open(name: string, headers: Record<string, string> = {}): Promise<Stream> {
  const stream = new Stream(name, headers);
  await eventually(() => stream.body === START);
  return stream;
}

function event(number: number, bytes: number): string {
  return `id: ${number}\ndata: ${"x".repeat(bytes)}\n\n`;
}

function listener(name: string) {
  return server.dispatch.listener(name);
}

afterEach(async () => {
  await server.stop();
  expect(server.connections).toMatchObject({ active: 0, sseActive: 0, unreadBytes: 0, repliesAbandoned: 0 });
  expect([...server.connections.callers()]).toEqual([]);
  for (const { session } of server.dispatch.listeners.values()) expect(session.closedCount).toBe(1);
});

describe("a stream", () => {
  it("begins with its headers and goes on with what is pushed", async () => {
    await listen();
    const headers = "Last-Event-ID: a:17\r\nAccept-Encoding: gzip\r\n";
    const client = await server.raw().send(requestText("room=a&topic=b.%23", headers)).answered(START);
    expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(client.received).toContain("Content-Type: text/event-stream\r\n");
    expect(client.received).toContain("Cache-Control: no-store\r\n");
    expect(client.received).toContain("X-Accel-Buffering: no\r\n");
    expect(client.received).not.toContain("Content-Encoding");
    expect(server.dispatch.opened).toEqual([{ query: "room=a&topic=b.%23", lastEventId: "a:17" }]);
    const name = "room=a&topic=b.%23";
    expect([...server.connections.callers()]).toEqual([listener(name).caller]);
    expect(listener(name).caller).toMatchObject({ protocol: "sse", address: "127.0.0.1", pushFormat: "sse" });
    expect(server.connections).toMatchObject({ sseActive: 1, httpActive: 1, httpRequests: 1 });
    for (const text of ["id: 1\ndata: one\n\n", "data: two\n\n"]) expect(server.dispatch.push(name, text)).toBe(true);
    await client.answered("two\n\n");
    // What one turn pushes is one chunk. The end of its line may come with the next.
    expect(client.received.split("\r\n\r\n")[1].replace(/\r\n$/, "")).toBe(
      `d\r\n${START}\r\n1c\r\nid: 1\ndata: one\n\ndata: two\n\n`,
    );
    expect(server.connections).toMatchObject({ pushes: 2, pushBytes: 28 });
    client.destroy();
  });

  it("begins with its history", async () => {
    await listen();
    server.dispatch.onOpen = ({ outbox }) => {
      for (let i = 0; i < 500; i++) expect(outbox?.push(Buffer.from(event(i, 300)), false, 0)).toBe(true);
    };
    const client = new Stream("a", {});
    await eventually(() => client.ids.length === 500);
    expect(client.body.startsWith(START)).toBe(true);
    expect(client.ids).toEqual([...Array(500).keys()]);
    client.destroy();
  });

  it("carries events larger than a piece, and small ones between them", async () => {
    await listen({ outboxBytesMax: 10_000_000 });
    const client = await open("a");
    const texts = [10, 100_000, 1, 65_000, 1000, 1_000_000, 2].map((bytes, i) => event(i, bytes));
    for (const text of texts) server.dispatch.push("a", text);
    await eventually(() => client.ids.length === 7);
    expect(client.body.replaceAll(/^:\n\n/gm, "")).toBe(START + texts.join(""));
    client.destroy();
  });

  it("carries an event larger than the kernel takes, though nothing comes after it", async () => {
    await listen({ outboxBytesMax: 20_000_000 });
    const client = await open("a");
    server.dispatch.push("a", event(0, 15_000_000));
    await eventually(() => client.ids.length === 1);
    await eventually(() => listener("a").caller.unreadBytes() === 0);
    client.destroy();
  });

  it("that cannot be is refused like any request", async () => {
    await listen();
    const answer = await server.request("GET", "/api/v1/events?missing", {});
    expect(answer.status).toBe(400);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(answer.text)).toMatchObject({ success: false, code: "INVALID_REQUEST" });
    await eventually(() => server.connections.active === 0);
  });

  it("is open to allowed origins, with CORS headers, and to no others", async () => {
    await listen();
    const client = await open("a", { Origin: "https://app.example.com" });
    expect(client.headers["access-control-allow-origin"]).toBe("https://app.example.com");
    const headers: Record<string, string>[] = [{ Origin: "https://evil.example" }, { Host: "evil.example" }];
    for (const foreign of headers) expect((await server.request("GET", "/api/v1/events?b", foreign)).status).toBe(403);
    expect(server.dispatch.opened).toHaveLength(1);
    client.destroy();
  });

  it("has other methods answered as other paths do", async () => {
    await listen();
    const head = await server.request("HEAD", "/api/v1/events?a", {});
    expect(head.status).toBe(200);
    expect(head.headers["content-type"]).toBe("text/event-stream");
    const post = await server.request("POST", "/api/v1/events?a", {});
    expect(post.status).toBe(405);
    expect(post.headers.allow).toBe("GET, HEAD, OPTIONS");
    const preflight = await server.request("OPTIONS", "/api/v1/events", { Origin: "https://app.example.com" });
    expect(preflight.status).toBe(200);
    expect(preflight.headers["access-control-allow-methods"]).toBe("GET, HEAD, OPTIONS");
    expect(server.dispatch.opened).toEqual([]);
  });

  it("gets a comment after 15 s of silence, and none sooner", async () => {
    await listen();
    const [silent, busy] = [await open("silent"), await open("busy")];
    server.pass(10_000);
    server.dispatch.push("busy", "data: 1\n\n");
    await busy.has("data: 1");
    server.pass(4999);
    server.pass(1);
    await silent.has(": ping\n\n");
    server.pass(10_000);
    await busy.has(": ping\n\n");
    server.pass(5000);
    await eventually(() => silent.body === `${START}: ping\n\n: ping\n\n`);
    expect(busy.body).toBe(`${START}data: 1\n\n: ping\n\n`);
    for (const client of [silent, busy]) client.destroy();
  });
});

describe("a peer that goes", () => {
  it("is told of, once, and gets no more pushes", async () => {
    await listen();
    const client = await open("a");
    client.destroy();
    await eventually(() => server.connections.active === 0);
    expect(listener("a").session.closedCount).toBe(1);
    expect(server.connections.sseActive).toBe(0);
    expect(server.dispatch.push("a", "data: 1\n\n")).toBe(false);
  });

  it("with much unread leaves nothing behind", async () => {
    await listen();
    const client = await open("a");
    client.pause();
    while (server.connections.unreadBytes === 0) {
      server.dispatch.push("a", event(0, 50_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    server.dispatch.push("a", event(0, 1000));
    client.destroy();
    await eventually(() => server.connections.active === 0);
    expect(listener("a").caller.unreadBytes()).toBe(0);
  });

  it("may send another request before it gets an answer, which ends the stream", async () => {
    await listen();
    const client = await server.raw().send(requestText("a")).answered(START);
    await client.send(requestText("b")).closed();
    await eventually(() => server.connections.active === 0);
    expect(server.dispatch.opened).toHaveLength(1);
  });
});

describe("a peer that does not read", () => {
  it("is told why and cut off, the others get everything", async () => {
    await listen();
    const [slow, quick] = [await open("slow"), await open("quick")];
    slow.pause();
    let count = 0;
    for (let isTaken = true; isTaken; count++) {
      isTaken = server.dispatch.push("slow", event(count, 20_000));
      expect(server.dispatch.push("quick", event(count, 20_000))).toBe(true);
      await eventually(() => listener("quick").caller.unreadBytes() === 0);
      expect(listener("slow").caller.unreadBytes()).toBeLessThanOrEqual(256 * 1024 + 64 * 1024);
    }
    await eventually(() => server.connections.slowClientsCutOff === 1);
    expect(listener("slow").session.closedCount).toBe(1);
    expect(server.dispatch.push("slow", "data: more\n\n")).toBe(false);
    await eventually(() => quick.ids.length === count);
    expect(quick.ids).toEqual([...Array(count).keys()]);
    // It is let go before it reads.
    expect(server.connections.sseActive).toBe(1);
    slow.resume();
    await eventually(() => slow.isEnded);
    const [events, closing] = slow.body.split("event: closing\ndata: ");
    expect(JSON.parse(closing)).toMatchObject({ type: "closing", code: "SLOW_CONSUMER" });
    // Whole events up to where it was cut off.
    expect(events.endsWith("x\n\n") || events.endsWith(":\n\n")).toBe(true);
    expect(slow.ids).toEqual([...Array(slow.ids.length).keys()]);
    expect(slow.ids.length).toBeLessThan(count);
    for (const client of [slow, quick]) client.destroy();
  });

  it("gets it all when it reads at last, and `drained` tells how it comes along", async () => {
    await listen();
    const client = await open("a");
    const { caller, session } = listener("a");
    const count = 500;
    let next = 0;
    const feed = (): void => {
      for (; next < count && caller.unreadBytes() < 100_000; next++) {
        expect(server.dispatch.push("a", event(next, 20_000))).toBe(true);
      }
    };
    session.onDrained = feed;
    client.pause();
    feed();
    // Until the kernel takes no more.
    for (let seen = -1; seen !== next; ) {
      seen = next;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(next).toBeLessThan(count);
    expect(server.connections.unreadBytes).toBeGreaterThan(50_000);
    client.resume();
    await eventually(() => client.ids.length === count && caller.unreadBytes() === 0);
    expect(client.ids).toEqual([...Array(count).keys()]);
    expect(server.connections).toMatchObject({ slowClientsCutOff: 0, unreadBytes: 0 });
    client.destroy();
  });

  it("is cut off where all connections together leave too much", async () => {
    await listen({ outboxBytesMax: 16 * 1024 * 1024 });
    const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => open(String(i))));
    for (const client of clients) client.pause();
    for (let round = 0; round < 20 && server.connections.slowClientsCutOff === 0; round++) {
      for (const i of clients.keys()) server.dispatch.push(String(i), event(round, 1_000_000));
      await new Promise((resolve) => setImmediate(resolve));
      expect(server.connections.unreadBytes).toBeLessThanOrEqual(64 * 1024 * 1024);
    }
    expect(server.connections.slowClientsCutOff).toBeGreaterThan(0);
    expect(server.connections.sseActive).toBeLessThan(8);
    for (const client of clients) client.destroy();
  });
});

describe("stop", () => {
  it("ends streams with what waits and the reason, and takes no new ones", async () => {
    await listen();
    const client = await open("a");
    const uploading = server.raw().send("POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\n");
    uploading.send("Content-Type: application/json\r\nContent-Length: 2\r\n\r\nx");
    const late = await server.raw().send(requestText("late")).answered(START);
    await eventually(() => server.connections.httpRequests === 3);
    for (let i = 0; i < 100; i++) server.dispatch.push("a", event(i, 100));
    const stopped = server.transport.stop(5000);
    expect(listener("a").session.closedCount).toBe(1);
    expect(server.dispatch.push("a", "data: after\n\n")).toBe(false);
    await eventually(() => client.isEnded);
    const [events, closing] = client.body.split("event: closing\ndata: ");
    expect(client.ids).toHaveLength(100);
    expect(events.endsWith("x\n\n")).toBe(true);
    expect(JSON.parse(closing)).toEqual({ type: "closing", code: "SHUTTING_DOWN", error: expect.any(String) });
    await late.answered("\r\n0\r\n\r\n");
    await late.send(requestText("too-late")).answered("SERVICE_UNAVAILABLE");
    await uploading.send("y").answered("json:xy");
    await stopped;
    await late.closed();
    expect(server.dispatch.isStopping).toBe(true);
  });

  it("waits until the last event has left the process", async () => {
    await listen({ outboxBytesMax: 20_000_000 });
    const client = await open("a");
    client.pause();
    server.dispatch.push("a", event(0, 15_000_000));
    await eventually(() => server.connections.unreadBytes > 0);
    const stopped = server.transport.stop(5000);
    client.resume();
    await stopped;
    await eventually(() => client.isEnded);
    expect(client.ids).toEqual([0]);
    expect(client.body.slice(-200)).toContain("SHUTTING_DOWN");
  });

  it("waits for one that reads again, and not for ever for one that does not", async () => {
    await listen({ outboxBytesMax: 32_000_000 });
    const [reader, stuck] = [await open("reader"), await open("stuck")];
    const count = 200;
    for (const [name, client] of [
      ["reader", reader],
      ["stuck", stuck],
    ] as const) {
      client.pause();
      for (let i = 0; i < count; i++) server.dispatch.push(name, event(i, 100_000));
    }
    await eventually(() => listener("stuck").caller.unreadBytes() < count * 100_000);
    const stopped = server.transport.stop(1000);
    reader.resume();
    await eventually(() => reader.isEnded);
    expect(reader.ids).toEqual([...Array(count).keys()]);
    await stopped;
    stuck.destroy();
  });
});
