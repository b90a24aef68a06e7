/** Files of which the process that uses them crashes. */
import type { FileHandle, FileSystem } from "../src/oplog/file-system.ts";
import type { MemoryFileSystem } from "./memory-file-system.ts";

export class Crash extends Error {}

/** Ends everything at its nth change of the disk, before that is made. */
export class CrashingFileSystem implements FileSystem {
  readonly #files: MemoryFileSystem;
  changesLeft: number;

  constructor(files: MemoryFileSystem, changesLeft: number) {
    this.#files = files;
    this.changesLeft = changesLeft;
  }

  #change(): void {
    if (this.changesLeft-- <= 0) throw new Crash("crashed");
  }

  makeDirectory = (): Promise<void> => this.#files.makeDirectory();
  list = (path: string): Promise<string[]> => this.#files.list(path);
  syncDirectory = (): Promise<void> => this.#files.syncDirectory();
  freeBytes = (): Promise<number> => this.#files.freeBytes();

  async open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle> {
    if (mode === "create") this.#change();
    return this.#files.open(path, mode);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#change();
    return this.#files.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    this.#change();
    return this.#files.remove(path);
  }
}
