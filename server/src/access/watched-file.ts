/**
 * Files that the configuration names and that somebody may replace while the server runs: the certificate and its key, the
 * tokens, the keys of signed tokens. A stamp tells whether one has changed, without reading it.
 */
import { readFile, stat } from "node:fs/promises";
import { codeOf } from "../runtime/error-code.ts";
import { StartError } from "../runtime/start-error.ts";

/** A file, as far as `stat` can tell it from another. */
export type FileStamp = string;

/** Changes when the file does, or who may use it; undefined where there is none. Throws `StartError` where that cannot be told. */
export async function stampOf(path: string): Promise<FileStamp | undefined> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (cause) {
    if (isNoFile(cause)) return undefined;
    throw new StartError(`${path} cannot be looked at: ${messageOf(cause)}. Let this user read it.`, { cause });
  }
}

const NOT_THE_OWNER_WRITES = 0o022;
const EVERYBODY_READS = 0o004;

/** What others than its owner may do with a file. Throws `StartError`. */
export async function opennessOf(path: string): Promise<{ readonly mayWrite: boolean; readonly mayRead: boolean }> {
  try {
    const { mode } = await stat(path);
    return { mayWrite: (mode & NOT_THE_OWNER_WRITES) !== 0, mayRead: (mode & EVERYBODY_READS) !== 0 };
  } catch (cause) {
    throw new StartError(`${path} cannot be looked at: ${messageOf(cause)}. Let this user read it.`, { cause });
  }
}

/** Of a file that the setting names. Throws `StartError`. */
export async function readNamed(path: string, setting: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new StartError(`${setting} cannot be read: ${messageOf(cause)}.`, { cause });
  }
}

/** There is no such file; also where what should be its folder is a file itself. */
export function isNoFile(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
