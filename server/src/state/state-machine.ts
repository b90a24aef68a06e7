/**
 * The deterministic machine: `apply` is the only thing that changes state. It reads no clock, no random source, no
 * socket and no disk, so the same records give the same state on the master, on a replica and in recovery.
 *
 * Apply obeys and cannot fail on what plan wrote. Where it finds something else (a key to remove that is not there, another
 * base version) there is a bug, and it throws: the caller stops the process.
 */
import { ByteRange } from "../structures/byte-range.ts";
import { dumpKeys } from "./key-dump.ts";
import { type KeyStore, NONE } from "./key-store.ts";
import {
  OP_DEADLINE,
  OP_EVICT,
  OP_EXPIRE,
  OP_FLUSH,
  OP_PUT,
  OP_REMOVE,
  OP_SPLICE,
  Operation,
  type OperationWriter,
  QUEUE_KIND_MIN,
  REPLY_KIND_MIN,
  ROOM_KIND_MIN,
} from "./operation.ts";
import type { QueueStore } from "./queue-store.ts";
import type { ReplyStore } from "./reply-store.ts";
import type { RoomStore } from "./room-store.ts";

const NOTHING = new Uint8Array(0);

export class StateMachine {
  readonly keys: KeyStore;
  readonly queues: QueueStore;
  readonly rooms: RoomStore;
  readonly replies: ReplyStore;
  /** A queue or a room was changed since somebody set this to false. */
  hasMessagingChanges = false;
  /** A `StateSnapshot` of it is under way: there is one at a time. */
  hasSnapshot = false;
  /** Removals by deadline and by the memory limit since this process started. */
  expiredCount = 0;
  evictedCount = 0;
  readonly #operation = new Operation(new ByteRange(NOTHING, 0, 0), new ByteRange(NOTHING, 0, 0));
  #appliedOffset: number;

  /** @param appliedOffset what the stores hold is the state at this offset; 0 with empty stores, or what the log begins after. */
  constructor(keys: KeyStore, queues: QueueStore, rooms: RoomStore, replies: ReplyStore, appliedOffset = 0) {
    this.#appliedOffset = appliedOffset;
    this.keys = keys;
    this.queues = queues;
    this.rooms = rooms;
    this.replies = replies;
  }

  /** The offset of the last operation applied; 0 before the first. */
  get appliedOffset(): number {
    return this.#appliedOffset;
  }

  /** The offsets up to this one are used by nobody: the next epoch begins behind them. */
  skipTo(offset: number): void {
    if (offset < this.#appliedOffset) throw new Error(`offset ${offset} lies before ${this.#appliedOffset}`);
    this.#appliedOffset = offset;
  }

  /** Bytes of everything in the stores. */
  get usedBytes(): number {
    const { keys, queues, rooms, replies } = this;
    return keys.usedBytes + queues.usedBytes + rooms.usedBytes + replies.usedBytes;
  }

  /**
   * Applies one record.
   * @param firstOffset the offset of its first operation; must follow the last one applied.
   */
  apply(record: Uint8Array, length: number, firstOffset: number): void {
    this.#mustFollow(firstOffset);
    const operation = this.#operation;
    let offset = firstOffset;
    for (let at = 0; at < length; ) {
      const kind = record[at];
      if (kind < QUEUE_KIND_MIN) {
        at = operation.read(record, at, length);
        this.#applyToKeys(operation, offset);
      } else if (kind < REPLY_KIND_MIN) {
        this.hasMessagingChanges = true;
        const store = kind < ROOM_KIND_MIN ? this.queues : this.rooms;
        at = store.apply(record, at, length, offset);
      } else {
        at = this.replies.apply(record, at, length, offset);
      }
      offset++;
    }
    this.#appliedOffset = offset - 1;
  }

  /** Applies a record that was planned here and has just been appended; as `apply`, of the same operations. */
  applyStaged(record: OperationWriter, firstOffset: number): void {
    const { deferred } = record;
    if (deferred === undefined) {
      this.apply(record.bytes, record.length, firstOffset);
      return;
    }
    this.#mustFollow(firstOffset);
    this.#applyToKeys(deferred, firstOffset, record.deferredRef);
    this.#appliedOffset = firstOffset;
  }

  #mustFollow(firstOffset: number): void {
    if (firstOffset === this.#appliedOffset + 1) return;
    throw new Error(`record at offset ${firstOffset} does not follow ${this.#appliedOffset}`);
  }

  /** What the stores have been filled with is the state at this offset; see state-restorer.ts. */
  restoredAt(offset: number): void {
    this.#appliedOffset = offset;
    this.hasMessagingChanges = true;
  }

  /** All of the state as text, the same for the same operations, however they were cut into records. For tests. */
  dump(): string {
    const { keys, queues, rooms, replies } = this;
    const offset = `offset ${this.#appliedOffset}`;
    return [offset, dumpKeys(keys), queues.dump(), rooms.dump(), ...replies.dump()].join("\n");
  }

  /** @param foundRef as of `KeyStore#put`. */
  #applyToKeys(operation: Operation, offset: number, foundRef = NONE): void {
    const { keys } = this;
    switch (operation.kind) {
      case OP_PUT: {
        const { key, tag, value, deadlineMs } = operation;
        keys.put(key, tag, value.bytes, value.start, value.end, deadlineMs, offset, foundRef);
        return;
      }
      case OP_REMOVE:
        this.#remove(operation, offset);
        return;
      case OP_EXPIRE:
        this.#remove(operation, offset);
        this.expiredCount++;
        return;
      case OP_EVICT:
        this.#remove(operation, offset);
        this.evictedCount++;
        return;
      case OP_DEADLINE:
        if (!keys.setDeadline(operation.key, operation.deadlineMs, offset)) throw missing(operation, offset);
        return;
      case OP_SPLICE: {
        const { key, value, tag } = operation;
        const found = keys.versionOf(keys.find(key));
        if (found !== operation.baseVersion) {
          throw new Error(
            `splice at offset ${offset} expects version ${operation.baseVersion} of ${key}, found ${found}`,
          );
        }
        keys.splice(key, tag, operation.offset, value.bytes, value.start, value.end, offset);
        return;
      }
      case OP_FLUSH:
        keys.flush();
        return;
    }
  }

  #remove(operation: Operation, offset: number): void {
    if (!this.keys.remove(operation.key)) throw missing(operation, offset);
  }
}

function missing(operation: Operation, offset: number): Error {
  return new Error(`operation ${operation.kind} at offset ${offset} names a key that does not exist: ${operation.key}`);
}
