/** Fills the queues of an empty store with images (queue-image-format.ts draws them). */
import { ByteRange } from "../structures/byte-range.ts";
import { checkImageEnd, DEDUP_ID_IMAGE, MESSAGE_IMAGE, malformed, QUEUE_IMAGE, type StoreRestorer } from "./image.ts";
import { readUint16, readUint32, readUint48 } from "./operation.ts";
import { PRIORITY_COUNT, type Queue } from "./queue.ts";
import {
  DEDUP_ID_HEADER_BYTES,
  MESSAGE_HEADER_BYTES,
  QUEUE_HEADER_BYTES,
  QUEUE_ID_AT,
  readTotals,
} from "./queue-image-format.ts";
import { readConfig } from "./queue-operation.ts";
import {
  DEATH_REASON_NAMES,
  type DeathReason,
  EXPIRES_AT,
  type MessageState,
  PUBLISHED_AT,
  STATE_COUNT,
} from "./queue-record.ts";
import type { QueueStore } from "./queue-store.ts";
import { TAG_JSON } from "./value.ts";

export class QueueRestorer implements StoreRestorer {
  readonly kinds = [QUEUE_IMAGE, DEDUP_ID_IMAGE, MESSAGE_IMAGE];
  readonly #store: QueueStore;
  /** Of a queue, message or turn: all are offsets. */
  #idMax = 0;

  /** @param store empty. */
  constructor(store: QueueStore) {
    this.#store = store;
  }

  restore(bytes: Uint8Array, at: number, end: number): number {
    switch (bytes[at]) {
      case QUEUE_IMAGE:
        return this.#queue(bytes, at, end);
      case DEDUP_ID_IMAGE:
        return this.#dedupId(bytes, at, end);
      default:
        return this.#message(bytes, at, end);
    }
  }

  #queue(bytes: Uint8Array, at: number, end: number): number {
    checkImageEnd(bytes, at, QUEUE_HEADER_BYTES, end);
    checkImageEnd(bytes, at, QUEUE_HEADER_BYTES + bytes[at + 1], end);
    const id = readUint48(bytes, at + QUEUE_ID_AT);
    if (this.#store.queueOf(id) !== undefined) throw malformed(bytes, at, `the queue ${id} is there twice`);
    this.#note(id);
    const nameAt = at + QUEUE_HEADER_BYTES;
    const name = new ByteRange(bytes, nameAt, nameAt + bytes[at + 1]);
    const queue = this.#store.add(id, name, readConfig(bytes, at));
    readTotals(bytes, at, queue.totals);
    queue.retryThrough = readUint48(bytes, at + QUEUE_ID_AT + 6);
    return name.end;
  }

  #dedupId(bytes: Uint8Array, at: number, end: number): number {
    checkImageEnd(bytes, at, DEDUP_ID_HEADER_BYTES, end);
    const idAt = at + DEDUP_ID_HEADER_BYTES;
    const next = idAt + readUint16(bytes, at + 19);
    checkImageEnd(bytes, at, next - at, end);
    const queue = this.#queueAt(bytes, at);
    const messageId = readUint48(bytes, at + 7);
    this.#note(messageId);
    const { duplicates } = this.#store;
    const last = queue.dedupLast === 0 ? 0 : duplicates.entry(queue.dedupLast).messageId;
    if (messageId <= last) throw malformed(bytes, at, `the id of message ${messageId} comes after that of ${last}`);
    duplicates.add(queue, bytes, idAt, next, messageId, readUint48(bytes, at + 13));
    return next;
  }

  #message(bytes: Uint8Array, at: number, end: number): number {
    checkImageEnd(bytes, at, MESSAGE_HEADER_BYTES, end);
    const payloadBytes = readUint32(bytes, at + 45);
    const headersBytes = readUint32(bytes, at + 49);
    const next = at + MESSAGE_HEADER_BYTES + payloadBytes + headersBytes;
    checkImageEnd(bytes, at, next - at, end);
    const queue = this.#queueAt(bytes, at);
    const { messages } = this.#store;
    const id = readUint48(bytes, at + 7);
    const state = bytes[at + 13];
    const tag = bytes[at + 14];
    const priority = bytes[at + 15];
    const reason = bytes[at + 16];
    if (state >= STATE_COUNT || tag > TAG_JSON || priority >= PRIORITY_COUNT || reason >= DEATH_REASON_NAMES.length)
      throw malformed(bytes, at, `message ${id} is ${[state, tag, priority, reason].join("/")}, which none can be`);
    if (messages.find(id) !== 0) throw malformed(bytes, at, `the message ${id} is there twice`);
    const maxRetries = readUint16(bytes, at + 19);
    const contentAt = at + MESSAGE_HEADER_BYTES;
    const ref = messages.create(id, tag, priority, maxRetries, bytes, contentAt, payloadBytes, headersBytes);
    messages.setRetryCount(ref, readUint16(bytes, at + 17));
    messages.setReason(ref, reason as DeathReason); // It is in the range of these, as is the state.
    messages.setLong(ref, PUBLISHED_AT, readUint48(bytes, at + 27));
    messages.setLong(ref, EXPIRES_AT, readUint48(bytes, at + 39));
    const turn = readUint48(bytes, at + 21);
    this.#note(Math.max(id, turn));
    this.#store.enterRestored(ref, queue, state as MessageState, readUint48(bytes, at + 33), turn);
    return next;
  }

  #queueAt(bytes: Uint8Array, at: number): Queue {
    const id = readUint48(bytes, at + 1);
    const queue = this.#store.queueOf(id);
    if (queue === undefined) throw malformed(bytes, at, `there is no queue ${id}`);
    return queue;
  }

  #note(id: number): void {
    if (id > this.#idMax) this.#idMax = id;
  }

  finish(offset: number): void {
    if (this.#idMax > offset) throw new Error(`a queue or message has id ${this.#idMax} in a snapshot at ${offset}`);
    this.#store.finishRestore();
  }
}
