/**
 * Connections that subscribe, acknowledge, reject, fall behind and close at random, beside commands that take messages. Held
 * against one book of who has what: no message is with two at a time, nobody has more than its prefetch, nobody waits while a
 * message is ready, and in the end every message was acknowledged once.
 */
import { expect, it } from "vitest";
import { ConsumerConnection, type Delivered } from "../../test/consumer-connection.ts";
import { Engine, seededRandom } from "../../test/engine.ts";
import { seeds } from "../../test/soak.ts";
import { CommandError } from "../commands/errors.ts";
import { rangeOf } from "../structures/byte-range.ts";
import type { QueueWaiter } from "./queue-consumers.ts";
import { UNREAD_BYTES_MAX } from "./queue-subscription.ts";

const ACK_DEADLINE_MS = 1000;

interface Consumer {
  readonly connection: ConsumerConnection;
  prefetch: number;
  readonly has: Map<number, Delivered>;
}

class Run {
  readonly engine = new Engine();
  readonly consumers: Consumer[] = [];
  /** Message id -> when its delivery ends by itself. */
  readonly pendingUntilMs = new Map<number, number>();
  readonly unacknowledged = new Set<number>();
  readonly waiters = new Set<QueueWaiter>();
  /** What they got since the last look. */
  readonly waitedFor: Delivered[] = [];
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const config = { ack_deadline_secs: 1, default_max_retries: 1000, retry_backoff_ms: { initial: 0 } };
    this.engine.run("queue.create", { name: "q", config });
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  step(): void {
    const draw = this.below(100);
    if (draw < 35) this.publish(1 + this.below(4));
    else if (draw < 65) this.settle();
    else if (draw < 72) this.open();
    else if (draw < 76) this.close();
    else if (draw < 82) this.fallBehind();
    else if (draw < 86) this.consume();
    else if (draw < 90) this.wait();
    else if (draw < 94) this.pass(this.below(400));
    else this.engine.endTurn();
    this.look();
    if (draw >= 94) this.checkServed();
  }

  publish(count: number): void {
    const messages = Array.from({ length: count }, () => ({ payload: 1, priority: this.below(10) }));
    const reply = this.engine.run("queue.publish_batch", { queue: "q", messages });
    for (const id of (reply as { message_ids: number[] }).message_ids) this.unacknowledged.add(id);
  }

  /** Takes note of what was pushed and what those who waited got. */
  look(): void {
    for (const message of this.waitedFor.splice(0)) this.given(message);
    for (const { connection, has, prefetch } of this.consumers) {
      for (const message of connection.takeMessages()) {
        this.given(message);
        has.set(message.id, message);
      }
      expect(has.size).toBeLessThanOrEqual(prefetch);
    }
  }

  given({ id }: Delivered): void {
    expect(this.unacknowledged.has(id)).toBe(true);
    expect(this.pendingUntilMs.has(id)).toBe(false);
    this.pendingUntilMs.set(id, this.engine.nowMs + ACK_DEADLINE_MS);
  }

  /** A consumer acknowledges or rejects something it has. */
  settle(): void {
    const consumer = this.consumers[this.below(this.consumers.length)];
    const held = consumer === undefined ? [] : [...consumer.has.values()];
    if (held.length === 0) return;
    const { id, delivery_id } = held[this.below(held.length)];
    // What follows may push the message again, to anybody.
    consumer.has.delete(id);
    this.pendingUntilMs.delete(id);
    const isAck = this.below(4) > 0;
    if (isAck) this.unacknowledged.delete(id);
    const command = isAck ? "queue.ack" : "queue.nack";
    expect(this.engine.run(command, { queue: "q", message_id: id, delivery_id })).toMatchObject({ success: true });
  }

  open(): void {
    if (this.consumers.length >= 5) return;
    const connection = new ConsumerConnection(this.below(2) === 0 ? "json" : "msgpack");
    const prefetch = 1 + this.below(8);
    const queue = this.engine.state.queues.find(rangeOf("q"));
    if (queue === undefined) throw new Error("the queue is gone");
    const subscription = this.engine.fanout.consumers.subscribe(connection.session, queue, {
      prefetch,
      ackDeadlineMs: undefined,
    });
    if (subscription instanceof CommandError) throw new Error(subscription.message);
    this.consumers.push({ connection, prefetch, has: new Map() });
  }

  close(): void {
    const [consumer] = this.consumers.splice(this.below(this.consumers.length), 1);
    if (consumer === undefined) return;
    consumer.connection.session.closed();
    for (const id of consumer.has.keys()) this.pendingUntilMs.delete(id);
    this.engine.endTurn();
  }

  fallBehind(): void {
    const consumer = this.consumers[this.below(this.consumers.length)];
    if (consumer === undefined) return;
    if (consumer.connection.unread >= UNREAD_BYTES_MAX) consumer.connection.read();
    else consumer.connection.unread = UNREAD_BYTES_MAX;
  }

  consume(): void {
    const { message } = this.engine.run("queue.consume", { queue: "q" }) as { message: Delivered | null };
    if (message !== null) this.given(message);
  }

  /** A command that waits for a message, at the end of the line. */
  wait(): void {
    const queue = this.engine.state.queues.find(rangeOf("q"));
    if (queue === undefined) throw new Error("the queue is gone");
    if (queue.ready > 0) return;
    const waiter = { queueId: queue.id, attempt: () => this.attempt(waiter) };
    this.waiters.add(waiter);
    this.engine.fanout.consumers.wait(waiter);
  }

  attempt(waiter: QueueWaiter): boolean {
    const reply = this.engine.run("queue.consume", { queue: "q", wait_ms: 1000 }) as object; // The reply, or a Wait.
    if (!("message" in reply)) return false;
    this.waitedFor.push(reply.message as Delivered); // The contract's shape.
    return this.waiters.delete(waiter);
  }

  /** At the end of a turn nothing is ready that somebody could have. */
  checkServed(): void {
    if (this.engine.state.queues.find(rangeOf("q"))?.ready === 0) return;
    expect(this.waiters.size).toBe(0);
    for (const { connection, has, prefetch } of this.consumers) {
      expect(has.size === prefetch || connection.unread >= UNREAD_BYTES_MAX).toBe(true);
    }
  }

  pass(ms: number): void {
    const { engine } = this;
    engine.nowMs += ms;
    for (const [id, untilMs] of this.pendingUntilMs) {
      if (untilMs > engine.nowMs) continue;
      this.pendingUntilMs.delete(id);
      for (const { has } of this.consumers) has.delete(id);
    }
    while (engine.fanout.consumers.runDue(engine.nowMs, 4) === 4);
  }

  /** One consumer takes and acknowledges all there is, after what is out has timed out. */
  finish(): void {
    while (this.consumers.length > 0) this.close();
    this.look();
    for (const waiter of this.waiters) this.engine.fanout.consumers.forget(waiter);
    this.pass(ACK_DEADLINE_MS);
    for (;;) {
      const { message } = this.engine.run("queue.consume", { queue: "q" }) as { message: Delivered | null };
      if (message === null) break;
      expect(this.unacknowledged.delete(message.id)).toBe(true);
      this.engine.run("queue.ack", { queue: "q", message_id: message.id });
    }
    expect(this.unacknowledged).toEqual(new Set());
    const { consumers, bugs } = { consumers: this.engine.fanout.consumers, bugs: this.engine.bugs };
    expect([consumers.count, bugs]).toEqual([0, []]);
    this.engine.state.queues.checkInvariants();
  }
}

it.each(seeds(20))("every message goes to one at a time (seed %i)", (seed) => {
  const run = new Run(seed);
  for (let step = 0; step < 400; step++) run.step();
  run.finish();
});
