/**
 * Keeps a second server out of a data directory.
 *
 * Each server puts a file of its own into the directory, and then looks for those of others. One whose process is gone is
 * removed; one that lives means that this server has to go. Two that start at the same instant may both go: that is safe,
 * and where a single file would be taken over from a dead owner, two could both believe that they have it.
 *
 * A process is known by its id, its start, and the space in which its id means something: the host, and in a container that
 * container. Of a stranger's process nobody here can ask. Its file is watched instead: a living owner writes into it every
 * second. Clocks are not compared. An owner that was held up for long enough to be taken for dead finds its own file gone
 * when it goes on, and has to end.
 */
import { parseObject } from "../structures/json-object.ts";
import { type FileSystem, isMissing, readWhole } from "./file-system.ts";

/** A process, as others can tell whether it is still the same. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Where `pid` is the id of this process: the host's name, and the space of process ids on it. */
  readonly space: string;
  /** Of its start; empty where the system does not tell. */
  readonly startedAt: string;
}

export interface LockOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly self: ProcessIdentity;
  /** In a file's name; no other server has or had the same. */
  readonly unique: string;
  /** Whether a process of this space is running; asked for others only. */
  readonly isRunning: (owner: ProcessIdentity) => boolean;
  /** Resolves after so long. */
  readonly pause: (ms: number) => Promise<void>;
  /** Told when the start has to wait, with the reason. */
  readonly onWait: (reason: string) => void;
}

/** How often `touch` is to be called. */
export const LOCK_TOUCH_MS = 1000;
/** A stranger's file that does not change for so long belongs to nobody. */
export const LOCK_WATCH_MS = 5000;

const NAME = /^lock-.+$/;

export class DataLock {
  readonly #options: LockOptions;
  readonly #name: string;
  #touches = 0;

  private constructor(options: LockOptions) {
    this.#options = options;
    this.#name = `lock-${options.unique}`;
  }

  /** The lock, or why it cannot be had: a sentence for the person who started the server. */
  static async take(options: LockOptions): Promise<DataLock | string> {
    const lock = new DataLock(options);
    const { files, directory } = options;
    const file = await files.open(lock.#path(lock.#name), "create");
    try {
      await file.write(lock.#content(), 0);
    } finally {
      await file.close();
    }
    for (const name of await files.list(directory)) {
      if (name === lock.#name || !NAME.test(name)) continue;
      const problem = await lock.#problemOf(name);
      if (problem === undefined) {
        await files.remove(lock.#path(name));
        continue;
      }
      await lock.release();
      return problem;
    }
    return lock;
  }

  #path(name: string): string {
    return `${this.#options.directory}/${name}`;
  }

  /** Always of the same length, so that it can be written over. */
  #content(): Uint8Array {
    const text = JSON.stringify({ ...this.#options.self, touches: String(this.#touches).padStart(16, "0") });
    return new TextEncoder().encode(`${text}\n`);
  }

  /** Why this server may not go on beside the owner of a file; undefined where it has none any more. */
  async #problemOf(name: string): Promise<string | undefined> {
    const { directory, self, isRunning, pause, onWait } = this.#options;
    const before = await this.#read(name);
    if (before === undefined) return undefined;
    const owner = readOwner(before);
    if (owner !== undefined && owner.space === self.space) {
      if (!isRunning(owner)) return undefined;
      return `the data directory ${directory} is in use by process ${owner.pid}: stop it, or use another --data-dir`;
    }
    const who = owner === undefined ? name : `process ${owner.pid} of ${owner.space}`;
    onWait(`waiting for ${LOCK_WATCH_MS / 1000} s: ${directory} was in use by ${who}, which may be alive`);
    await this.touchWhile(pause(LOCK_WATCH_MS));
    const after = await this.#read(name);
    if (after === undefined || Buffer.compare(before, after) === 0) return undefined;
    return `the data directory ${directory} is in use by ${who}: stop it, or use another --data-dir`;
  }

  /**
   * Says that the owner lives until a promise is settled: others may be watching while it reads its data.
   * @returns false as soon as `touch` does.
   */
  async touchWhile(busy: Promise<unknown>): Promise<boolean> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    const end = busy.then(over, over);
    while (!isOver) {
      if (!(await this.touch())) return false;
      await Promise.race([end, this.#options.pause(LOCK_TOUCH_MS)]);
    }
    return true;
  }

  #read(name: string): Promise<Uint8Array | undefined> {
    return readWhole(this.#options.files, this.#path(name));
  }

  /**
   * Says that the owner lives.
   * @returns false where the file is gone: somebody has taken this server for dead, and it must write nothing any more.
   */
  async touch(): Promise<boolean> {
    this.#touches += 1;
    try {
      const file = await this.#options.files.open(this.#path(this.#name), "write");
      try {
        await file.write(this.#content(), 0);
      } finally {
        await file.close();
      }
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async release(): Promise<void> {
    await this.#options.files.remove(this.#path(this.#name));
  }
}

/** Undefined where it is none, or is being written. */
function readOwner(bytes: Uint8Array): ProcessIdentity | undefined {
  const parsed = parseObject(new TextDecoder().decode(bytes));
  if (typeof parsed === "string") return undefined;
  const { pid, space, startedAt } = parsed;
  if (typeof pid !== "number" || typeof space !== "string" || typeof startedAt !== "string") return undefined;
  return { pid, space, startedAt };
}
