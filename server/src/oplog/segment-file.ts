/**
 * The segment that is written to, and the next one, which is got ready beforehand: filling it with zeros takes longer than
 * a group of writes should wait, and may find the disk full while there is still time to say so.
 */
import { codeOf } from "../runtime/error-code.ts";
import type { FileHandle, FileSystem } from "./file-system.ts";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader, segmentName } from "./segment.ts";

const SPARE_NAME = "log-next.tmp";
const ZEROS = new Uint8Array(2 ** 20);

/** A file of zeros that will be a segment. */
interface Spare {
  readonly file: FileHandle;
  readonly bytes: number;
}

/** Why there is none. */
interface NoSpare {
  readonly error: unknown;
}

export class SegmentFile {
  readonly name: string;
  readonly file: FileHandle;
  /** Its length; what lies behind `position` is zeros. */
  readonly bytes: number;
  /** Where the next record goes. */
  position: number;

  constructor(name: string, file: FileHandle, bytes: number, position: number) {
    this.name = name;
    this.file = file;
    this.bytes = bytes;
    this.position = position;
  }

  get bytesLeft(): number {
    return this.bytes - this.position;
  }
}

export class Segments {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #segmentBytes: number;
  #spare: Promise<Spare | NoSpare> | undefined;
  /** Of the spare segment, so many bytes are on the disk already. */
  spareBytes = 0;
  /** Whether there is to be a spare. */
  keepsSpare = true;
  /** The spare is becoming the next segment, and no other may be made: it has the same name until then. */
  #isTaking = false;

  constructor(files: FileSystem, directory: string, segmentBytes: number) {
    this.#files = files;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
  }

  /** Begins to get the next segment ready, if none is and one is wanted. Where that fails, `next` tries again, and fails for good. */
  prepare(): void {
    if (!this.keepsSpare || this.#isTaking) return;
    this.#spare ??= this.#make(this.#segmentBytes).then(
      (spare) => spare,
      (error: unknown) => {
        // A full disk may have room again the next time.
        this.#spare = undefined;
        this.spareBytes = 0;
        return { error };
      },
    );
  }

  async #make(bytes: number): Promise<Spare> {
    const path = `${this.#directory}/${SPARE_NAME}`;
    await this.#files.remove(path);
    const file = await this.#files.open(path, "create");
    try {
      for (let at = 0; at < bytes; at += ZEROS.length) {
        await file.write(bytes - at < ZEROS.length ? ZEROS.subarray(0, bytes - at) : ZEROS, at);
        this.spareBytes = Math.min(bytes, at + ZEROS.length);
      }
      await file.sync();
    } catch (error) {
      await file.close();
      await this.#files.remove(path);
      throw error;
    }
    return { file, bytes };
  }

  /**
   * The next segment, ready to be written to and durable as such.
   * @param recordBytes of the record that it must have room for at least.
   */
  async next(header: SegmentHeader, recordBytes: number): Promise<SegmentFile> {
    this.#isTaking = true;
    const segment = await this.#become(header, SEGMENT_HEADER_BYTES + recordBytes);
    this.#isTaking = false;
    this.prepare();
    return segment;
  }

  async #become(header: SegmentHeader, neededBytes: number): Promise<SegmentFile> {
    const { file, bytes } = await this.#take(neededBytes);
    this.spareBytes = 0;
    await file.write(encodeSegmentHeader(header), 0);
    await file.sync();
    const name = segmentName(header.firstOffset);
    await this.#files.rename(`${this.#directory}/${SPARE_NAME}`, `${this.#directory}/${name}`);
    await this.#files.syncDirectory(this.#directory);
    return new SegmentFile(name, file, bytes, SEGMENT_HEADER_BYTES);
  }

  async #take(neededBytes: number): Promise<Spare> {
    const ready = await this.#spare;
    this.#spare = undefined;
    if (ready === undefined || "error" in ready) return this.#make(Math.max(neededBytes, this.#segmentBytes));
    if (ready.bytes >= neededBytes) return ready;
    await ready.file.close();
    return this.#make(Math.max(neededBytes, this.#segmentBytes));
  }

  async close(): Promise<void> {
    const spare = await this.#spare;
    this.#spare = undefined;
    this.spareBytes = 0;
    if (spare !== undefined && "file" in spare) await spare.file.close();
  }
}

export function isFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT";
}
