/** What clients ask for: drawn by the seed, of few keys, queues and rooms, so that they meet there. */
import type { SeededChoices } from "./seeded-choices.ts";

export interface ClientRequest {
  readonly id: string;
  readonly command: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Sent again until it is answered, and run once. */
  readonly isIdempotent: boolean;
  /** What is in it and in nothing else. */
  readonly token: string | undefined;
  /** The key that a read is about. */
  readonly readKey: string | undefined;
}

const KEYS = ["k0", "k1", "k2", "k3", "k4"];
export const QUEUES = ["q0", "q1"];
const ROOMS = ["r0", "r1"];
/** Long values make segments and blocks end. */
const LONG = "x".repeat(900);
const IDEMPOTENT_SHARE = 0.4;

const WEIGHTS = {
  set: 14,
  get: 14,
  incr: 5,
  remove: 3,
  expire: 3,
  cas: 3,
  count: 4,
  mset: 2,
  scan: 1,
  flush: 0.2,
  publish: 14,
  consume: 14,
  peek: 2,
  stats: 1,
  event: 7,
  history: 3,
  wait: 2,
} as const;

/** A message that a client has been given. */
export interface HeldMessage {
  readonly queue: string;
  readonly id: number;
  readonly deliveryId: number;
  readonly token: string;
}

export class RequestMaker {
  readonly #clientId: number;
  readonly #choices: SeededChoices;
  readonly #replicaCount: number;
  #count = 0;
  /** Versions that reads have told, for conditions. */
  readonly versions = new Map<string, number>();

  constructor(clientId: number, choices: SeededChoices, replicaCount: number) {
    this.#clientId = clientId;
    this.#choices = choices;
    this.#replicaCount = replicaCount;
  }

  next(): ClientRequest {
    const choices = this.#choices;
    const key = choices.pick(KEYS);
    const kind = choices.weighted(WEIGHTS);
    const token = `~${this.#clientId}.${++this.#count}~`;
    const value = choices.chance(0.15) ? token + LONG : token;
    switch (kind) {
      case "set":
        return this.#write("kv.set", { key, value, ...this.#ttl() }, token);
      case "get":
        return { ...this.#plain("kv.get", { key, meta: true }), readKey: key };
      case "incr":
        return this.#plain("kv.incr", { key: `n${choices.below(2)}`, amount: choices.whole(-3, 9) });
      case "remove":
        return this.#plain("kv.del", { key });
      case "expire":
        return this.#plain("kv.expire", { key, ttl_ms: choices.whole(20, 600) });
      case "cas":
        return { ...this.#plain("kv.cas", { key, value, version: this.versions.get(key) ?? 0 }), token };
      case "count":
        return { ...this.#plain("kv.incr", { key: counterOf(this.#clientId) }), isIdempotent: true };
      case "mset":
        return {
          ...this.#plain("kv.mset", { pairs: KEYS.slice(0, 3).map((each) => ({ key: each, value })) }),
          token,
        };
      case "scan":
        return this.#plain("kv.scan", { values: true });
      case "flush":
        return this.#plain("kv.flushdb", {});
      case "publish":
        return this.#write(
          "queue.publish",
          { queue: choices.pick(QUEUES), payload: value, ...this.#delivery() },
          token,
        );
      case "consume":
        return this.#plain("queue.consume", this.#consume());
      case "peek":
        return this.#plain("queue.peek", { queue: choices.pick(QUEUES), count: 5 });
      case "stats":
        return this.#plain("queue.stats", { queue: choices.pick(QUEUES) });
      case "event":
        return this.#write("stream.publish", { room: choices.pick(ROOMS), event: "e", data: value }, token);
      case "history":
        return this.#plain("stream.consume", { room: choices.pick(ROOMS), from_offset: -10 });
      case "wait":
        return this.#plain("admin.wait", { replicas: this.#replicaCount, timeout_ms: 200 });
    }
  }

  #consume(): Record<string, unknown> {
    const choices = this.#choices;
    return {
      queue: choices.pick(QUEUES),
      count: choices.whole(1, 3),
      ack_deadline: choices.pick([1, 1, 2]),
      ...(choices.chance(0.4) ? { wait_ms: choices.whole(1, 300) } : {}),
    };
  }

  /** What a client does with a message that it holds. */
  settle({ queue, id, deliveryId }: HeldMessage): ClientRequest {
    const choices = this.#choices;
    const payload = { queue, message_id: id, delivery_id: deliveryId };
    const command = choices.weighted({ "queue.ack": 6, "queue.nack": 2, "queue.extend": 1 });
    if (command === "queue.extend") return this.#plain(command, { ...payload, ack_deadline: 2 });
    return { ...this.#plain(command, payload), isIdempotent: choices.chance(IDEMPOTENT_SHARE) };
  }

  subscribe(): ClientRequest {
    const choices = this.#choices;
    if (choices.chance(0.5)) {
      return this.#plain("queue.subscribe", {
        queue: choices.pick(QUEUES),
        prefetch: choices.whole(1, 4),
        ack_deadline: 1,
      });
    }
    return this.#plain("stream.subscribe", { room: choices.pick(ROOMS), from_offset: 0 });
  }

  #ttl(): Record<string, unknown> {
    return this.#choices.chance(0.3) ? { ttl_ms: this.#choices.whole(20, 600) } : {};
  }

  #delivery(): Record<string, unknown> {
    const choices = this.#choices;
    return {
      max_retries: choices.whole(0, 4),
      ...(choices.chance(0.2) ? { priority: choices.below(10) } : {}),
      ...(choices.chance(0.2) ? { delay_ms: choices.whole(1, 400) } : {}),
    };
  }

  #write(command: string, payload: Record<string, unknown>, token: string): ClientRequest {
    return { ...this.#plain(command, payload), token, isIdempotent: this.#choices.chance(IDEMPOTENT_SHARE) };
  }

  #plain(command: string, payload: Record<string, unknown>): ClientRequest {
    const id = `${this.#clientId}.${++this.#count}`;
    return { id, command, payload, isIdempotent: false, token: undefined, readKey: undefined };
  }
}

/** What a client counts its requests in, each exactly once. */
export function counterOf(clientId: number): string {
  return `c${clientId}`;
}

/**
 * The message of a request. Every other one that is to run once is the second of an idempotent batch, and is sent again as the
 * batch or by its index, in turns.
 * @param attempt how often it was sent before.
 */
export function encodeRequest(clientId: number, request: ClientRequest, attempt: number): Buffer {
  return Buffer.from(JSON.stringify(messageOf(clientId, request, attempt)));
}

function messageOf(clientId: number, request: ClientRequest, attempt: number): object {
  const { id, command, payload, isIdempotent } = request;
  const client_id = `client ${clientId}`;
  if (!isInBatch(request)) {
    return { command, request_id: id, ...(isIdempotent ? { client_id, idempotent: true } : {}), payload };
  }
  if (attempt % 2 === 1) {
    const item = { command, payload, request_id: id, index: 1, idempotent: true };
    return { type: "batch", client_id, request_id: `${id} again`, commands: [item] };
  }
  const other = { command: "kv.incr", payload: { key: `beside ${clientId}` } };
  return { type: "batch", client_id, request_id: id, idempotent: true, commands: [other, { command, payload }] };
}

function isInBatch({ id, isIdempotent }: ClientRequest): boolean {
  return isIdempotent && Number(id.slice(id.indexOf(".") + 1)) % 2 === 0;
}

/** The reply of the request, out of that of its message. */
export function replyTo(request: ClientRequest, text: string): string {
  if (!isInBatch(request)) return text;
  const reply = JSON.parse(text) as { readonly results?: readonly object[] };
  return JSON.stringify({ ...(reply.results?.at(-1) ?? reply), request_id: request.id });
}
