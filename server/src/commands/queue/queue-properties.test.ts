/**
 * Random commands and the passing of time against a model of plain objects: every reply must be what the model says, so
 * nothing is lost, nothing is delivered twice within a deadline, and the order is priority, then publish order.
 */
import { expect, it } from "vitest";
import { Engine, type Plain, seededRandom } from "../../../test/engine.ts";
import { seeds } from "../../../test/soak.ts";
import { CommandError } from "../errors.ts";

interface ModelMessage {
  readonly id: number;
  readonly payload: number;
  readonly priority: number;
  readonly maxRetries: number;
  readonly expiresAtMs: number;
  state: "ready" | "delayed" | "pending" | "dead" | "gone";
  retryCount: number;
  /** When it is ready, or when its deadline passes. */
  atMs: number;
  deliveryId: number;
  earlierDeliveryId: number;
  reason: "max_retries" | "nacked" | "expired" | undefined;
}

const MAX_DEPTH = 12;
const BACKOFF_MS = [10, 20, 40, 50, 50, 50];
const CONFIG = {
  max_depth: MAX_DEPTH,
  ack_deadline_secs: 1,
  default_max_retries: 2,
  retry_backoff_ms: { initial: 10, factor: 2, max: 50 },
  dead_letter: { enabled: true, max_depth: 0 },
};

class Model {
  readonly messages: ModelMessage[] = [];
  nowMs = 0;

  in(state: ModelMessage["state"]): ModelMessage[] {
    return this.messages.filter((message) => message.state === state);
  }

  get depth(): number {
    return this.in("ready").length + this.in("delayed").length;
  }

  isExpired({ expiresAtMs }: ModelMessage): boolean {
    return expiresAtMs !== 0 && expiresAtMs <= this.nowMs;
  }

  die(message: ModelMessage, reason: ModelMessage["reason"]): void {
    message.state = "dead";
    message.reason = reason;
  }

  reject(message: ModelMessage, delayMs: number | undefined): string {
    if (this.isExpired(message)) this.die(message, "expired");
    else if (message.retryCount >= message.maxRetries) this.die(message, "max_retries");
    else {
      const waitMs = delayMs ?? BACKOFF_MS[message.retryCount];
      message.retryCount++;
      message.state = waitMs === 0 ? "ready" : "delayed";
      message.atMs = this.nowMs + waitMs;
      return "requeued";
    }
    return "dead_lettered";
  }

  /** What the ticker does. */
  runDue(): void {
    for (const message of this.messages) {
      if (message.state === "pending" && message.atMs <= this.nowMs) this.reject(message, undefined);
    }
    for (const message of this.messages) {
      if (message.state !== "ready" && message.state !== "delayed") continue;
      if (this.isExpired(message)) this.die(message, "expired");
      else if (message.atMs <= this.nowMs) message.state = "ready";
    }
  }

  /** What is delivered next; buries what it passes by. */
  take(): ModelMessage | undefined {
    const ready = this.in("ready").sort((a, b) => b.priority - a.priority || a.id - b.id);
    for (const message of ready) {
      if (!this.isExpired(message)) return message;
      this.die(message, "expired");
    }
    return undefined;
  }
}

class Run {
  readonly engine = new Engine();
  readonly model = new Model();
  readonly #random: () => number;
  #lastDeliveryId = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.model.nowMs = this.engine.nowMs;
    this.engine.run("queue.create", { name: "q", config: CONFIG });
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  ask(command: string, payload: Record<string, Plain>): Plain {
    const reply = this.engine.run(`queue.${command}`, { queue: "q", ...payload });
    return reply instanceof CommandError ? reply.code : reply;
  }

  step(): void {
    const draw = this.below(100);
    if (draw < 35) this.publish();
    else if (draw < 55) this.consume();
    else if (draw < 70) this.end("ack");
    else if (draw < 80) this.end("nack");
    else if (draw < 84) this.end("extend");
    else if (draw < 86) this.retry();
    else if (draw < 87) this.purge();
    else this.pass();
  }

  publish(): void {
    const { model } = this;
    const payload = model.messages.length;
    const priority = this.below(10);
    const ttl = this.below(4) === 0 ? 1 + this.below(2) : 0;
    const delayMs = this.below(4) === 0 ? this.below(900) : 0;
    const reply = this.ask("publish", { payload, priority, ttl, delay_ms: delayMs });
    if (model.depth >= MAX_DEPTH) {
      expect(reply).toBe("QUEUE_FULL");
      return;
    }
    const position = model.in("ready").filter((message) => message.priority >= priority).length;
    const id = this.engine.log.nextOffset - 1;
    expect(reply).toEqual({ message_id: id, position });
    model.messages.push({
      id,
      payload,
      priority,
      maxRetries: CONFIG.default_max_retries,
      expiresAtMs: ttl === 0 ? 0 : model.nowMs + ttl * 1000,
      state: delayMs === 0 ? "ready" : "delayed",
      retryCount: 0,
      atMs: model.nowMs + delayMs,
      deliveryId: 0,
      earlierDeliveryId: 0,
      reason: undefined,
    });
  }

  consume(): void {
    const { model } = this;
    const expected = model.take();
    const reply = this.ask("consume", {});
    if (expected === undefined) {
      expect(reply).toEqual({ message: null });
      return;
    }
    const { message } = reply as { message: Record<string, number> }; // The contract's shape.
    expect(message).toMatchObject({
      id: expected.id,
      payload: expected.payload,
      priority: expected.priority,
      retry_count: expected.retryCount,
      deadline_at_ms: model.nowMs + 1000,
    });
    expect(message.delivery_id).toBeGreaterThan(this.#lastDeliveryId);
    this.#lastDeliveryId = message.delivery_id;
    expected.state = "pending";
    expected.atMs = model.nowMs + 1000;
    expected.earlierDeliveryId = expected.deliveryId;
    expected.deliveryId = message.delivery_id;
  }

  /** Acknowledges, rejects or extends any message, most often a pending one, sometimes by an earlier delivery. */
  end(command: "ack" | "nack" | "extend"): void {
    const { model } = this;
    const pool = this.below(5) > 0 ? model.in("pending") : model.messages;
    if (pool.length === 0) return;
    const message = pool[this.below(pool.length)];
    const claim = this.below(3);
    const deliveryId = claim === 0 ? undefined : claim === 1 ? message.deliveryId : message.earlierDeliveryId;
    if (deliveryId === 0) return;
    const requeue = this.below(4) > 0;
    const delayMs = requeue && this.below(2) === 0 ? this.below(3) * 20 : undefined;
    const payload: Record<string, Plain> = { message_id: message.id };
    if (deliveryId !== undefined) payload.delivery_id = deliveryId;
    if (command === "extend") payload.ack_deadline = 2;
    if (command === "nack") {
      payload.requeue = requeue;
      if (delayMs !== undefined) payload.delay_ms = delayMs;
    }
    const reply = this.ask(command, payload);
    const isCurrent = deliveryId === undefined || deliveryId === message.deliveryId;
    if (message.state === "gone") expect(reply).toBe("MESSAGE_NOT_FOUND");
    else if (message.state !== "pending" || message.atMs <= model.nowMs || !isCurrent) {
      expect(reply).toBe("STALE_DELIVERY");
    } else if (command === "ack") {
      message.state = "gone";
      expect(reply).toEqual({ success: true, acked: 1 });
    } else if (command === "extend") {
      message.atMs = model.nowMs + 2000;
      expect(reply).toEqual({ deadline_at_ms: message.atMs });
    } else {
      if (!requeue) model.die(message, "nacked");
      const action = requeue ? model.reject(message, delayMs) : "dead_lettered";
      expect(reply).toEqual({ success: true, action });
    }
  }

  retry(): void {
    const { model } = this;
    const dead = model.in("dead");
    if (dead.length === 0) return;
    const message = dead[this.below(dead.length)];
    expect(this.ask("dead.retry", { message_ids: [message.id] })).toEqual({ retried: 1 });
    // As if it had just been published, without a time to live.
    Object.assign(message, { state: "ready", retryCount: 0, atMs: model.nowMs, expiresAtMs: 0, reason: undefined });
  }

  purge(): void {
    const { model } = this;
    const waiting = [...model.in("ready"), ...model.in("delayed")];
    expect(this.ask("purge", {})).toEqual({ purged: waiting.length });
    for (const message of waiting) message.state = "gone";
  }

  /** Time passes; most often the ticker looks. */
  pass(): void {
    const { engine, model } = this;
    engine.nowMs += this.below(3) === 0 ? this.below(1500) : this.below(100);
    model.nowMs = engine.nowMs;
    if (this.below(4) === 0) return;
    while (engine.fanout.consumers.runDue(engine.nowMs, 4) === 4);
    model.runDue();
  }

  check(): void {
    const { model, engine } = this;
    const counted = ["ready", "delayed", "pending", "dead"] as const;
    const stats = this.ask("stats", {});
    expect(stats).toMatchObject(Object.fromEntries(counted.map((state) => [state, model.in(state).length])));
    const { messages } = this.ask("dead.list", { limit: 1000 }) as { messages: { id: number; reason: string }[] };
    const dead = new Map(model.in("dead").map(({ id, reason }) => [id, reason]));
    expect(new Map(messages.map(({ id, reason }) => [id, reason]))).toEqual(dead);
    engine.state.queues.checkInvariants();
  }
}

it.each(seeds(20))("a queue does what its model does (seed %i)", (seed) => {
  const run = new Run(seed);
  for (let step = 0; step < 400; step++) {
    run.step();
    if (step % 25 === 0) run.check();
  }
  run.check();
});
