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
import { type KeyStore, NONE } from "../state/key-store.ts";
import type { KeyEntry, KeyView } from "../state/key-view.ts";
import {
  OP_DEADLINE,
  OP_FLUSH,
  OP_PUT,
  OP_SPLICE,
  Operation,
  type OperationMark,
  OperationWriter,
} from "../state/operation.ts";
import { Value, type ValueTag } from "../state/value.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { type CommandError, fail } from "./errors.ts";

const NOTHING = new Uint8Array(0);

export class Planner {
  /** Reads only; staged effects show in it. Prefer `find` where the command goes on to write. */
  readonly keys: KeyView;
  readonly writer = new OperationWriter();
  /** Why this record cannot be; the executor looks after each command. */
  failure: CommandError | undefined;
  readonly #store: KeyStore;
  readonly #random: () => number;
  readonly #operation = new Operation(new ByteRange(NOTHING, 0, 0), new ByteRange(NOTHING, 0, 0));
  readonly #victims = new Set<number>();
  readonly #victimKey = new ByteRange(NOTHING, 0, 0);
  /** The record that the staged operations may not take the memory of. */
  #protectedRef = NONE;
  #nextOffset = 0;
  /** Bytes that the staged operations will add to the store, less what they free. */
  #stagedBytes = 0;

  constructor(store: KeyStore, keys: KeyView, random: () => number) {
    this.#store = store;
    this.keys = keys;
    this.#random = random;
  }

  get nowMs(): number {
    return this.keys.nowMs;
  }

  /** @param nextOffset the offset that the first staged operation will have. */
  begin(nextOffset: number): void {
    this.writer.reset();
    this.failure = undefined;
    this.#nextOffset = nextOffset;
    this.#stagedBytes = 0;
    if (this.#victims.size > 0) this.#victims.clear();
    this.keys.endStaging();
  }

  /** For a batch, where the next command must see what this one staged. */
  mark(): OperationMark {
    return this.writer.mark();
  }

  /** Looks a key up for writing. An overdue one is absent, and its `expire` goes into the record before anything else of it. */
  find(key: ByteRange): KeyEntry | undefined {
    const entry = this.#look(key);
    if (entry !== undefined) this.keys.touch(entry);
    return entry;
  }

  #look(key: ByteRange): KeyEntry | undefined {
    this.showStaged();
    const entry = this.keys.peek(key);
    if (this.keys.metOverdue) {
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
    const valueBytes = value.end - value.start;
    if (!this.#reserve(key, current, this.#store.slotBytesNeeded(key.end - key.start, valueBytes, deadlineMs !== 0)))
      return 0;
    const at = this.writer.length;
    this.writer.put(key, value.tag, value, deadlineMs);
    const version = this.#lastOffset();
    if (this.keys.staging) this.#stageFrom(at, version);
    return version;
  }

  /** Stages the removal of a key that `find` has just shown to be there. */
  remove(key: ByteRange): void {
    this.writer.remove(key);
    this.keys.stageRemove(key);
  }

  /** Stages a new deadline (0 for none) for a key that `find` has just shown to be there; returns the new version. */
  setDeadline(key: ByteRange, deadlineMs: number): number {
    const current = this.#look(key);
    if (current === undefined) throw new Error("setDeadline needs a key that is there");
    const valueBytes = current.value.end - current.value.start;
    if (!this.#reserve(key, current, this.#store.slotBytesNeeded(key.end - key.start, valueBytes, deadlineMs !== 0)))
      return 0;
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
    const oldBytes = current.value.end - current.value.start;
    const newBytes = Math.max(oldBytes, offset + part.end - part.start);
    const { version: baseVersion, deadlineMs } = current;
    if (this.keys.staging) {
      // Later commands of this record must see the whole new value, so it is built here.
      const whole = spliced(current.value, offset, part);
      return this.put(key, new Value(tag, whole.bytes, whole.start, whole.end), deadlineMs);
    }
    if (!this.#reserve(key, current, this.#store.slotBytesNeeded(key.end - key.start, newBytes, deadlineMs !== 0)))
      return 0;
    this.writer.splice(key, tag, offset, part, baseVersion);
    return this.#lastOffset();
  }

  /** Stages the removal of every key. */
  flush(): void {
    this.writer.flush();
    this.keys.stageFlush();
  }

  #lastOffset(): number {
    return this.#nextOffset + this.writer.count - 1;
  }

  /**
   * Makes sure that the store can take a record of `neededBytes` where it now has `current`: evicts, in this record and
   * before the write, or fails.
   */
  #reserve(key: ByteRange, current: KeyEntry | undefined, neededBytes: number): boolean {
    if (this.failure !== undefined) return false;
    const store = this.#store;
    const oldBytes =
      current === undefined
        ? 0
        : store.slotBytesNeeded(key.end - key.start, current.value.end - current.value.start, current.deadlineMs !== 0);
    this.#stagedBytes += neededBytes - oldBytes;
    if (neededBytes <= oldBytes || store.usedBytes + this.#stagedBytes <= store.memoryBytesUsable) return true;
    this.#protectedRef = current === undefined ? NONE : current.ref;
    return this.#evict(neededBytes);
  }

  #evict(neededBytes: number): boolean {
    const store = this.#store;
    const skip = (ref: number): boolean => ref === this.#protectedRef || this.#victims.has(ref) || this.#isStaged(ref);
    while (store.usedBytes + this.#stagedBytes > store.memoryBytesUsable) {
      const ref = neededBytes > store.memoryBytesUsable ? NONE : store.evictionVictim(this.#random, skip, this.nowMs);
      if (ref === NONE) {
        this.failure = fail("MEMORY_LIMIT_EXCEEDED", "the memory limit is reached and nothing can be evicted", {
          limit_bytes: store.memoryBytesMax,
          used_bytes: store.usedBytes,
          needed_bytes: neededBytes,
        });
        return false;
      }
      this.#victims.add(ref);
      store.readKey(ref, this.#victimKey);
      this.writer.evict(this.#victimKey);
      this.keys.stageRemove(this.#victimKey);
      this.#stagedBytes -= store.recordBytesOf(ref);
    }
    return true;
  }

  /** Whether the record being planned has touched this key already: what it wrote must not be evicted by it. */
  #isStaged(ref: number): boolean {
    if (!this.keys.staging) return false;
    this.#store.readKey(ref, this.#victimKey);
    return this.keys.isStaged(this.#victimKey);
  }

  /** Makes the view show the operations staged so far. Needed from the second look-up of a record on. */
  showStaged(): void {
    const { writer, keys } = this;
    if (writer.count === 0 || keys.staging) return;
    keys.beginStaging();
    let offset = this.#nextOffset;
    for (let at = 0; at < writer.length; offset++) at = this.#stageFrom(at, offset);
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
    const whole = spliced(value, operation.offset, operation.value);
    this.keys.stagePut(operation.key, operation.tag, whole, current.deadlineMs, offset);
  }
}

/** The bytes of `value` with `part` written over them from `offset`, zero-filled up to there. */
function spliced(value: ByteRange, offset: number, part: ByteRange): ByteRange {
  const oldBytes = value.end - value.start;
  const bytes = new Uint8Array(Math.max(oldBytes, offset + part.end - part.start));
  bytes.set(value.bytes.subarray(value.start, value.end));
  bytes.set(part.bytes.subarray(part.start, part.end), offset);
  return new ByteRange(bytes, 0, bytes.length);
}
