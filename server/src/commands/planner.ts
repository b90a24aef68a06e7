/**
 * What a write command plans with: it looks keys up, decides, and stages operations. Nothing changes until the executor
 * appends the staged record to the log and applies it; until then everything can be discarded.
 *
 * A staged operation knows the offset it will have, because plan, append and apply of one record happen in one step of
 * the loop. That offset is the key's new version and can go into the reply.
 *
 * Refusals that any write can meet (no memory left) do not come back from every call: the first one is kept in `failure`,
 * later calls do nothing, and the executor discards the record.
 */
import { ABSENT, type KeyStore, NONE } from "../state/key-store.ts";
import type { KeyEntry, KeyView } from "../state/key-view.ts";
import { OP_DEADLINE, OP_FLUSH, OP_PUT, OP_SPLICE, Operation, OperationWriter } from "../state/operation.ts";
import type { StateMachine } from "../state/state-machine.ts";
import type { Value, ValueTag } from "../state/value.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { type CommandError, fail } from "./errors.ts";
import { QueuePlanner } from "./queue/queue-planner.ts";
import { RecordMemory } from "./record-memory.ts";
import { RoomPlanner } from "./stream/room-planner.ts";

const NOTHING = new Uint8Array(0);
const NOWHERE = -1;
/** What one record may be: it is built, appended and applied in one step of the loop. A single operation always may. */
const RECORD_BYTES_MAX = 64 * 2 ** 20;
const RECORD_OPERATIONS_MAX = 100_000;

export class Planner {
  /** Reads only; staged effects show in it. Prefer `find` where the command goes on to write. */
  readonly keys: KeyView;
  readonly writer = new OperationWriter();
  /** Why this record cannot be; the executor looks after each command. */
  failure: CommandError | undefined;
  readonly queues: QueuePlanner;
  readonly rooms: RoomPlanner;
  readonly #store: KeyStore;
  readonly #memory: RecordMemory;
  readonly #operation = new Operation(new ByteRange(NOTHING, 0, 0), new ByteRange(NOTHING, 0, 0));
  /** The record that `find` has counted an access of. */
  #touchedRef = NONE;
  #nextOffset = 0;
  /** Where the first operation on a queue or a room is in the record, if it came before the view began to show staged ones. */
  #messagingFrom = NOWHERE;
  /** Values put together for the overlay, with room to grow in. */
  readonly #built = new Set<Uint8Array>();

  constructor(state: StateMachine, keys: KeyView, random: () => number) {
    this.#store = state.keys;
    this.keys = keys;
    this.#memory = new RecordMemory({
      state,
      keys,
      writer: this.writer,
      random,
      showStaged: () => this.showStaged(),
      refuse: (error) => {
        this.failure = error;
      },
    });
    this.queues = new QueuePlanner(state.queues, this);
    this.rooms = new RoomPlanner(state.rooms, this);
  }

  get nowMs(): number {
    return this.keys.nowMs;
  }

  /** @param nextOffset the offset that the first staged operation will have. */
  begin(nextOffset: number): void {
    this.writer.reset();
    this.failure = undefined;
    this.#nextOffset = nextOffset;
    this.#memory.begin();
    this.#messagingFrom = NOWHERE;
    this.#touchedRef = NONE;
    if (this.#built.size > 0) this.#built.clear();
    this.keys.endStaging();
    this.queues.begin();
    this.rooms.begin();
  }

  /** The offset that the next staged operation will have. */
  get nextOffset(): number {
    return this.#nextOffset + this.writer.count;
  }

  /** What may be used beyond the usable memory, where a full server would otherwise stay full. */
  get spareBytes(): number {
    return this.#memory.spareBytes;
  }

  /** Looks a key up for writing. An overdue one is absent, and its `expire` goes into the record before anything else of it. */
  find(key: ByteRange): KeyEntry | undefined {
    const entry = this.#look(key);
    if (entry !== undefined) this.#touch(entry);
    return entry;
  }

  /** Counts one access, however often the command looks the same key up. */
  #touch(entry: KeyEntry): void {
    if (entry.ref === this.#touchedRef) return;
    this.#touchedRef = entry.ref;
    this.keys.touch(entry);
  }

  #look(key: ByteRange): KeyEntry | undefined {
    if (this.writer.count === 0 && this.keys.wasLast(key)) return this.keys.last;
    this.showStaged();
    const entry = this.keys.peek(key);
    if (this.keys.metOverdue && !this.#isTooMuch(key.end - key.start)) {
      this.#memory.frees(this.#store.recordBytesOf(this.#store.find(key)));
      this.writer.expire(key);
      this.keys.stageRemove(key);
    }
    return entry;
  }

  /**
   * Stages a write of the whole value and returns the key's new version.
   * @param deadlineMs the instant it expires; 0 for never.
   */
  put(key: ByteRange, value: Value, deadlineMs: number): number {
    const current = this.#look(key);
    if (current !== undefined) this.#touch(current);
    const valueBytes = value.end - value.start;
    if (this.#isTooMuch(key.end - key.start + valueBytes)) return 0;
    if (!this.#memory.reserve(key, current, valueBytes, deadlineMs !== 0)) return 0;
    const at = this.writer.length;
    this.writer.put(key, value.tag, value, deadlineMs, current === undefined ? ABSENT : current.ref);
    const version = this.#lastOffset();
    if (this.keys.staging) this.#stageFrom(at, version);
    return version;
  }

  /** Stages the removal of a key that `find` has just shown to be there. */
  remove(key: ByteRange): void {
    const current = this.#look(key);
    if (current === undefined) throw new Error("remove needs a key that is there");
    if (this.#isTooMuch(key.end - key.start)) return;
    this.#memory.frees(this.#memory.slotBytesOf(key, current));
    this.writer.remove(key);
    this.keys.stageRemove(key);
  }

  /** Stages a new deadline (0 for none) for a key that `find` has just shown to be there; returns the new version. */
  setDeadline(key: ByteRange, deadlineMs: number): number {
    const current = this.#look(key);
    if (current === undefined) throw new Error("setDeadline needs a key that is there");
    const valueBytes = current.value.end - current.value.start;
    if (this.#isTooMuch(key.end - key.start)) return 0;
    if (!this.#memory.reserve(key, current, valueBytes, deadlineMs !== 0, this.spareBytes)) return 0;
    this.writer.deadline(key, deadlineMs);
    const version = this.#lastOffset();
    if (this.keys.staging) {
      const { value } = current;
      this.keys.stagePut(key, value.tag, value, deadlineMs, version);
    }
    return version;
  }

  /**
   * Stages an overwrite of part of a value that `find` has just shown to be there, zero-filled up to `offset`.
   * Returns the new version.
   */
  splice(key: ByteRange, tag: ValueTag, offset: number, part: ByteRange): number {
    const current = this.#look(key);
    if (current === undefined) throw new Error("splice needs a key that is there");
    const newBytes = Math.max(current.value.end - current.value.start, offset + part.end - part.start);
    const { version: baseVersion, deadlineMs } = current;
    if (this.#isTooMuch(key.end - key.start + part.end - part.start)) return 0;
    if (!this.#memory.reserve(key, current, newBytes, deadlineMs !== 0)) return 0;
    this.writer.splice(key, tag, offset, part, baseVersion);
    const version = this.#lastOffset();
    if (this.keys.staging) this.#stageSplice(key, current, tag, offset, part, version);
    return version;
  }

  /** Stages the removal of every key. */
  flush(): void {
    this.writer.flush();
    this.#memory.flushes();
    this.keys.stageFlush();
  }

  #lastOffset(): number {
    return this.#nextOffset + this.writer.count - 1;
  }

  /** Fails the record where one more operation, with so many bytes of key and value, would make the record too large. */
  #isTooMuch(bytes: number): boolean {
    const { writer } = this;
    if (this.failure !== undefined) return true;
    if (writer.count === 0) return false;
    if (writer.length + bytes <= RECORD_BYTES_MAX && writer.count < RECORD_OPERATIONS_MAX) return false;
    this.failure = fail("PAYLOAD_TOO_LARGE", "the request changes too much at once", {
      record_bytes_max: RECORD_BYTES_MAX,
      operations_max: RECORD_OPERATIONS_MAX,
    });
    return true;
  }

  /**
   * Whether the record can take one more operation on a queue or a room, with so many bytes; else it has failed. Call it
   * before each.
   */
  admit(bytes: number): boolean {
    if (this.#isTooMuch(bytes)) return false;
    if (this.#messagingFrom === NOWHERE) this.#messagingFrom = this.writer.length;
    return true;
  }

  /**
   * Makes sure that a queue or a room can take so many bytes more: evicts keys for them, in this record, or fails. Call it
   * before the operation is written: its offset comes after the evictions.
   * @param store the one that takes them; it has addresses of its own.
   * @param spareBytes what may be used beyond what is usable.
   */
  reserveBytes(neededBytes: number, store: { canTake(bytes: number): boolean }, spareBytes = 0): boolean {
    return this.failure === undefined && this.#memory.reserveElsewhere(neededBytes, store, spareBytes);
  }

  /** Whether `reserveBytes` would let a record take so many bytes, without evicting for them. */
  hasRoomFor(neededBytes: number, store: { canTake(bytes: number): boolean }, spareBytes: number): boolean {
    return store.canTake(neededBytes) && this.#memory.hasRoomFor(neededBytes, spareBytes);
  }

  /** See RecordMemory. */
  evictAhead(countMax: number): number {
    return this.#memory.evictAhead(countMax);
  }

  /** Makes the view show the operations staged so far. Needed from the second look-up of a record on. */
  showStaged(): void {
    const { writer, keys } = this;
    if (writer.count === 0 || keys.staging) return;
    keys.beginStaging();
    const end = this.#messagingFrom === NOWHERE ? writer.length : this.#messagingFrom;
    let offset = this.#nextOffset;
    // A look-up of a key comes before each change of one, so from the first operation on a queue or a room on there is none.
    for (let at = 0; at < end; offset++) at = this.#stageFrom(at, offset);
  }

  /** The staged value points into the writer, whose bytes outlive the request that the value came in. */
  #stageFrom(at: number, offset: number): number {
    const { writer, keys } = this;
    const operation = this.#operation;
    const next = operation.read(writer.bytes, at, writer.length);
    switch (operation.kind) {
      case OP_PUT:
        keys.stagePut(operation.key, operation.tag, operation.value, operation.deadlineMs, offset);
        break;
      case OP_DEADLINE:
      case OP_SPLICE:
        this.#stageChange(operation, offset);
        break;
      case OP_FLUSH:
        keys.stageFlush();
        break;
      default:
        keys.stageRemove(operation.key);
    }
    return next;
  }

  /** What a key becomes by an operation that says only a part of it; the store still has the rest. */
  #stageChange(operation: Operation, offset: number): void {
    const current = this.keys.peek(operation.key);
    if (current === undefined) throw new Error("a change was staged for a key that is not there");
    const { value } = current;
    if (operation.kind === OP_DEADLINE) {
      this.keys.stagePut(operation.key, value.tag, value, operation.deadlineMs, offset);
      return;
    }
    this.#stageSplice(operation.key, current, operation.tag, operation.offset, operation.value, offset);
  }

  /** Shows a value with a part written over it. Only the overlay has the whole of it; the record has the part. */
  #stageSplice(
    key: ByteRange,
    current: KeyEntry,
    tag: ValueTag,
    offset: number,
    part: ByteRange,
    version: number,
  ): void {
    const { value, deadlineMs } = current;
    const oldBytes = value.end - value.start;
    const newBytes = Math.max(oldBytes, offset + part.end - part.start);
    let { bytes } = value;
    if (!this.#built.has(bytes) || newBytes > bytes.length) {
      this.#built.delete(bytes);
      bytes = new Uint8Array(newBytes + (newBytes >> 2));
      bytes.set(value.bytes.subarray(value.start, value.end));
      this.#built.add(bytes);
    }
    bytes.set(part.bytes.subarray(part.start, part.end), offset);
    this.keys.stagePut(key, tag, new ByteRange(bytes, 0, newBytes), deadlineMs, version);
  }
}
