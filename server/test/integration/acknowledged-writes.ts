/**
 * Clients that write as fast as they are answered, and keep what they were told outside the server. Each goes on until its
 * server is gone; what it has sent last may have happened or not. Afterwards everything that was acknowledged has to be there.
 *
 *     keys       over a WebSocket, and over RESP: each key counts up; the value may be ahead of what was acknowledged by what
 *                was under way, and never behind
 *     counter    over HTTP, idempotent: a request without an answer is sent again with its id, so each counts exactly once
 *     queue      publishers over a WebSocket, a consumer over HTTP: what was published is delivered, and what was
 *                acknowledged never again
 *     room       over a WebSocket: every event at the offset that its publisher was told
 */
import { expect } from "vitest";
import { RawConnection } from "../protocol/differential/raw-connection.ts";
import { CommandPipeline } from "./command-pipeline.ts";
import type { ServerProcess } from "./server-process.ts";

const QUEUE = "crash jobs";
const ROOM = "crash room";
const KEYS = 50;
/** Commands that a client has under way at once. */
const WINDOW = 8;
const ACK_DEADLINE_SECS = 1;

interface Counted {
  sent: number;
  acknowledged: number;
}

/** Refused for a reason that passes: the server stops, or its disk is full. */
class Refusal extends Error {}

export class AcknowledgedWrites {
  readonly #keys = new Map<string, Counted>();
  #counter = 0;
  #counterIsOpen = false;
  #published = 0;
  /** By payload. */
  readonly #publishedAcknowledged = new Set<number>();
  readonly #delivered = new Set<number>();
  /** By message id: their acknowledgements were sent, and were acknowledged themselves. */
  readonly #ackSent = new Set<number>();
  readonly #acked = new Set<number>();
  #events = 0;
  /** By offset. */
  readonly #eventsAcknowledged = new Map<number, number>();
  /** Writes that were acknowledged. */
  count = 0;
  readonly #padding: string;

  /** @param paddingBytes of each value, so that the log is longer. */
  constructor(paddingBytes = 100) {
    this.#padding = "p".repeat(paddingBytes);
  }

  /** Writes until the server is gone. */
  async runUntilGone(server: ServerProcess): Promise<void> {
    await Promise.all([
      this.#overWebSocket(server),
      this.#overResp(server),
      this.#countOverHttp(server),
      this.#consume(server),
    ]);
  }

  // Writing

  async #overWebSocket({ url }: ServerProcess): Promise<void> {
    const pipeline = await openOr(() => CommandPipeline.open(url));
    if (pipeline === undefined) return;
    const send = async (command: string, payload: object): Promise<Record<string, number>> => {
      const reply = await pipeline.send(command, payload);
      if (!reply.success) throw new Refusal(`${command}: ${JSON.stringify(reply)}`);
      // All of these answer with an object of numbers and names.
      return reply.payload as Record<string, number>;
    };
    const clients = Array.from({ length: WINDOW }, async (_, client) => {
      for (let i = 0; ; i++) {
        await this.#setKey(`ws ${(client * 7 + i) % KEYS}`, (key, value) => send("kv.set", { key, value }));
        await this.#publish(send);
        await this.#addEvent(send);
      }
    });
    await Promise.all(clients.map(untilGone));
    pipeline.close();
  }

  async #overResp({ respUrl }: ServerProcess): Promise<void> {
    const connection = await openOr(() => RawConnection.open(respUrl ?? ""));
    if (connection === undefined) return;
    await untilGone(
      (async () => {
        for (let i = 0; ; i++) {
          await this.#setKey(`resp ${i % KEYS}`, async (key, value) => {
            const reply = await connection.call("SET", key, value);
            if (reply.toString() !== "+OK\r\n") throw new Refusal(reply.toString());
          });
        }
      })(),
    );
    connection.close();
  }

  async #setKey(key: string, set: (key: string, value: string) => Promise<unknown>): Promise<void> {
    const counted = this.#keys.get(key) ?? { sent: 0, acknowledged: 0 };
    this.#keys.set(key, counted);
    const value = ++counted.sent;
    await set(key, `${value} ${this.#padding}`);
    counted.acknowledged = Math.max(counted.acknowledged, value);
    this.count++;
  }

  async #publish(send: (command: string, payload: object) => Promise<unknown>): Promise<void> {
    const payload = ++this.#published;
    // However often it is not acknowledged, it does not die.
    await send("queue.publish", { queue: QUEUE, payload, max_retries: 65_535 });
    this.#publishedAcknowledged.add(payload);
    this.count++;
  }

  async #addEvent(send: (command: string, payload: object) => Promise<Record<string, number>>): Promise<void> {
    const data = ++this.#events;
    const { offset } = await send("stream.publish", { room: ROOM, event: "e", data });
    this.#eventsAcknowledged.set(offset, data);
    this.count++;
  }

  async #countOverHttp(server: ServerProcess): Promise<void> {
    await untilGone(
      (async () => {
        for (;;) {
          if (!this.#counterIsOpen) this.#counter++;
          this.#counterIsOpen = true;
          const envelope = { client_id: "counter", request_id: this.#counter, idempotent: true };
          const reply = await server.send({ command: "kv.incr", payload: { key: "counter" }, ...envelope });
          if (!reply.success) throw new Refusal(JSON.stringify(reply));
          // Once for each id, however often it was sent.
          expect(reply.payload).toEqual({ value: this.#counter });
          this.#counterIsOpen = false;
          this.count++;
        }
      })(),
    );
  }

  async #consume(server: ServerProcess): Promise<void> {
    await untilGone(
      (async () => {
        for (;;) await this.#consumeSome(server, 5);
      })(),
    );
  }

  /** Takes some messages, and acknowledges all but every fifth; returns how many there were. */
  async #consumeSome(server: ServerProcess, count: number, waitMs = 20): Promise<number> {
    const request = { queue: QUEUE, count, wait_ms: waitMs, ack_deadline: ACK_DEADLINE_SECS };
    const reply = await server.ask("queue.consume", request);
    // Before anything was published.
    if (reply.code === "QUEUE_NOT_FOUND") return 0;
    if (!reply.success) throw new Refusal(JSON.stringify(reply));
    const { messages } = reply.payload as { messages: { id: number; delivery_id: number; payload: number }[] };
    for (const { id, delivery_id, payload } of messages) {
      if (this.#acked.has(id)) throw new Error(`message ${id} was acknowledged, and is delivered again`);
      this.#delivered.add(payload);
      if (payload % 5 === 0 && !this.#isDraining) continue;
      this.#ackSent.add(id);
      const acked = await server.ask("queue.ack", { queue: QUEUE, message_id: id, delivery_id });
      // Its deadline may have passed, or the acknowledgement before the crash have counted.
      if (!acked.success && acked.code !== "STALE_DELIVERY" && acked.code !== "MESSAGE_NOT_FOUND")
        throw new Refusal(JSON.stringify(acked));
      if (acked.success) this.#acked.add(id);
      this.count++;
    }
    return messages.length;
  }

  #isDraining = false;

  // Looking

  /** Throws where something is missing that was acknowledged. */
  async verify(server: ServerProcess): Promise<void> {
    await this.#verifyKeys(server);
    await this.#verifyRoom(server);
    const least = this.#publishedAcknowledged.size - this.#ackSent.size;
    expect(await this.#queued(server)).toBeGreaterThanOrEqual(least);
  }

  /** Messages in the queue, which is there once something was published to it. */
  async #queued(server: ServerProcess): Promise<number> {
    const { success, code, payload } = await server.ask("queue.stats", { queue: QUEUE });
    if (!success) {
      expect(code).toBe("QUEUE_NOT_FOUND");
      return 0;
    }
    const { depth, pending } = payload as { depth: number; pending: number };
    return depth + pending;
  }

  async #verifyKeys(server: ServerProcess): Promise<void> {
    const found = await server.everything();
    for (const [key, { sent, acknowledged }] of this.#keys) {
      const value = Number(String(found[key] ?? "0").split(" ")[0]);
      expect(value, key).toBeGreaterThanOrEqual(acknowledged);
      expect(value, key).toBeLessThanOrEqual(sent);
    }
    const counter = Number(found.counter ?? 0);
    expect(counter).toBeGreaterThanOrEqual(this.#counter - (this.#counterIsOpen ? 1 : 0));
    expect(counter).toBeLessThanOrEqual(this.#counter);
  }

  async #verifyRoom(server: ServerProcess): Promise<void> {
    if (this.#eventsAcknowledged.size === 0) return;
    const events = new Map<number, number>();
    let next = 0;
    let oldest = 0;
    for (let hasMore = true; hasMore; ) {
      const page = (await server.run("stream.consume", { room: ROOM, from_offset: next, limit: 2000 })) as {
        events: { offset: number; data: number }[];
        oldest_offset: number;
        next_offset: number;
      };
      for (const { offset, data } of page.events) events.set(offset, data);
      next = page.next_offset;
      oldest = page.oldest_offset;
      hasMore = page.events.length > 0;
    }
    for (const [offset, data] of this.#eventsAcknowledged) {
      if (offset < oldest) this.#eventsAcknowledged.delete(offset);
      else if (events.get(offset) !== data) expect({ offset, data: events.get(offset) }).toEqual({ offset, data });
    }
  }

  /** Consumes everything: what was published and acknowledged must have come by then, and nothing that was acknowledged again. */
  async drain(server: ServerProcess): Promise<void> {
    this.#isDraining = true;
    let isEmpty = false;
    while (!isEmpty) {
      if ((await this.#consumeSome(server, 500, 100)) > 0) continue;
      isEmpty = (await this.#queued(server)) === 0;
    }
    this.#isDraining = false;
    const missing = [...this.#publishedAcknowledged].filter((payload) => !this.#delivered.has(payload));
    expect(missing).toEqual([]);
  }
}

/** Resolves when a client cannot go on because its server is gone, or has said that it is going. */
async function untilGone(client: Promise<never>): Promise<void> {
  try {
    await client;
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

async function openOr<T>(open: () => Promise<T>): Promise<T | undefined> {
  try {
    return await open();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  if (error instanceof Refusal) return /SERVICE_UNAVAILABLE|SHUTTING_DOWN/.test(error.message);
  if (!(error instanceof Error)) return false;
  // What fetch, ws and sockets say of a connection that ends or is refused.
  return (
    error.message === "fetch failed" ||
    error.message === "terminated" ||
    /closed|ECONNREFUSED|ECONNRESET|no reply after|other side closed|Unexpected end of JSON/.test(error.message)
  );
}
