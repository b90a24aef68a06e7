/** WebSockets while the log is not released so far: nothing leaves before its time, and then all of it in order. */
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { TransportOptions } from "../../src/transports/transport.ts";
import { seededRandom } from "../engine.ts";
import { eventually, TransportUnderTest } from "./transport-under-test.ts";

const GRACE_MS = 5000;

let server: TransportUnderTest;

async function listen(changes: Partial<TransportOptions> = {}): Promise<void> {
  server = await new TransportUnderTest(changes).listen();
}

afterEach(async () => {
  await server.stop();
  expect(server.connections).toMatchObject({ active: 0, unreadBytes: 0, heldOutboxes: 0, heldOutboxBytes: 0 });
  expect(server.gate.waiterCount).toBe(0);
  expect(server.bugs).toEqual([]);
});

class Client {
  readonly socket: WebSocket;
  readonly texts: string[] = [];
  /** Reads from the socket so far: what was written together comes as one. */
  chunkCount = 0;
  closeCode: number | undefined;

  private constructor() {
    this.socket = new WebSocket(`ws://127.0.0.1:${server.port}/api/v1/ws`);
    this.socket.on("upgrade", (response) => {
      response.socket.on("data", () => {
        this.chunkCount += 1;
      });
    });
    this.socket.on("message", (data: Buffer) => this.texts.push(data.toString()));
    this.socket.on("close", (code) => {
      this.closeCode = code;
    });
    this.socket.on("error", () => {});
  }

  static async connect(): Promise<Client> {
    const client = new Client();
    await eventually(() => client.socket.readyState === WebSocket.OPEN);
    return client;
  }

  /** Sends messages and waits until the server has handled them, whatever becomes of the replies. */
  async say(...messages: string[]): Promise<void> {
    const count = server.dispatch.handledCount + messages.length;
    for (const message of messages) this.socket.send(message);
    await eventually(() => server.dispatch.handledCount === count);
  }

  /** A ping is answered by the transport itself: what was written before it has then come. */
  async roundTrip(): Promise<void> {
    let isBack = false;
    this.socket.once("pong", () => {
      isBack = true;
    });
    this.socket.ping();
    await eventually(() => isBack);
  }
}

/** What a reply to this message reads like. */
const json = (message: string): string => `json:${message}`;

describe("replies", () => {
  it("leave in order and in one write when they are released", async () => {
    await listen();
    const client = await Client.connect();
    const messages = ["at 3 write", "read nothing", "at 2 read", "at 9 write", "news"];
    await client.say(...messages);
    await client.roundTrip();
    expect(client.texts).toEqual([]);
    expect(server.connections).toMatchObject({ heldOutboxes: 1 });
    const before = client.chunkCount;
    server.gate.advance(3);
    await eventually(() => client.texts.length === 3);
    expect(client.chunkCount).toBe(before + 1);
    expect(client.texts).toEqual(messages.slice(0, 3).map(json));
    server.gate.advance(9);
    await eventually(() => client.texts.length === 5);
    expect(client.texts).toEqual(messages.map(json));
  });

  it("of another connection do not wait", async () => {
    await listen();
    const [writer, reader] = [await Client.connect(), await Client.connect()];
    await writer.say("at 1 write");
    await reader.say("read");
    await eventually(() => reader.texts.length === 1);
    expect(writer.texts).toEqual([]);
    server.gate.advance(1);
    await eventually(() => writer.texts.length === 1);
  });

  it("that are late are held like others, given by another's command", async () => {
    await listen();
    const [waiter, other] = [await Client.connect(), await Client.connect()];
    await waiter.say("wait:a");
    server.dispatch.releaseOffset = 4;
    await other.say("release:a");
    await waiter.say("next");
    await eventually(() => other.texts.length === 1);
    await waiter.roundTrip();
    expect(waiter.texts).toEqual([]);
    server.gate.advance(4);
    await eventually(() => waiter.texts.length === 2);
    expect(waiter.texts).toEqual(["late a", json("next")]);
  });

  it("that are held count as unread, and too many cut the connection off", async () => {
    await listen({ outboxBytesMax: 10_000 });
    const client = await Client.connect();
    await client.say("at 1 size:6000");
    expect(server.connections.unreadBytes).toBe(6000);
    client.socket.send("at 1 size:6000");
    await eventually(() => client.closeCode !== undefined);
    expect(client.closeCode).toBe(1013);
    // What was held has not left, and will not.
    expect(client.texts.map((text) => (JSON.parse(text) as { code: string }).code)).toEqual(["SLOW_CONSUMER"]);
    expect(server.connections.slowClientsCutOff).toBe(1);
    server.gate.advance(1);
  });

  it("of a client that has left leave nothing behind", async () => {
    await listen();
    const client = await Client.connect();
    await client.say("at 1 write", "at 2 write");
    client.socket.terminate();
    await eventually(() => server.connections.websocketActive === 0);
    expect(server.gate.waiterCount).toBe(0);
    expect(server.connections).toMatchObject({ heldOutboxes: 0, heldOutboxBytes: 0, unreadBytes: 0 });
  });

  it("of messages that waited for their turn are held in their order", async () => {
    await listen();
    const client = await Client.connect();
    // Each message takes 10 ms of the server's clock: most of them wait for the end of a turn.
    const handle = server.dispatch.handle.bind(server.dispatch);
    server.dispatch.handle = (...message) => {
      server.clock.advance(10);
      return handle(...message);
    };
    const messages = Array.from({ length: 20 }, (_, i) => `${i % 3 === 0 ? `at ${i + 1} ` : ""}message ${i}`);
    await client.say(...messages);
    await client.roundTrip();
    expect(client.texts).toEqual([]);
    server.gate.advance(20);
    await eventually(() => client.texts.length === 20);
    expect(client.texts).toEqual(messages.map(json));
  });
});

describe("pushes", () => {
  it("come behind the reply that was there before them", async () => {
    await listen();
    const client = await Client.connect();
    await client.say("listen:a");
    await eventually(() => client.texts.length === 1);
    await client.say("at 2 write");
    server.dispatch.push("a", "news");
    server.dispatch.push("a", "event", false, 3);
    await client.roundTrip();
    expect(client.texts).toEqual([json("listen:a")]);
    server.gate.advance(2);
    await eventually(() => client.texts.length === 3);
    expect(client.texts.slice(1)).toEqual([json("at 2 write"), "news"]);
    server.gate.advance(3);
    await eventually(() => client.texts.length === 4);
    expect(client.texts[3]).toBe("event");
  });

  it("of topics do not wait where nothing is held", async () => {
    await listen();
    const client = await Client.connect();
    await client.say("listen:a");
    server.dispatch.push("a", "news");
    await eventually(() => client.texts.length === 2);
    expect(server.connections).toMatchObject({ heldOutboxes: 0, pushes: 1 });
  });

  it("are counted as such, and held replies are not", async () => {
    await listen();
    const client = await Client.connect();
    await client.say("listen:a", "at 1 write");
    server.dispatch.push("a", "push");
    server.gate.advance(1);
    await eventually(() => client.texts.length === 3);
    expect(server.connections).toMatchObject({ pushes: 1, pushBytes: 4 });
  });
});

describe("a shutdown", () => {
  it("comes after what is held", async () => {
    await listen();
    const client = await Client.connect();
    await client.say("listen:a", "at 1 write");
    server.dispatch.push("a", "event", false, 2);
    const stopped = server.transport.stop(GRACE_MS);
    await client.roundTrip();
    expect(client.closeCode).toBeUndefined();
    expect(client.texts).toEqual([json("listen:a")]);
    server.gate.advance(1);
    await eventually(() => client.texts.length === 2);
    server.gate.advance(2);
    await stopped;
    await eventually(() => client.closeCode !== undefined);
    expect(client.texts.slice(1, 3)).toEqual([json("at 1 write"), "event"]);
    expect(JSON.parse(client.texts[3])).toMatchObject({ code: "SHUTTING_DOWN" });
    expect(client.texts).toHaveLength(4);
    expect(client.closeCode).toBe(1001);
  });

  it("has commands that wait answered first, and holds those answers too", async () => {
    await listen();
    const client = await Client.connect();
    await client.say("wait:a");
    server.dispatch.releaseOffset = 7;
    const stopped = server.transport.stop(GRACE_MS);
    await client.roundTrip();
    expect(client.texts).toEqual([]);
    server.gate.advance(7);
    await stopped;
    await eventually(() => client.closeCode !== undefined);
    expect(client.texts[0]).toBe("stopping");
  });

  it("does not wait for ever", async () => {
    await listen();
    const client = await Client.connect();
    await client.say("at 1 write");
    await server.transport.stop(20);
    await eventually(() => client.closeCode !== undefined);
    expect(client.texts).toEqual([]);
  });
});

it.each([1, 2, 3, 4, 5])("everything arrives as without waiting, none before its time: seed %i", async (seed) => {
  await listen();
  const random = seededRandom(seed);
  const client = await Client.connect();
  await client.say("listen:a");
  const expected = [json("listen:a")];
  const offsets = [0];
  let applied = 0;
  for (let i = 0; i < 200; i++) {
    applied += random() < 0.5 ? 1 : 0;
    const offset = random() < 0.3 ? 0 : applied;
    const draw = random();
    if (draw < 0.5) {
      const message = `at ${offset} message ${i}`;
      await client.say(message);
      expected.push(json(message));
      offsets.push(offset);
    } else if (draw < 0.8) {
      server.dispatch.push("a", `push ${i}`, false, offset);
      expected.push(`push ${i}`);
      offsets.push(offset);
      await client.roundTrip();
    } else if (applied > server.gate.releasedOffset) {
      server.gate.advance(
        server.gate.releasedOffset + 1 + Math.floor(random() * (applied - server.gate.releasedOffset)),
      );
    }
    for (let sent = 0; sent < client.texts.length; sent++) {
      expect(offsets[sent]).toBeLessThanOrEqual(server.gate.releasedOffset);
    }
  }
  if (applied > server.gate.releasedOffset) server.gate.advance(applied);
  await eventually(() => client.texts.length === expected.length);
  expect(client.texts).toEqual(expected);
});
