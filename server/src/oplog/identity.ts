/**
 * Whose log this is: the replication id, which all nodes of one log share, and its epochs. A small file of JSON that is
 * replaced as a whole, and that has to be durable before the first record of an epoch is.
 */
import { randomBytes } from "node:crypto";
import { isObject, parseObject } from "../structures/json-object.ts";
import { type Epoch, EpochHistory } from "./epochs.ts";
import { type FileSystem, readWhole, replaceFile } from "./file-system.ts";
import { FORMAT_VERSION, KNOWN_VERSIONS, knowsVersion } from "./format-version.ts";

export const IDENTITY_NAME = "identity.json";

export interface Identity {
  /** 32 hexadecimal digits. */
  readonly replicationId: string;
  readonly history: EpochHistory;
  /** The log was closed in order, with all of it on disk. Not while a server has it open. */
  readonly isClosed: boolean;
  /** The last offset that was on disk when it was closed; 0 while it is open, or where that is not known. */
  readonly closedOffset: number;
  /** While it is open, a crash may take back the end of the log: `fsync` is not `always`. */
  readonly mayLoseTail: boolean;
  /** It was the log of a replica when it was open last: it has no epoch of its own. */
  readonly isReplica: boolean;
  /** A log was begun here: where there are no files of it, they were taken away. */
  readonly hasLog: boolean;
}

export function newReplicationId(): string {
  return randomBytes(16).toString("hex");
}

const NODE_ID_NAME = "node-id";

/**
 * Tells this data directory from others with the same log, over restarts: its master counts a node once, also while an earlier
 * link of it is not known to be dead. A copy of a directory has to lose the file.
 */
export async function openNodeId(files: FileSystem, directory: string, make: () => string): Promise<string> {
  const bytes = await readWhole(files, `${directory}/${NODE_ID_NAME}`);
  const found = new TextDecoder().decode(bytes).trim();
  if (/^[0-9a-f]{16}$/.test(found)) return found;
  const made = make();
  await replaceFile(files, directory, NODE_ID_NAME, new TextEncoder().encode(`${made}\n`));
  return made;
}

/** 16 hexadecimal digits. */
export function newNodeId(): string {
  return randomBytes(8).toString("hex");
}

export async function saveIdentity(files: FileSystem, directory: string, identity: Identity): Promise<void> {
  await replaceFile(files, directory, IDENTITY_NAME, new TextEncoder().encode(encodeIdentity(identity)));
}

/** Undefined where there is none; the reason where it is not to be read. */
export async function loadIdentity(files: FileSystem, directory: string): Promise<Identity | string | undefined> {
  const bytes = await readWhole(files, `${directory}/${IDENTITY_NAME}`);
  if (bytes === undefined) return undefined;
  return decodeIdentity(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
}

export function encodeIdentity({ replicationId, history, isClosed, closedOffset, ...left }: Identity): string {
  const epochs = history.epochs.map(({ epoch, firstOffset, previousEnd }) => ({
    epoch,
    first_offset: firstOffset,
    previous_end: previousEnd,
  }));
  const flags = {
    closed: isClosed,
    closed_offset: closedOffset,
    may_lose_tail: left.mayLoseTail,
    replica: left.isReplica,
    has_log: left.hasLog,
  };
  return `${JSON.stringify({ format: FORMAT_VERSION, replication_id: replicationId, ...flags, epochs }, undefined, 2)}\n`;
}

/** Reads what `encodeIdentity` has written, also from another node: the reason where it cannot be. */
export function decodeIdentity(text: string): Identity | string {
  const parsed = parseObject(text);
  if (typeof parsed === "string") return parsed;
  const {
    format,
    replication_id: replicationId,
    closed,
    closed_offset: closedOffset = 0,
    may_lose_tail: mayLoseTail,
    replica: isReplica,
    has_log: hasLog = false,
    epochs,
  } = parsed;
  if (!knowsVersion(format)) return `its format is ${String(format)}, and this server knows ${KNOWN_VERSIONS}`;
  if (typeof replicationId !== "string" || !/^[0-9a-f]{32}$/.test(replicationId)) return "its replication id is none";
  if (
    typeof closed !== "boolean" ||
    typeof mayLoseTail !== "boolean" ||
    typeof isReplica !== "boolean" ||
    typeof hasLog !== "boolean" ||
    !isWhole(closedOffset)
  )
    return "it does not say how the log was left";
  if (!Array.isArray(epochs) || epochs.length === 0) return "it has no epochs";
  const read: Epoch[] = [];
  for (const each of epochs) {
    const epoch = readEpoch(each);
    if (epoch === undefined || epoch.epoch <= (read.at(-1)?.epoch ?? 0)) return "one of its epochs is none";
    read.push(epoch);
  }
  const history = new EpochHistory(read);
  return { replicationId, history, isClosed: closed, closedOffset, mayLoseTail, isReplica, hasLog };
}

function readEpoch(value: unknown): Epoch | undefined {
  if (!isObject(value)) return undefined;
  const { epoch, first_offset: firstOffset, previous_end: previousEnd } = value;
  if (!isWhole(epoch) || !isWhole(firstOffset) || !isWhole(previousEnd) || previousEnd >= firstOffset) return undefined;
  return { epoch, firstOffset, previousEnd };
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
