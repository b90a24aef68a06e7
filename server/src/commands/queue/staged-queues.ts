/**
 * What the operations staged in a record will have changed in the queues, for the commands of the same record that come
 * after them. Each operation is noted with where it is in the record, two numbers and nothing more; only when a later
 * command looks something up are the notes read back from the staged bytes:
 *
 *     notes   | create | publish | ack | publish |          `note`, as they are staged
 *             '----- shown ------'                          `show` goes on from here
 *                      |
 *                      v
 *     queues   id -> created with which config, messages and bytes more or less
 *     messages id -> what became of it
 *
 * A record of one command never pays for more than the notes.
 */
import { readUint16, readUint32, readUint48 } from "../../state/operation.ts";
import { PRIORITY_COUNT, type QueueConfig } from "../../state/queue.ts";
import {
  OP_ACK,
  OP_EXTEND,
  OP_PUBLISH,
  OP_QUEUE_CREATE,
  OP_REQUEUE,
  PUBLISH_HEADER_BYTES,
  QUEUE_CREATE_HEADER_BYTES,
  readConfig,
} from "../../state/queue-operation.ts";
import type { QueueStore } from "../../state/queue-store.ts";
import { ByteRange, copyRange, rangesEqual } from "../../structures/byte-range.ts";

/** A queue that staged operations change or create. */
export class StagedQueue {
  readonly id: number;
  /** Of one that is created; else `undefined`. */
  readonly name: ByteRange | undefined;
  readonly config: QueueConfig | undefined;
  /** Ready and delayed messages, and their bytes, more than in the store. */
  depth = 0;
  depthBytes = 0;
  /** Ready messages of each priority, more than in the store. */
  readonly ready = new Array<number>(PRIORITY_COUNT).fill(0);
  /** Dedup id, a letter for each byte -> message id. */
  dedupIds: Map<string, number> | undefined;

  constructor(id: number, name?: ByteRange, config?: QueueConfig) {
    this.id = id;
    this.name = name;
    this.config = config;
  }
}

/** What became of a message of the store: it is not there any more, not pending any more, or has this deadline. */
export type StagedMessage = "gone" | "returned" | number;

export class StagedQueues {
  readonly #store: QueueStore;
  /** Of each noted operation: where it begins in the record, and its offset. */
  readonly #places: number[] = [];
  readonly #offsets: number[] = [];
  #noted = 0;
  #shown = 0;
  readonly #queues = new Map<number, StagedQueue>();
  readonly #messages = new Map<number, StagedMessage>();
  createdCount = 0;

  constructor(store: QueueStore) {
    this.#store = store;
  }

  clear(): void {
    this.#noted = 0;
    if (this.#shown === 0) return;
    this.#shown = 0;
    this.createdCount = 0;
    this.#queues.clear();
    this.#messages.clear();
  }

  /** The operation at `place` of the record has this offset. */
  note(place: number, offset: number): void {
    this.#places[this.#noted] = place;
    this.#offsets[this.#noted] = offset;
    this.#noted++;
  }

  /** Reads what was noted since the last call. Call it before each look-up. */
  show(record: Uint8Array): void {
    for (; this.#shown < this.#noted; this.#shown++) {
      this.#showOne(record, this.#places[this.#shown], this.#offsets[this.#shown]);
    }
  }

  /** What is staged of a queue, if anything is. */
  queueOf(queueId: number): StagedQueue | undefined {
    return this.#queues.size === 0 ? undefined : this.#queues.get(queueId);
  }

  /** A queue that is created in this record. */
  createdAs(name: ByteRange): StagedQueue | undefined {
    if (this.createdCount === 0) return undefined;
    for (const queue of this.#queues.values()) {
      if (queue.name !== undefined && rangesEqual(queue.name, name)) return queue;
    }
    return undefined;
  }

  /** What became of a message of the store; `undefined` where nothing is staged for it. */
  messageOf(messageId: number): StagedMessage | undefined {
    return this.#messages.size === 0 ? undefined : this.#messages.get(messageId);
  }

  /** Whether a message of this id is published to the queue in this record. */
  isPublished(record: Uint8Array, messageId: number, queueId: number): boolean {
    let low = 0;
    let high = this.#noted;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle] < messageId) low = middle + 1;
      else high = middle;
    }
    if (low === this.#noted || this.#offsets[low] !== messageId) return false;
    const at = this.#places[low];
    return record[at] === OP_PUBLISH && readUint48(record, at + 1) === queueId;
  }

  #showOne(record: Uint8Array, at: number, offset: number): void {
    const kind = record[at];
    if (kind === OP_QUEUE_CREATE) {
      const nameAt = at + QUEUE_CREATE_HEADER_BYTES;
      const name = copyRange(new ByteRange(record, nameAt, nameAt + record[at + 1]));
      this.#queues.set(offset, new StagedQueue(offset, name, readConfig(record, at)));
      this.createdCount++;
    } else if (kind === OP_PUBLISH) {
      this.#showPublish(record, at, offset);
    } else {
      this.#showMessage(record, at, kind);
    }
  }

  #showPublish(record: Uint8Array, at: number, offset: number): void {
    const queue = this.#queueAt(readUint48(record, at + 1));
    const contentBytes = readUint32(record, at + 13) + readUint32(record, at + 17);
    queue.depth++;
    queue.depthBytes += contentBytes;
    if (readUint48(record, at + 27) === 0) queue.ready[record[at + 8]]++;
    const dedupBytes = readUint16(record, at + 11);
    if (dedupBytes === 0) return;
    const dedupAt = at + PUBLISH_HEADER_BYTES + contentBytes;
    queue.dedupIds ??= new Map();
    queue.dedupIds.set(lettersOf(new ByteRange(record, dedupAt, dedupAt + dedupBytes)), offset);
  }

  /** An operation on a message that the store has: pending, or it would not be there. */
  #showMessage(record: Uint8Array, at: number, kind: number): void {
    const messageId = readUint48(record, at + 1);
    if (kind === OP_EXTEND) {
      this.#messages.set(messageId, readUint48(record, at + 7));
      return;
    }
    this.#messages.set(messageId, kind === OP_ACK ? "gone" : "returned");
    if (kind !== OP_REQUEUE) return;
    const { messages } = this.#store;
    const ref = this.#store.findMessage(messageId);
    const queue = this.#queueAt(messages.queueOf(ref).id);
    queue.depth++;
    queue.depthBytes += messages.contentBytesOf(ref);
    if (readUint48(record, at + 10) === 0) queue.ready[messages.priorityOf(ref)]++;
  }

  #queueAt(queueId: number): StagedQueue {
    let queue = this.#queues.get(queueId);
    if (queue === undefined) {
      queue = new StagedQueue(queueId);
      this.#queues.set(queueId, queue);
    }
    return queue;
  }
}

/** Bytes as a string with a letter for each. */
export function lettersOf({ bytes, start, end }: ByteRange): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
