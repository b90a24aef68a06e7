/** HTTP replies and event streams while the log is not released so far. */
import { afterEach, describe, expect, it } from "vitest";
import { eventually, TransportUnderTest } from "./transport-under-test.ts";

const GRACE_MS = 5000;
const POST = "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

let server: TransportUnderTest;

async function listen(...changes: ConstructorParameters<typeof TransportUnderTest>): Promise<void> {
  server = await new TransportUnderTest(...changes).listen();
}

afterEach(async () => {
  await server.stop();
  expect(server.connections).toMatchObject({ active: 0, unreadBytes: 0, heldOutboxes: 0, heldOutboxBytes: 0 });
  expect(server.gate.waiterCount).toBe(0);
  expect(server.bugs).toEqual([]);
});

function request(body: string): string {
  return `${POST}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** Resolves once so many messages were handled. */
function handled(count: number): Promise<void> {
  return eventually(() => server.dispatch.handledCount === count);
}

describe("a reply", () => {
  it("keeps its exchange open until it is released, and the connection can be used again", async () => {
    await listen();
    const client = server.raw().send(request("at 2 write"));
    await handled(1);
    expect(server.connections).toMatchObject({ heldOutboxes: 1, heldOutboxBytes: 15, unreadBytes: 15 });
    server.gate.advance(1);
    // Another is answered meanwhile.
    expect((await server.post("read")).text).toBe("json:read");
    expect(client.received).toBe("");
    server.gate.advance(2);
    await client.answered("json:at 2 write");
    await client.send(request("at 2 read")).answered("json:at 2 read");
    client.destroy();
  });

  it("is compressed and has its headers as one that did not wait", async () => {
    await listen({ compressionThresholdBytes: 100 });
    const headers = { "Accept-Encoding": "gzip", Origin: "https://app.example.com" };
    const [held, direct] = [server.post("at 1 size:50000", headers), server.post("size:50000", headers)];
    await handled(2);
    server.gate.advance(1);
    const [one, other] = await Promise.all([held, direct]);
    expect({ ...one.headers, date: "" }).toEqual({ ...other.headers, date: "" });
    expect(one.headers["content-encoding"]).toBe("gzip");
    expect(one.bytes.equals(other.bytes)).toBe(true);
  });

  it("to a body that came in pieces is held too", async () => {
    await listen();
    const client = server.raw().send(request("at 1 write").slice(0, -3));
    client.send("ite");
    await handled(1);
    server.gate.advance(1);
    await client.answered("json:at 1 write");
    client.destroy();
  });

  it("that is late is held as well", async () => {
    await listen();
    const client = server.raw().send(request("wait:a"));
    await handled(1);
    server.dispatch.releaseOffset = 3;
    server.dispatch.release("a", "late");
    server.gate.advance(2);
    expect(server.connections.heldOutboxes).toBe(1);
    expect(client.received).toBe("");
    server.gate.advance(3);
    await client.answered("late");
    client.destroy();
  });

  it("of a client that has left is dropped", async () => {
    await listen();
    const client = server.raw().send(request("at 1 write"));
    await handled(1);
    client.destroy();
    await eventually(() => server.connections.httpActive === 0);
    expect(server.gate.waiterCount).toBe(0);
    expect(server.connections).toMatchObject({ heldOutboxes: 0, heldOutboxBytes: 0, unreadBytes: 0 });
    server.gate.advance(1);
  });

  it("and a next request before it end the connection", async () => {
    await listen();
    const client = server.raw().send(request("at 1 write") + request("read"));
    await client.closed();
    expect(client.received).toBe("");
  });

  it("is waited for by a shutdown", async () => {
    await listen();
    const client = server.raw().send(request("at 1 write"));
    await handled(1);
    const stopped = server.transport.stop(GRACE_MS);
    server.gate.advance(1);
    await client.answered("json:at 1 write");
    await stopped;
    expect(client.received).toContain("Connection: close");
  });

  it("of a thousand clients leaves when its offset comes", async () => {
    await listen({ connectionsMax: 2000 });
    const clients = Array.from({ length: 500 }, (_, i) => server.raw().send(request(`at ${(i % 2) + 1} write`)));
    await handled(500);
    expect(server.connections.heldOutboxes).toBe(500);
    server.gate.advance(1);
    await Promise.all(clients.filter((_, i) => i % 2 === 0).map((client) => client.answered("write")));
    expect(clients.filter(({ received }) => received !== "")).toHaveLength(250);
    server.gate.advance(2);
    await Promise.all(clients.map((client) => client.answered("write")));
    for (const client of clients) client.destroy();
  });
});

describe("an event stream", () => {
  const GET = "GET /api/v1/events?a HTTP/1.1\r\nHost: localhost\r\n\r\n";

  it("begins when that its room is there is released", async () => {
    await listen();
    server.dispatch.releaseOffset = 2;
    const client = server.raw().send(GET);
    await eventually(() => server.dispatch.listeners.has("a"));
    server.dispatch.push("a", "data: 1\n\n", false, 3);
    server.gate.advance(1);
    expect(client.received).toBe("");
    server.gate.advance(2);
    await client.answered("retry: 2000");
    expect(client.received).not.toContain("data: 1");
    server.gate.advance(3);
    await client.answered("data: 1");
    client.destroy();
    await eventually(() => server.connections.httpActive === 0);
  });

  it("gets what is released, in order", async () => {
    await listen();
    const client = server.raw().send(GET);
    await client.answered("retry: 2000");
    for (const [text, offset] of [
      ["one", 1],
      ["news", 0],
      ["two", 2],
    ] as const) {
      server.dispatch.push("a", `data: ${text}\n\n`, false, offset);
    }
    server.gate.advance(1);
    await client.answered("data: news");
    expect(client.received).toMatch(/data: one\n\n(?:\r\n[0-9a-f]+\r\n)?data: news\n\n/);
    expect(client.received).not.toContain("two");
    server.gate.advance(2);
    await client.answered("data: two");
    client.destroy();
    await eventually(() => server.connections.httpActive === 0);
  });

  it("ends after what is held when the server stops", async () => {
    await listen();
    const client = server.raw().send(GET);
    await client.answered("retry: 2000");
    server.dispatch.push("a", "data: last\n\n", false, 5);
    const stopped = server.transport.stop(GRACE_MS);
    expect(client.received).not.toContain("closing");
    server.gate.advance(5);
    await stopped;
    await client.closed();
    expect(client.received.indexOf("data: last")).toBeGreaterThan(0);
    expect(client.received.indexOf("event: closing")).toBeGreaterThan(client.received.indexOf("data: last"));
  });

  it("that has not begun when the server stops begins, says so, and ends", async () => {
    await listen();
    server.dispatch.releaseOffset = 2;
    const client = server.raw().send(GET);
    await eventually(() => server.dispatch.listeners.has("a"));
    const stopped = server.transport.stop(GRACE_MS);
    server.gate.advance(2);
    await stopped;
    await client.closed();
    expect(client.received).toContain("event: closing");
    expect(server.dispatch.listener("a").session.closedCount).toBe(1);
  });

  it("that has not begun and is pushed too much is cut off", async () => {
    await listen({ outboxBytesMax: 1000 });
    server.dispatch.releaseOffset = 2;
    const client = server.raw().send(GET);
    await eventually(() => server.dispatch.listeners.has("a"));
    server.dispatch.push("a", "x".repeat(900));
    expect(server.dispatch.push("a", "x".repeat(900))).toBe(false);
    await client.closed();
    expect(client.received).toBe("");
    expect(server.connections.slowClientsCutOff).toBe(1);
    expect(server.dispatch.listener("a").session.closedCount).toBe(1);
    server.gate.advance(2);
  });

  it("of a client that has left before it began leaves nothing behind", async () => {
    await listen();
    server.dispatch.releaseOffset = 2;
    const client = server.raw().send(GET);
    await eventually(() => server.dispatch.listeners.has("a"));
    client.destroy();
    await eventually(() => server.connections.httpActive === 0);
    expect(server.gate.waiterCount).toBe(0);
    expect(server.dispatch.listener("a").session.closedCount).toBe(1);
  });
});
