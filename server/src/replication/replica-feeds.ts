/**
 * The replicas of a master: who is linked, how far each is, and who waits for that.
 *
 *     LogWriter --durable--> feeds --records--> replicas
 *     replicas  --acks-----> feeds --> release quorum, admission of writes, admin.wait
 *
 * Sending is work of the end of a turn, a slice for each feed in its turn, so that a replica that catches up does not hold the
 * loop.
 */

import type { PublishedMessage } from "../fanout/fanout.ts";
import type { Pin } from "../oplog/snapshots.ts";
import { LimitedLog } from "./limited-log.ts";
import type { Hello } from "./link-message.ts";
import type { LinkEnd, LinkSocket, ReplicaLinks } from "./link-socket.ts";
import { OffsetTimes } from "./offset-times.ts";
import { PublishedBatch } from "./published-message.ts";
import { quorumOffset } from "./release-quorum.ts";
import { type FeedOwner, type FeedParts, type Refused, ReplicaFeed } from "./replica-feed.ts";
import { ReplicaWaits } from "./replica-waits.ts";

/** Links at a time, those that have not said hello included. */
export const REPLICAS_MAX = 32;

export interface ReplicaFeedsOptions extends Omit<FeedParts, "owner" | "times" | "lines"> {
  /** Has `run` called at the end of the turn (runtime/turn-end.ts). */
  readonly turnEnd: { add(run: () => boolean): { request(): void } };
  /** Why this node takes no replicas at all. */
  readonly refusal: () => Refused | undefined;
  /** More was acknowledged, or a replica came or went. */
  readonly onChange: () => void;
}

export interface ReplicaReport {
  readonly address: string;
  readonly nodeId: string;
  readonly state: ReplicaFeed["state"];
  readonly acknowledgedOffset: number;
  readonly lagOperations: number;
  readonly lagMs: number;
  readonly isInSync: boolean;
  readonly linkedAtMs: number;
}

/** Of records, for one replica in one turn, and for all. */
const PUMP_BYTES = 256 * 1024;
const TURN_BYTES = 2 ** 20;
/** Of answers to `admin.wait`: each is encoded, and sent. */
const TURN_WAITS = 200;
/** Messages of publish/subscribe that wait for the end of the turn. */
const PUBLISHED_BYTES_MAX = 256 * 1024;
/** How long the log behind a snapshot is kept for the replica that was given it. */
const PIN_MS = 120_000;

/** What is kept for a replica that starts from its snapshot. */
interface KeptPin {
  readonly pin: Pin;
  readonly untilMs: number;
}

export class ReplicaFeeds implements ReplicaLinks, FeedOwner {
  partialSyncs = 0;
  fullSyncs = 0;
  linksRefused = 0;
  /** Messages of publish/subscribe that a replica did not get, each counted for each. */
  publishedDropped = 0;
  readonly waits: ReplicaWaits;
  readonly #options: ReplicaFeedsOptions;
  readonly #parts: FeedParts;
  readonly #lines: LimitedLog;
  readonly #times = new OffsetTimes();
  readonly #task: { request(): void };
  /** In the order of their turn. */
  #feeds: ReplicaFeed[] = [];
  readonly #ready = new Set<ReplicaFeed>();
  /** By node, the oldest first. */
  readonly #pins = new Map<string, KeptPin>();
  readonly #published = new PublishedBatch();
  #isStopped = false;
  /** Of the end of the log, then. */
  #stopOffset = 0;
  #onStopped: (() => void) | undefined;

  constructor(options: ReplicaFeedsOptions) {
    this.#options = options;
    this.#lines = new LimitedLog(options.logger, options.clock);
    this.#parts = { ...options, times: this.#times, owner: this, lines: this.#lines };
    this.#task = options.turnEnd.add(() => this.#pump());
    this.waits = new ReplicaWaits((count) => quorumOffset(this.acknowledgedOffsets(), count));
  }

  connected(socket: LinkSocket, peerHost = ""): LinkEnd {
    const feed = new ReplicaFeed(this.#parts, socket, peerHost);
    const isFull = this.#feeds.length >= REPLICAS_MAX;
    this.#feeds.push(feed);
    if (this.#isStopped) feed.refuse({ reason: "SHUTTING_DOWN", message: "the master is shutting down" });
    else if (isFull) feed.refuse({ reason: "TOO_MANY_REPLICAS", message: `a master has at most ${REPLICAS_MAX}` });
    return feed;
  }

  refusalOf(feed: ReplicaFeed, hello: Hello): Refused | undefined {
    const refused = this.#options.refusal();
    if (refused !== undefined) {
      this.linksRefused++;
      return refused;
    }
    // The same process links again: its last link is dead, whether it is known here or not.
    for (const other of [...this.#feeds]) {
      if (other !== feed && other.nodeId === hello.nodeId) {
        other.refuse({ reason: "FAILURE", message: "it has linked again" });
      }
    }
    return undefined;
  }

  began({ state, nodeId }: ReplicaFeed): void {
    if (state === "log") this.partialSyncs++;
    else this.fullSyncs++;
    if (state === "log") this.#unpin(nodeId);
    this.#options.onChange();
  }

  isReady(feed: ReplicaFeed): void {
    // What it waited for, such as a file, can come after its end; nobody would take it out again.
    if (feed.state === "closed") return;
    this.#ready.add(feed);
    this.#task.request();
  }

  acknowledged(): void {
    if (this.waits.count > 0) this.#task.request();
    this.#options.onChange();
    this.#endWhereDone();
  }

  ended(feed: ReplicaFeed, pin: Pin | undefined): void {
    this.#feeds = this.#feeds.filter((each) => each !== feed);
    this.#ready.delete(feed);
    if (pin !== undefined) {
      this.#keep(feed.nodeId, pin);
    }
    this.#options.onChange();
    if (this.#feeds.length === 0) this.#endWhereDone();
  }

  /** For as many as can be linked: a node id is whatever a hello says. */
  #keep(nodeId: string, pin: Pin): void {
    this.#unpin(nodeId);
    for (const [oldest] of this.#pins) {
      if (this.#pins.size < REPLICAS_MAX) break;
      this.#unpin(oldest);
    }
    this.#pins.set(nodeId, { pin, untilMs: this.#options.clock.monotonicMs() + PIN_MS });
  }

  #unpin(nodeId: string): void {
    this.#pins.get(nodeId)?.pin.release();
    this.#pins.delete(nodeId);
  }

  /** More of the log is durable. */
  durable(offset: number): void {
    this.#times.note(offset, this.#options.clock.monotonicMs());
    for (const feed of this.#feeds) this.#ready.add(feed);
    if (this.#feeds.length > 0) this.#task.request();
  }

  /** A message for those who are subscribed on replicas. */
  publish(message: PublishedMessage): void {
    if (this.#feeds.length === 0) return;
    this.#published.add(message);
    if (this.#published.length >= PUBLISHED_BYTES_MAX) this.#sendPublished();
    else this.#task.request();
  }

  #sendPublished(): void {
    const batch = this.#published;
    if (batch.count === 0) return;
    for (const feed of this.#feeds) if (!feed.publish(batch.bytes)) this.publishedDropped += batch.count;
    batch.reset();
  }

  #pump(): boolean {
    this.#sendPublished();
    let leftBytes = TURN_BYTES;
    for (const feed of [...this.#feeds]) {
      if (!this.#ready.has(feed)) continue;
      if (leftBytes <= 0) break;
      leftBytes -= PUMP_BYTES;
      this.#ready.delete(feed);
      if (feed.pump(PUMP_BYTES)) this.#ready.add(feed);
      this.#toEnd(feed);
    }
    return this.waits.answerReached(TURN_WAITS) || this.#ready.size > 0;
  }

  #toEnd(feed: ReplicaFeed): void {
    const index = this.#feeds.indexOf(feed);
    if (index < 0) return;
    this.#feeds.splice(index, 1);
    this.#feeds.push(feed);
  }

  /** Called often. */
  tick(): void {
    for (const feed of [...this.#feeds]) feed.tick();
    this.#lines.tick();
    const nowMs = this.#options.clock.monotonicMs();
    for (const [nodeId, { untilMs }] of this.#pins) if (untilMs <= nowMs) this.#unpin(nodeId);
  }

  get linkCount(): number {
    return this.#feeds.length;
  }

  /** Replicas that have had everything since they linked. */
  get inSyncCount(): number {
    let count = 0;
    for (const feed of this.#feeds) if (feed.isInSync) count++;
    return count;
  }

  /** What each replica has made durable. */
  acknowledgedOffsets(): number[] {
    return this.#feeds.map(({ acknowledgedOffset }) => acknowledgedOffset);
  }

  report(): ReplicaReport[] {
    return this.#feeds
      .filter(({ nodeId }) => nodeId !== "")
      .map(({ address, nodeId, state, acknowledgedOffset, lagOperations, lagMs, isInSync, linkedAtMs }) => {
        return { address, nodeId, state, acknowledgedOffset, lagOperations, lagMs, isInSync, linkedAtMs };
      });
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopOffset = this.#options.log.nextOffset - 1;
    const stopped = new Promise<void>((resolve) => {
      this.#onStopped = resolve;
    });
    this.#endWhereDone();
    return stopped;
  }

  /** Where it stops: ends the links of those who have everything, or had not for long. */
  #endWhereDone(): void {
    if (!this.#isStopped) return;
    for (const feed of [...this.#feeds]) {
      if (feed.isInSync && feed.acknowledgedOffset < this.#stopOffset) continue;
      feed.refuse({ reason: "SHUTTING_DOWN", message: "the master is shutting down" });
    }
    if (this.#feeds.length > 0) return;
    for (const nodeId of [...this.#pins.keys()]) this.#unpin(nodeId);
    this.#onStopped?.();
  }
}
