/**
 * What the operations of a queue cost, and how that grows with the messages in it; how long the steps of large removals take.
 *
 *     npx tsx server/bench/structures/queue.ts [SIZE ...] [--json FILE]
 */
import { OperationWriter } from "../../src/state/operation.ts";
import type { Queue } from "../../src/state/queue.ts";
import { QueueDue } from "../../src/state/queue-due.ts";
import {
  writeAck,
  writeBury,
  writeDeliver,
  writePublish,
  writeQueueCreate,
  writeQueuePurge,
  writeRequeue,
  writeRetryAll,
} from "../../src/state/queue-operation.ts";
import { DEATH_NACKED, ENDED_NACKED, STATE_READY } from "../../src/state/queue-record.ts";
import { QueueStore } from "../../src/state/queue-store.ts";
import { TAG_JSON, Value } from "../../src/state/value.ts";
import { rangeOf } from "../../src/structures/byte-range.ts";
import { shuffled } from "./bench-key.ts";
import { nanoseconds, printTable, readArguments, writeJson } from "./bench-report.ts";

const { numbers, jsonFile } = readArguments();
const sizes = numbers.length > 0 ? numbers : [1000, 100_000, 1_000_000];

const PAYLOAD_BYTES = 100;
const NOW_MS = 1_700_000_000_000;
const DEADLINE_MS = NOW_MS + 30_000;
/** Steps of each measure: more than a small queue has, so it is gone round. */
const STEPS = 200_000;
/** As the server does it in one turn. */
const SLICE = 1000;

class Bench {
  readonly store = new QueueStore({ hashSeed: 1 });
  readonly writer = new OperationWriter();
  readonly queue: Queue;
  offset = 0;
  longestMs = 0;
  readonly #payload = rangeOf("x".repeat(PAYLOAD_BYTES));
  readonly #message = {
    queueId: 1,
    payload: new Value(TAG_JSON, this.#payload.bytes, 0, PAYLOAD_BYTES),
    headers: rangeOf(""),
    priority: 5,
    maxRetries: 3,
    publishedAtMs: NOW_MS,
    readyAtMs: 0,
    expiresAtMs: 0,
    dedupId: rangeOf(""),
    dedupUntilMs: 0,
  };

  constructor() {
    writeQueueCreate(this.writer, rangeOf("bench"), {
      maxDepth: 0,
      maxBytes: 0,
      ackDeadlineMs: 30_000,
      maxRetries: 3,
      defaultPriority: 5,
      messageTtlMs: 0,
      retryBackoff: { initialMs: 0, factor: 2, maxMs: 0 },
      deadLetter: { enabled: true, maxDepth: 0 },
      dedupWindowMs: 0,
    });
    this.commit();
    this.queue = this.store.queues()[0];
  }

  commit(): void {
    const { writer } = this;
    for (let at = 0; at < writer.length; ) at = this.store.apply(writer.bytes, at, writer.length, ++this.offset);
    writer.reset();
  }

  publish(): void {
    writePublish(this.writer, this.#message);
    this.commit();
  }

  /** Delivers the first message and returns its id. */
  deliver(): number {
    const messageId = this.store.messages.idOf(this.store.firstReady(this.queue));
    writeDeliver(this.writer, messageId, DEADLINE_MS, NOW_MS);
    this.commit();
    return messageId;
  }

  deliverAndAck(): void {
    writeAck(this.writer, this.deliver());
    this.commit();
  }

  requeue(messageId: number): void {
    writeRequeue(this.writer, messageId, ENDED_NACKED, 1, 0, NOW_MS);
    this.commit();
  }

  /** Runs a step and keeps the longest, in processor time. */
  step<T>(run: () => T): T {
    let result: T | undefined;
    const ms = nanoseconds(1, () => {
      result = run();
    });
    this.longestMs = Math.max(this.longestMs, ms / 1e6);
    return result as T; // It has run.
  }
}

function measure(size: number): Record<string, number> {
  const bench = new Bench();
  const { store, queue } = bench;
  const before = store.usedBytes;
  for (let i = 0; i < size; i++) bench.publish();
  const result: Record<string, number> = { size };
  result.overhead = (store.usedBytes - before) / size - PAYLOAD_BYTES;
  result.held = store.heldBytes / size - PAYLOAD_BYTES;
  result.publish = nanoseconds(STEPS, () => {
    for (let i = 0; i < STEPS; i++) bench.publish();
  });
  result["deliver+ack"] = nanoseconds(STEPS, () => {
    for (let i = 0; i < STEPS; i++) bench.deliverAndAck();
  });
  result["front requeue"] = nanoseconds(STEPS, () => {
    for (let i = 0; i < STEPS; i++) bench.requeue(bench.deliver());
  });
  // All are out, and come back in any order.
  const out = Array.from({ length: Math.min(size, STEPS) }, () => bench.deliver());
  const order = shuffled(out.length);
  result["any requeue"] = nanoseconds(out.length, () => {
    for (const i of order) bench.requeue(out[i]);
  });
  result["found by id"] = nanoseconds(STEPS, () => {
    for (let i = 0; i < STEPS; i++) if (store.findMessage(out[(i * 7919) % out.length]) === 0) throw new Error("lost");
  });
  while (queue.ready > 0) {
    writeBury(bench.writer, bench.deliver(), DEATH_NACKED, ENDED_NACKED, NOW_MS);
    bench.commit();
  }
  const due = new QueueDue(store);
  writeRetryAll(bench.writer, queue.id);
  bench.step(() => bench.commit());
  while (store.nextDeadlineMs <= NOW_MS) {
    bench.step(() => {
      due.stage(NOW_MS, bench.writer, SLICE);
      bench.commit();
    });
  }
  result["retry, max ms"] = bench.longestMs;
  bench.longestMs = 0;
  writeQueuePurge(bench.writer, queue.id, 1 << STATE_READY);
  bench.step(() => bench.commit());
  result["purge, max ms"] = bench.longestMs;
  bench.longestMs = 0;
  while (bench.step(() => store.freeDetached(SLICE)));
  result["free, max ms"] = bench.longestMs;
  return result;
}

// Once unmeasured, so that every size runs the same optimized code.
measure(20_000);
const rows = sizes.map((size) => measure(size));
printTable(
  `A queue of messages of ${PAYLOAD_BYTES} bytes: nanoseconds per operation, overhead in bytes per message, longest steps`,
  rows,
);
writeJson(jsonFile, "queue", rows);
