/**
 * The one log. A write is appended here and then applied; whatever makes it durable, carries it to replicas or tells
 * watchers is a reader of this log. In memory for now: the last records stay in a bounded backlog.
 *
 * Offsets count operations and are never reused; 0 is the version of a missing key. A log that is not on disk begins at an
 * offset that no earlier process has come to: ids, versions and generations that a client kept over a restart must not
 * name something else now.
 */
import type { OperationWriter } from "../state/operation.ts";
import { Backlog, type LogRecord } from "./backlog.ts";

export class OperationLog {
  readonly #backlog: Backlog;
  readonly epoch = 1;
  readonly firstOffset: number;
  #nextOffset: number;

  /**
   * @param backlogBytesMax how much of the log readers can still find.
   * @param firstOffset 1 or more.
   */
  constructor(backlogBytesMax: number, firstOffset = 1) {
    this.firstOffset = firstOffset;
    this.#nextOffset = firstOffset;
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
