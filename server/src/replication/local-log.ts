/** The log and the state of a replica, as those who copy the master's log into them need them. */
import type { Executor } from "../commands/execute.ts";
import type { EpochHistory } from "../oplog/epochs.ts";
import type { LogRecord } from "../oplog/log-record.ts";
import type { OperationLog } from "../oplog/operation-log.ts";
import type { LinkIdentity } from "./link-message.ts";
import type { ReplicationFiles } from "./replication-files.ts";

export interface LocalLogParts {
  readonly log: OperationLog;
  readonly executor: Pick<Executor, "applyCopied" | "beginEpoch">;
  readonly files: Pick<ReplicationFiles, "identity" | "saveHistory">;
  /** What is durable has grown by a new epoch, which the writer does not tell of. */
  readonly onDurable: (offset: number) => void;
}

interface DurableWait {
  readonly offset: number;
  readonly done: () => void;
}

export class LocalLog {
  readonly #parts: LocalLogParts;
  #waiting: DurableWait[] = [];

  constructor(parts: LocalLogParts) {
    this.#parts = parts;
  }

  get identity(): LinkIdentity {
    return { replicationId: this.#parts.files.identity.replicationId, history: this.history };
  }

  get history(): EpochHistory {
    return this.#parts.log.history;
  }

  /** Of the last operation; or, in an epoch without any, what its first will follow. */
  get lastOffset(): number {
    return this.#parts.log.nextOffset - 1;
  }

  get durableOffset(): number {
    return this.#parts.log.durableOffset;
  }

  /** Why the disk takes no more; undefined where it does. */
  get refusal(): string | undefined {
    return this.#parts.log.refusal;
  }

  /** No operation was ever written to it. */
  get isEmpty(): boolean {
    const { epoch, firstOffset } = this.history.current;
    return epoch === 1 && this.lastOffset === firstOffset - 1;
  }

  /** @param record follows the last one. */
  copy(record: LogRecord): void {
    this.#parts.executor.applyCopied(record);
  }

  /**
   * Goes on in the epoch that ends `history`, whose `previousEnd` is the last offset here. What came before is on disk first:
   * else a crash could leave a log that has a hole, and says that it has none.
   * @param isReplica whether the epoch is another node's.
   */
  async enterEpoch(history: EpochHistory, isReplica = true): Promise<void> {
    await this.whenDurable(this.lastOffset);
    await this.#parts.files.saveHistory(history, isReplica);
    this.#parts.executor.beginEpoch(history);
    this.#parts.onDurable(this.durableOffset);
  }

  whenDurable(offset: number): Promise<void> {
    if (this.durableOffset >= offset) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ offset, done }));
  }

  /** More of the log is durable. */
  durable(offset: number): void {
    if (this.#waiting.length === 0) return;
    const reached = this.#waiting.filter((wait) => wait.offset <= offset);
    this.#waiting = this.#waiting.filter((wait) => wait.offset > offset);
    for (const { done } of reached) done();
  }
}
