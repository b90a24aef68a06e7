/** Reads each record of operations when it is appended to a log, as any reader of the backlog could. */
import type { LogRecord } from "../../src/oplog/log-record.ts";
import { KIND_OPERATIONS } from "../../src/oplog/log-record.ts";
import type { OperationLog } from "../../src/oplog/operation-log.ts";

export class LogTap {
  readonly #log: OperationLog;
  #nextOffset: number;

  constructor(log: OperationLog) {
    this.#log = log;
    this.#nextOffset = log.nextOffset;
  }

  /** Visits what was appended since the last time. */
  read(visit: (record: LogRecord) => void): void {
    this.#log.read(this.#nextOffset, (record) => {
      if (record.kind === KIND_OPERATIONS && record.firstOffset >= this.#nextOffset) {
        this.#nextOffset = record.firstOffset + record.count;
        visit(record);
      }
      return true;
    });
  }
}
