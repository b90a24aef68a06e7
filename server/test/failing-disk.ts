/** A disk in memory that is full, or fails otherwise, where a test says so. */
import type { FileHandle } from "../src/oplog/file-system.ts";
import { MemoryFileSystem } from "./memory-file-system.ts";

export type DiskChange = "create" | "write" | "sync" | "syncDirectory";

export class FailingDisk extends MemoryFileSystem {
  freeBytesNow = 2 ** 40;
  /** The code of the error that a change of this file or folder fails with, such as ENOSPC. */
  failure: (change: DiskChange, name: string) => string | undefined = () => undefined;

  #change(change: DiskChange, path: string): void {
    const code = this.failure(change, path.slice(path.lastIndexOf("/") + 1));
    if (code !== undefined) throw Object.assign(new Error(`${code}: no luck, ${change}`), { code });
  }

  override async open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle> {
    if (mode === "create") this.#change("create", path);
    const file = await super.open(path, mode);
    return {
      read: (into, position) => file.read(into, position),
      write: async (bytes, position) => {
        this.#change("write", path);
        await file.write(bytes, position);
      },
      writeNow: (bytes, position) => file.writeNow(bytes, position),
      sync: async () => {
        this.#change("sync", path);
        await file.sync();
      },
      size: () => file.size(),
      close: () => file.close(),
    };
  }

  override async syncDirectory(path: string): Promise<void> {
    this.#change("syncDirectory", path);
    await super.syncDirectory();
  }

  override async freeBytes(): Promise<number> {
    return this.freeBytesNow;
  }
}
