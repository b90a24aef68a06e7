/** A queue store with a log: stages operations, applies them as a record, and gives short ways to say what tests want. */
import { OperationWriter } from "../src/state/operation.ts";
import { type Queue, type QueueConfig, retryDelayMs } from "../src/state/queue.ts";
import { QueueDue } from "../src/state/queue-due.ts";
import { writeAck, writeDeliver, writePublish, writeQueueCreate, writeRequeue } from "../src/state/queue-operation.ts";
import { queueOperationBytes } from "../src/state/queue-operation-bytes.ts";
import { ENDED_NACKED } from "../src/state/queue-record.ts";
import { QueueStore } from "../src/state/queue-store.ts";
import { TAG_TEXT, Value } from "../src/state/value.ts";
import { rangeOf } from "../src/structures/byte-range.ts";

export const PLAIN: QueueConfig = {
  maxDepth: 0,
  maxBytes: 0,
  ackDeadlineMs: 30_000,
  maxRetries: 3,
  defaultPriority: 5,
  messageTtlMs: 0,
  retryBackoff: { initialMs: 0, factor: 2, maxMs: 60_000 },
  deadLetter: { enabled: true, maxDepth: 0 },
  dedupWindowMs: 60_000,
};

export interface Published {
  readonly payload?: string;
  readonly headers?: string;
  readonly priority?: number;
  readonly maxRetries?: number;
  readonly readyAtMs?: number;
  readonly expiresAtMs?: number;
  readonly dedupId?: string;
}

/** One record, as another node would get it. */
export interface LoggedRecord {
  readonly bytes: Uint8Array;
  readonly firstOffset: number;
}

export class QueueLog {
  readonly store: QueueStore;
  readonly due: QueueDue;
  readonly writer = new OperationWriter();
  readonly records: LoggedRecord[] = [];
  offset = 0;
  nowMs = 1_000_000;
  readonly #keepRecords: boolean;

  constructor({ keepRecords = true, pageBytes = 4096 } = {}) {
    this.store = new QueueStore({ hashSeed: 7, pageBytes });
    this.due = new QueueDue(this.store);
    this.#keepRecords = keepRecords;
  }

  /** Applies what was staged; returns the offset of the first operation. */
  commit(): number {
    const { writer } = this;
    const firstOffset = this.offset + 1;
    if (this.#keepRecords) this.records.push({ bytes: writer.bytes.slice(0, writer.length), firstOffset });
    this.offset += writer.count;
    applyRecord(this.store, writer.bytes, writer.length, firstOffset);
    writer.reset();
    return firstOffset;
  }

  create(name: string, config: Partial<QueueConfig> = {}): Queue {
    writeQueueCreate(this.writer, rangeOf(name), { ...PLAIN, ...config });
    return this.queue(this.commit());
  }

  queue(queueId: number): Queue {
    const queue = this.store.queueOf(queueId);
    if (queue === undefined) throw new Error(`no queue ${queueId}`);
    return queue;
  }

  /** Returns the message's id. */
  publish(queue: Queue, message: Published = {}): number {
    const payload = rangeOf(message.payload ?? "");
    writePublish(this.writer, {
      queueId: queue.id,
      payload: new Value(TAG_TEXT, payload.bytes, payload.start, payload.end),
      headers: rangeOf(message.headers ?? ""),
      priority: message.priority ?? queue.config.defaultPriority,
      maxRetries: message.maxRetries ?? queue.config.maxRetries,
      publishedAtMs: this.nowMs,
      readyAtMs: message.readyAtMs ?? 0,
      expiresAtMs: message.expiresAtMs ?? 0,
      dedupId: rangeOf(message.dedupId ?? ""),
      dedupUntilMs: message.dedupId === undefined ? 0 : this.nowMs + queue.config.dedupWindowMs,
    });
    return this.commit();
  }

  /** Delivers the first ready message and returns its id; 0 for none. */
  deliver(queue: Queue): number {
    const ref = this.store.firstReady(queue);
    if (ref === 0) return 0;
    const messageId = this.store.messages.idOf(ref);
    writeDeliver(this.writer, messageId, this.nowMs + queue.config.ackDeadlineMs, this.nowMs);
    this.commit();
    return messageId;
  }

  ack(messageId: number): void {
    writeAck(this.writer, messageId);
    this.commit();
  }

  /** Requeues at once or after the queue's backoff. */
  requeue(messageId: number): void {
    const { messages } = this.store;
    const ref = this.store.findMessage(messageId);
    const retryCount = messages.retryCountOf(ref);
    const waitMs = retryDelayMs(messages.queueOf(ref).config, retryCount);
    const readyAtMs = waitMs === 0 ? 0 : this.nowMs + waitMs;
    writeRequeue(this.writer, messageId, ENDED_NACKED, retryCount + 1, readyAtMs, this.nowMs);
    this.commit();
  }

  /** Lets `ms` pass and does all that is due then; returns how many operations that took. */
  pass(ms: number, limit = 100): number {
    this.nowMs += ms;
    let operations = 0;
    while (this.store.nextDeadlineMs <= this.nowMs) {
      operations += this.due.stage(this.nowMs, this.writer, limit);
      this.commit();
    }
    return operations;
  }

  /** Ids of ready messages in the order of their delivery. */
  readyIds(queue: Queue): number[] {
    const ids: number[] = [];
    for (let ref = this.store.firstReady(queue); ref !== 0; ref = this.store.nextReady(queue, ref)) {
      ids.push(this.store.messages.idOf(ref));
    }
    return ids;
  }

  /** Ids of messages in a state, in the order of `scan`. */
  idsIn(queue: Queue, state: 1 | 2 | 3, after = 0, limit = Number.POSITIVE_INFINITY): number[] {
    const ids: number[] = [];
    this.store.scan(queue, state, after, (ref) => ids.push(this.store.messages.idOf(ref)) < limit);
    return ids;
  }

  payload(messageId: number): string {
    const value = new Value(TAG_TEXT, new Uint8Array(0), 0, 0);
    this.store.messages.readPayload(this.store.findMessage(messageId), value);
    return value.toString();
  }
}

export function applyRecord(store: QueueStore, bytes: Uint8Array, length: number, firstOffset: number): void {
  let offset = firstOffset;
  for (let at = 0; at < length; offset++) {
    const next = store.apply(bytes, at, length, offset);
    if (next - at !== queueOperationBytes(bytes, at))
      throw new Error(`an operation of kind ${bytes[at]} has two sizes`);
    at = next;
  }
}

/** A store that has applied the same records. */
export function replay(records: readonly LoggedRecord[]): QueueStore {
  const store = new QueueStore({ hashSeed: 99 });
  for (const { bytes, firstOffset } of records) applyRecord(store, bytes, bytes.length, firstOffset);
  return store;
}
