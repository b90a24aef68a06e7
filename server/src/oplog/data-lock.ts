/**
 * Keeps a second server out of a data directory.
 *
 * Each server puts a file of its own into the directory, and then looks for those of others. One whose process is gone is
 * removed; one that lives means that this server has to go. Two that start at the same instant may both go: that is safe,
 * and where a single file would be taken over from a dead owner, two could both believe that they have it.
 *
 * A process is known by its id, when it began, and the boot of its machine. What a file of another machine says (or of
 * another container, which cannot see this one's processes) can only be judged by its age: its owner touches it.
 */
import { type FileSystem, readWhole, replaceFile } from "./file-system.ts";

/** A process, as others can tell whether it is still the same. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Of its start; empty where the system does not tell. */
  readonly startedAt: string;
}

export interface LockOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly self: ProcessIdentity;
  /** Whether a process of this host is running; asked for others only. */
  readonly isRunning: (owner: ProcessIdentity) => boolean;
  readonly nowMs: () => number;
}

/** A file of another host that was not touched for so long belongs to nobody. */
export const LOCK_STALE_MS = 30_000;
/** How often `touch` is to be called. */
export const LOCK_TOUCH_MS = 5000;

const NAME = /^lock-.+$/;

export class DataLock {
  readonly #options: LockOptions;
  readonly #name: string;

  private constructor(options: LockOptions) {
    this.#options = options;
    const { host, pid } = options.self;
    this.#name = `lock-${host.replaceAll(/[^\w.-]/g, "_").slice(0, 64)}-${pid}`;
  }

  /** The lock, or why it cannot be had: a sentence for the person who started the server. */
  static async take(options: LockOptions): Promise<DataLock | string> {
    const lock = new DataLock(options);
    await lock.touch();
    const { files, directory } = options;
    for (const name of await files.list(directory)) {
      if (name === lock.#name || !NAME.test(name) || name.endsWith(".tmp")) continue;
      const problem = await lock.#problemOf(name);
      if (problem === undefined) {
        await files.remove(`${directory}/${name}`);
        continue;
      }
      await lock.release();
      return problem;
    }
    return lock;
  }

  /** Why this server may not go on beside the owner of a file; undefined where it has none any more. */
  async #problemOf(name: string): Promise<string | undefined> {
    const { files, directory, self, isRunning, nowMs } = this.#options;
    const bytes = await readWhole(files, `${directory}/${name}`);
    const owner = bytes === undefined ? undefined : readOwner(bytes);
    if (owner === undefined) return undefined;
    if (owner.host === self.host) {
      if (!isRunning(owner)) return undefined;
      return `the data directory ${directory} is in use by process ${owner.pid}: stop it, or use another --data-dir`;
    }
    const ageMs = nowMs() - owner.touchedAtMs;
    if (ageMs >= LOCK_STALE_MS) return undefined;
    const ageSecs = Math.max(0, Math.round(ageMs / 1000));
    return (
      `the data directory ${directory} was in use ${ageSecs} s ago by process ${owner.pid} on ${owner.host}: ` +
      `stop that one; if it is gone, try again in ${LOCK_STALE_MS / 1000} s or remove ${name}`
    );
  }

  /** Says that the owner lives. */
  async touch(): Promise<void> {
    const { files, directory, self, nowMs } = this.#options;
    const text = JSON.stringify({ ...self, touchedAtMs: nowMs() });
    await replaceFile(files, directory, this.#name, new TextEncoder().encode(`${text}\n`));
  }

  async release(): Promise<void> {
    await this.#options.files.remove(`${this.#options.directory}/${this.#name}`);
  }
}

function readOwner(bytes: Uint8Array): (ProcessIdentity & { touchedAtMs: number }) | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    // Replaced as a whole, so whatever it is, no server has written it.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { pid, host, startedAt, touchedAtMs } = parsed as Record<string, unknown>;
  if (typeof pid !== "number" || typeof host !== "string" || typeof startedAt !== "string") return undefined;
  return typeof touchedAtMs === "number" ? { pid, host, startedAt, touchedAtMs } : undefined;
}
