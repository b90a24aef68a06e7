/** A disk in memory that knows how many of its files are open, and calls a test before each read. */
import type { FileHandle } from "../src/oplog/file-system.ts";
import { MemoryFileSystem } from "./memory-file-system.ts";

export class HandleCountingFileSystem extends MemoryFileSystem {
  openCount = 0;
  beforeRead: () => void = () => undefined;

  override async open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle> {
    const file = await super.open(path, mode);
    this.openCount++;
    let isOpen = true;
    return {
      read: (into, position) => {
        this.beforeRead();
        return file.read(into, position);
      },
      write: (bytes, position) => file.write(bytes, position),
      writeNow: (bytes, position) => file.writeNow(bytes, position),
      sync: () => file.sync(),
      size: () => file.size(),
      close: async () => {
        if (isOpen) this.openCount--;
        isOpen = false;
        await file.close();
      },
    };
  }
}
