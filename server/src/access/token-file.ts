/**
 * The file of the tokens: names, permissions and hashes, in JSON. The command line and a running server write it, the server
 * reads it again when it has changed.
 *
 *     {"format": 1, "tokens": [{"name": "app", "sha256": "...", "allow": ["kv:write:app:"], "created_at": 1, "expires_at": null}]}
 *
 * Who writes holds `FILE.lock` meanwhile, reads what is there, and puts a whole new file in its place: a reader sees the one or
 * the other. The file is for its owner alone; though nobody can log in with a hash, who may write it may let anybody in.
 */
import { constants } from "node:fs";
import { open, readFile, readlink, realpath, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { codeOf } from "../runtime/error-code.ts";
import { pause } from "../runtime/pause.ts";
import { StartError } from "../runtime/start-error.ts";
import { isObject, type JsonObject } from "../structures/json-object.ts";
import { parsePermissions, showPermission } from "./permission.ts";
import { TOKEN_NAME, type TokenRecord } from "./token.ts";
import { type FileStamp, isNoFile, messageOf, opennessOf, stampOf } from "./watched-file.ts";

const FORMAT = 1;
const OWNER_ONLY = 0o600;
const LOCK_TRIES_MAX = 40;
const LOCK_PAUSE_MS = 50;
export const TOKENS_MAX = 10_000;

/** What a change has left in the file. */
export interface WrittenTokens {
  readonly tokens: readonly TokenRecord[];
  /** Taken while nobody else could change it: a later change has another. */
  readonly stamp: FileStamp | undefined;
}

/** Makes a directory and those above it, for their owner alone. */
export type MakeDirectory = (path: string) => Promise<void>;

export class TokenFile {
  readonly path: string;
  readonly #makeDirectory: MakeDirectory;

  /** @param makeDirectory as the data directory is made: nothing of oplog/ may be imported here. */
  constructor(path: string, makeDirectory: MakeDirectory) {
    this.path = path;
    this.#makeDirectory = makeDirectory;
  }

  /** The tokens; undefined where there is no such file. Throws `StartError` for what cannot be read as one. */
  async read(): Promise<readonly TokenRecord[] | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (cause) {
      if (isNoFile(cause)) return undefined;
      throw this.#unusable("read", cause);
    }
    return parseTokens(text, this.path);
  }

  /** Changes when the file does; undefined where there is none. */
  stamp(): Promise<FileStamp | undefined> {
    return stampOf(this.path);
  }

  /** Whether others than its owner may write it, and so let anybody in. */
  async isOpenToOthers(): Promise<boolean> {
    return (await opennessOf(this.path)).mayWrite;
  }

  /**
   * Replaces the tokens by what `change` makes of them. It answers with a sentence where that cannot be; then nothing changes.
   * Throws `StartError` where they cannot be read or written.
   * @param change is given none where there is no file.
   */
  async update(
    change: (tokens: readonly TokenRecord[]) => readonly TokenRecord[] | string,
  ): Promise<WrittenTokens | string> {
    try {
      return await this.#update(change);
    } catch (cause) {
      // The disk has refused; the rest is a bug, or told in a sentence already.
      if (codeOf(cause) === undefined) throw cause;
      throw this.#unusable("written", cause);
    }
  }

  async #update(
    change: (tokens: readonly TokenRecord[]) => readonly TokenRecord[] | string,
  ): Promise<WrittenTokens | string> {
    const path = await realPathOf(this.path);
    await this.#makeDirectory(dirname(path));
    const lock = `${path}.lock`;
    if (!(await take(lock))) return `${lock} is there: another process changes the tokens, or has died; then remove it`;
    try {
      const tokens = change((await this.read()) ?? []);
      if (typeof tokens === "string") return tokens;
      await this.#write(path, tokens);
      return { tokens, stamp: await this.stamp() };
    } finally {
      await rm(lock, { force: true });
    }
  }

  #unusable(what: "read" | "written", cause: unknown): StartError {
    const advice = "Let this user read and write there, or name another file with access.tokens_file";
    return new StartError(`The tokens in ${this.path} cannot be ${what}: ${messageOf(cause)}. ${advice}.`, { cause });
  }

  async #write(path: string, tokens: readonly TokenRecord[]): Promise<void> {
    const temporary = `${path}.new`;
    // What lies there is of a process that died, or of somebody else: its mode, or where it leads to, is not to count.
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", OWNER_ONLY);
    try {
      await file.writeFile(showTokens(tokens));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const directory = await open(dirname(path), constants.O_RDONLY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}

/**
 * Where the file is, if its name is a link: that stays one, also while it leads to nothing yet. Several nodes may have a link to one
 * file, and a token that is revoked on one of them has to end on all.
 */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    if (!isNoFile(cause)) throw cause;
  }
  const target = await targetOf(path);
  // A circle of links has failed above.
  return target === undefined ? path : realPathOf(resolve(await realpath(dirname(path)), target));
}

/** Undefined for what is no link, or not there. */
async function targetOf(name: string): Promise<string | undefined> {
  try {
    return await readlink(name);
  } catch (cause) {
    if (isNoFile(cause) || codeOf(cause) === "EINVAL") return undefined;
    throw cause;
  }
}

async function take(lock: string): Promise<boolean> {
  for (let tries = 0; tries < LOCK_TRIES_MAX; tries++) {
    try {
      await (await open(lock, "wx", OWNER_ONLY)).close();
      return true;
    } catch (cause) {
      if (codeOf(cause) !== "EEXIST") throw cause;
      await pause(LOCK_PAUSE_MS);
    }
  }
  return false;
}

function showTokens(tokens: readonly TokenRecord[]): string {
  const kept = tokens.map(({ name, sha256, permissions, createdAtMs, expiresAtMs }) => ({
    name,
    sha256,
    allow: permissions.map(showPermission),
    created_at: createdAtMs,
    expires_at: Number.isFinite(expiresAtMs) ? expiresAtMs : null,
  }));
  return `${JSON.stringify({ format: FORMAT, tokens: kept }, undefined, 2)}\n`;
}

function parseTokens(text: string, path: string): readonly TokenRecord[] {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (cause) {
    throw new StartError(`The tokens in ${path} cannot be read: it is not JSON.`, { cause });
  }
  const { format, tokens } = fieldsOf(read);
  if (format !== FORMAT || !Array.isArray(tokens)) {
    throw new StartError(`The tokens in ${path} cannot be read: its format is not ${FORMAT}, the one of this version.`);
  }
  const names = new Set<string>();
  return tokens.map((token: unknown, index) => {
    const record = recordOf(token);
    const problem =
      typeof record === "string" ? record : names.has(record.name) ? "its name is there twice" : undefined;
    if (typeof record === "string" || problem !== undefined) {
      throw new StartError(`The tokens in ${path} cannot be read: of token ${index + 1}, ${problem}.`);
    }
    names.add(record.name);
    return record;
  });
}

function recordOf(token: unknown): TokenRecord | string {
  const { name, sha256, allow, created_at: createdAtMs, expires_at: expiresAtMs } = fieldsOf(token);
  if (typeof name !== "string" || !TOKEN_NAME.test(name)) return "name is not a name";
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) return "sha256 is not 64 hexadecimal digits";
  if (!Array.isArray(allow) || !allow.every((each) => typeof each === "string")) return "allow is no list of strings";
  const permissions = parsePermissions(allow);
  if (typeof permissions === "string") return permissions;
  if (typeof createdAtMs !== "number") return "created_at is no number";
  if (expiresAtMs !== null && typeof expiresAtMs !== "number") return "expires_at is no number and not null";
  return { name, sha256, permissions, createdAtMs, expiresAtMs: expiresAtMs ?? Number.POSITIVE_INFINITY };
}

function fieldsOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
