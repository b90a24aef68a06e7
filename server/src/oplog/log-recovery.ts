/**
 * Reads the log when a server starts: from the snapshot on, every record, in order, and decides what is at its end.
 *
 *     segment      [rec][rec][rec]                            all the others: anything else than whole records, which lead
 *     last one     [rec][rec][rec][to]....[rn ]0000000        on to the next segment, is damage
 *                                 ^ the torn tail
 *
 * A crash can leave the last group of writes torn: any of its pages may be missing, and the pages behind them may be there.
 * None of it was acknowledged, so it is cut off. But the same bytes can be an acknowledged record that went bad later. They
 * are told apart by the records behind: each names the last offset that was durable when it was written, and a mark does when
 * no record follows. Where one of them names the damaged place, the damage came after the sync, and the start is refused; where
 * all belong to the same group, none of them was acknowledged without the one that is damaged.
 *
 * So only the last group can be cut, and of records that were each acknowledged before the next was written only the last.
 * (The first design refused whenever a valid record follows the damage. After a power failure in the middle of a group of
 * several pages a server would then not start by itself, though nothing that it had promised is missing.)
 *
 * What is cut is kept in a file beside the log, and its place is filled with zeros: nothing of it may come to stand behind
 * records written later.
 */
import type { EpochHistory } from "./epochs.ts";
import { type FileSystem, writeAndClose } from "./file-system.ts";
import { knowsVersion } from "./format-version.ts";
import { type Damage, listSegments, type SegmentInfo, SegmentReader } from "./log-file-reader.ts";
import {
  firstOffsetAt,
  KIND_MARK,
  KIND_OPERATIONS,
  type LogRecord,
  RECORD_HEADER_BYTES,
  readRecord,
  recordBytesAt,
  recordProblem,
} from "./log-record.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";
import { SegmentFile } from "./segment-file.ts";

/** The log cannot be used as it is. `message` says what is wrong, where, and the way out. */
export class LogDamage extends Error {}

/** Where in the log it is: what comes before can be kept. */
export class LogDamageAt extends LogDamage {
  readonly damage: Damage;
  /** The offset of the first operation that is not good any more. */
  readonly nextOffset: number;

  constructor(message: string, damage: Damage, nextOffset: number) {
    super(message);
    this.damage = damage;
    this.nextOffset = nextOffset;
  }
}

export interface LogRecoveryOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly history: EpochHistory;
  readonly replicationId: string;
  /** What a snapshot has: records up to here are read and not applied. */
  readonly fromOffset: number;
  /** Known to have been on disk, though no record may say so: where the log was closed; 0 where that is not known. */
  readonly durableOffset: number;
  readonly apply: (record: LogRecord) => void;
  /** Told now and then how far it is. */
  readonly onProgress: (doneBytes: number, allBytes: number) => void;
}

export interface RecoveredLog {
  /** The oldest offset that a segment may have. */
  readonly oldestOffset: number;
  /** The offset that comes next. */
  readonly nextOffset: number;
  /** Where the log goes on; undefined where there is no segment to go on in. */
  readonly tail: SegmentFile | undefined;
  readonly records: number;
  /** What was cut off; undefined where the log ended in order. */
  readonly cut: TornTail | undefined;
}

export interface TornTail {
  readonly name: string;
  readonly at: number;
  readonly problem: string;
  /** The file that has what was cut. */
  readonly keptIn: string;
  readonly bytes: number;
}

export async function recoverLog(options: LogRecoveryOptions): Promise<RecoveredLog> {
  return new LogRecovery(options).run();
}

class LogRecovery {
  readonly #options: LogRecoveryOptions;
  #nextOffset: number;
  /** The greatest offset that a record says was durable. */
  #namedOffset: number;
  #records = 0;
  #doneBytes = 0;
  /** Where in a segment the buffers of records began that were read of it last. */
  #places: { readonly name: string; readonly at: number; readonly firstOffset: number }[] = [];
  #cut: TornTail | undefined;

  constructor(options: LogRecoveryOptions) {
    this.#options = options;
    this.#nextOffset = options.fromOffset + 1;
    this.#namedOffset = options.durableOffset;
  }

  async run(): Promise<RecoveredLog> {
    const { files, directory, fromOffset } = this.#options;
    const all = await listSegments(files, directory);
    // Those that lie wholly before the snapshot wait to be removed, and are not needed.
    const begin = Math.max(
      0,
      all.findLastIndex((each) => each.firstOffset <= fromOffset + 1),
    );
    const segments = all.slice(begin);
    if (segments.length > 0 && segments[0].firstOffset > fromOffset + 1) this.#checkBeginning(segments[0]);
    let logEnd = segments[0]?.firstOffset ?? fromOffset + 1;
    let tail: SegmentFile | undefined;
    for (const [index, segment] of segments.entries()) {
      const isLast = index === segments.length - 1;
      const end = await this.#readSegment(segment, logEnd, isLast, segments.length);
      logEnd = end.logEnd;
      tail = end.tail;
    }
    if (this.#isMissing(this.#namedOffset, logEnd) && this.#namedOffset > fromOffset) {
      throw new LogDamage(
        `the end of the log in ${directory} is missing: it ends at offset ${logEnd - 1}, and ${this.#namedOffset} was on disk. ${WAY_OUT}`,
      );
    }
    if (logEnd <= fromOffset) {
      // The snapshot is ahead of the log: what is missing between them is in it.
      await tail?.file.close();
      tail = undefined;
    }
    return {
      oldestOffset: all[0]?.firstOffset ?? fromOffset + 1,
      nextOffset: this.#nextOffset,
      tail,
      records: this.#records,
      cut: this.#cut,
    };
  }

  /** Whether an operation up to `offset`, which was on disk, is not in a log that ends before `endOffset`: in a gap there is none. */
  #isMissing(offset: number, endOffset: number): boolean {
    return offset >= this.#options.history.behindGap(endOffset);
  }

  #checkBeginning({ name, firstOffset }: SegmentInfo): void {
    const { history, fromOffset, directory } = this.#options;
    if (history.mayBegin(firstOffset, fromOffset + 1)) return;
    throw new LogDamage(
      `the log in ${directory} begins with ${name} at offset ${firstOffset}, and no snapshot reaches so far ` +
        `(the best ends at ${fromOffset}). Put the missing files back, or start from a copy of the data directory or as a ` +
        "replica of a node that is well.",
    );
  }

  async #readSegment(segment: SegmentInfo, expected: number, isLast: boolean, count: number) {
    const { files, directory } = this.#options;
    const reader = await SegmentReader.open(files, directory, segment.name);
    if (!(reader instanceof SegmentReader)) throw this.#refusal(reader);
    try {
      if (reader.header.replicationId !== this.#options.replicationId) {
        throw this.#refusal({ name: segment.name, at: 28, problem: "it belongs to another log" });
      }
      let logEnd = this.#checkFollows(segment, reader, expected);
      for (;;) {
        const records = await reader.next();
        if (records instanceof Uint8Array) {
          logEnd = this.#applyAll(records, logEnd, segment.name, reader.position - records.length);
          this.#doneBytes += records.length;
          this.#options.onProgress(this.#doneBytes, count * reader.bytes);
          continue;
        }
        if (isLast) await this.#endOfLog(reader, records, logEnd);
        else if (records !== undefined) throw this.#refusal(records);
        else await this.#checkZeros(reader, segment.name);
        break;
      }
      const tail = isLast ? await this.#openTail(reader) : undefined;
      return { logEnd, tail };
    } finally {
      await reader.close();
    }
  }

  /** Returns the offset that the segment begins with; it has to be the one that comes next. */
  #checkFollows(segment: SegmentInfo, reader: SegmentReader, expected: number): number {
    const { firstOffset, epoch } = reader.header;
    if (this.#options.history.mayFollow({ epoch, firstOffset, count: 0 }, expected)) return firstOffset;
    throw this.#refusal({
      name: segment.name,
      at: 0,
      problem: `it begins at offset ${firstOffset}, and the log before it ends at ${expected - 1}`,
    });
  }

  /** @returns the offset that comes next in the log. */
  #applyAll(records: Uint8Array, expected: number, name: string, fileAt: number): number {
    const { fromOffset } = this.#options;
    let next = expected;
    if (this.#places[0]?.name !== name) this.#places = [];
    this.#places.push({ name, at: fileAt, firstOffset: firstOffsetAt(records, 0) });
    for (let at = 0; at < records.length; at += recordBytesAt(records, at)) {
      const record = readRecord(records, at);
      this.#namedOffset = Math.max(this.#namedOffset, record.durableOffset);
      const problem = this.#problemOf(record, next);
      if (problem !== undefined) throw this.#refusal({ name, at: fileAt + at, problem });
      next = record.firstOffset + record.count;
      if (record.firstOffset <= fromOffset) continue;
      if (record.kind === KIND_OPERATIONS) this.#apply(record, name, fileAt + at);
      this.#nextOffset = next;
    }
    return next;
  }

  /** Why the log cannot go on with this record; undefined where it can. */
  #problemOf(record: LogRecord, expected: number): string | undefined {
    const { history, fromOffset } = this.#options;
    const { kind, firstOffset, epoch, count } = record;
    if (kind !== KIND_OPERATIONS && kind !== KIND_MARK) return `it has a record of the unknown kind ${kind}`;
    if (!history.mayFollow(record, expected))
      return `the record at offset ${firstOffset} of epoch ${epoch} does not follow ${expected - 1}`;
    if (firstOffset <= fromOffset && firstOffset + count - 1 > fromOffset)
      return `the snapshot ends at offset ${fromOffset}, inside the record at ${firstOffset}`;
    return undefined;
  }

  /** What cannot be applied was not written by this code, or this code has a bug: nobody can mend that here. */
  #apply(record: LogRecord, name: string, at: number): void {
    try {
      this.#options.apply(record);
    } catch (error) {
      const { directory } = this.#options;
      throw new Error(
        `${directory}/${name}: the record at byte ${at}, offset ${record.firstOffset}, cannot be applied`,
        {
          cause: error,
        },
      );
    }
    this.#records += 1;
  }

  /** What stands behind the last good record of the log. */
  async #endOfLog(reader: SegmentReader, damage: Damage | undefined, nextOffset: number): Promise<void> {
    const at = reader.position;
    const length = (await endOfBytes(reader, at)) - at;
    if (length === 0) return;
    // Records may end in zeros, as marks do: all of the rest is looked through.
    const rest = await reader.bytesFrom(at, reader.bytes - at);
    const problem = damage?.problem ?? "zeros stand before other bytes";
    if (damage?.isOtherVersion === true) throw this.#refusal(damage);
    const namedOffset = Math.max(this.#namedOffset, greatestNamed(rest, nextOffset, this.#options.history));
    if (this.#isMissing(namedOffset, nextOffset)) {
      throw this.#refusal({
        name: reader.name,
        at,
        problem: `${problem}, and it was on disk (a later record names offset ${namedOffset} as durable)`,
      });
    }
    const keptIn = await this.#cutOff(reader, at, rest.subarray(0, length), nextOffset);
    this.#cut = { name: reader.name, at, problem, keptIn, bytes: length };
  }

  async #cutOff(reader: SegmentReader, at: number, torn: Uint8Array, nextOffset: number): Promise<string> {
    const { files, directory } = this.#options;
    const keptIn = `cut-${String(nextOffset).padStart(16, "0")}.bytes`;
    await files.remove(`${directory}/${keptIn}`);
    const kept = await files.open(`${directory}/${keptIn}`, "create");
    await writeAndClose(kept, torn, 0);
    await files.syncDirectory(directory);
    const segment = await files.open(`${directory}/${reader.name}`, "write");
    await writeAndClose(segment, new Uint8Array(torn.length), at);
    return keptIn;
  }

  async #checkZeros(reader: SegmentReader, name: string): Promise<void> {
    if ((await endOfBytes(reader, reader.position)) === reader.position) return;
    throw this.#refusal({ name, at: reader.position, problem: "zeros stand before other bytes" });
  }

  async #openTail(reader: SegmentReader): Promise<SegmentFile> {
    const { files, directory } = this.#options;
    const file = await files.open(`${directory}/${reader.name}`, "write");
    // What was read may only be in the system's cache: written by a process that was killed before its sync, or one whose
    // sync has failed, after which the system may take for written what is not. From here on readers are shown it, so what no
    // record names as durable is written once more.
    if (this.#namedOffset < this.#nextOffset - 1) {
      const at = Math.max(SEGMENT_HEADER_BYTES, this.#unprovenAt(reader.name));
      for (let from = at; from < reader.position; from += ZEROS.length) {
        await file.write(await reader.bytesFrom(from, Math.min(ZEROS.length, reader.position - from)), from);
      }
    }
    await file.sync();
    return new SegmentFile(reader.name, file, reader.bytes, reader.position);
  }

  /** Before the first record of a segment that no later one names as durable. */
  #unprovenAt(name: string): number {
    const places = this.#places.filter((place) => place.name === name);
    return places.findLast((place) => place.firstOffset <= this.#namedOffset + 1)?.at ?? 0;
  }

  #refusal(damage: Damage): LogDamage {
    const { directory } = this.#options;
    const { name, at, problem } = damage;
    return new LogDamageAt(
      `the log is damaged: ${directory}/${name} at byte ${at}, after offset ${this.#nextOffset - 1}: ${problem}. ${WAY_OUT}`,
      damage,
      this.#nextOffset,
    );
  }
}

const WAY_OUT =
  "Start from a copy of the data directory or as a replica of a node that is well; or start once with --accept-log-loss, " +
  "which keeps what is good before it and gives up everything after it.";

const ZEROS = Buffer.alloc(2 ** 20);
/** What is checked of a torn end, which is 16 MB at most where nobody plays tricks: some of it twice. */
const CHECKED_BYTES_MAX = 256 * 2 ** 20;

/** Where the last byte from `at` on ends that is not zero; `at` where all are. */
async function endOfBytes(reader: SegmentReader, at: number): Promise<number> {
  let end = at;
  for (let from = at; from < reader.bytes; from += ZEROS.length) {
    const bytes = await reader.bytesFrom(from, ZEROS.length);
    if (bytes.length === 0) break;
    if (ZEROS.subarray(0, bytes.length).equals(bytes)) continue;
    end = from + bytes.findLastIndex((byte) => byte !== 0) + 1;
  }
  return end;
}

/**
 * The greatest durable offset that a valid record in these bytes names, wherever it begins; 0 where there is none. The
 * bytes may be what clients have sent: only what could stand here is taken for a record, and what is inside of one never.
 * @param nextOffset that of the first record that is missing.
 */
function greatestNamed(bytes: Uint8Array, nextOffset: number, history: EpochHistory): number {
  const missing = history.behindGap(nextOffset);
  // An operation has a byte at least.
  const offsetMax = missing + bytes.length;
  let named = 0;
  let checkedBytes = 0;
  for (let at = 1; at + RECORD_HEADER_BYTES <= bytes.length; ) {
    if (!mayBeRecord(bytes, at, nextOffset, offsetMax, history)) {
      at++;
      continue;
    }
    checkedBytes += recordBytesAt(bytes, at);
    // So much of what looks like records and is none was put there. What it hides cannot be told, so what is missing counts as
    // named: behind a gap, since nothing that is in one was ever written.
    if (checkedBytes > CHECKED_BYTES_MAX) return Math.max(named, missing);
    if (recordProblem(bytes, at, bytes.length) === undefined) {
      named = Math.max(named, readRecord(bytes, at).durableOffset);
      at += recordBytesAt(bytes, at);
    } else {
      at++;
    }
  }
  return named;
}

function mayBeRecord(
  bytes: Uint8Array,
  at: number,
  nextOffset: number,
  offsetMax: number,
  history: EpochHistory,
): boolean {
  const kind = bytes[at + 9];
  if (!knowsVersion(bytes[at + 8]) || (kind !== KIND_OPERATIONS && kind !== KIND_MARK)) return false;
  const { firstOffset, durableOffset, epoch, operations } = readRecord(bytes, at);
  if (firstOffset < nextOffset || firstOffset > offsetMax || durableOffset >= firstOffset) return false;
  // A view that does not lie within the bytes is shorter than the record says.
  return (
    operations.length + RECORD_HEADER_BYTES === recordBytesAt(bytes, at) &&
    history.epochs.some((each) => each.epoch === epoch)
  );
}
