/**
 * The disk, as far as the log needs one. Everything that the log writes goes through here, so that a simulation can own
 * the disk: lose what was not synced, tear a write, fill up, or fail.
 *
 * Paths are absolute or relative to the process. Errors are those of Node, with their `code`.
 */
import { codeOf } from "../runtime/error-code.ts";

export interface FileSystem {
  /** Makes the directory and those above it, where they are missing. */
  makeDirectory(path: string): Promise<void>;
  /** The names in a directory, in no order. */
  list(path: string): Promise<string[]>;
  /** Opens for reading and writing; with `create`, a new file: fails with EEXIST where there is one. */
  open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; nothing happens where there is none. */
  remove(path: string): Promise<void>;
  /** Makes the names in a directory durable: what was created, renamed and removed. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes that this process may still write to the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
}

export interface FileHandle {
  /** Reads from `position` until `into` is full or the file ends; returns how many bytes. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes`, which must not change meanwhile. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** The same at once, on this thread: for small writes that go to the system's cache. */
  writeNow(bytes: Uint8Array, position: number): void;
  /** Returns when all that was written is on disk (`fdatasync`). A failure must never be tried again: what it was about may be lost. */
  sync(): Promise<void>;
  /** Bytes. */
  size(): Promise<number>;
  close(): Promise<void>;
}

/** The whole of a small file; undefined where there is none. */
export async function readWhole(files: FileSystem, path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle;
  try {
    file = await files.open(path, "read");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(await file.size());
    const length = await file.read(bytes, 0);
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}

/** Puts a small file in the place of another, so that after a crash one of the two is there, whole. */
export async function replaceFile(files: FileSystem, directory: string, name: string, bytes: Uint8Array) {
  const path = `${directory}/${name}`;
  const temporary = `${path}.tmp`;
  await files.remove(temporary);
  await writeAndClose(await files.open(temporary, "create"), bytes, 0);
  await files.rename(temporary, path);
  await files.syncDirectory(directory);
}

/** When this returns, the bytes are on disk. */
export async function writeAndClose(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  try {
    await file.write(bytes, at);
    await file.sync();
  } finally {
    await file.close();
  }
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}
