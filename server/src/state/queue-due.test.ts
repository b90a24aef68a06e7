import { describe, expect, it } from "vitest";
import { PLAIN, QueueLog } from "../../test/queue-fixture.ts";
import { retryDelayMs } from "./queue.ts";
import { type Rejection, stageRejection } from "./queue-due.ts";
import { writeExtend } from "./queue-operation.ts";
import {
  DEATH_EXPIRED,
  DEATH_MAX_RETRIES,
  DEATH_NACKED,
  ENDED_NACKED,
  STATE_DEAD,
  STATE_DELAYED,
  STATE_PENDING,
  STATE_READY,
} from "./queue-record.ts";

const BACKOFF = { initialMs: 100, factor: 2, maxMs: 350 };

function stateOf(log: QueueLog, messageId: number): number {
  return log.store.messages.stateOf(log.store.findMessage(messageId));
}

describe("the backoff", () => {
  it("grows by the factor up to the maximum", () => {
    const config = { ...PLAIN, retryBackoff: BACKOFF };
    expect([0, 1, 2, 3, 60_000].map((retryCount) => retryDelayMs(config, retryCount))).toEqual([
      100, 200, 350, 350, 350,
    ]);
  });

  it("is nothing where it begins with nothing", () => {
    expect(retryDelayMs({ ...PLAIN, retryBackoff: { initialMs: 0, factor: 2, maxMs: 9 } }, 60_000)).toBe(0);
  });
});

describe("what is due", () => {
  it("a delivery that times out is retried after the backoff, and dead when retries are used up", () => {
    const log = new QueueLog();
    const queue = log.create("q", { ackDeadlineMs: 1000, retryBackoff: BACKOFF, maxRetries: 2 });
    const id = log.publish(queue);
    const { messages } = log.store;
    for (const [retryCount, waitMs] of [
      [1, 100],
      [2, 200],
    ]) {
      expect(log.deliver(queue)).toBe(id);
      expect(log.pass(999)).toBe(0);
      expect(log.pass(1)).toBe(1);
      expect(stateOf(log, id)).toBe(STATE_DELAYED);
      expect(messages.retryCountOf(log.store.findMessage(id))).toBe(retryCount);
      expect(log.pass(waitMs - 1)).toBe(0);
      expect(log.pass(1)).toBe(1);
      expect(stateOf(log, id)).toBe(STATE_READY);
    }
    log.deliver(queue);
    log.pass(1000);
    expect(stateOf(log, id)).toBe(STATE_DEAD);
    expect(messages.deathReasonOf(log.store.findMessage(id))).toBe(DEATH_MAX_RETRIES);
    expect(messages.instantMsOf(log.store.findMessage(id))).toBe(log.nowMs);
    expect(queue.totals.timedOut).toBe(3);
  });

  it("an extended delivery has its new deadline", () => {
    const log = new QueueLog();
    const queue = log.create("q", { ackDeadlineMs: 1000 });
    const id = log.publish(queue);
    log.deliver(queue);
    writeExtend(log.writer, id, log.nowMs + 5000);
    log.commit();
    expect(log.pass(4999)).toBe(0);
    expect(stateOf(log, id)).toBe(STATE_PENDING);
    expect(log.pass(1)).toBe(1);
  });

  it("a message expires where it waits, and not while it is pending", () => {
    const log = new QueueLog();
    const queue = log.create("q", { ackDeadlineMs: 1000 });
    const pending = log.publish(queue, { expiresAtMs: log.nowMs + 500 });
    log.deliver(queue);
    const ready = log.publish(queue, { expiresAtMs: log.nowMs + 500 });
    const delayed = log.publish(queue, { readyAtMs: log.nowMs + 800, expiresAtMs: log.nowMs + 500 });
    expect(log.pass(499)).toBe(0);
    expect(log.pass(1)).toBe(2);
    expect([pending, ready, delayed].map((id) => stateOf(log, id))).toEqual([STATE_PENDING, STATE_DEAD, STATE_DEAD]);
    // Its time-out finds it expired: it is not offered again.
    expect(log.pass(500)).toBe(1);
    expect(log.store.messages.deathReasonOf(log.store.findMessage(pending))).toBe(DEATH_EXPIRED);
    expect([queue.totals.expired, queue.totals.timedOut, queue.totals.deadLettered]).toEqual([3, 1, 3]);
  });

  it("what dies is gone where there are no dead letters", () => {
    const log = new QueueLog();
    const queue = log.create("q", { maxRetries: 0, deadLetter: { enabled: false, maxDepth: 0 } });
    const expired = log.publish(queue, { expiresAtMs: log.nowMs + 1 });
    log.pass(1);
    const timedOut = log.publish(queue);
    log.deliver(queue);
    log.pass(30_000);
    expect([expired, timedOut].map((id) => log.store.findMessage(id))).toEqual([0, 0]);
    expect([queue.totals.dropped, queue.totals.deadLettered, queue.totals.expired]).toEqual([2, 0, 1]);
  });

  it("is done up to the limit, the earliest first", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    const ids = Array.from({ length: 20 }, (_, i) => log.publish(queue, { readyAtMs: log.nowMs + 20 - i }));
    log.nowMs += 20;
    expect(log.due.stage(log.nowMs, log.writer, 7)).toBe(7);
    log.commit();
    expect(queue.ready).toBe(7);
    expect(stateOf(log, ids[19])).toBe(STATE_READY);
    expect(log.store.nextDeadlineMs).toBeLessThanOrEqual(log.nowMs);
    expect(log.pass(0, 7)).toBe(13);
    expect(log.readyIds(queue)).toEqual(ids);
  });

  it("is the same twice, where nothing is applied between", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    for (let i = 0; i < 20; i++) log.publish(queue, { expiresAtMs: log.nowMs + 5 });
    const staged = (): Uint8Array => {
      log.writer.reset();
      log.due.stage(log.nowMs + 5, log.writer, 100);
      return log.writer.bytes.slice(0, log.writer.length);
    };
    expect(staged()).toEqual(staged());
  });
});

describe("a rejection", () => {
  function reject(
    config: Parameters<QueueLog["create"]>[1],
    requeue: boolean,
    delayMs: number | undefined,
    ttlMs = 0,
  ): { log: QueueLog; id: number; action: Rejection } {
    const log = new QueueLog();
    const queue = log.create("q", config);
    const id = log.publish(queue, { expiresAtMs: ttlMs === 0 ? 0 : log.nowMs + ttlMs });
    log.deliver(queue);
    log.nowMs += 100;
    const ref = log.store.findMessage(id);
    const action = stageRejection(log.store, log.writer, ref, ENDED_NACKED, requeue, delayMs, log.nowMs);
    log.commit();
    expect(queue.totals.nacked).toBe(1);
    return { log, id, action };
  }

  it("requeues at once where there is no backoff, after it where there is, or after the delay asked for", () => {
    const atOnce = reject({}, true, undefined);
    expect(atOnce.action).toBe("requeued");
    expect(stateOf(atOnce.log, atOnce.id)).toBe(STATE_READY);
    const later = reject({ retryBackoff: BACKOFF }, true, undefined);
    expect(later.log.store.nextDeadlineMs).toBe(later.log.nowMs + 100);
    const asked = reject({ retryBackoff: BACKOFF }, true, 7);
    expect(asked.log.store.nextDeadlineMs).toBe(asked.log.nowMs + 7);
    const now = reject({ retryBackoff: BACKOFF }, true, 0);
    expect(stateOf(now.log, now.id)).toBe(STATE_READY);
  });

  it.each([
    ["as asked", {}, false, 0, DEATH_NACKED],
    ["without retries left", { maxRetries: 0 }, true, 0, DEATH_MAX_RETRIES],
    ["when it has expired", {}, true, 100, DEATH_EXPIRED],
  ] as const)("is a death %s", (_, config, requeue, ttlMs, reason) => {
    const { log, id, action } = reject(config, requeue, undefined, ttlMs);
    expect(action).toBe("dead_lettered");
    expect(log.store.messages.deathReasonOf(log.store.findMessage(id))).toBe(reason);
    const without = { ...config, deadLetter: { enabled: false, maxDepth: 0 } };
    const dropped = reject(without, requeue, undefined, ttlMs);
    expect(dropped.action).toBe("dropped");
    expect(dropped.log.store.findMessage(dropped.id)).toBe(0);
  });
});
