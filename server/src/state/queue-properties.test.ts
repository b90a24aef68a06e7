import { describe, expect, it } from "vitest";
import { PLAIN, QueueLog, replay } from "../../test/queue-fixture.ts";
import { type ModelMessage, type ModelQueue, QueueModel } from "../../test/queue-model.ts";
import { seeds } from "../../test/soak.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { readUint32, readUint48 } from "./operation.ts";
import type { QueueConfig } from "./queue.ts";
import { stageRejection } from "./queue-due.ts";
import {
  OP_FORGET,
  OP_RETRY_SOME,
  writeDeliver,
  writeExtend,
  writeQueueDelete,
  writeQueuePurge,
  writeRequeue,
  writeRetry,
  writeRetryAll,
} from "./queue-operation.ts";
import { queueOperationBytes } from "./queue-operation-bytes.ts";
import { DEATH_REASON_NAMES, ENDED_NACKED, ENDED_RELEASED, STATE_NAMES } from "./queue-record.ts";

const STEPS = 1500;
const CONFIGS: readonly Partial<QueueConfig>[] = [
  {},
  { retryBackoff: { initialMs: 40, factor: 2, maxMs: 200 }, ackDeadlineMs: 300, dedupWindowMs: 500 },
  { deadLetter: { enabled: true, maxDepth: 5 }, maxRetries: 1, ackDeadlineMs: 100 },
  { deadLetter: { enabled: false, maxDepth: 0 }, maxRetries: 0, ackDeadlineMs: 50, dedupWindowMs: 100 },
];

/** Does the same to the store, as plan would, and to the model, step by step, and compares. */
class Comparison {
  readonly log = new QueueLog();
  readonly model = new QueueModel();
  #x: number;

  constructor(seed: number) {
    this.#x = Math.imul(seed, 0x9e37_79b1) | 1;
  }

  below(count: number): number {
    this.#x ^= this.#x << 13;
    this.#x ^= this.#x >>> 17;
    this.#x ^= this.#x << 5;
    return (this.#x >>> 0) % count;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[this.below(Math.max(1, list.length))];
  }

  step(): void {
    const queue = this.pick(this.model.queues);
    const choice = this.below(100);
    if (queue === undefined || choice < 1) this.create();
    else if (choice < 35) this.publish(queue);
    else if (choice < 58) this.consume(queue, 1 + this.below(4));
    else if (choice < 80) this.endDelivery(queue);
    else if (choice < 92) this.pass(this.below(120));
    else if (choice < 95) this.retry(queue);
    else if (choice < 97) this.purge(queue);
    else this.tidyUp(queue);
  }

  create(): void {
    const name = `queue ${this.below(4)}`;
    const there = this.model.queues.find((queue) => queue.name === name);
    if (there !== undefined) {
      if (this.below(3) > 0) return;
      writeQueueDelete(this.log.writer, there.id);
      this.log.commit();
      this.model.queues = this.model.queues.filter((queue) => queue !== there);
      this.model.remove((message) => message.queue === there.id);
      return;
    }
    const config = { ...PLAIN, ...this.pick(CONFIGS) };
    const { id } = this.log.create(name, config);
    this.model.queues.push({ id, name, config, dedup: [], retryThrough: 0 });
  }

  publish(queue: ModelQueue): void {
    const { log, model } = this;
    const { nowMs } = log;
    const dedupId = this.below(3) === 0 ? `dedup ${this.below(20)}` : undefined;
    const known = queue.dedup.find(({ id, untilMs }) => id === dedupId && untilMs > nowMs)?.messageId ?? 0;
    if (dedupId !== undefined) {
      expect(log.store.findDuplicate(log.queue(queue.id), rangeOf(dedupId), nowMs)).toBe(known);
      if (known !== 0) return;
    }
    const readyAtMs = this.below(4) === 0 ? nowMs + 1 + this.below(200) : 0;
    const expiresAtMs = this.below(4) === 0 ? nowMs + 1 + this.below(400) : 0;
    const priority = this.below(2) === 0 ? 5 : this.below(10);
    const { maxRetries } = queue.config;
    const payload = "p".repeat(this.below(4) * this.below(40));
    const id = log.publish(log.queue(queue.id), { payload, dedupId, priority, readyAtMs, expiresAtMs });
    model.messages.push({
      id,
      queue: queue.id,
      priority,
      maxRetries,
      state: readyAtMs === 0 ? "ready" : "delayed",
      retryCount: 0,
      expiresAtMs,
      instantMs: readyAtMs,
      turn: 0,
      reason: "none",
    });
    if (dedupId !== undefined)
      queue.dedup.push({ id: dedupId, messageId: id, untilMs: nowMs + queue.config.dedupWindowMs });
  }

  /** Takes the first messages that have not expired, in one record, as queue.consume does. */
  consume(queue: ModelQueue, count: number): void {
    const { log, model } = this;
    const { store, nowMs } = log;
    const expected = model.ready(queue.id, nowMs).slice(0, count);
    const taken: number[] = [];
    const deadlineMs = nowMs + queue.config.ackDeadlineMs;
    const own = log.queue(queue.id);
    for (let ref = store.firstReady(own); ref !== 0 && taken.length < count; ref = store.nextReady(own, ref)) {
      const expiresAtMs = store.messages.expiresAtMsOf(ref);
      if (expiresAtMs !== 0 && expiresAtMs <= nowMs) continue;
      taken.push(store.messages.idOf(ref));
      writeDeliver(log.writer, store.messages.idOf(ref), deadlineMs, nowMs);
    }
    expect(taken).toEqual(expected.map(({ id }) => id));
    const firstOffset = log.commit();
    for (const [i, message] of expected.entries()) {
      Object.assign(message, { state: "pending", instantMs: deadlineMs, turn: firstOffset + i });
    }
  }

  endDelivery(queue: ModelQueue): void {
    const { log, model } = this;
    const message = this.pick(model.inState(queue.id, "pending"));
    if (message === undefined) return;
    const ref = log.store.findMessage(message.id);
    const choice = this.below(10);
    if (choice < 4) {
      log.ack(message.id);
      model.remove((other) => other === message);
    } else if (choice < 8) {
      const requeue = choice > 4;
      const delayMs = choice === 7 ? this.below(100) : undefined;
      stageRejection(log.store, log.writer, ref, ENDED_NACKED, requeue, delayMs, log.nowMs);
      model.reject(message, requeue, delayMs, log.nowMs, log.commit());
    } else if (choice === 8) {
      writeRequeue(log.writer, message.id, ENDED_RELEASED, message.retryCount, 0, log.nowMs);
      log.commit();
      Object.assign(message, { state: "ready", turn: 0 });
    } else {
      message.instantMs = log.nowMs + this.below(500);
      writeExtend(log.writer, message.id, message.instantMs);
      log.commit();
    }
  }

  /** Lets time pass and does what is due, a few at a time; the model says what each operation has to come to. */
  pass(ms: number): void {
    const { log, model } = this;
    log.nowMs += ms;
    const limit = 1 + this.below(20);
    while (log.store.nextDeadlineMs <= log.nowMs) {
      const { writer } = log;
      const count = log.due.stage(log.nowMs, writer, limit);
      expect(count).toBeLessThanOrEqual(limit);
      const bytes = writer.bytes.slice(0, writer.length);
      let offset = log.commit();
      for (let at = 0; at < bytes.length; at += queueOperationBytes(bytes, at), offset++)
        this.#expectDue(bytes, at, offset);
    }
    for (const message of model.messages) expect(model.isDue(message, log.nowMs)).toBe(false);
  }

  #expectDue(bytes: Uint8Array, at: number, offset: number): void {
    const { model, log } = this;
    const id = readUint48(bytes, at + 1);
    const kind = bytes[at];
    if (kind === OP_FORGET) {
      const queue = model.queue(id);
      const count = readUint32(bytes, at + 7);
      for (const { untilMs } of queue.dedup.slice(0, count)) expect(untilMs).toBeLessThanOrEqual(log.nowMs);
      queue.dedup = queue.dedup.slice(count);
    } else if (kind === OP_RETRY_SOME) {
      model.retrySome(model.queue(id), readUint32(bytes, at + 7));
    } else {
      const message = model.message(id);
      expect(model.isDue(message, log.nowMs)).toBe(true);
      model.happen(message, log.nowMs, offset);
    }
  }

  retry(queue: ModelQueue): void {
    const { log, model } = this;
    if (this.below(3) === 0) {
      writeRetryAll(log.writer, queue.id);
      queue.retryThrough = log.commit();
      // Everything else happens beside it.
      if (this.below(2) === 0) this.pass(0);
      return;
    }
    const message = this.pick(model.inState(queue.id, "dead"));
    if (message === undefined) return;
    writeRetry(log.writer, message.id, log.nowMs);
    log.commit();
    model.retry(message);
  }

  purge(queue: ModelQueue): void {
    const states = 1 + this.below(15);
    writeQueuePurge(this.log.writer, queue.id, states);
    this.log.commit();
    this.model.remove(
      (message) => message.queue === queue.id && (states & (1 << STATE_NAMES.indexOf(message.state))) !== 0,
    );
  }

  /** What changes memory only. */
  tidyUp(queue: ModelQueue): void {
    const { store } = this.log;
    if (this.below(2) === 0) store.freeDetached(this.below(20));
    else store.evacuate(1 + this.below(3));
    this.compare(queue);
    store.checkInvariants();
  }

  compareAll(): void {
    const { store } = this.log;
    expect(store.queues().map(({ name }) => name)).toEqual(this.model.queues.map(({ name }) => name).sort());
    for (const queue of this.model.queues) this.compare(queue);
    for (const id of this.model.gone) if (store.findMessage(id) !== 0) throw new Error(`${id} came back`);
  }

  compare(queue: ModelQueue): void {
    const { log, model } = this;
    const own = log.queue(queue.id);
    const ids = (messages: readonly ModelMessage[]): number[] => messages.map(({ id }) => id);
    expect(log.readyIds(own)).toEqual(ids(model.ready(queue.id)));
    expect(log.idsIn(own, 1)).toEqual(ids(model.inState(queue.id, "delayed")));
    expect(log.idsIn(own, 2)).toEqual(ids(model.byTurn(queue.id, "pending")));
    expect(log.idsIn(own, 3)).toEqual(ids(model.byTurn(queue.id, "dead")));
    expect(own.depth).toBe(model.inState(queue.id, "ready").length + model.inState(queue.id, "delayed").length);
    expect(own.dedupCount).toBe(queue.dedup.length);
    const oldest = model.inState(queue.id, "ready")[0]?.id ?? 0;
    expect(log.store.oldestRef(own)).toBe(log.store.findMessage(oldest));
    for (const message of model.messages) if (message.queue === queue.id) this.#compareMessage(message);
  }

  #compareMessage(message: ModelMessage): void {
    const { messages } = this.log.store;
    const ref = this.log.store.findMessage(message.id);
    const found = {
      state: STATE_NAMES[messages.stateOf(ref)],
      priority: messages.priorityOf(ref),
      retryCount: messages.retryCountOf(ref),
      expiresAtMs: messages.expiresAtMsOf(ref),
      reason: DEATH_REASON_NAMES[messages.deathReasonOf(ref)],
      instantMs: message.state === "ready" ? message.instantMs : messages.instantMsOf(ref),
      deliveryId: messages.deliveryIdOf(ref),
    };
    const { state, priority, retryCount, expiresAtMs, reason, instantMs, turn } = message;
    const deliveryId = state === "pending" ? turn : 0;
    expect(found).toEqual({ state, priority, retryCount, expiresAtMs, reason, instantMs, deliveryId });
  }
}

describe("the queues", () => {
  it.each(seeds(8))("do what the model does, seed %i", (seed) => {
    const comparison = new Comparison(seed);
    for (let step = 0; step < STEPS; step++) {
      comparison.step();
      if (step % 20 === 0) comparison.compareAll();
    }
    comparison.compareAll();
    comparison.log.store.checkInvariants();
    const other = replay(comparison.log.records);
    expect(other.dump()).toBe(comparison.log.store.dump());
    other.checkInvariants();
    while (other.freeDetached(100));
    expect(other.dump()).toBe(comparison.log.store.dump());
    other.checkInvariants();
  });
});
