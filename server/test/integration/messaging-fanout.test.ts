/** Five thousand subscribers of a real process, some of which never read; and subscriptions that come and go in thousands. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Fields, numbers, ServerProcess, type SocketClient, until } from "./messaging-server.ts";

const MB = 2 ** 20;
const OUTBOX_BYTES_MAX = MB;
/** On an idle machine a round takes half a second and ten thousand subscriptions one; it may have other things to do. */
const ROUND_MS_MAX = 10_000;
const CHURN_MS_MAX = 5000;

let server: ServerProcess;
beforeEach(async () => {
  const limits = ["outbox_bytes_max", "max_reply_bytes"].map((name) => `protocol.${name}=${OUTBOX_BYTES_MAX}`);
  server = await ServerProcess.start(...limits);
});
afterEach(() => server.end());

/** How many subscriptions the server says there are, of all kinds. */
async function subscriptions(): Promise<number> {
  const { samples } = (await server.metrics()).get("synap_subscriptions") ?? expect.fail("no metric");
  return samples.reduce((sum, { value }) => sum + value, 0);
}

/** Keeps what came of one series, and that each came once and in order. */
class Series {
  next = 0;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  take(number: unknown): void {
    if (number !== this.next) throw new Error(`${this.#name}: ${this.next} has to come next, not ${number}`);
    this.next += 1;
  }
}

const SUBSCRIBERS = 5000;
const TOPICS = 8;
const ROUNDS = 6;
const ROUND_STEPS = 8;
/** Events of the bulk room and messages of the bulk topic, in a step. */
const BULK_EVENTS = 4;
/** Those of them that get also what the silent ones do not read. */
const BULK_READERS = 5;
/** Every fifth. */
const WILDCARDS = ["news.*", "news.#", "*.*", "#.*.*"];

/** One of the five thousand: the events of the room, and the messages of one topic or of all topics by a wildcard. */
class Subscriber {
  readonly room = new Series("room");
  readonly topics = numbers(TOPICS).map((topic) => new Series(`topic ${topic}`));
  readonly bulkRoom = new Series("bulk room");
  readonly bulkTopic = new Series("bulk topic");
  readonly pattern: string;
  /** Of each topic this one gets all, or nothing. */
  readonly isSubscribedTo: readonly boolean[];

  readonly isBulkReader: boolean;

  constructor(number: number) {
    this.isBulkReader = number < BULK_READERS;
    const isWild = number % 5 === 0;
    this.pattern = isWild ? WILDCARDS[(number / 5) % WILDCARDS.length] : `news.${number % TOPICS}`;
    this.isSubscribedTo = numbers(TOPICS).map((topic) => isWild || topic === number % TOPICS);
  }

  async join(): Promise<void> {
    const client = await server.connect((push) => this.#take(push));
    const subscribed = client.send("stream.subscribe", { room: "room" });
    await client.send("pubsub.subscribe", { topics: [this.pattern] });
    await subscribed;
    if (!this.isBulkReader) return;
    await client.send("stream.subscribe", { room: "bulk" });
    await client.send("pubsub.subscribe", { topics: ["bulk"] });
  }

  hasAll(rounds: number): boolean {
    return (
      this.room.next === rounds &&
      this.topics.every(({ next }, topic) => next === (this.isSubscribedTo[topic] ? rounds : 0))
    );
  }

  #take(push: Fields): void {
    if (push.type === "event") {
      const series = push.room === "room" ? this.room : this.bulkRoom;
      series.take(push.offset);
      return;
    }
    if (push.type !== "message") throw new Error(`unexpected: ${JSON.stringify(push).slice(0, 200)}`);
    if (push.topic === "bulk") {
      this.bulkTopic.take(Number(String(push.data).slice(0, 8)));
      return;
    }
    // Not by `expect`, which takes longer than the server does.
    if (push.pattern !== this.pattern) throw new Error(`not subscribed to: ${JSON.stringify(push).slice(0, 200)}`);
    // What is published below.
    const { topic, number } = push.data as { readonly topic: number; readonly number: number };
    this.topics[topic].take(number);
  }
}

async function joinAll(): Promise<Subscriber[]> {
  const subscribers = numbers(SUBSCRIBERS).map((number) => new Subscriber(number));
  for (let i = 0; i < SUBSCRIBERS; i += 250) {
    await Promise.all(subscribers.slice(i, i + 250).map((subscriber) => subscriber.join()));
  }
  return subscribers;
}

/** Ten that read nothing after the reply: five of a room, five of a topic. */
async function joinSilent(): Promise<{ readonly ofRoom: SocketClient[]; readonly ofTopic: SocketClient[] }> {
  const silent = await Promise.all(numbers(10).map(() => server.connect()));
  const [ofRoom, ofTopic] = [silent.slice(0, 5), silent.slice(5)];
  for (const client of ofRoom) await client.send("stream.subscribe", { room: "bulk" });
  for (const client of ofTopic) await client.send("pubsub.subscribe", { topics: ["bulk"] });
  for (const { socket } of silent) socket.pause();
  return { ofRoom, ofTopic };
}

/** The most that one connection has left unread, as the server knows it. */
async function largestUnread(): Promise<number> {
  // The reply of admin.clients.
  const reply = (await server.send("admin.clients", { limit: 10_000 })) as { clients: { unread_bytes: number }[] };
  return Math.max(...reply.clients.map(({ unread_bytes: bytes }) => bytes));
}

async function info(): Promise<{ readonly residentBytes: number; readonly cutOff: number }> {
  // The reply of admin.info.
  const reply = (await server.send("admin.info", {})) as Record<string, Record<string, number>>;
  return { residentBytes: reply.memory.rss_bytes, cutOff: reply.clients.slow_cut_off };
}

/** Publishes 256 KB to the bulk room and to the bulk topic, and waits for the `readers`: no more than they can have unread. */
async function publishBulk(publisher: SocketClient, readers: readonly Subscriber[], step: number): Promise<void> {
  const filler = "x".repeat(64 * 1024);
  const first = step * BULK_EVENTS;
  const published = numbers(BULK_EVENTS).flatMap((n) => {
    const data = `${String(first + n).padStart(8, "0")}${filler}`;
    return [
      publisher.send("stream.publish", { room: "bulk", event: "e", data }),
      publisher.send("pubsub.publish", { topic: "bulk", payload: data }),
    ];
  });
  await Promise.all(published);
  await until(() =>
    readers.every(({ bulkRoom, bulkTopic }) => Math.min(bulkRoom.next, bulkTopic.next) === first + BULK_EVENTS),
  );
}

it("gives five thousand subscribers every event once and in order, whoever does not read", {
  timeout: 60_000,
}, async () => {
  await server.send("stream.create", { room: "room" });
  await server.send("stream.create", { room: "bulk", max_bytes: 2 * MB });
  const subscribers = await joinAll();
  const readers = subscribers.slice(0, BULK_READERS);
  const { ofRoom, ofTopic } = await joinSilent();
  const publisher = await server.connect();
  expect(await subscriptions()).toBe(2 * (SUBSCRIBERS + BULK_READERS) + ofRoom.length + ofTopic.length);
  const { residentBytes } = await info();
  for (let round = 0; round < ROUNDS; round++) {
    const startedAtMs = performance.now();
    const published = numbers(TOPICS).map((topic) =>
      publisher.send("pubsub.publish", { topic: `news.${topic}`, payload: { topic, number: round } }),
    );
    published.push(publisher.send("stream.publish", { room: "room", event: "e", data: round }));
    for (let step = 0; step < ROUND_STEPS; step++) {
      await publishBulk(publisher, readers, round * ROUND_STEPS + step);
      // They have a few seconds to hear why.
      if ((await info()).cutOff === ofTopic.length) for (const { socket } of ofTopic) socket.resume();
    }
    await Promise.all(published);
    await until(() => subscribers.every((subscriber) => subscriber.hasAll(round + 1)));
    expect(performance.now() - startedAtMs).toBeLessThan(ROUND_MS_MAX);
  }
  await until(() => ofTopic.every(({ closeCode }) => closeCode === 1013));
  for (const { pushes } of ofTopic) {
    expect(pushes.pop()).toMatchObject({ type: "closing", code: "SLOW_CONSUMER" });
    const series = new Series("cut off");
    for (const { data } of pushes) series.take(Number(String(data).slice(0, 8)));
    expect(series.next).toBeLessThan(ROUNDS * ROUND_STEPS * BULK_EVENTS);
  }
  // A room's reader is given only so much, and is not cut off.
  const unread = await largestUnread();
  expect(unread).toBeGreaterThan(0);
  expect(unread).toBeLessThan(OUTBOX_BYTES_MAX / 2);
  expect(ofRoom.map(({ closeCode }) => closeCode)).toEqual(ofRoom.map(() => undefined));
  for (const { socket } of ofRoom) socket.resume();
  const last = ROUNDS * ROUND_STEPS * BULK_EVENTS - 1;
  for (const { pushes } of ofRoom) {
    await until(() => pushes.at(-1)?.offset === last);
    const series = new Series("silent reader");
    for (const push of pushes) {
      series.take(push.type === "gap" ? push.from_offset : push.offset);
      if (push.type === "gap") series.next = Number(push.to_offset) + 1;
    }
    expect(pushes.filter(({ type }) => type === "gap")).toHaveLength(1);
  }
  const after = await info();
  expect(after.cutOff).toBe(ofTopic.length);
  expect(after.residentBytes - residentBytes).toBeLessThan(100 * MB);
});

it("takes ten thousand subscriptions and their ends in a second, and has nothing left of them", async () => {
  const [client, publisher] = [await server.connect(), await server.connect()];
  await server.send("stream.create", { room: "r" });
  const startedAtMs = performance.now();
  const replies: Promise<Fields>[] = [];
  for (const i of numbers(2500)) {
    const topics = [`churn.${i}`, `churn.*.${i}`, `#.${i % 100}`];
    replies.push(client.send("pubsub.subscribe", { topics }), client.send("pubsub.unsubscribe", { topics }));
    replies.push(client.send("stream.subscribe", { room: "r" }), client.send("stream.unsubscribe", { room: "r" }));
    if (i % 10 === 0) {
      replies.push(client.send("kv.watch", { prefix: `p${i}:` }), client.send("kv.unwatch", { prefix: `p${i}:` }));
    }
  }
  await Promise.all(replies);
  expect(performance.now() - startedAtMs).toBeLessThan(CHURN_MS_MAX);
  expect(await subscriptions()).toBe(0);
  expect(await server.send("pubsub.stats", {})).toMatchObject({
    total_subscribers: 0,
    total_wildcard_subscriptions: 0,
  });
  expect(await server.send("pubsub.topics", {})).toMatchObject({ topics: [], count: 0 });

  // As many as one connection may have, and one more.
  for (let i = 0; i < 10_000; i += 500) {
    await client.send("pubsub.subscribe", { topics: numbers(500).map((n) => `held.${i + n}`) });
  }
  expect(await client.post("pubsub.subscribe", { topics: ["one.more"] })).toMatchObject({ success: false });
  expect(await subscriptions()).toBe(10_000);
  client.socket.terminate();
  await until(async () => (await subscriptions()) === 0);
  expect(await server.send("pubsub.stats", {})).toMatchObject({ total_subscribers: 0 });

  const publishingAtMs = performance.now();
  const published = numbers(5000).map((n) => publisher.send("pubsub.publish", { topic: `held.${n}`, payload: n }));
  for (const reply of await Promise.all(published)) expect(reply.subscribers_matched).toBe(0);
  expect(performance.now() - publishingAtMs).toBeLessThan(CHURN_MS_MAX);
});
