/**
 * The one log. A write is appended here and then applied; whatever makes it durable, carries it to replicas or tells
 * watchers is a reader of this log. In memory for now: the last records stay in a bounded backlog.
 *
 * Offsets count operations, begin at 1 and are never reused; 0 is the version of a missing key.
 */
import type { OperationWriter } from "../state/operation.ts";
import { Backlog, type LogRecord } from "./backlog.ts";

export class OperationLog {
  readonly #backlog: Backlog;
  readonly epoch = 1;
  #nextOffset = 1;

  /** @param backlogBytesMax how much of the log readers can still find. */
  constructor(backlogBytesMax: number) {
    this.#backlog = new Backlog(backlogBytesMax);
  }

  /** The offset that the next operation gets. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  get backlogBytes(): number {
    return this.#backlog.heldBytes;
  }

  get oldestOffset(): number | undefined {
    return this.#backlog.oldestOffset;
  }

  /** Appends what the writer collected as one record and returns the offset of its first operation. */
  append(record: OperationWriter): number {
    const firstOffset = this.#nextOffset;
    this.#backlog.append(record.bytes, record.length, record.count, firstOffset, this.epoch);
    this.#nextOffset = firstOffset + record.count;
    return firstOffset;
  }

  /** See `Backlog.read`. */
  read(offset: number, visit: (record: LogRecord) => boolean): boolean {
    return this.#backlog.read(offset, visit);
  }
}
