/**
 * Reads the records of the log from its segment files, in order, a buffer at a time.
 *
 *     segment 1   [rec][rec][rec][rec]000|    segment 2   [rec][rec][rec]0000000|
 *                         ^ from                                         ^ the end, or more comes later
 *
 * A buffer ends between two records. Every record is checked: what is handed on can be trusted.
 */
import type { FileHandle, FileSystem } from "./file-system.ts";
import {
  countAt,
  firstOffsetAt,
  isOtherVersion,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  recordBytesAt,
  recordProblem,
} from "./log-record.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader, segmentOffset } from "./segment.ts";

const BUFFER_BYTES = 2 ** 20;

/** Bytes in a log file that are no record. */
export interface Damage {
  readonly name: string;
  /** Of the byte in the file. */
  readonly at: number;
  readonly problem: string;
  /** It is whole, and in a format that this server does not know. */
  readonly isOtherVersion?: boolean;
}

export interface SegmentInfo {
  readonly name: string;
  readonly firstOffset: number;
}

/** The segments of a directory, oldest first. */
export async function listSegments(files: FileSystem, directory: string): Promise<SegmentInfo[]> {
  const segments: SegmentInfo[] = [];
  for (const name of await files.list(directory)) {
    const firstOffset = segmentOffset(name);
    if (firstOffset !== undefined) segments.push({ name, firstOffset });
  }
  return segments.sort((a, b) => a.firstOffset - b.firstOffset);
}

/** One segment, read from its beginning. */
export class SegmentReader {
  readonly name: string;
  readonly bytes: number;
  readonly header: SegmentHeader;
  readonly #file: FileHandle;
  #buffer: Uint8Array;
  /** What of the buffer is read and not handed on: `#buffer[0..#kept)`, from `position` in the file. */
  #kept = 0;
  /** Where the next record begins. */
  position = SEGMENT_HEADER_BYTES;

  private constructor(name: string, file: FileHandle, bytes: number, header: SegmentHeader) {
    this.name = name;
    this.bytes = bytes;
    this.header = header;
    this.#file = file;
    this.#buffer = new Uint8Array(Math.min(BUFFER_BYTES, bytes));
  }

  static async open(files: FileSystem, directory: string, name: string): Promise<SegmentReader | Damage> {
    const file = await files.open(`${directory}/${name}`, "read");
    const head = new Uint8Array(SEGMENT_HEADER_BYTES);
    const length = await file.read(head, 0);
    const header = decodeSegmentHeader(head.subarray(0, length));
    if (typeof header !== "string" && header.firstOffset === segmentOffset(name)) {
      return new SegmentReader(name, file, await file.size(), header);
    }
    await file.close();
    return { name, at: 0, problem: typeof header === "string" ? header : "its header belongs to another segment" };
  }

  /**
   * The next records, whole and right; undefined where zeros or the end of the file follow.
   * The bytes are valid until the next call.
   */
  async next(): Promise<Uint8Array | Damage | undefined> {
    for (;;) {
      const available = await this.#fill();
      let end = 0;
      let problem: string | undefined;
      while (end + 4 <= available && recordBytesAt(this.#buffer, end) !== 0) {
        const recordBytes = recordBytesAt(this.#buffer, end);
        const isWhole = end + recordBytes <= available;
        const mayComeWhole = recordBytes >= RECORD_HEADER_BYTES && recordBytes <= this.bytes - this.position - end;
        if (!isWhole && mayComeWhole && recordBytes <= RECORD_BYTES_MAX) break;
        problem = recordProblem(this.#buffer, end, available);
        if (problem !== undefined) break;
        end += recordBytes;
      }
      if (end > 0) return this.#handOn(end, available);
      if (problem !== undefined) {
        return {
          name: this.name,
          at: this.position,
          problem,
          isOtherVersion: isOtherVersion(this.#buffer, 0, available),
        };
      }
      const recordBytes = available < 4 ? 0 : recordBytesAt(this.#buffer, 0);
      if (recordBytes === 0) {
        // There may be something else the next time.
        this.#kept = 0;
        return undefined;
      }
      // A record that is larger than the buffer.
      const grown = new Uint8Array(recordBytes);
      grown.set(this.#buffer.subarray(0, available));
      this.#buffer = grown;
    }
  }

  /** Reads on until the buffer is full; returns how much is in it. */
  async #fill(): Promise<number> {
    const rest = this.#buffer.subarray(this.#kept);
    this.#kept += await this.#file.read(rest, this.position + this.#kept);
    return this.#kept;
  }

  #handOn(end: number, available: number): Uint8Array {
    const records = this.#buffer.slice(0, end);
    this.#buffer.copyWithin(0, end, available);
    this.#kept = available - end;
    this.position += end;
    return records;
  }

  /** The bytes from `at` on, up to `length` of them; for looking behind a damage. */
  async bytesFrom(at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.bytes - at)));
    return bytes.subarray(0, await this.#file.read(bytes, at));
  }

  /** Reads from a place again, such as the end of what was there before. */
  seek(position: number): void {
    this.position = position;
    this.#kept = 0;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/**
 * Follows the log through its files from an offset on, for a replica that is further behind than the backlog in memory
 * reaches. What is not durable yet is not read.
 */
export class LogFileReader {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #durableOffset: () => number;
  #reader: SegmentReader;
  /** The offset that comes next. */
  #nextOffset: number;
  /** Another segment was seen behind this one: what is read of it now is all that it will ever have. */
  #isAtEnd = false;

  private constructor(
    files: FileSystem,
    directory: string,
    reader: SegmentReader,
    offset: number,
    durableOffset: () => number,
  ) {
    this.#files = files;
    this.#directory = directory;
    this.#reader = reader;
    this.#nextOffset = offset;
    this.#durableOffset = durableOffset;
  }

  /** Undefined where the files do not reach back to `offset`. */
  static async open(
    files: FileSystem,
    directory: string,
    offset: number,
    durableOffset: () => number,
  ): Promise<LogFileReader | undefined> {
    const segments = await listSegments(files, directory);
    const segment = segments.findLast((each) => each.firstOffset <= offset);
    if (segment === undefined) return undefined;
    const reader = await SegmentReader.open(files, directory, segment.name);
    if (!(reader instanceof SegmentReader)) throw new Error(`${reader.name} is damaged: ${reader.problem}`);
    return new LogFileReader(files, directory, reader, offset, durableOffset);
  }

  /** Whole records from where the last call ended; undefined where nothing more is durable now. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#nextOffset <= this.#durableOffset()) {
      const durableOffset = this.#durableOffset();
      // What was read ahead the last time may have been written since.
      this.#reader.seek(this.#reader.position);
      const records = await this.#reader.next();
      if (records === undefined) {
        if (!(await this.#toNextSegment())) return undefined;
      } else if (records instanceof Uint8Array) {
        const wanted = this.#wanted(records, durableOffset);
        if (wanted.length > 0) return wanted;
      } else if (this.#nextOffset <= durableOffset) {
        throw new Error(`${records.name} is damaged at byte ${records.at}: ${records.problem}`);
      } else {
        // What is being written there is not whole yet.
        return undefined;
      }
    }
    return undefined;
  }

  /** The part of `records` from the next offset on that is durable; what comes behind it is read again. */
  #wanted(records: Uint8Array, durableOffset: number): Uint8Array {
    let start = 0;
    let at = 0;
    let hasWanted = false;
    while (at < records.length) {
      const endOffset = firstOffsetAt(records, at) + countAt(records, at);
      if (endOffset - 1 > durableOffset) {
        this.#reader.seek(this.#reader.position - (records.length - at));
        break;
      }
      at += recordBytesAt(records, at);
      if (endOffset > this.#nextOffset) {
        this.#nextOffset = endOffset;
        hasWanted = true;
      } else if (!hasWanted) start = at;
    }
    return records.subarray(start, at);
  }

  /** Goes on in the segment behind this one, if there is one, and nothing was added to this one before it. */
  async #toNextSegment(): Promise<boolean> {
    const next = (await listSegments(this.#files, this.#directory)).find(
      (each) => each.firstOffset > this.#reader.header.firstOffset,
    );
    if (next === undefined) return false;
    if (!this.#isAtEnd) {
      this.#isAtEnd = true;
      return true;
    }
    const opened = await SegmentReader.open(this.#files, this.#directory, next.name);
    if (!(opened instanceof SegmentReader)) throw new Error(`${opened.name} is damaged: ${opened.problem}`);
    const read = this.#reader;
    this.#reader = opened;
    this.#isAtEnd = false;
    await read.close();
    return true;
  }

  /** Not while `next` is under way: it may open the file of the next segment. */
  close(): Promise<void> {
    return this.#reader.close();
  }
}
