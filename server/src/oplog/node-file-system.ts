/** The real disk, by node:fs. Waiting work runs in libuv's thread pool. */

import { fdatasync, write, writeSync } from "node:fs";
import { mkdir, type FileHandle as NodeHandle, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { codeOf } from "../runtime/error-code.ts";
import { type FileHandle, type FileSystem, isMissing } from "./file-system.ts";

export const nodeFileSystem: FileSystem = {
  makeDirectory: makeDirectories,
  list: (path) => readdir(path),
  async open(path, mode) {
    return new OpenFile(await open(path, mode === "read" ? "r" : mode === "write" ? "r+" : "wx+", 0o600));
  },
  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { force: true }),
  async syncDirectory(path) {
    // Windows has no such thing, and needs none: a rename is durable there with the journal.
    if (process.platform === "win32") return;
    const directory = await open(path, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  async freeBytes(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};

class OpenFile implements FileHandle {
  readonly #handle: NodeHandle;

  constructor(handle: NodeHandle) {
    this.#handle = handle;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let length = 0;
    while (length < into.length) {
      const { bytesRead } = await this.#handle.read(into, length, into.length - length, position + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return length;
  }

  /** By callbacks: the handle's own promises cost more than the write of a small group. */
  write(bytes: Uint8Array, position: number): Promise<void> {
    const { fd } = this.#handle;
    return new Promise((resolve, reject) => {
      const writeFrom = (start: number): void => {
        write(fd, bytes, start, bytes.length - start, position + start, (error, written) => {
          if (error !== null) reject(error);
          else if (start + written === bytes.length) resolve();
          else writeFrom(start + written);
        });
      };
      writeFrom(0);
    });
  }

  writeNow(bytes: Uint8Array, position: number): void {
    for (let start = 0; start < bytes.length; ) {
      start += writeSync(this.#handle.fd, bytes, start, bytes.length - start, position + start);
    }
  }

  sync(): Promise<void> {
    const { fd } = this.#handle;
    return new Promise((resolve, reject) => {
      fdatasync(fd, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Not by the `recursive` of mkdir: below /proc, where nothing can be made, Node 20 tries that for ever. */
async function makeDirectories(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === "EEXIST" && (await stat(path)).isDirectory()) return;
    const parent = dirname(path);
    if (!isMissing(error) || parent === path || (await exists(parent))) throw error;
    await makeDirectories(parent);
    await mkdir(path, { mode: 0o700 });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
