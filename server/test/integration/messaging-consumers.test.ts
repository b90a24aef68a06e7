/** Consumers of queues against a real process: those whose socket breaks, those that crash, and those that wait. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Fields, numbers, ServerProcess, type SocketClient, until } from "./messaging-server.ts";

let server: ServerProcess;
let workers: Worker[];
beforeEach(async () => {
  server = await ServerProcess.start();
  workers = [];
});
afterEach(async () => {
  for (const worker of workers) await worker.kill();
  await server.end();
});

/** What tests look at of a delivered message. */
interface Delivered {
  readonly id: number;
  readonly delivery_id: number;
  readonly payload: unknown;
  readonly retry_count: number;
  readonly deadline_at_ms: number;
}

/** The messages of a client's delivery pushes so far. */
function deliveriesOf({ pushes }: SocketClient): Delivered[] {
  return pushes.filter(({ type }) => type === "delivery").map(({ message }) => message as Delivered);
}

function stats(queue: string): Promise<Fields> {
  return server.send("queue.stats", { queue });
}

function publish(queue: string, payloads: readonly unknown[]): Promise<Fields> {
  return server.send("queue.publish_batch", { queue, messages: payloads.map((payload) => ({ payload })) });
}

describe("a consumer whose socket breaks between delivery and ack", () => {
  it("gives what was pushed to it back at once, in its place, and its delivery ids are void", async () => {
    await server.send("queue.create", { name: "work", config: { ack_deadline_secs: 3600 } });
    await publish("work", numbers(15));
    const [broken, other] = [await server.connect(), await server.connect()];
    await broken.send("queue.subscribe", { queue: "work", prefetch: 10 });
    await until(() => broken.pushes.length === 10);
    const [first, ...held] = deliveriesOf(broken);
    await broken.send("queue.ack", { queue: "work", message_id: first.id, delivery_id: first.delivery_id });
    await until(() => broken.pushes.length === 11);
    held.push(...deliveriesOf(broken).slice(10));
    broken.socket.terminate();
    await until(async () => (await stats("work")).pending === 0);
    await other.send("queue.subscribe", { queue: "work", prefetch: 100 });
    await until(() => other.pushes.length === 14);
    const again = deliveriesOf(other);
    expect(again.map(({ payload }) => payload)).toEqual(numbers(15).slice(1));
    for (const [i, { id, delivery_id }] of held.entries()) {
      expect(again[i].id).toBe(id);
      expect(again[i].delivery_id).toBeGreaterThan(delivery_id);
      for (const command of ["queue.ack", "queue.nack"]) {
        const stale = await server.post(command, { queue: "work", message_id: id, delivery_id });
        expect(stale).toMatchObject({ success: false, code: "STALE_DELIVERY" });
      }
    }
    for (const { id, delivery_id } of again) {
      await other.send("queue.ack", { queue: "work", message_id: id, delivery_id });
    }
    expect(await stats("work")).toMatchObject({ depth: 0, pending: 0, dead: 0, acked: 15, consumers: 1 });
  });

  it("keeps to their deadline what it took with queue.consume", async () => {
    const backoff = { initial: 0, factor: 1, max: 0 };
    await server.send("queue.create", { name: "work", config: { ack_deadline_secs: 3600, retry_backoff_ms: backoff } });
    await publish("work", ["short", "long"]);
    const broken = await server.connect();
    const take = async (payload: object) =>
      (await broken.send("queue.consume", { queue: "work", ...payload })).message as Delivered;
    const short = await take({ ack_deadline: 1 });
    const long = await take({});
    broken.socket.terminate();
    await once(broken.socket, "close");
    await until(
      async () => (await server.metrics()).get("synap_connections_active")?.samples.every(isNoWebSocket) === true,
    );
    expect(await stats("work")).toMatchObject({ ready: 0, pending: 2 });
    const again = (await server.send("queue.consume", { queue: "work", wait_ms: 10_000 })).message as Delivered;
    expect(Date.now()).toBeGreaterThanOrEqual(short.deadline_at_ms);
    expect(again).toMatchObject({ id: short.id, payload: "short", retry_count: 1 });
    const stale = { queue: "work", message_id: short.id, delivery_id: short.delivery_id };
    expect(await server.post("queue.ack", stale)).toMatchObject({ code: "STALE_DELIVERY" });
    for (const { id, delivery_id } of [again, long]) {
      await server.send("queue.ack", { queue: "work", message_id: id, delivery_id });
    }
    expect(await stats("work")).toMatchObject({ depth: 0, pending: 0, acked: 2 });
  });
});

function isNoWebSocket({ labels, value }: { readonly labels: Fields; readonly value: number }): boolean {
  return labels.protocol !== "websocket" || value === 0;
}

/** A worker: says `handled N` before it acknowledges message N, and `acked N` when it is told that it has. */
const WORKER = `
  import { writeSync } from "node:fs";
  import { WebSocket } from "ws";
  const say = (word, payload) => writeSync(1, word + " " + payload + "\\n");
  const socket = new WebSocket(process.argv[1], { perMessageDeflate: false });
  const send = (command, request_id, payload) => socket.send(JSON.stringify({ command, request_id, payload }));
  socket.on("open", () => send("queue.subscribe", "s", { queue: "work", prefetch: 50 }));
  socket.on("message", (data) => {
    const { type, request_id, message, success } = JSON.parse(String(data));
    if (type === "delivery") {
      say("handled", message.payload);
      const { id, delivery_id, payload } = message;
      send("queue.ack", payload, { queue: "work", message_id: id, delivery_id });
    } else if (request_id !== "s") say(success ? "acked" : "refused", request_id);
  });
`;

/** A worker in a process of its own, and how often it said what of which message. */
class Worker {
  readonly child: ChildProcess;
  readonly said = { handled: new Map<number, number>(), acked: new Map<number, number>(), refused: new Map() };
  readonly gone: Promise<unknown>;
  onLine: () => void = () => {};

  constructor() {
    const url = `${server.url.replace("http", "ws")}/api/v1/ws`;
    const cwd = fileURLToPath(new URL(".", import.meta.url));
    this.child = spawn(process.execPath, ["--input-type=module", "-e", WORKER, url], {
      cwd,
      stdio: ["ignore", "pipe", "inherit"],
    });
    // A worker that ends sooner than told shows in what it has not done.
    const stdout = this.child.stdout ?? expect.fail("its output is piped");
    const lines = createInterface({ input: stdout });
    lines.on("line", (line) => {
      const [word, payload] = line.split(" ");
      const counts = this.said[word as keyof Worker["said"]];
      counts.set(Number(payload), (counts.get(Number(payload)) ?? 0) + 1);
      this.onLine();
    });
    this.gone = Promise.all([once(lines, "close"), once(this.child, "close")]);
    workers.push(this);
  }

  kill(): Promise<unknown> {
    this.child.kill("SIGKILL");
    return this.gone;
  }
}

it("hands what a crashed worker held to the next: no message lost, none acknowledged twice", async () => {
  const count = 2000;
  await server.send("queue.create", { name: "work", config: { ack_deadline_secs: 3600 } });
  for (let i = 0; i < count; i += 1000)
    await publish(
      "work",
      numbers(1000).map((n) => i + n),
    );
  const crashed = new Worker();
  crashed.onLine = () => {
    if (crashed.said.handled.size >= 700) crashed.child.kill("SIGKILL");
  };
  await crashed.gone;
  expect(crashed.said.handled.size).toBeGreaterThanOrEqual(700);
  const heir = new Worker();
  await until(async () => (await stats("work")).acked === count);
  await until(() => heir.said.handled.size > 0 && heir.said.acked.size === heir.said.handled.size);
  expect(await stats("work")).toMatchObject({ depth: 0, ready: 0, pending: 0, dead: 0, acked: count, consumers: 1 });
  await heir.kill();
  for (const n of numbers(count)) {
    const acked = (crashed.said.acked.get(n) ?? 0) + (heir.said.acked.get(n) ?? 0);
    expect(acked, `message ${n}`).toBeLessThanOrEqual(1);
    expect(crashed.said.handled.has(n) || heir.said.handled.has(n), `message ${n}`).toBe(true);
  }
  // Twice in hand at most what was in flight when the first one crashed.
  const twice = numbers(count).filter((n) => crashed.said.handled.has(n) && heir.said.handled.has(n));
  expect(twice.length).toBeLessThanOrEqual(50);
  expect([crashed, heir].map(({ said }) => said.refused.size)).toEqual([0, 0]);
});

describe("consumers that wait", () => {
  const QUEUES = ["even", "odd"];
  let socket: SocketClient;

  beforeEach(async () => {
    socket = await server.connect();
    for (const name of QUEUES) {
      const backoff = { initial: 0, factor: 1, max: 0 };
      await server.send("queue.create", { name, config: { retry_backoff_ms: backoff } });
    }
  });

  /** Whoever waits, over HTTP and over one WebSocket by turns, one after the other so that their order is known. */
  async function waitInLine(
    count: number,
  ): Promise<Promise<{ readonly payload: Fields; readonly success: boolean }>[]> {
    const answers: ReturnType<SocketClient["post"]>[] = [];
    for (let i = 0; i < count; i++) {
      const queue = QUEUES[i % 2];
      const client = i % 4 < 2 ? server : socket;
      answers.push(client.post("queue.consume", { queue, wait_ms: 60_000 }));
      await until(async () => (await stats(queue)).consumers === Math.floor(i / 2) + 1);
    }
    return answers;
  }

  it("get one message each, in the order they came", async () => {
    const answers = await waitInLine(200);
    for (const [q, queue] of QUEUES.entries())
      await publish(
        queue,
        numbers(100).map((n) => 2 * n + q),
      );
    const messages = (await Promise.all(answers)).map(({ payload }) => payload.message as Delivered);
    expect(messages.map(({ payload }) => payload)).toEqual(numbers(200));
    expect(new Set(messages.map(({ delivery_id }) => delivery_id)).size).toBe(200);
    for (const queue of QUEUES) {
      expect(await stats(queue)).toMatchObject({ ready: 0, pending: 100, consumers: 0, consumed: 100 });
    }
  });

  it("lose nothing by giving up, in time or at the very moment", async () => {
    const aborts = numbers(60).map(() => new AbortController());
    const payload = { queue: "even", wait_ms: 60_000, ack_deadline: 1 };
    const answers = aborts.map(({ signal }) => server.post("queue.consume", payload, signal).catch(() => undefined));
    await until(async () => (await stats("even")).consumers === 60);
    for (const abort of aborts.slice(0, 20)) abort.abort();
    await until(async () => (await stats("even")).consumers === 40);
    // Those at the end of the line go when the first one has its answer: theirs are on their way.
    const gone = Promise.race(answers.slice(20)).then(() => {
      for (const abort of aborts.slice(40)) abort.abort();
    });
    await publish("even", numbers(40));
    await gone;
    const taken = (await Promise.all(answers)).flatMap((reply) => (reply ? [reply.payload.message as Delivered] : []));
    expect(taken.length).toBeGreaterThanOrEqual(20);
    const seen = new Set<unknown>();
    const finish = async ({ id, delivery_id, payload: content }: Delivered): Promise<void> => {
      const { success } = await server.post("queue.ack", { queue: "even", message_id: id, delivery_id });
      // Where the machine is slow its deadline may be over: then it comes again.
      if (success) seen.add(content);
    };
    for (const message of taken) await finish(message);
    // What was on its way to those who gave up comes back at its deadline; nobody had it from them.
    while (seen.size < 40) {
      const { message } = await server.send("queue.consume", payload);
      await finish(message as Delivered);
    }
    expect(await stats("even")).toMatchObject({ ready: 0, pending: 0, dead: 0, acked: 40 });
  });

  it("are answered when the server stops, which ends in time", async () => {
    const answers = await waitInLine(40);
    const idle = socket.send("queue.stats", { queue: "even" });
    server.signal("SIGTERM");
    const askedAtMs = Date.now();
    for (const reply of await Promise.all(answers))
      expect(reply).toMatchObject({ success: true, payload: { message: null } });
    await idle;
    await until(() => socket.closeCode !== undefined);
    expect(socket.pushes).toEqual([expect.objectContaining({ type: "closing", code: "SHUTTING_DOWN" })]);
    expect(socket.closeCode).toBe(1001);
    expect(await server.ended).toEqual([0, null]);
    expect(Date.now() - askedAtMs).toBeLessThan(5000);
  });
});

describe("a client that sends more than a turn's work and closes without waiting", () => {
  it("loses nothing of what it has sent", async () => {
    const client = await server.connect();
    for (let i = 0; i < 20_000; i++) {
      client.socket.send(JSON.stringify({ command: "queue.publish", payload: { queue: "left", payload: i } }));
    }
    client.socket.close();
    await until(async () => (await server.post("queue.stats", { queue: "left" })).success === true);
    await until(async () => (await stats("left")).published === 20_000);
  });

  it("leaves nothing subscribed by messages that had to wait", async () => {
    const client = await server.connect();
    const publish = { command: "queue.publish", payload: { queue: "left", payload: 1 } };
    for (let i = 0; i < 20_000; i++) client.socket.send(JSON.stringify(publish));
    client.socket.send(JSON.stringify({ command: "pubsub.subscribe", payload: { topics: ["news"] } }));
    client.socket.send(JSON.stringify({ command: "kv.set", payload: { key: "last", value: 1 } }));
    client.socket.close();
    await until(async () => (await server.post("kv.exists", { key: "last" })).payload?.exists === true);
    await until(async () => (await server.send("pubsub.stats", {})).total_subscribers === 0);
  });
});
