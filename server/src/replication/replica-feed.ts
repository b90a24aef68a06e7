/**
 * One replica, as its master sees it: what it lacks is sent, what it acknowledges is remembered.
 *
 *     greeting --hello--> preparing --> log        records, as they become durable
 *                             '-------> snapshot   a file; the replica then starts from it, and links again
 *     anything --silence, a broken message, a failure, the end of the link--> closed
 *
 * What is on its way is bounded twice: by what the socket has not taken, and by what the replica has not acknowledged, so
 * that neither this node's memory nor the replica's grows when the other end is slow. Meanwhile the feed's place waits in the
 * backlog, or in the files when the backlog has moved past it.
 */
import type { FileHandle } from "../oplog/file-system.ts";
import type { OperationLog } from "../oplog/operation-log.ts";
import type { Pin, SnapshotFile } from "../oplog/snapshots.ts";
import type { Logger } from "../runtime/logger.ts";
import type { LimitedLog } from "./limited-log.ts";
import {
  ACK,
  decodeLinkMessage,
  encodeLinkMessage,
  type FullSyncReason,
  HEARTBEAT,
  HELLO,
  type Hello,
  type LinkIdentity,
  type LinkMessage,
  PUBLISHED,
  RECEIVED,
  RECORDS,
  REFUSAL,
  type RefusalReason,
  SNAPSHOT,
  WELCOME,
} from "./link-message.ts";
import type { LinkEnd, LinkSocket } from "./link-socket.ts";
import { LogSource } from "./log-source.ts";
import type { OffsetTimes } from "./offset-times.ts";
import { replicaAddress } from "./replica-address.ts";
import type { ReplicationFiles } from "./replication-files.ts";
import { syncPlan } from "./sync-plan.ts";
import { UnacknowledgedBytes } from "./unacknowledged-bytes.ts";

export interface FeedParts {
  readonly log: OperationLog;
  readonly files: ReplicationFiles;
  readonly replicationId: string;
  /** Where this node serves clients. */
  readonly address: () => string;
  readonly times: OffsetTimes;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly logger: Logger;
  /** For what a peer can cause as often as it likes. */
  readonly lines: LimitedLog;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
  readonly owner: FeedOwner;
}

/** What a feed tells of itself. */
export interface FeedOwner {
  /** Why this replica is not wanted, whatever it has. */
  refusalOf(feed: ReplicaFeed, hello: Hello): Refused | undefined;
  /** It knows now how it is fed. */
  began(feed: ReplicaFeed): void;
  /** It may have something to send. */
  isReady(feed: ReplicaFeed): void;
  acknowledged(feed: ReplicaFeed): void;
  /** @param pin keeps the log behind the snapshot that the replica has been given, until it links again. */
  ended(feed: ReplicaFeed, pin: Pin | undefined): void;
}

export interface Refused {
  readonly reason: RefusalReason;
  readonly message: string;
}

export type FeedState = "greeting" | "preparing" | "snapshot" | "log" | "closed";

/** Of records, in one message. Small enough for the replica to apply in one step of its loop. */
const RECORDS_BYTES = 64 * 1024;
const SNAPSHOT_PART_BYTES = 256 * 1024;
/** What the socket may have left. */
const UNSENT_BYTES_MAX = 4 * 2 ** 20;
/** What the replica may not have acknowledged. */
const UNACKNOWLEDGED_BYTES_MAX = 8 * 2 ** 20;
/** Messages of publish/subscribe are dropped rather than put behind so much. */
const PUBLISHED_UNSENT_BYTES_MAX = 2 ** 20;

export class ReplicaFeed implements LinkEnd {
  state: FeedState = "greeting";
  /** Where the replica serves clients. */
  address = "";
  nodeId = "";
  /** The last offset that it has made durable. */
  acknowledgedOffset = 0;
  /** It has had everything since it linked. */
  isInSync = false;
  readonly linkedAtMs: number;
  readonly #parts: FeedParts;
  readonly #socket: LinkSocket;
  readonly #peerHost: string;
  readonly #unacknowledged = new UnacknowledgedBytes();
  #source: LogSource | undefined;
  #snapshot: SnapshotCopy | undefined;
  /** What it has to acknowledge to count as in sync. */
  #syncOffset = 0;
  #heardAtMs: number;
  #spokeAtMs: number;

  constructor(parts: FeedParts, socket: LinkSocket, peerHost: string) {
    this.#parts = parts;
    this.#socket = socket;
    this.#peerHost = peerHost;
    this.linkedAtMs = parts.clock.nowMs();
    this.#heardAtMs = parts.clock.monotonicMs();
    this.#spokeAtMs = this.#heardAtMs;
  }

  /** Operations that are durable here and not there. */
  get lagOperations(): number {
    return Math.max(0, this.#parts.log.durableOffset - this.acknowledgedOffset);
  }

  get lagMs(): number {
    return this.#parts.times.lagMs(this.acknowledgedOffset, this.#parts.clock.monotonicMs());
  }

  received(bytes: Uint8Array): void {
    if (this.state === "closed") return;
    this.#heardAtMs = this.#parts.clock.monotonicMs();
    const message = decodeLinkMessage(bytes);
    if (typeof message === "string") this.refuse({ reason: "FAILURE", message: `a message is broken: ${message}` });
    else this.#handle(message);
  }

  #handle(message: LinkMessage): void {
    if (message.kind === HELLO && this.state === "greeting") {
      this.#greet(message);
    } else if (message.kind === ACK && this.state !== "greeting") {
      this.#acknowledge(message.durableOffset);
    } else if (message.kind === RECEIVED && this.#snapshot !== undefined) {
      this.#snapshot.receivedBytes = Math.max(this.#snapshot.receivedBytes, message.bytes);
      this.#parts.owner.isReady(this);
    } else if (message.kind === REFUSAL) {
      this.#parts.lines.error(`the replica ${this.address} has refused this master: ${message.message}`);
      this.#end(() => this.#socket.close());
    } else {
      this.refuse({ reason: "FAILURE", message: `a message of kind ${message.kind} is out of place` });
    }
  }

  #greet(hello: Hello): void {
    const { owner, log, replicationId } = this.#parts;
    this.address = replicaAddress(hello.address, this.#peerHost);
    this.nodeId = hello.nodeId;
    const plan = syncPlan({ replicationId, history: log.history }, log.nextOffset - 1, hello);
    const refused = owner.refusalOf(this, hello) ?? (plan.sync === "none" ? plan : undefined);
    if (refused !== undefined) {
      this.refuse(refused);
      return;
    }
    this.state = "preparing";
    this.#begin(hello, plan.sync === "full" ? plan.reason : undefined).catch((error: unknown) => this.#fail(error));
  }

  async #begin(hello: Hello, reason: FullSyncReason | undefined): Promise<void> {
    if (reason !== undefined) {
      await this.#sendSnapshot(reason);
      return;
    }
    const { log, files, owner, logger } = this.#parts;
    const onFailure = (error: unknown): void => this.#fail(error);
    const source = new LogSource({ log, files, onReady: () => owner.isReady(this), onFailure }, hello.lastOffset + 1);
    this.#source = source;
    const isThere = await source.open();
    if (this.#isClosed()) return;
    if (!isThere) {
      this.#source = undefined;
      source.close();
      await this.#sendSnapshot("too-far-behind");
      return;
    }
    this.state = "log";
    this.#syncOffset = log.durableOffset;
    this.#send({ kind: WELCOME, identity: this.#identity(), address: this.#parts.address(), fullSync: undefined });
    // So that it knows at once whether it lacks anything.
    this.#send({ kind: HEARTBEAT, ...this.#status() });
    logger.info(`replica ${this.address}: partial sync from offset ${hello.lastOffset + 1}`);
    owner.began(this);
    owner.isReady(this);
  }

  /** Has the replica start from a snapshot. */
  async #sendSnapshot(reason: FullSyncReason): Promise<void> {
    const { files, owner, logger } = this.#parts;
    const file = files.snapshots.newest ?? (await files.snapshots.take());
    if (this.#isClosed()) return;
    if (file === undefined) {
      this.refuse({ reason: "FAILURE", message: "the master could not take a snapshot" });
      return;
    }
    // The file, and the log that the replica will ask for when it has started from it.
    const snapshot = new SnapshotCopy(file, files.pinned(file.offset));
    this.#snapshot = snapshot;
    snapshot.handle = await files.openSnapshot(file);
    if (this.#isClosed()) {
      await snapshot.close();
      return;
    }
    this.state = "snapshot";
    const { offset, bytes } = file;
    const fullSync = { reason, offset, bytes };
    this.#send({ kind: WELCOME, identity: this.#identity(), address: this.#parts.address(), fullSync });
    logger.info(`replica ${this.address}: full sync (${reason}) by a snapshot of ${bytes} bytes at offset ${offset}`);
    owner.began(this);
    owner.isReady(this);
  }

  #identity(): LinkIdentity {
    const { replicationId, log } = this.#parts;
    return { replicationId, history: log.history };
  }

  #acknowledge(offset: number): void {
    // Before it is welcomed nobody knows yet what it has to acknowledge.
    if (this.state !== "log" || this.#source === undefined) return;
    if (offset > this.#source.takenOffset && offset > this.#syncOffset) {
      this.refuse({ reason: "FAILURE", message: `offset ${offset} is acknowledged and was not sent` });
      return;
    }
    if (offset <= this.acknowledgedOffset) return;
    this.acknowledgedOffset = offset;
    this.#unacknowledged.acknowledge(offset);
    if (offset >= this.#syncOffset) this.isInSync = true;
    const { owner } = this.#parts;
    owner.acknowledged(this);
    owner.isReady(this);
  }

  drained(): void {
    this.#parts.owner.isReady(this);
  }

  /**
   * Sends what may be sent, up to about `budgetBytes`.
   * @returns whether there is more, to be sent at once.
   */
  pump(budgetBytes: number): boolean {
    if (this.state === "snapshot") {
      this.#pumpSnapshot();
      return false;
    }
    const source = this.#source;
    if (this.state !== "log" || source === undefined) return false;
    let leftBytes = budgetBytes;
    while (leftBytes > 0) {
      if (!this.#maySendMore()) return false;
      const records = source.take(RECORDS_BYTES);
      if (records === undefined) {
        if (source.isLost) this.refuse({ reason: "NEEDS_FULL_SYNC", message: "the log that it lacks is gone" });
        return false;
      }
      this.#unacknowledged.sent(source.takenOffset, records.length);
      this.#send({ kind: RECORDS, ...this.#status(), records });
      leftBytes -= records.length;
    }
    return true;
  }

  #maySendMore(): boolean {
    return this.#unacknowledged.bytes < UNACKNOWLEDGED_BYTES_MAX && this.#socket.bufferedBytes() < UNSENT_BYTES_MAX;
  }

  #pumpSnapshot(): void {
    const snapshot = this.#snapshot;
    if (snapshot === undefined || snapshot.isReading || snapshot.position === snapshot.file.bytes) return;
    const isFarAhead = snapshot.position - snapshot.receivedBytes >= UNACKNOWLEDGED_BYTES_MAX;
    if (isFarAhead || this.#socket.bufferedBytes() >= UNSENT_BYTES_MAX) return;
    snapshot.read(SNAPSHOT_PART_BYTES).then(
      (bytes) => {
        if (this.state !== "snapshot") return;
        this.#send({ kind: SNAPSHOT, position: snapshot.position, bytes });
        snapshot.position += bytes.length;
        this.#parts.owner.isReady(this);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** @returns whether they were sent: they are not worth a queue. */
  publish(messages: Uint8Array): boolean {
    const isLive = this.state === "log" && this.#source?.isLive === true;
    if (!isLive || this.#socket.bufferedBytes() >= PUBLISHED_UNSENT_BYTES_MAX) return false;
    this.#send({ kind: PUBLISHED, messages });
    return true;
  }

  /** Called often: sends a heartbeat where one is due, and ends a link that is silent. */
  tick(): void {
    if (this.state === "closed") return;
    const { clock, heartbeatMs, timeoutMs, lines } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#heardAtMs >= timeoutMs) {
      lines.warn(`replica ${this.address} was silent for ${timeoutMs} ms: the link is cut`);
      this.#end(() => this.#socket.cut());
      return;
    }
    // Also while a snapshot is made for it, which takes its time.
    if (this.state !== "greeting" && nowMs - this.#spokeAtMs >= heartbeatMs)
      this.#send({ kind: HEARTBEAT, ...this.#status() });
  }

  #status() {
    const { log, clock } = this.#parts;
    return { durableOffset: log.durableOffset, nowMs: clock.nowMs(), lagMs: this.lagMs };
  }

  #send(message: LinkMessage): void {
    this.#spokeAtMs = this.#parts.clock.monotonicMs();
    this.#socket.send(encodeLinkMessage(message));
  }

  /** Says why, and ends the link. */
  refuse({ reason, message }: Refused): void {
    if (this.state === "closed") return;
    const { lines } = this.#parts;
    const line = `replica ${this.address || "of unknown address"} is refused (${reason}): ${message}`;
    if (reason === "STALE_EPOCH") lines.error(line);
    else if (reason !== "SHUTTING_DOWN") lines.warn(line);
    this.#send({ kind: REFUSAL, reason, message });
    this.#end(() => this.#socket.close());
  }

  #fail(error: unknown): void {
    if (this.state === "closed") return;
    this.#parts.logger.error({ err: error }, `replica ${this.address}: the log or a snapshot could not be read`);
    this.refuse({ reason: "FAILURE", message: "the master could not read its files" });
  }

  #isClosed(): boolean {
    return this.state === "closed";
  }

  closed(): void {
    if (this.state === "closed") return;
    const { logger, lines } = this.#parts;
    if (this.#snapshot?.isDelivered === true)
      logger.info(`replica ${this.address} has its snapshot, and starts from it`);
    else if (this.nodeId !== "") lines.warn(`replica ${this.address}: the link has ended`);
    this.#end(() => {});
  }

  #end(endSocket: () => void): void {
    this.state = "closed";
    this.isInSync = false;
    this.#source?.close();
    const snapshot = this.#snapshot;
    snapshot?.close().catch((error: unknown) => {
      this.#parts.logger.error({ err: error }, "a snapshot that was sent could not be closed");
    });
    endSocket();
    this.#parts.owner.ended(this, snapshot?.pin);
  }
}

/** A snapshot on its way. */
class SnapshotCopy {
  readonly file: SnapshotFile;
  readonly pin: Pin;
  handle: FileHandle | undefined;
  /** Of the next part. */
  position = 0;
  /** What the replica has written. */
  receivedBytes = 0;
  isReading = false;

  constructor(file: SnapshotFile, pin: Pin) {
    this.file = file;
    this.pin = pin;
  }

  get isDelivered(): boolean {
    return this.receivedBytes === this.file.bytes;
  }

  async read(bytesMax: number): Promise<Uint8Array> {
    if (this.handle === undefined) throw new Error("the snapshot is not open");
    const bytes = new Uint8Array(Math.min(bytesMax, this.file.bytes - this.position));
    this.isReading = true;
    const count = await this.handle.read(bytes, this.position);
    this.isReading = false;
    if (count !== bytes.length) throw new Error(`the snapshot ends at ${this.position + count}`);
    return bytes;
  }

  /** The pin is left to who knows for how long it is needed. */
  async close(): Promise<void> {
    const { handle } = this;
    this.handle = undefined;
    await handle?.close();
  }
}
