/** The real disk, with faults where a test wants them: calls that fail, calls that wait, and a record of what was called. */
import type { FileHandle, FileSystem } from "../src/oplog/file-system.ts";
import { nodeFileSystem } from "../src/oplog/node-file-system.ts";

export type FileCall =
  | "makeDirectory"
  | "list"
  | "open"
  | "rename"
  | "remove"
  | "syncDirectory"
  | "freeBytes"
  | "read"
  | "write"
  | "sync";

/** Of a call that is about to be made: an error that it fails with instead, something to wait for first, or nothing. */
export type Fault = (call: FileCall, name: string) => Error | Promise<void> | undefined;

export class FaultyFileSystem implements FileSystem {
  /** Such as "sync log-0000000000000001.synap", in order. */
  readonly calls: string[] = [];
  fault: Fault = () => undefined;
  freeBytesNow = 2 ** 40;
  /** What is open, by its path now. */
  readonly #open: { path: string }[] = [];

  makeDirectory(path: string): Promise<void> {
    return this.#do("makeDirectory", path, () => nodeFileSystem.makeDirectory(path));
  }

  list(path: string): Promise<string[]> {
    return this.#do("list", path, () => nodeFileSystem.list(path));
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle> {
    const file = await this.#do("open", path, () => nodeFileSystem.open(path, mode));
    const at = { path };
    this.#open.push(at);
    return {
      read: (into, position) => this.#do("read", at.path, () => file.read(into, position)),
      write: (bytes, position) => this.#do("write", at.path, () => file.write(bytes, position)),
      writeNow: (bytes, position) => {
        const fault = this.#look("write", at.path);
        if (fault instanceof Error) throw fault;
        file.writeNow(bytes, position);
      },
      sync: () => this.#do("sync", at.path, () => file.sync()),
      size: () => file.size(),
      close: () => file.close(),
    };
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do("rename", to, async () => {
      await nodeFileSystem.rename(from, to);
      for (const each of this.#open) if (each.path === from) each.path = to;
    });
  }

  remove(path: string): Promise<void> {
    return this.#do("remove", path, () => nodeFileSystem.remove(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#do("syncDirectory", path, () => nodeFileSystem.syncDirectory(path));
  }

  freeBytes(path: string): Promise<number> {
    return this.#do("freeBytes", path, async () => this.freeBytesNow);
  }

  #look(call: FileCall, path: string): Error | Promise<void> | undefined {
    const name = path.slice(path.lastIndexOf("/") + 1);
    this.calls.push(`${call} ${name}`);
    return this.fault(call, name);
  }

  async #do<T>(call: FileCall, path: string, run: () => Promise<T>): Promise<T> {
    const fault = this.#look(call, path);
    if (fault instanceof Error) throw fault;
    await fault;
    return run();
  }
}

export function fileError(code: string): Error {
  return Object.assign(new Error(`${code}: no luck, write`), { code, syscall: "write" });
}

/** Something to wait for, until it is opened. */
export class Latch {
  readonly opened: Promise<void>;
  open: () => void = () => undefined;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}
