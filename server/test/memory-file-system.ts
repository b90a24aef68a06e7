/** A disk in memory: nothing is lost, and everything answers in the next microtask. */
import type { FileHandle, FileSystem } from "../src/oplog/file-system.ts";

class MemoryFile {
  #room = new Uint8Array(4096);
  #length = 0;

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#length);
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.#length) this.truncate(end);
    this.#room.set(bytes, position);
  }

  truncate(length: number): void {
    if (length > this.#room.length) {
      const larger = new Uint8Array(Math.max(length, this.#room.length * 2));
      larger.set(this.bytes);
      this.#room = larger;
    }
    this.#room.fill(0, Math.min(length, this.#length), Math.max(length, this.#length));
    this.#length = length;
  }
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code, syscall: "open" });
}

export class MemoryFileSystem implements FileSystem {
  /** While it is there, what is to be synced waits for it. */
  syncing: Promise<void> = Promise.resolve();
  readonly #files = new Map<string, MemoryFile>();

  /** All paths, sorted. */
  get paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  async makeDirectory(): Promise<void> {}

  async list(path: string): Promise<string[]> {
    const names = new Set<string>();
    for (const each of this.#files.keys()) {
      if (each.startsWith(`${path}/`)) names.add(each.slice(path.length + 1).split("/")[0]);
    }
    return [...names];
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle> {
    let file = this.#files.get(path);
    if (mode === "create") {
      if (file !== undefined) throw failure("EEXIST", path);
      file = new MemoryFile();
      this.#files.set(path, file);
    }
    if (file === undefined) throw failure("ENOENT", path);
    return new MemoryHandle(file, this);
  }

  async rename(from: string, to: string): Promise<void> {
    const file = this.#files.get(from);
    if (file === undefined) throw failure("ENOENT", from);
    this.#files.delete(from);
    this.#files.set(to, file);
  }

  async remove(path: string): Promise<void> {
    this.#files.delete(path);
  }

  async syncDirectory(_path?: string): Promise<void> {}

  async freeBytes(): Promise<number> {
    return 2 ** 40;
  }
}

class MemoryHandle implements FileHandle {
  readonly #file: MemoryFile;
  readonly #disk: MemoryFileSystem;

  constructor(file: MemoryFile, disk: MemoryFileSystem) {
    this.#file = file;
    this.#disk = disk;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const found = this.#file.bytes.subarray(position, position + into.length);
    into.set(found);
    return found.length;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#file.write(bytes, position);
  }

  writeNow(bytes: Uint8Array, position: number): void {
    this.#file.write(bytes, position);
  }

  sync(): Promise<void> {
    return this.#disk.syncing;
  }

  async size(): Promise<number> {
    return this.#file.bytes.length;
  }

  async close(): Promise<void> {}
}
