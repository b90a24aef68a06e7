/**
 * One link to the master, as the replica sees it, from its hello to its end.
 *
 *     opening --> greeting --welcome--> log        records are appended, applied, and acknowledged once they are durable
 *                                 '---> snapshot   a file is written; then the node starts again from it
 *     anything --silence, a broken message, a refusal, the end of the link--> ended
 *
 * Some messages take time (a part of a snapshot is written, an epoch is made durable); those that come meanwhile wait, in
 * order, and the master's windows bound how many there can be; what has waited is taken in slices, each at the end of a turn. A record is taken where it follows the last one here, and
 * passed over where it is here already; anything else ends the link, and the next one begins with a plan of its own.
 */

import type { PublishedMessage } from "../fanout/fanout.ts";
import type { Epoch } from "../oplog/epochs.ts";
import { KIND_OPERATIONS, readRecord, recordBytesAt, recordProblem } from "../oplog/log-record.ts";
import { isFull } from "../oplog/segment-file.ts";
import type { Logger } from "../runtime/logger.ts";
import {
  ACK,
  decodeLinkMessage,
  encodeLinkMessage,
  type FullSync,
  HEARTBEAT,
  HELLO,
  LINK_VERSION,
  type LinkIdentity,
  type LinkMessage,
  type MasterStatus,
  PUBLISHED,
  RECEIVED,
  RECORDS,
  REFUSAL,
  type RefusalReason,
  SNAPSHOT,
  type SnapshotPart,
  WELCOME,
  type Welcome,
} from "./link-message.ts";
import type { LinkSocket, OpeningEnd } from "./link-socket.ts";
import type { LocalLog } from "./local-log.ts";
import { readPublished } from "./published-message.ts";
import type { ReplicationFiles, SnapshotReceiver } from "./replication-files.ts";
import { staleMessage } from "./sync-plan.ts";

export interface SessionParts {
  readonly local: LocalLog;
  readonly files: Pick<ReplicationFiles, "receiveSnapshot" | "adopt">;
  readonly nodeId: string;
  readonly address: () => string;
  readonly clock: { monotonicMs(): number };
  readonly logger: Logger;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
  /** Has `goOn` called at the end of the turn. */
  readonly later: () => void;
  /** A message that was published on the master. */
  readonly publish: (message: PublishedMessage) => void;
  /** The directory will begin with the master's snapshot: the node has to start again. */
  readonly onAdopted: () => void;
  /** State and log may differ: the process must end. */
  readonly onFailure: (error: unknown) => void;
  readonly onEnded: (session: CopySession, why: string) => void;
}

export type SessionState = "opening" | "greeting" | "log" | "snapshot" | "ended";

/** What waits while a message takes its time; more than the master's windows together. */
const INBOX_BYTES_MAX = 64 * 2 ** 20;
/** For what has waited, in one turn. */
const TURN_MS = 3;
const NOTHING = new Uint8Array(0);

export class CopySession implements OpeningEnd {
  state: SessionState = "opening";
  /** From here on the node has to start again. */
  isAdopting = false;
  /** It has ended since the disk here is full: soon again it will not be otherwise. */
  isOutOfRoom = false;
  /** As it was last told. */
  status: MasterStatus = { durableOffset: 0, nowMs: 0, lagMs: 0 };
  heardAtMs: number;
  readonly #parts: SessionParts;
  #socket: LinkSocket | undefined;
  #spokeAtMs: number;
  #acknowledgedOffset = 0;
  #master: LinkIdentity | undefined;
  #incoming: IncomingSnapshot | undefined;
  /** What the last message has to have done before the next is looked at. */
  #work: Promise<void> | undefined;
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.heardAtMs = parts.clock.monotonicMs();
    this.#spokeAtMs = this.heardAtMs;
  }

  /** @param open opens the socket, which tells this session what becomes of it. */
  start(open: (end: OpeningEnd) => LinkSocket): void {
    this.#socket = open(this);
  }

  /** Bytes of the snapshot that have come, and that there are. */
  get fullSync(): { readonly receivedBytes: number; readonly bytes: number } | undefined {
    return this.#incoming && { receivedBytes: this.#incoming.receivedBytes, bytes: this.#incoming.plan.bytes };
  }

  /** The master's epoch; 0 while that is not known. */
  get masterEpoch(): number {
    return this.#master?.history.current.epoch ?? 0;
  }

  opened(): void {
    if (this.state !== "opening") return;
    const { local, nodeId, address } = this.#parts;
    this.state = "greeting";
    const { identity, lastOffset } = local;
    this.#send({ kind: HELLO, version: LINK_VERSION, nodeId, address: address(), identity, lastOffset });
  }

  received(bytes: Uint8Array): void {
    if (this.state === "ended") return;
    this.heardAtMs = this.#parts.clock.monotonicMs();
    if (this.#work === undefined && this.#inbox.length === 0) {
      this.#take(bytes);
      return;
    }
    this.#inboxBytes += bytes.length;
    if (this.#inboxBytes > INBOX_BYTES_MAX) this.#refuse("FAILURE", "the master sends more than it may");
    else this.#inbox.push(new Uint8Array(bytes));
  }

  #take(bytes: Uint8Array): void {
    const message = decodeLinkMessage(bytes);
    if (typeof message === "string") this.#refuse("FAILURE", `a message is broken: ${message}`);
    else this.#handle(message);
  }

  /** Has what comes wait until `work` is done. */
  #during(work: Promise<void>): void {
    this.#work = work
      .catch((error: unknown) => this.#failed(error))
      .then(
        () => {
          this.#work = undefined;
          if (this.#inbox.length > 0) this.#parts.later();
        },
        (error: unknown) => this.#parts.onFailure(error),
      );
  }

  /** A disk that is full has taken nothing of what it was about, and ends the link; anything else is for the process to end by. */
  async #failed(error: unknown): Promise<void> {
    if (!isFull(error)) throw error;
    // Also where the decision to start from a snapshot is what did not fit.
    this.isAdopting = false;
    await this.#incoming?.receiver.abort();
    this.#endForWantOfRoom(`the disk is full: ${error instanceof Error ? error.message : String(error)}`);
  }

  #endForWantOfRoom(why: string): void {
    this.isOutOfRoom = true;
    this.#end(why, "close");
  }

  /**
   * Takes a slice of what has waited.
   * @returns whether there is more, for the end of the next turn.
   */
  goOn(): boolean {
    const { clock } = this.#parts;
    const endMs = clock.monotonicMs() + TURN_MS;
    while (this.#work === undefined && this.state !== "ended") {
      const bytes = this.#inbox.shift();
      if (bytes === undefined) return false;
      this.#inboxBytes -= bytes.length;
      this.#take(bytes);
      if (clock.monotonicMs() >= endMs) return this.#work === undefined && this.#inbox.length > 0;
    }
    return false;
  }

  #handle(message: LinkMessage): void {
    const { kind } = message;
    if (kind === HEARTBEAT) this.status = message;
    else if (kind === WELCOME && this.state === "greeting") this.#welcomed(message);
    else if (kind === RECORDS && this.state === "log") {
      this.status = message;
      // What was appended has to find room; so it is taken later.
      const { refusal } = this.#parts.local;
      if (refusal === undefined) this.#copyAll(message.records);
      else this.#end(refusal, "close");
    } else if (kind === SNAPSHOT && this.#incoming !== undefined) this.#keep(message, this.#incoming);
    else if (kind === PUBLISHED && this.state === "log") this.#publish(message.messages);
    else if (kind === REFUSAL) this.#end(`the master refuses: ${message.message} (${message.reason})`, "close");
    else this.#refuse("FAILURE", `a message of kind ${kind} is out of place`);
  }

  #welcomed({ identity, address, fullSync }: Welcome): void {
    const { local, logger } = this.#parts;
    const isSameLog = identity.replicationId === local.identity.replicationId;
    const [theirs, own] = [identity.history.current.epoch, local.history.current.epoch];
    if (isSameLog && theirs < own) {
      this.#refuse("STALE_EPOCH", staleMessage(theirs, own));
      return;
    }
    this.#master = identity;
    if (fullSync !== undefined) {
      this.state = "snapshot";
      logger.info(`full sync from ${address} (${fullSync.reason}): a snapshot of ${fullSync.bytes} bytes`);
      this.#during(this.#beginSnapshot(fullSync, identity));
      return;
    }
    if (!isSameLog) {
      this.#refuse("FAILURE", "the master would continue another log");
      return;
    }
    this.state = "log";
    logger.info(`linked to the master ${address}: the log goes on behind offset ${local.lastOffset}`);
    this.#acknowledge(local.durableOffset);
    this.#copyAll(NOTHING);
  }

  #copyAll(records: Uint8Array): void {
    const at = this.#copyFrom(records, 0);
    if (this.state === "log" && this.#nextEpoch() !== undefined) this.#during(this.#copyOn(records.slice(at)));
  }

  /** Copies what comes behind the last record of an epoch. */
  async #copyOn(records: Uint8Array): Promise<void> {
    const { local } = this.#parts;
    for (let at = 0; this.state === "log"; at = this.#copyFrom(records, at)) {
      const next = this.#nextEpoch();
      if (next === undefined || this.#master === undefined) return;
      await local.enterEpoch(this.#master.history.upTo(next.epoch));
    }
  }

  /** @returns where it has come to: the end, or the first record of the next epoch. */
  #copyFrom(records: Uint8Array, start: number): number {
    const { local } = this.#parts;
    for (let at = start; at < records.length; at += recordBytesAt(records, at)) {
      const problem = recordProblem(records, at, records.length);
      if (problem !== undefined) {
        this.#refuse("FAILURE", `a record is broken: ${problem}`);
        return at;
      }
      const record = readRecord(records, at);
      const { kind, firstOffset, count, epoch } = record;
      if (kind !== KIND_OPERATIONS || firstOffset + count - 1 <= local.lastOffset) continue;
      const own = local.history.current.epoch;
      const next = epoch === own ? undefined : this.#nextEpoch();
      // That one is entered first, and so are others between, where they have no operation.
      if (next !== undefined && next.epoch <= epoch) return at;
      if (epoch !== own || firstOffset !== local.lastOffset + 1) {
        const message = `the record at offset ${firstOffset} of epoch ${epoch} does not follow ${local.lastOffset} of ${own}`;
        this.#refuse("FAILURE", message);
        return at;
      }
      local.copy(record);
    }
    return records.length;
  }

  /** The epoch of the master that begins right behind what is here: the last one, where those between have no operation. */
  #nextEpoch(): Epoch | undefined {
    const { lastOffset, history } = this.#parts.local;
    const own = history.current.epoch;
    return this.#master?.history.epochs.findLast(({ epoch, previousEnd }) => epoch > own && previousEnd === lastOffset);
  }

  async #beginSnapshot(plan: FullSync, identity: LinkIdentity): Promise<void> {
    const receiver = await this.#parts.files.receiveSnapshot(plan.bytes);
    if (typeof receiver === "string") {
      this.#endForWantOfRoom(receiver);
      return;
    }
    this.#incoming = { plan, identity, receiver, receivedBytes: 0 };
    if (this.state === "ended") await receiver.abort();
  }

  #keep({ position, bytes }: SnapshotPart, incoming: IncomingSnapshot): void {
    if (position !== incoming.receivedBytes || position + bytes.length > incoming.plan.bytes) {
      this.#refuse("FAILURE", `a part of the snapshot at ${position} is out of place`);
      return;
    }
    this.#during(this.#write(new Uint8Array(bytes), incoming));
  }

  async #write(bytes: Uint8Array, incoming: IncomingSnapshot): Promise<void> {
    await incoming.receiver.write(bytes);
    incoming.receivedBytes += bytes.length;
    if (this.#isEnded()) {
      await incoming.receiver.abort();
      return;
    }
    this.#send({ kind: RECEIVED, bytes: incoming.receivedBytes });
    if (incoming.receivedBytes < incoming.plan.bytes) return;
    const header = await incoming.receiver.finish();
    if (this.#isEnded()) return;
    const { identity, plan } = incoming;
    if (
      typeof header === "string" ||
      header.offset !== plan.offset ||
      header.replicationId !== identity.replicationId
    ) {
      this.#refuse("FAILURE", `the snapshot cannot be used: ${typeof header === "string" ? header : "it is another"}`);
      return;
    }
    await this.#adopt(incoming);
  }

  async #adopt({ plan, identity }: IncomingSnapshot): Promise<void> {
    const { local, files, logger, onAdopted } = this.#parts;
    const { epoch } = local.history.current;
    const keepLogIn =
      plan.reason === "too-far-behind" || local.isEmpty ? undefined : `diverged-${epoch}-${local.lastOffset}`;
    this.isAdopting = true;
    // Its epochs, as far as the snapshot goes: those behind it come with the log.
    const history = identity.history.upTo(identity.history.at(plan.offset).epoch);
    const adopted = {
      replicationId: identity.replicationId,
      history,
      isClosed: true,
      closedOffset: 0,
      mayLoseTail: false,
      isReplica: true,
      hasLog: true,
    };
    await files.adopt({ offset: plan.offset, identity: adopted, keepLogIn });
    if (keepLogIn !== undefined) {
      logger.warn(
        `the log here, which ends at offset ${local.lastOffset} of epoch ${epoch}, holds what the master does not have: ` +
          `it is moved to ${keepLogIn} in the data directory with its snapshots, and the state of the master takes its place; ` +
          "to see what it held, start another server on that folder with --data-dir and --accept-log-loss",
      );
    }
    this.#end("the snapshot has come: starting from it", "close");
    onAdopted();
  }

  #publish(messages: Uint8Array): void {
    const problem = readPublished(messages, (message) => this.#parts.publish(message));
    if (problem !== undefined) this.#refuse("FAILURE", problem);
  }

  /** More of the log here is durable. */
  durable(offset: number): void {
    if (this.state === "log") this.#acknowledge(offset);
  }

  #acknowledge(offset: number): void {
    if (offset <= this.#acknowledgedOffset) return;
    this.#acknowledgedOffset = offset;
    this.#send({ kind: ACK, durableOffset: offset });
  }

  /** Called often: sends a heartbeat where one is due, and ends a link that is silent. */
  tick(): void {
    if (this.state === "ended") return;
    const { clock, heartbeatMs, timeoutMs, local } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.heardAtMs >= timeoutMs) this.#end(`the master was silent for ${timeoutMs} ms`, "cut");
    else if (this.state !== "opening" && nowMs - this.#spokeAtMs >= heartbeatMs) {
      this.#send({ kind: ACK, durableOffset: local.durableOffset });
    }
  }

  #send(message: LinkMessage): void {
    this.#spokeAtMs = this.#parts.clock.monotonicMs();
    this.#socket?.send(encodeLinkMessage(message));
  }

  drained(): void {}

  closed(reason?: string): void {
    this.#end(reason ?? "the link has ended", "cut");
  }

  /** Ends the link, for a reason of this node's own. */
  stop(why: string): void {
    this.#end(why, "close");
  }

  /** What is still under way of it, also when the link has ended: nobody else may touch the log or the directory before. */
  get work(): Promise<void> | undefined {
    return this.#work;
  }

  #refuse(reason: RefusalReason, message: string): void {
    if (this.state === "ended") return;
    if (reason === "STALE_EPOCH") this.#parts.logger.error(message);
    if (this.state !== "opening") this.#send({ kind: REFUSAL, reason, message });
    this.#end(message, "close");
  }

  #isEnded(): boolean {
    return this.state === "ended";
  }

  #end(why: string, how: "close" | "cut"): void {
    if (this.state === "ended") return;
    this.state = "ended";
    this.#inbox = [];
    this.#inboxBytes = 0;
    if (this.#incoming !== undefined && this.#work === undefined) this.#during(this.#incoming.receiver.abort());
    if (how === "cut") this.#socket?.cut();
    else this.#socket?.close();
    this.#parts.onEnded(this, why);
  }
}

interface IncomingSnapshot {
  readonly plan: FullSync;
  /** The master's, at the snapshot. */
  readonly identity: LinkIdentity;
  readonly receiver: SnapshotReceiver;
  /** Written. */
  receivedBytes: number;
}
