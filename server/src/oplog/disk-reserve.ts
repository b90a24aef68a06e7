/**
 * Watches the room on the disk. What the log has accepted has to find room, or the process would have to end: so new writes
 * are refused while there is still room for all that is in flight, and taken again when there is more. Snapshots, which need
 * most room and can be taken later, give way first.
 *
 *     free   |======== reserve ========|= next segment =|- - - - - - - -      the next segment counts while it is not made
 *                                                        ^ writes are refused below this
 *
 * The segment that is written to and the next one take what is in flight; the reserve is for records that need more, and for
 * the small files beside the log.
 */
import type { FileSystem } from "./file-system.ts";
import type { LogWriter } from "./log-writer.ts";
import type { OperationLog } from "./operation-log.ts";
import type { Snapshots } from "./snapshots.ts";

export interface DiskReserveOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly reserveBytes: number;
  readonly log: OperationLog;
  readonly writer: LogWriter;
  readonly snapshots: Pick<Snapshots, "abandon" | "isUnderWay">;
  readonly logger: { info(message: string): void; warn(message: string): void };
}

export class DiskReserve {
  readonly #options: DiskReserveOptions;
  #freeBytes = Number.POSITIVE_INFINITY;
  #isMeasuring = false;

  constructor(options: DiskReserveOptions) {
    this.#options = options;
  }

  /** Free on the disk, as last measured. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Looks how much room there is; one look at a time. */
  async measure(): Promise<void> {
    if (this.#isMeasuring) return;
    this.#isMeasuring = true;
    const { files, directory, reserveBytes, log, snapshots, writer } = this.#options;
    try {
      this.#freeBytes = await files.freeBytes(directory);
    } finally {
      this.#isMeasuring = false;
    }
    const isNearlyFull = this.#freeBytes - writer.unpreparedBytes < reserveBytes;
    if (isNearlyFull && snapshots.isUnderWay) snapshots.abandon("the disk is nearly full");
    writer.keepSpare(!isNearlyFull);
    // However much is written before the next look, the reserve is not touched.
    log.appendedBytesMax = log.writtenBytes + writer.roomFor(this.#freeBytes - reserveBytes);
    this.#judge(isNearlyFull);
  }

  #judge(isNearlyFull: boolean): void {
    const { log, reserveBytes, directory, logger } = this.#options;
    if (isNearlyFull) {
      if (log.diskRefusal === undefined) this.#warn();
      log.diskRefusal =
        `the disk is nearly full (${megabytes(this.#freeBytes)} MB left, ${megabytes(reserveBytes)} MB are kept in reserve): ` +
        "make room, and writes are taken again; see persistence.reserve_bytes";
    } else if (log.diskRefusal !== undefined) {
      logger.info(`the disk of ${directory} has room again: writes are taken`);
      log.diskRefusal = undefined;
    }
  }

  #warn(): void {
    const { directory, reserveBytes, logger } = this.#options;
    logger.warn(
      `the disk of ${directory} is nearly full: writes are refused. ${megabytes(this.#freeBytes)} MB are left, and beside the ` +
        `next segment ${megabytes(reserveBytes)} MB are kept in reserve (persistence.reserve_bytes)`,
    );
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
