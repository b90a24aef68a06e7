/**
 * A disk that loses what a disk may lose. What is written goes to the cache of the system first; a sync makes it durable.
 *
 *     file     cache    [512][512][512][512]      what reads find
 *              disk     [512][512]                what a power failure leaves for certain
 *              pending  a sector written since the last sync, with each content that it has had
 *     names    cache    a -> file 1, b -> file 2
 *              journal  creations, renames and removals since the directory was synced, in order
 *
 * `powerFailure`: of every pending sector the seed decides whether it is lost, kept as it was at any write since, or torn in
 * the middle of old and new, each for itself; of every change of a name whether it is kept, as long as those before it that
 * are about the same names are. `killed` ends the process only: the cache stays. Both find operations under way, which are
 * done, half done or not begun.
 *
 * Operations take time, and complete in an order, that the seed decides.
 */
import type { FileHandle, FileSystem } from "../../src/oplog/file-system.ts";
import type { FakeFile } from "./fake-file.ts";
import { FakeNames } from "./fake-names.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededChoices } from "./seeded-choices.ts";

export interface DiskOptions {
  /** Of its node. */
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly choices: SeededChoices;
  readonly capacityBytes: number;
  readonly trace: (line: () => string) => void;
}

/** An operation that was begun and has not ended. */
interface UnderWay {
  /** Does as much of it as the seed says. */
  partly(): void;
}

export type OperationKind = "read" | "write" | "sync" | "names";

/** How long they take, in ms. */
const DURATIONS: Readonly<Record<OperationKind, readonly [from: number, to: number]>> = {
  read: [0.01, 0.1],
  write: [0.02, 0.4],
  sync: [0.1, 3],
  names: [0.02, 0.3],
};
const SLOW_SYNC_MS = 60;
const SLOW_SYNC_CHANCE = 0.01;

export class FakeDisk {
  readonly choices: SeededChoices;
  capacityBytes: number;
  /** The next sync fails, and what it was about may be lost. */
  failsNextSync = false;
  readonly names = new FakeNames();
  readonly #options: DiskOptions;
  readonly #underWay = new Set<UnderWay>();
  #mount: MountedDisk | undefined;
  #armed: { left: number; readonly kind: OperationKind | undefined; readonly run: () => void } | undefined;

  constructor(options: DiskOptions) {
    this.#options = options;
    this.choices = options.choices;
    this.capacityBytes = options.capacityBytes;
  }

  /** For one process: when that has ended, what it still waits for never comes. */
  mount(): FileSystem {
    this.#mount = new MountedDisk(this);
    return this.#mount;
  }

  get usedBytes(): number {
    return this.names.files().reduce((sum, file) => sum + file.length, 0);
  }

  get freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.usedBytes);
  }

  /** Calls `run` as an event of its own while the operation of this number from now on, of some kind, is under way. */
  arm(operations: number, run: () => void, kind?: OperationKind): void {
    this.#armed = { left: operations, kind, run };
  }

  disarm(): void {
    this.#armed = undefined;
  }

  /** The process has ended; the system goes on. */
  killed(): void {
    this.#end();
  }

  /** The machine has ended. */
  powerFailure(): void {
    this.#end();
    this.names.crash(this.choices);
    // How much of the cache a failing machine has written is much the same for all of it.
    const keptShare = this.choices.pick([0, 0.3, 0.5, 0.8, 1]);
    for (const file of this.names.files()) file.crash(this.choices, keptShare);
  }

  #end(): void {
    this.#mount = undefined;
    this.#armed = undefined;
    for (const each of this.#underWay) each.partly();
    this.#underWay.clear();
  }

  /**
   * Runs an operation some time from now.
   * @param partly what may have happened of it when the process ends before.
   */
  operate<T>(
    mount: MountedDisk,
    kind: OperationKind,
    what: () => string,
    run: () => T,
    partly: () => void,
  ): Promise<T> {
    const { scheduler, choices, trace } = this.#options;
    if (mount !== this.#mount) return new Promise(() => {});
    this.#count(kind);
    const [from, to] = DURATIONS[kind];
    const isSlow = kind === "sync" && choices.chance(SLOW_SYNC_CHANCE);
    const underWay: UnderWay = { partly };
    this.#underWay.add(underWay);
    return new Promise((resolve, reject) => {
      scheduler.after(isSlow ? SLOW_SYNC_MS : choices.between(from, to), () => {
        if (!this.#underWay.delete(underWay)) return;
        trace(() => `disk of ${this.#options.name}: ${what()}`);
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #count(kind: OperationKind): void {
    const armed = this.#armed;
    if (armed === undefined || (armed.kind ?? kind) !== kind || armed.left-- > 0) return;
    this.#armed = undefined;
    this.#options.scheduler.after(0, armed.run);
  }

  /** Throws ENOSPC where so much more does not fit. */
  grow(bytes: number): void {
    if (bytes <= 0 || bytes <= this.freeBytes) return;
    throw failure("ENOSPC", "no space left on device", "write");
  }

  syncFailed(): Error {
    this.failsNextSync = false;
    return failure("EIO", "i/o error", "fdatasync");
  }
}

/** An error, or what has led to it, is the disk's. */
export function isOfDisk(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if ("code" in each && (each.code === "ENOSPC" || each.code === "EIO")) return true;
  }
  return false;
}

function failure(code: string, message: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: ${message}, ${syscall}`), { code, syscall });
}

class MountedDisk implements FileSystem {
  readonly #disk: FakeDisk;

  constructor(disk: FakeDisk) {
    this.#disk = disk;
  }

  makeDirectory(path: string): Promise<void> {
    return this.#names(`make ${path}`, () => this.#disk.names.makeDirectory(path));
  }

  list(path: string): Promise<string[]> {
    return this.#disk.operate(
      this,
      "read",
      () => `list ${path}`,
      () => this.#disk.names.list(path),
      nothing,
    );
  }

  open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle> {
    const { names } = this.#disk;
    return this.#names(`open ${path} to ${mode}`, () => {
      if (mode === "create") {
        if (names.find(path) !== undefined) throw failure("EEXIST", `file already exists: ${path}`, "open");
        return new OpenFile(this.#disk, this, path, names.create(path));
      }
      const file = names.find(path);
      if (file === undefined) throw failure("ENOENT", `no such file or directory: ${path}`, "open");
      return new OpenFile(this.#disk, this, path, file);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#names(`rename ${from} to ${to}`, () => {
      if (this.#disk.names.find(from) === undefined) {
        throw failure("ENOENT", `no such file or directory: ${from}`, "rename");
      }
      this.#disk.names.rename(from, to);
    });
  }

  remove(path: string): Promise<void> {
    return this.#names(`remove ${path}`, () => this.#disk.names.remove(path));
  }

  syncDirectory(path: string): Promise<void> {
    const { names } = this.#disk;
    const synced = names.unsynced(path);
    return this.#disk.operate(
      this,
      "sync",
      () => `sync directory ${path}`,
      () => names.sync(synced),
      nothing,
    );
  }

  freeBytes(): Promise<number> {
    return this.#disk.operate(
      this,
      "read",
      () => "ask for free bytes",
      () => this.#disk.freeBytes,
      nothing,
    );
  }

  /** A change of names: done at once, or not, where it is under way at the end. */
  #names<T>(what: string, run: () => T): Promise<T> {
    return this.#disk.operate(
      this,
      "names",
      () => what,
      run,
      () => {
        if (this.#disk.choices.chance(0.5)) attempt(run);
      },
    );
  }
}

/** What cannot be done has not been done. */
function attempt(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

function nothing(): void {}

class OpenFile implements FileHandle {
  readonly #disk: FakeDisk;
  readonly #mount: MountedDisk;
  readonly #path: string;
  readonly #file: FakeFile;

  constructor(disk: FakeDisk, mount: MountedDisk, path: string, file: FakeFile) {
    this.#disk = disk;
    this.#mount = mount;
    this.#path = path;
    this.#file = file;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#operate("read", `read ${into.length} at ${position}`, () => {
      const found = this.#file.bytes.subarray(position, position + into.length);
      into.set(found);
      return found.length;
    });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    const what = `write ${bytes.length} at ${position}`;
    return this.#operate(
      "write",
      what,
      () => this.#write(bytes, position),
      () => {
        // As far as it has come: the system takes a write page by page.
        const length = this.#disk.choices.pick([0, this.#disk.choices.below(bytes.length + 1), bytes.length]);
        if (length > 0) attempt(() => this.#write(bytes.subarray(0, length), position));
      },
    );
  }

  writeNow(bytes: Uint8Array, position: number): void {
    this.#write(bytes, position);
  }

  #write(bytes: Uint8Array, position: number): void {
    this.#disk.grow(position + bytes.length - this.#file.length);
    this.#file.write(bytes, position);
  }

  sync(): Promise<void> {
    const synced = this.#file.pending();
    return this.#operate("sync", "sync", () => {
      if (this.#disk.failsNextSync) throw this.#disk.syncFailed();
      this.#file.sync(synced);
    });
  }

  size(): Promise<number> {
    return this.#operate("read", "size", () => this.#file.length);
  }

  close(): Promise<void> {
    return this.#operate("names", "close", nothing);
  }

  #operate<T>(kind: OperationKind, what: string, run: () => T, partly: () => void = nothing): Promise<T> {
    return this.#disk.operate(this.#mount, kind, () => `${what} of ${this.#path}`, run, partly);
  }
}
