/**
 * A client: asks, waits, reconnects, and asks again where that is safe. What it is told goes into the accounts.
 *
 *     think --> send --delay--> node --gate--> frame --delay--> received
 *                 '-- the connection ends: idempotent requests are sent again, of others nobody knows what became of them
 */
import { ClientConnection, type ConnectionOwner } from "./client-connection.ts";
import { type ClientRequest, type HeldMessage, RequestMaker } from "./client-request.ts";
import type { DeliveredMessage } from "./message-account.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededChoices } from "./seeded-choices.ts";
import type { SimulatedNode } from "./simulated-node.ts";

export interface ClientParts {
  readonly clientId: number;
  readonly scheduler: Scheduler;
  readonly choices: SeededChoices;
  readonly requestCount: number;
  readonly replicaCount: number;
  readonly owner: ConnectionOwner & ClientObserver;
  readonly trace: (line: () => string) => void;
}

export interface ClientObserver {
  /** Which node the next connection is to; undefined where the client knows none. */
  nodeFor(choices: SeededChoices): SimulatedNode | undefined;
  nextConnectionId(): number;
  asked(clientId: number, request: ClientRequest): void;
  /** A message is about to be acknowledged. */
  acknowledging(token: string): void;
}

export interface ReplyBody {
  readonly success: boolean;
  readonly request_id: string;
  readonly code?: string;
  readonly payload?: unknown;
}

interface Outstanding {
  readonly request: ClientRequest;
  sentAtMs: number;
}

const NETWORK_MS = [0.05, 1.5] as const;
const THINK_MS_MAX = 30;
const PIPELINE_MAX = 4;
const REPLY_MS_MAX = 1500;
const RETRY_MS = 40;
const DROP_CHANCE = 0.01;
const RETRY_CODES = ["SERVICE_UNAVAILABLE", "READ_ONLY_REPLICA"];

export class SimulatedClient {
  readonly parts: ClientParts;
  readonly #maker: RequestMaker;
  readonly #outstanding = new Map<string, Outstanding>();
  readonly #again: ClientRequest[] = [];
  /** How often those were sent that are not answered. */
  readonly #attempts = new Map<string, number>();
  readonly #held: HeldMessage[] = [];
  #connection: ClientConnection | undefined;
  #left: number;
  #isEnding = false;

  constructor(parts: ClientParts) {
    this.parts = parts;
    this.#maker = new RequestMaker(parts.clientId, parts.choices.fork(), parts.replicaCount);
    this.#left = parts.requestCount;
    this.#after(parts.choices.between(0, THINK_MS_MAX), () => this.#think());
  }

  /** It has asked all that it wanted, and knows what became of it. */
  get isDone(): boolean {
    return this.#left <= 0 && this.#outstanding.size === 0 && this.#again.length === 0;
  }

  get name(): string {
    return `client ${this.parts.clientId}`;
  }

  #after(delayMs: number, run: () => void): void {
    this.parts.scheduler.after(delayMs, run);
  }

  #think(): void {
    if (this.#isEnding) return;
    this.#closeWhereSilent();
    const connection = this.#connected();
    if (connection === undefined) {
      this.#after(RETRY_MS, () => this.#think());
      return;
    }
    if (this.#outstanding.size < PIPELINE_MAX) {
      const request = this.#next();
      if (request !== undefined) this.#send(connection, request);
    }
    this.#after(this.parts.choices.between(0.1, THINK_MS_MAX), () => this.#think());
  }

  #next(): ClientRequest | undefined {
    const again = this.#again.shift();
    if (again !== undefined) return again;
    if (this.#left <= 0) return undefined;
    this.#left--;
    const { choices } = this.parts;
    const held = this.#held.length > 0 && choices.chance(0.6) ? this.#held.shift() : undefined;
    if (held !== undefined) return this.#settle(held);
    return choices.chance(0.04) ? this.#maker.subscribe() : this.#maker.next();
  }

  #settle(held: HeldMessage): ClientRequest {
    const request = this.#maker.settle(held);
    if (request.command === "queue.ack") this.parts.owner.acknowledging(held.token);
    if (request.command === "queue.extend") this.#held.push(held);
    return request;
  }

  #connected(): ClientConnection | undefined {
    if (this.#connection?.isOpen === true) return this.#connection;
    const { owner, choices, clientId } = this.parts;
    const node = owner.nodeFor(choices);
    if (node?.engine === undefined || !node.isUp) return undefined;
    this.#connection = new ClientConnection(owner.nextConnectionId(), clientId, node, node.engine, owner);
    return this.#connection;
  }

  #send(connection: ClientConnection, request: ClientRequest): void {
    const { owner, scheduler, choices, trace } = this.parts;
    this.#outstanding.set(request.id, { request, sentAtMs: scheduler.nowMs });
    const attempt = this.#attempts.get(request.id) ?? 0;
    this.#attempts.set(request.id, attempt + 1);
    owner.asked(this.parts.clientId, request);
    const isDropped = choices.chance(DROP_CHANCE);
    this.#after(choices.between(...NETWORK_MS), () => {
      if (!connection.isOpen) return;
      trace(() => `${this.name} asks ${connection.node.name}: ${request.id} ${request.command} ${show(request)}`);
      connection.handle(request, attempt);
      if (isDropped) connection.close(true);
    });
  }

  /** A reply that does not come may have been lost with a message on the way. */
  #closeWhereSilent(): void {
    const { nowMs } = this.parts.scheduler;
    for (const { sentAtMs } of this.#outstanding.values()) {
      if (nowMs - sentAtMs > REPLY_MS_MAX) {
        this.#connection?.close(true);
        return;
      }
    }
  }

  /** Its connection is gone. */
  closed(connection: ClientConnection): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    for (const { request } of this.#outstanding.values()) if (request.isIdempotent) this.#again.push(request);
    this.#outstanding.clear();
  }

  /** A reply has come. */
  replied(reply: ReplyBody): void {
    const outstanding = this.#outstanding.get(reply.request_id);
    if (outstanding === undefined) return;
    this.#outstanding.delete(reply.request_id);
    const { request } = outstanding;
    if (!reply.success && request.isIdempotent && RETRY_CODES.includes(reply.code ?? "")) this.#again.push(request);
    if (!reply.success && reply.code === "READ_ONLY_REPLICA") this.#connection?.close(true);
    if (reply.success && request.command === "kv.get") {
      const { version } = reply.payload as { version?: number };
      this.#maker.versions.set(String(request.payload.key), version ?? 0);
    }
  }

  /** Messages have come. */
  took(queue: string, messages: readonly DeliveredMessage[], tokens: readonly string[]): void {
    for (const [i, { id, delivery_id: deliveryId }] of messages.entries()) {
      this.#held.push({ queue, id, deliveryId, token: tokens[i] });
    }
  }

  /** Asks nothing any more. */
  end(): void {
    this.#isEnding = true;
    this.#connection?.close(true);
  }
}

function show({ payload, isIdempotent }: ClientRequest): string {
  return `${JSON.stringify(payload).slice(0, 120)}${isIdempotent ? " once" : ""}`;
}
