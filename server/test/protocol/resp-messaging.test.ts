/** Queues and rooms under their RESP names; channels, rooms and topics between Redis clients and WebSockets. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { connect as connectClient } from "../conformance/clients.ts";
import { type Plain, plainReply } from "./differential/raw-connection.ts";
import { TranscriptClient } from "./resp-transcript.ts";

const someInteger = expect.any(Number) as number;

let server: RunningServer;
const clients: TranscriptClient[] = [];

beforeAll(async () => {
  const flags = ["--port", "0", "--log-level", "silent", "--set", "protocol.outbox_bytes_max=256kb"];
  server = await startServer(
    configFromFlags(
      "--no-persistence",
      ...flags,
      "--set",
      "protocol.max_reply_bytes=128kb",
      "--set",
      "queue.tick_ms=5",
    ),
    silentLogger,
  );
});

afterAll(() => server?.stop());

let client: Client;

beforeEach(async () => {
  client = await open();
});

afterEach(() => {
  for (const each of clients.splice(0)) each.close();
});

class Client {
  readonly #connection: TranscriptClient;

  constructor(connection: TranscriptClient) {
    this.#connection = connection;
    clients.push(connection);
  }

  say(text: string): void {
    this.#connection.say(text.split(" "));
  }

  pause(): void {
    this.#connection.pause();
  }

  /** Words in Latin-1. */
  sayBytes(...words: string[]): void {
    this.#connection.say(words.map((word) => Buffer.from(word, "latin1")));
  }

  /** What comes next, as bytes are on the wire. */
  raw(): Promise<string> {
    return this.#connection.frame();
  }

  async next(): Promise<Plain> {
    return plainReply(Buffer.from(await this.#connection.frame(), "latin1"));
  }

  ask(text: string): Promise<Plain> {
    this.say(text);
    return this.next();
  }

  /** A reply that is a map, or a list of names and values. */
  async askMap(text: string): Promise<Record<string, Plain>> {
    return asMap(await this.ask(text));
  }
}

async function open(): Promise<Client> {
  return new Client(await TranscriptClient.open(server.respUrl ?? ""));
}

function asMap(reply: Plain): Record<string, Plain> {
  if (!Array.isArray(reply)) throw new Error(`no map: ${JSON.stringify(reply)}`);
  const map: Record<string, Plain> = {};
  for (let i = 0; i < reply.length; i += 2) map[String(reply[i])] = reply[i + 1];
  return map;
}

describe("queues", () => {
  it("are created, published to, consumed and acknowledged", async () => {
    expect(await client.ask("QCREATE q1 RETRIES 1 BACKOFF 0 MAXDEPTH 10 DEADMAX 5")).toBe(1);
    expect(await client.ask("QCREATE q1")).toBe(0);
    expect(await client.ask("QCREATE q1 MAXDEPTH 11")).toMatch(/^-QUEUE_EXISTS /);
    const low = await client.ask("QPUBLISH q1 low PRIORITY 1");
    const high = await client.ask('QPUBLISH q1 high PRIORITY 9 HEADERS {"a":1} DEDUP d');
    expect(await client.ask("QPUBLISH q1 again DEDUP d")).toBe(high);
    expect(await client.ask("QPEEK q1 5")).toHaveLength(2);
    const message = await client.askMap("QCONSUME q1");
    expect(message).toMatchObject({ id: high, payload: "high", priority: 9, headers: '{"a":1}', max_retries: 1 });
    expect(await client.ask(`QACK q1 ${high} DELIVERY 1`)).toMatch(/^-STALE_DELIVERY /);
    expect(await client.ask(`QACK q1 ${high} DELIVERY ${message.delivery_id}`)).toBe(1);
    expect(await client.ask(`QACK q1 ${high}`)).toMatch(/^-MESSAGE_NOT_FOUND /);
    const several = await client.ask("QCONSUME q1 COUNT 5 DEADLINE 60");
    expect(several).toHaveLength(1);
    expect(await client.ask(`QEXTEND q1 ${low} 100`)).toEqual(someInteger);
    expect(await client.ask(`QNACK q1 ${low}`)).toBe("+requeued");
    expect(await client.askMap("QCONSUME q1")).toMatchObject({ id: low, retry_count: 1 });
    expect(await client.ask(`QNACK q1 ${low} DEAD`)).toBe("+dead_lettered");
    expect(await client.ask("QCONSUME q1")).toBeNull();
    expect(await client.askMap("QDEAD LIST q1 COUNT 10")).toMatchObject({ has_more: 0, cursor: null });
    expect(await client.ask(`QDEAD RETRY q1 ${low} 77`)).toBe(1);
    expect(await client.askMap("QSTATS q1")).toMatchObject({ depth: 1, published: 2, acked: 1, dead: 0 });
    expect(await client.ask("QPURGE q1")).toBe(1);
    expect(await client.ask("QDEAD RETRYALL q1")).toBe(0);
    expect(await client.ask("QDEAD PURGE q1")).toBe(0);
    expect(await client.ask("QDELETE q1")).toBe(1);
    expect(await client.ask("QSTATS q1")).toMatch(/^-QUEUE_NOT_FOUND /);
  });

  it("refuse forms and values that cannot be", async () => {
    expect(await client.ask("QPUBLISH q2 x PRIORITY 10")).toMatch(/^-ERR value is not an integer/);
    expect(await client.ask("QPUBLISH q2 x HEADERS [1]")).toBe("-ERR headers is no JSON object");
    expect(await client.ask("QPUBLISH q2 x HEADERS {")).toBe("-ERR headers is no JSON object");
    expect(await client.ask("QPUBLISH q2 x DELAY 5 AT 7")).toBe("-ERR syntax error");
    expect(await client.ask("QPUBLISH q2 x NONSENSE")).toBe("-ERR syntax error");
    expect(await client.ask(`QPUBLISH ${"q".repeat(256)} x`)).toBe("-ERR queue may have at most 255 bytes");
    expect(await client.ask("QDEAD RETRY q2 x")).toMatch(/^-ERR value is not an integer/);
    expect(await client.ask("QDEAD")).toBe("-ERR wrong number of arguments for 'qdead' command");
    expect(await client.ask("QLIST")).toEqual([]);
  });

  it("have a consumer wait, and what it says meanwhile", async () => {
    const publisher = await open();
    await client.ask("QCREATE q3");
    client.say("QCONSUME q3 WAIT 5000");
    client.say("PING");
    await publisher.ask("QPUBLISH q3 hello");
    expect(asMap(await client.next())).toMatchObject({ payload: "hello" });
    expect(await client.next()).toBe("+PONG");
    expect(await client.ask("QCONSUME q3 WAIT 10")).toBeNull();
    expect(await client.ask("QCONSUME q3 WAIT 10 COUNT 2")).toEqual([]);
    expect(await publisher.ask("QDELETE q3")).toBe(1);
  });

  it("do not have a transaction wait", async () => {
    await client.ask("QCREATE q4");
    await client.ask("MULTI");
    await client.ask("QCONSUME q4 WAIT 5000");
    await client.ask("QPUBLISH q4 x");
    await client.ask("QCONSUME q4 COUNT 1");
    expect(await client.ask("EXEC")).toMatchObject([null, someInteger, [expect.arrayContaining(["x"])]]);
    client.say("QCONSUME q4 WAIT 5000");
    await (await open()).ask("QPUBLISH q4 y");
    expect(asMap(await client.next())).toMatchObject({ payload: "y" });
    await client.ask("QDELETE q4");
  });

  it("push to subscribers", async () => {
    await client.ask("HELLO 3");
    await client.ask("QCREATE q5");
    const id = await client.ask("QSUBSCRIBE q5 PREFETCH 1");
    const publisher = await open();
    await publisher.ask("QPUBLISH q5 hello");
    const push = await client.raw();
    expect(push).toMatch(/^>2\r\n\$8\r\ndelivery\r\n%3\r\n/);
    const [, fields] = plainReply(Buffer.from(push, "latin1")) as Plain[];
    expect(asMap(fields)).toMatchObject({ subscription_id: id, queue: "q5" });
    expect(await client.ask("QUNSUBSCRIBE q5")).toBe(1);
    expect(await client.ask("QUNSUBSCRIBE q5")).toBe(0);
    await client.ask("QDELETE q5");
  });
});

describe("rooms", () => {
  it("are created, published to and read", async () => {
    expect(await client.ask("SCREATE r1 MAXEVENTS 2")).toBe("+OK");
    expect(await client.ask("SCREATE r1")).toMatch(/^-ROOM_EXISTS /);
    expect(await client.ask('SPUBLISH r1 said a METADATA {"by":"me"}')).toBe(0);
    expect(await client.ask("SPUBLISH r1 said b DEDUP d")).toBe(1);
    expect(await client.ask("SPUBLISH r1 said b DEDUP d")).toBe(1);
    expect(await client.ask("SPUBLISH r1 said c")).toBe(2);
    const read = await client.askMap("SREAD r1 FROM 0 COUNT 1");
    expect(read).toMatchObject({ oldest_offset: 1, newest_offset: 2, next_offset: 2 });
    expect(asMap((read.events as Plain[])[0])).toMatchObject({ offset: 1, event: "said", data: "b" });
    expect(await client.ask("SREAD r1 FROM 0 STRICT")).toMatch(/^-OFFSET_TRIMMED /);
    expect(await client.askMap("SSTATS r1")).toMatchObject({ message_count: 2, total_published: 3 });
    expect(await client.askMap("SLIST COUNT 10")).toMatchObject({ rooms: ["r1"], total: 1 });
    expect(await client.ask("SDELETE r1")).toBe(1);
    expect(await client.ask("SREAD r1")).toMatch(/^-ROOM_NOT_FOUND /);
  });

  it.each([2, 3])("push history and new events over RESP%i", async (version) => {
    await client.ask(`HELLO ${version}`);
    await client.ask("SPUBLISH r2 said a");
    expect(await client.askMap("SSUBSCRIBE r2 FROM 0")).toMatchObject({ from_offset: 0, newest_offset: 0 });
    const event = async () => asMap(((await client.next()) as Plain[])[1]);
    expect(await event()).toMatchObject({ room: "r2", offset: 0, event: "said", data: "a" });
    const publisher = await open();
    await publisher.ask("SPUBLISH r2 said b");
    expect(await event()).toMatchObject({ offset: 1, data: "b" });
    expect(await client.ask("SUNSUBSCRIBE r2")).toBe(1);
    expect(await client.ask("SDELETE r2")).toBe(1);
  });
});

describe("between protocols", () => {
  it("a message reaches Redis clients and WebSockets, whoever published it", async () => {
    const socket = await connectClient("websocket-text", server.url);
    const command = (name: string, payload: unknown) =>
      socket.send(Buffer.from(JSON.stringify({ command: name, payload })));
    await command("pubsub.subscribe", { topics: ["news.*"] });
    await client.ask("PSUBSCRIBE n*u");
    const publisher = await open();
    expect(await publisher.ask("PUBLISH news.eu hello")).toBe(2);
    expect(await client.next()).toEqual(["pmessage", "n*u", "news.eu", "hello"]);
    await vi.waitFor(() =>
      expect(socket.pushes).toMatchObject([{ topic: "news.eu", pattern: "news.*", data: "hello" }]),
    );
    socket.pushes.length = 0;
    await command("pubsub.publish", { topic: "news.eu", payload: { a: [1, "ž"] } });
    expect(await client.next()).toEqual([
      "pmessage",
      "n*u",
      "news.eu",
      Buffer.from('{"a":[1,"ž"]}').toString("latin1"),
    ]);
    await command("pubsub.publish", { topic: "news.eu", payload: 42 });
    expect(await client.next()).toEqual(["pmessage", "n*u", "news.eu", "42"]);
    expect(await publisher.ask("PUBSUB CHANNELS")).toEqual([]);
    await socket.close();
  });

  it("a channel that could not be a topic matches no pattern of topics", async () => {
    const socket = await connectClient("websocket-text", server.url);
    await socket.send(Buffer.from(JSON.stringify({ command: "pubsub.subscribe", payload: { topics: ["#"] } })));
    expect(await client.ask("PUBLISH a.b x")).toBe(1);
    for (const channel of ["a..b", "a.*", "#", ".", Buffer.from([0xff]).toString("latin1"), "x".repeat(256)]) {
      client.sayBytes("PUBLISH", channel, "x");
      expect(await client.next()).toBe(0);
    }
    await socket.close();
  });

  it("a subscriber that does not read is cut off", async () => {
    await client.ask("SUBSCRIBE flood");
    client.pause();
    const publisher = await open();
    const message = "x".repeat(32 * 1024);
    // What the system's own buffers take comes first.
    await vi.waitFor(
      async () => {
        for (let i = 0; i < 100; i++) await publisher.ask(`PUBLISH flood ${message}`);
        expect(await publisher.ask("PUBLISH flood x")).toBe(0);
      },
      { timeout: 10_000, interval: 1 },
    );
  });
});
