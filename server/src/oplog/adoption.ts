/**
 * A replica takes over the log of its master: what it had goes, and a snapshot it was sent becomes what it begins with.
 *
 *     incoming.tmp -- complete, checked, synced --> incoming.synap + adoption.json      up to here nothing of its own was touched
 *     adoption.json is there --> old log aside or removed, old snapshots removed, the snapshot and the identity in place
 *
 * The second part is done when a data directory is opened, and can be done again: after a crash in the middle of it, it is.
 */
import { type FileSystem, readWhole, replaceFile } from "./file-system.ts";
import { decodeIdentity, encodeIdentity, type Identity, saveIdentity } from "./identity.ts";
import { listSegments } from "./log-file-reader.ts";
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

  private constructor(files: FileSystem, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  static async open(files: FileSystem, directory: string): Promise<SnapshotReceiver> {
    const receiver = new SnapshotReceiver(files, directory);
    await files.remove(`${directory}/${INCOMING_TEMPORARY_NAME}`);
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
    await file.sync();
    await file.close();
    const header = await readSnapshot(this.#files, path, () => {});
    if (typeof header === "string") {
      await this.#files.remove(path);
      return header;
    }
    await this.#files.rename(path, `${this.#directory}/${INCOMING_NAME}`);
    await this.#files.syncDirectory(this.#directory);
    return header;
  }

  async abort(): Promise<void> {
    if (this.#file === undefined) return;
    const { file, path } = this.#taken();
    await file.close();
    await this.#files.remove(path);
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
  /** A folder for the log files that hold what the master does not have; undefined where there is nothing to keep. */
  readonly keepLogIn: string | undefined;
}

/** From here on the next `finishAdoption` makes the received snapshot the beginning. */
export async function beginAdoption(files: FileSystem, directory: string, adoption: Adoption): Promise<void> {
  const text = JSON.stringify({ ...adoption, identity: encodeIdentity(adoption.identity) });
  await replaceFile(files, directory, ADOPTION_NAME, new TextEncoder().encode(text));
}

/** Does what `beginAdoption` has left to do; nothing where it has left nothing. Call it before anything reads the log. */
export async function finishAdoption(files: FileSystem, directory: string): Promise<void> {
  const bytes = await readWhole(files, `${directory}/${ADOPTION_NAME}`);
  if (bytes === undefined) return;
  const { offset, identity, keepLogIn } = readAdoption(new TextDecoder().decode(bytes));
  if (keepLogIn !== undefined) await files.makeDirectory(`${directory}/${keepLogIn}`);
  for (const { name } of await listSegments(files, directory)) {
    if (keepLogIn === undefined) await files.remove(`${directory}/${name}`);
    else await files.rename(`${directory}/${name}`, `${directory}/${keepLogIn}/${name}`);
  }
  const incoming = (await files.list(directory)).includes(INCOMING_NAME);
  for (const name of await files.list(directory)) {
    const isOld = snapshotOffset(name) !== undefined && (incoming || name !== snapshotName(offset));
    if (isOld) await files.remove(`${directory}/${name}`);
  }
  if (incoming) await files.rename(`${directory}/${INCOMING_NAME}`, `${directory}/${snapshotName(offset)}`);
  if (keepLogIn !== undefined) await files.syncDirectory(`${directory}/${keepLogIn}`);
  await files.syncDirectory(directory);
  await saveIdentity(files, directory, identity);
  await files.remove(`${directory}/${ADOPTION_NAME}`);
  await files.syncDirectory(directory);
}

function readAdoption(text: string): Adoption {
  const parsed = JSON.parse(text) as { offset: number; identity: string; keepLogIn?: string };
  const identity = decodeIdentity(parsed.identity);
  if (typeof identity === "string") throw new Error(`${ADOPTION_NAME} holds no identity: ${identity}`);
  return { offset: parsed.offset, identity, keepLogIn: parsed.keepLogIn };
}
