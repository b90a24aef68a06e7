/**
 * A replica takes over the log of its master: what it had goes, and a snapshot it was sent becomes what it begins with.
 *
 *     incoming.tmp -- complete, checked, synced --> incoming.synap + adoption.json      up to here nothing of its own was touched
 *     adoption.json is there --> what it had aside or removed, the snapshot and the identity in place
 *
 * What the master does not have is set aside as a data directory of its own, with its identity and its snapshots: a master
 * that was made a replica by mistake can be started from it as it was.
 *
 * The second part is done when a data directory is opened, and can be done again: after a crash in the middle of it, it is.
 */
import { parseObject } from "../structures/json-object.ts";
import { type FileSystem, readWhole, replaceFile } from "./file-system.ts";
import { decodeIdentity, encodeIdentity, IDENTITY_NAME, type Identity, saveIdentity } from "./identity.ts";
import { listSegments } from "./log-file-reader.ts";
import { LogDamage } from "./log-recovery.ts";
import { readSnapshot, type SnapshotHeader, snapshotName, snapshotOffset } from "./snapshot-file.ts";

const ADOPTION_NAME = "adoption.json";
const INCOMING_TEMPORARY_NAME = "incoming.tmp";
const INCOMING_NAME = "incoming.synap";

/** Writes a snapshot as it comes over a link. */
export class SnapshotReceiver {
  readonly #files: FileSystem;
  readonly #directory: string;
  #file: Awaited<ReturnType<FileSystem["open"]>> | undefined;
  #bytes = 0;
  #isComplete = false;

  private constructor(files: FileSystem, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  static async open(files: FileSystem, directory: string): Promise<SnapshotReceiver> {
    const receiver = new SnapshotReceiver(files, directory);
    // Of an earlier one that was not taken over.
    for (const name of [INCOMING_TEMPORARY_NAME, INCOMING_NAME]) await files.remove(`${directory}/${name}`);
    receiver.#file = await files.open(`${directory}/${INCOMING_TEMPORARY_NAME}`, "create");
    return receiver;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** One after the other: `bytes` must not change until it is done. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#file === undefined) throw new Error("the snapshot is complete or given up");
    const at = this.#bytes;
    this.#bytes += bytes.length;
    await this.#file.write(bytes, at);
  }

  /** All of it has come. Returns its header, or why it is no snapshot. */
  async finish(): Promise<SnapshotHeader | string> {
    const { file, path } = this.#taken();
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    const header = await readSnapshot(this.#files, path, () => {});
    if (typeof header === "string") {
      await this.#files.remove(path);
      return header;
    }
    await this.#files.rename(path, `${this.#directory}/${INCOMING_NAME}`);
    await this.#files.syncDirectory(this.#directory);
    this.#isComplete = true;
    return header;
  }

  /** Gives the room on the disk back, also after a failure; nothing happens where it is complete. */
  async abort(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
    if (!this.#isComplete) await this.#files.remove(`${this.#directory}/${INCOMING_TEMPORARY_NAME}`);
  }

  #taken() {
    const file = this.#file;
    if (file === undefined) throw new Error("the snapshot is complete or given up");
    this.#file = undefined;
    return { file, path: `${this.#directory}/${INCOMING_TEMPORARY_NAME}` };
  }
}

export interface Adoption {
  /** Of the snapshot that was received. */
  readonly offset: number;
  /** The master's. */
  readonly identity: Identity;
  /** A folder for what the directory holds, where the master does not have all of it; undefined where there is nothing to keep. */
  readonly keepLogIn: string | undefined;
}

/** From here on the next `finishAdoption` makes the received snapshot the beginning; unless it throws: then it will not. */
export async function beginAdoption(files: FileSystem, directory: string, adoption: Adoption): Promise<void> {
  const text = JSON.stringify({ ...adoption, identity: encodeIdentity(adoption.identity) });
  try {
    await replaceFile(files, directory, ADOPTION_NAME, new TextEncoder().encode(text));
  } catch (error) {
    await files.remove(`${directory}/${ADOPTION_NAME}`);
    await files.syncDirectory(directory);
    throw error;
  }
}

/**
 * Does what `beginAdoption` has left to do, and removes what came of a snapshot that was not to be. Call it before anything
 * reads the log. Throws `LogDamage` where nobody knows what is left to do.
 */
export async function finishAdoption(files: FileSystem, directory: string): Promise<void> {
  const bytes = await readWhole(files, `${directory}/${ADOPTION_NAME}`);
  const names = await files.list(directory);
  if (names.includes(INCOMING_TEMPORARY_NAME)) await files.remove(`${directory}/${INCOMING_TEMPORARY_NAME}`);
  if (bytes === undefined) {
    if (names.includes(INCOMING_NAME)) await files.remove(`${directory}/${INCOMING_NAME}`);
    return;
  }
  const adoption = readAdoption(new TextDecoder().decode(bytes));
  if (typeof adoption === "string") throw damaged(directory, adoption);
  const { offset, identity, keepLogIn } = adoption;
  if (keepLogIn !== undefined) await files.makeDirectory(`${directory}/${keepLogIn}`);
  for (const { name } of await listSegments(files, directory)) await setAside(files, directory, name, keepLogIn);
  const incoming = names.includes(INCOMING_NAME);
  for (const name of names) {
    const isOld = snapshotOffset(name) !== undefined && (incoming || name !== snapshotName(offset));
    if (isOld) await setAside(files, directory, name, keepLogIn);
  }
  if (keepLogIn !== undefined) await keepIdentity(files, directory, keepLogIn);
  if (incoming) await files.rename(`${directory}/${INCOMING_NAME}`, `${directory}/${snapshotName(offset)}`);
  if (keepLogIn !== undefined) await files.syncDirectory(`${directory}/${keepLogIn}`);
  await files.syncDirectory(directory);
  await saveIdentity(files, directory, identity);
  await files.remove(`${directory}/${ADOPTION_NAME}`);
  await files.syncDirectory(directory);
}

async function setAside(files: FileSystem, directory: string, name: string, keepLogIn: string | undefined) {
  if (keepLogIn === undefined) await files.remove(`${directory}/${name}`);
  else await files.rename(`${directory}/${name}`, `${directory}/${keepLogIn}/${name}`);
}

/** When this is done again, the identity here may be the master's already, and the own one in its place. */
async function keepIdentity(files: FileSystem, directory: string, keepLogIn: string): Promise<void> {
  const isKept = (await files.list(`${directory}/${keepLogIn}`)).includes(IDENTITY_NAME);
  const isThere = (await files.list(directory)).includes(IDENTITY_NAME);
  if (isThere && !isKept) await setAside(files, directory, IDENTITY_NAME, keepLogIn);
}

function damaged(directory: string, problem: string): LogDamage {
  return new LogDamage(
    `${directory}/${ADOPTION_NAME}, which says how this node is to take over its master's log, cannot be read: ${problem}. ` +
      "Restore it from a copy of the directory; or name an empty directory, which is filled from the master, and keep this " +
      "one as long as what it had of its own, here or in its diverged-... folder, may be needed.",
  );
}

/** The reason where it cannot be read. */
function readAdoption(text: string): Adoption | string {
  const parsed = parseObject(text);
  if (typeof parsed === "string") return parsed;
  const { offset, identity: encoded, keepLogIn } = parsed;
  if (typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0) return "its offset is none";
  if (keepLogIn !== undefined && (typeof keepLogIn !== "string" || !/^[\w-]+$/.test(keepLogIn)))
    return "its folder is none";
  const identity = decodeIdentity(typeof encoded === "string" ? encoded : "");
  return typeof identity === "string" ? `its identity: ${identity}` : { offset, identity, keepLogIn };
}
