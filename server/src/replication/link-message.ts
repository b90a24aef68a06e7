/**
 * What master and replica say to each other: one message per binary WebSocket frame, a byte for its kind, then
 *
 *     1 hello      -> master    JSON: whose log the replica has, and where it ends
 *     2 welcome    -> replica   JSON: whose log comes now: records behind that end, or a snapshot
 *     3 refusal    either way   JSON: why there will be nothing; the link is closed then
 *     4 snapshot   -> replica   u48 position in the file | bytes
 *     5 received   -> master    u48 bytes of the snapshot that are written
 *     6 records    -> replica   status | whole records of the log (log-record.ts)
 *     7 ack        -> master    u48 last offset that is durable on the replica
 *     8 heartbeat  -> replica   status
 *     9 published  -> replica   messages of publish/subscribe (published-message.ts)
 *
 *     status      u48 the master's durable offset | u48 its clock, in ms | u32 by how many ms the replica is behind, as it sees it
 *
 * Little endian. The replica's heartbeat is an ack. Both ends hold what comes to be anything until it is decoded: a message
 * that is not of this form ends the link.
 */
import { decodeIdentity, encodeIdentity, type Identity } from "../oplog/identity.ts";
import { readUint32, readUint48, writeUint32, writeUint48 } from "../state/operation.ts";
import { isObject, type JsonObject, parseObject } from "../structures/json-object.ts";
import { printable } from "./printable.ts";

/** Raised where messages change so that an older node would not understand them. */
export const LINK_VERSION = 2;

export const HELLO = 1;
export const WELCOME = 2;
export const REFUSAL = 3;
export const SNAPSHOT = 4;
export const RECEIVED = 5;
export const RECORDS = 6;
export const ACK = 7;
export const HEARTBEAT = 8;
export const PUBLISHED = 9;

export type LinkIdentity = Pick<Identity, "replicationId" | "history">;

export interface Hello {
  readonly kind: typeof HELLO;
  readonly version: number;
  /** Tells links of the same process from those of others. Printable ASCII, as the address is. */
  readonly nodeId: string;
  /** Where the replica serves clients, for information. */
  readonly address: string;
  readonly identity: LinkIdentity;
  /** Of the last operation in its log, or what its first one will follow. */
  readonly lastOffset: number;
}

/** Why a replica gets a snapshot and not the records that it lacks. */
export type FullSyncReason = "another-log" | "diverged" | "too-far-behind";

export interface Welcome {
  readonly kind: typeof WELCOME;
  readonly identity: LinkIdentity;
  /** Where the master serves clients. */
  readonly address: string;
  /** Absent where the records behind the replica's last offset follow. */
  readonly fullSync: FullSync | undefined;
}

export interface FullSync {
  readonly reason: FullSyncReason;
  /** The snapshot is the state at this offset. */
  readonly offset: number;
  /** Of the file. */
  readonly bytes: number;
}

/** Why a link was not wanted. */
export type RefusalReason =
  | "VERSION"
  | "NOT_A_MASTER"
  | "NO_PERSISTENCE"
  | "STALE_EPOCH"
  | "TOO_MANY_REPLICAS"
  | "NEEDS_FULL_SYNC"
  | "SHUTTING_DOWN"
  | "FAILURE";

export interface Refusal {
  readonly kind: typeof REFUSAL;
  readonly reason: RefusalReason;
  /** A sentence for people, and for a log: what comes of it is printable. */
  readonly message: string;
}

/** How the master stands when it sends something. */
export interface MasterStatus {
  readonly durableOffset: number;
  readonly nowMs: number;
  readonly lagMs: number;
}

export interface SnapshotPart {
  readonly kind: typeof SNAPSHOT;
  readonly position: number;
  readonly bytes: Uint8Array;
}

export interface Received {
  readonly kind: typeof RECEIVED;
  readonly bytes: number;
}

export interface Records extends MasterStatus {
  readonly kind: typeof RECORDS;
  readonly records: Uint8Array;
}

export interface Ack {
  readonly kind: typeof ACK;
  readonly durableOffset: number;
}

export interface Heartbeat extends MasterStatus {
  readonly kind: typeof HEARTBEAT;
}

export interface PublishedMessages {
  readonly kind: typeof PUBLISHED;
  readonly messages: Uint8Array;
}

export type LinkMessage =
  | Hello
  | Welcome
  | Refusal
  | SnapshotPart
  | Received
  | Records
  | Ack
  | Heartbeat
  | PublishedMessages;

const STATUS_BYTES = 16;
const RECORDS_HEADER_BYTES = 1 + STATUS_BYTES;
const POSITION_BYTES = 7;
const LAG_MS_MAX = 2 ** 32 - 1;

export function encodeLinkMessage(message: LinkMessage): Uint8Array {
  switch (message.kind) {
    case HELLO: {
      const { version, nodeId, address, identity, lastOffset } = message;
      const json = { version, node_id: nodeId, address, identity: encoded(identity), last_offset: lastOffset };
      return jsonFrame(HELLO, json);
    }
    case WELCOME: {
      const { identity, address, fullSync } = message;
      return jsonFrame(WELCOME, { identity: encoded(identity), address, full_sync: fullSync });
    }
    case REFUSAL:
      return jsonFrame(REFUSAL, { reason: message.reason, message: message.message });
    case SNAPSHOT:
      return positionFrame(SNAPSHOT, message.position, message.bytes);
    case RECEIVED:
      return positionFrame(RECEIVED, message.bytes);
    case ACK:
      return positionFrame(ACK, message.durableOffset);
    case RECORDS:
      return statusFrame(RECORDS, message, message.records);
    case HEARTBEAT:
      return statusFrame(HEARTBEAT, message);
    case PUBLISHED:
      return frame(PUBLISHED, 1, message.messages);
  }
}

/** The message, its byte ranges as views of `bytes`; or why there is none, which may quote it and is printable. */
export function decodeLinkMessage(bytes: Uint8Array): LinkMessage | string {
  const message = decode(bytes);
  return typeof message === "string" ? printable(message) : message;
}

function decode(bytes: Uint8Array): LinkMessage | string {
  const kind = bytes[0];
  switch (kind) {
    case HELLO:
    case WELCOME:
    case REFUSAL:
      return decodeJson(kind, bytes);
    case SNAPSHOT:
      if (bytes.length < POSITION_BYTES) break;
      return { kind, position: readUint48(bytes, 1), bytes: bytes.subarray(POSITION_BYTES) };
    case RECEIVED:
      if (bytes.length !== POSITION_BYTES) break;
      return { kind, bytes: readUint48(bytes, 1) };
    case ACK:
      if (bytes.length !== POSITION_BYTES) break;
      return { kind, durableOffset: readUint48(bytes, 1) };
    case RECORDS:
      if (bytes.length < RECORDS_HEADER_BYTES) break;
      return { kind, ...readStatus(bytes), records: bytes.subarray(RECORDS_HEADER_BYTES) };
    case HEARTBEAT:
      if (bytes.length !== RECORDS_HEADER_BYTES) break;
      return { kind, ...readStatus(bytes) };
    case PUBLISHED:
      return { kind, messages: bytes.subarray(1) };
    default:
      return bytes.length === 0 ? "it is empty" : `its kind is ${kind}`;
  }
  return `a message of kind ${kind} has another length than ${bytes.length}`;
}

function frame(kind: number, headerBytes: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + body.length);
  bytes[0] = kind;
  bytes.set(body, headerBytes);
  return bytes;
}

function jsonFrame(kind: number, value: unknown): Uint8Array {
  return frame(kind, 1, new TextEncoder().encode(JSON.stringify(value)));
}

function positionFrame(kind: number, position: number, body: Uint8Array = NOTHING): Uint8Array {
  const bytes = frame(kind, POSITION_BYTES, body);
  writeUint48(bytes, 1, position);
  return bytes;
}

function statusFrame(kind: number, { durableOffset, nowMs, lagMs }: MasterStatus, body: Uint8Array = NOTHING) {
  const bytes = frame(kind, RECORDS_HEADER_BYTES, body);
  writeUint48(bytes, 1, durableOffset);
  writeUint48(bytes, 7, nowMs);
  writeUint32(bytes, 13, Math.min(Math.round(lagMs), LAG_MS_MAX));
  return bytes;
}

function readStatus(bytes: Uint8Array): MasterStatus {
  return { durableOffset: readUint48(bytes, 1), nowMs: readUint48(bytes, 7), lagMs: readUint32(bytes, 13) };
}

/** As the identity file has it, which is read by the same rules. */
function encoded(identity: LinkIdentity): string {
  return encodeIdentity({
    ...identity,
    isClosed: true,
    closedOffset: 0,
    mayLoseTail: false,
    isReplica: true,
    hasLog: true,
  });
}

function decodeJson(kind: typeof HELLO | typeof WELCOME | typeof REFUSAL, bytes: Uint8Array): LinkMessage | string {
  const value = parseObject(new TextDecoder().decode(bytes.subarray(1)));
  if (typeof value === "string") return value;
  if (kind === HELLO) return decodeHello(value);
  return kind === WELCOME ? decodeWelcome(value) : decodeRefusal(value);
}

function decodeHello(value: JsonObject): Hello | string {
  const { version, node_id: nodeId, address, last_offset: lastOffset } = value;
  const identity = decodeLinkIdentity(value.identity);
  if (typeof identity === "string") return identity;
  if (!isOffset(version) || !isName(nodeId) || !isName(address) || !isOffset(lastOffset)) return "a field is missing";
  return { kind: HELLO, version, nodeId, address, identity, lastOffset };
}

function decodeWelcome(value: JsonObject): Welcome | string {
  const identity = decodeLinkIdentity(value.identity);
  if (typeof identity === "string") return identity;
  if (!isName(value.address)) return "a field is missing";
  if (value.full_sync === undefined) return { kind: WELCOME, identity, address: value.address, fullSync: undefined };
  const fullSync = decodeFullSync(value.full_sync);
  return typeof fullSync === "string" ? fullSync : { kind: WELCOME, identity, address: value.address, fullSync };
}

function decodeFullSync(value: unknown): FullSync | string {
  if (!isObject(value)) return "its snapshot is none";
  const { reason, offset, bytes } = value;
  if (reason !== "another-log" && reason !== "diverged" && reason !== "too-far-behind") return "its reason is none";
  return isOffset(offset) && isOffset(bytes) ? { reason, offset, bytes } : "its snapshot is none";
}

function decodeRefusal({ reason, message }: JsonObject): Refusal | string {
  if (typeof reason !== "string" || typeof message !== "string") return "a field is missing";
  // A reason of a later version is as good as any: the sentence says more.
  return { kind: REFUSAL, reason: REASONS.find((known) => known === reason) ?? "FAILURE", message: printable(message) };
}

const REASONS: readonly RefusalReason[] = [
  "VERSION",
  "NOT_A_MASTER",
  "NO_PERSISTENCE",
  "STALE_EPOCH",
  "TOO_MANY_REPLICAS",
  "NEEDS_FULL_SYNC",
  "SHUTTING_DOWN",
  "FAILURE",
];

function decodeLinkIdentity(value: unknown): LinkIdentity | string {
  if (typeof value !== "string") return "it does not say whose log it is";
  const identity = decodeIdentity(value);
  if (typeof identity === "string") return identity;
  return { replicationId: identity.replicationId, history: identity.history };
}

function isOffset(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Names go into lines of the log and labels of metrics as they are. */
function isName(value: unknown): value is string {
  return typeof value === "string" && /^[\x20-\x7e]{1,255}$/.test(value);
}

const NOTHING = new Uint8Array(0);
