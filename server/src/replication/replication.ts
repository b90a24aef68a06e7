/**
 * A node's place in a replication set: master of its replicas, or replica of a master, and how it changes from the one to the
 * other.
 *
 *     master    feeds --> replicas            writes are planned here; refused while too few replicas are in sync
 *     replica   link  <-- master              writes are refused with the master's address; nothing is planned
 *     replica --promote--> master             the link ends, what was copied is on disk, a new epoch is on disk, then writes
 *
 * The composition root tells it what became durable, and calls `tick` often; it tells what may be released.
 */
import { type CommandError, fail } from "../commands/errors.ts";
import type { Executor } from "../commands/execute.ts";
import type { NodeReplication, Promoted } from "../commands/node.ts";
import { linkUrlOf, webUrlOf } from "../config/master-url.ts";
import type { Config } from "../config/schema.ts";
import type { Fanout } from "../fanout/fanout.ts";
import { type OperationLog, promotionOffset } from "../oplog/operation-log.ts";
import { isFull } from "../oplog/segment-file.ts";
import type { Logger } from "../runtime/logger.ts";
import type { LinkOpener, ReplicaLinks } from "./link-socket.ts";
import { LocalLog } from "./local-log.ts";
import { MasterLink, type MasterLinkReport } from "./master-link.ts";
import { RefusedLinks } from "./refused-links.ts";
import { ReleaseQuorum } from "./release-quorum.ts";
import type { Refused } from "./replica-feed.ts";
import { ReplicaFeeds, type ReplicaReport } from "./replica-feeds.ts";
import { WAITS_MAX } from "./replica-waits.ts";
import type { ReplicationFiles } from "./replication-files.ts";

export interface ReplicationParts {
  readonly config: Config["replication"];
  readonly log: OperationLog;
  readonly executor: Executor;
  readonly fanout: Fanout;
  /** The data directory; undefined where there is none, and then neither replicas nor a master. */
  readonly files: ReplicationFiles | undefined;
  readonly opener: LinkOpener;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly turnEnd: { add(run: () => boolean): { request(): void } };
  readonly logger: Logger;
  /** Draws from [0, 1). */
  readonly random: () => number;
  /** Tells this process from others. */
  readonly nodeId: string;
  /** Where this node serves clients, such as `http://10.0.0.5:15500`. */
  readonly address: () => string;
  /** What shows the log up to this offset may leave the process. */
  readonly release: (offset: number) => void;
  /** The data directory holds a snapshot of the master: close it and start again from it. */
  readonly restart: () => void;
  /** State and log may differ: the process must end. */
  readonly onFailure: (error: unknown) => void;
}

export class Replication implements NodeReplication {
  /** For the endpoint where replicas link. */
  readonly links: ReplicaLinks;
  readonly feeds: ReplicaFeeds | undefined;
  readonly #parts: ReplicationParts;
  readonly #quorum: ReleaseQuorum;
  readonly #local: LocalLog | undefined;
  #link: MasterLink | undefined;
  #areReplicasMissing = false;
  #promotion: Promise<Promoted | CommandError> | undefined;

  constructor(parts: ReplicationParts) {
    this.#parts = parts;
    const { config, log, files } = parts;
    const isReplica = config.role === "replica";
    this.#quorum = new ReleaseQuorum(isReplica ? 0 : config.minReplicasForWrite, parts.release, log.durableOffset);
    if (files === undefined) {
      if (isReplica) throw new Error("a replica needs a data directory");
      this.links = new RefusedLinks(
        "NO_PERSISTENCE",
        "the master keeps nothing on disk: start it without --no-persistence",
      );
      this.feeds = undefined;
      this.#local = undefined;
    } else {
      const { executor } = parts;
      this.#local = new LocalLog({ log, executor, files, onDurable: (offset) => this.durable(offset) });
      this.feeds = this.#buildFeeds(files);
      this.links = this.feeds;
      if (isReplica) this.#link = this.#buildLink(this.#local, files);
    }
    parts.fanout.onPublished = (message) => this.feeds?.publish(message);
    this.#judgeWrites();
  }

  #buildFeeds(files: ReplicationFiles): ReplicaFeeds {
    const { config } = this.#parts;
    return new ReplicaFeeds({
      ...this.#parts,
      files,
      replicationId: files.identity.replicationId,
      heartbeatMs: config.heartbeatMs,
      timeoutMs: config.linkTimeoutMs,
      refusal: () => this.#refusalOfReplicas(),
      onChange: () => this.#replicasChanged(),
    });
  }

  #buildLink(local: LocalLog, files: ReplicationFiles): MasterLink {
    const { config, fanout, restart } = this.#parts;
    return new MasterLink({
      ...this.#parts,
      files,
      local,
      url: linkUrlOf(config.masterUrl),
      heartbeatMs: config.heartbeatMs,
      timeoutMs: config.linkTimeoutMs,
      publish: (message) => fanout.publishCopied(message),
      onAdopted: restart,
    });
  }

  /** Whose log it is; undefined where it is in memory only. */
  get replicationId(): string | undefined {
    return this.#parts.files?.identity.replicationId;
  }

  get role(): "master" | "replica" {
    return this.#link === undefined ? "master" : "replica";
  }

  /** Where clients find the master of this replica; undefined on a master. */
  get masterUrl(): string | undefined {
    return this.#link === undefined ? undefined : webUrlOf(this.#parts.config.masterUrl);
  }

  #refusalOfReplicas(): Refused | undefined {
    const { masterUrl } = this;
    if (masterUrl === undefined) return undefined;
    return { reason: "NOT_A_MASTER", message: `this node is a replica itself, of ${masterUrl}` };
  }

  #replicasChanged(): void {
    this.#quorum.acknowledged(this.feeds?.acknowledgedOffsets() ?? []);
    this.#judgeWrites();
  }

  /** Whether writes are planned here, and why not. */
  #judgeWrites(): void {
    const { executor, config } = this.#parts;
    const { masterUrl } = this;
    executor.isReplica = masterUrl !== undefined;
    const wanted = config.minReplicasForWrite;
    const inSync = this.feeds?.inSyncCount ?? 0;
    this.#tellOfReplicas(masterUrl === undefined && inSync < wanted, inSync, wanted);
    if (masterUrl !== undefined) {
      executor.writeRefusal = fail("READ_ONLY_REPLICA", `this node is a replica: write to its master, ${masterUrl}`, {
        master: masterUrl,
      });
    } else if (inSync < wanted) {
      executor.writeRefusal = fail(
        "SERVICE_UNAVAILABLE",
        `${inSync} replicas are in sync, and every write has to reach ${wanted}: link more of them`,
        { replicas_in_sync: inSync, min_replicas_for_write: wanted },
      );
    } else {
      executor.writeRefusal = undefined;
    }
  }

  /** Says once that writes wait for replicas that are not there, and once that they do not any more. */
  #tellOfReplicas(areMissing: boolean, inSync: number, wanted: number): void {
    if (areMissing === this.#areReplicasMissing) return;
    this.#areReplicasMissing = areMissing;
    const { logger } = this.#parts;
    if (areMissing) {
      logger.warn(
        `${inSync} replicas are in sync, and min_replicas_for_write is ${wanted}: writes are refused. Answers that show a write ` +
          "which has not reached so many are held until it has",
      );
    } else logger.info(`${inSync} replicas are in sync: writes are taken`);
  }

  /** More of the log here is durable. */
  durable(offset: number): void {
    this.#local?.durable(offset);
    this.#quorum.durable(offset);
    this.#link?.durable(offset);
    this.feeds?.durable(offset);
  }

  /** Called many times a second: opens links, sends heartbeats, and finds those that are silent. */
  tick(): void {
    this.#link?.tick();
    this.feeds?.tick();
  }

  promote(): Promise<Promoted | CommandError> {
    this.#promotion ??= this.#promote().finally(() => {
      this.#promotion = undefined;
    });
    return this.#promotion;
  }

  async #promote(): Promise<Promoted | CommandError> {
    const { clock, config, log, logger, random } = this.#parts;
    const link = this.#link;
    const local = this.#local;
    if (link === undefined || local === undefined) return fail("INVALID_REQUEST", "this node is the master already");
    if (!(await link.stop("this node is promoted"))) {
      return fail("SERVICE_UNAVAILABLE", "this node is starting again from a snapshot of its master: try again");
    }
    const { lastOffset, isEmpty } = local;
    // The old master may have written, and shown, more than has come here.
    const firstOffset = promotionOffset(lastOffset, clock.nowMs(), random);
    const { epoch } = log;
    try {
      await local.enterEpoch(local.history.promoted(lastOffset, firstOffset, link.knownEpoch), false);
    } catch (error) {
      // Where the log goes on in it already, nobody knows any more what this node is.
      if (log.epoch !== epoch) throw error;
      return this.#staysReplica(link, error);
    }
    this.#link = undefined;
    this.#quorum.require(config.minReplicasForWrite);
    this.#replicasChanged();
    if (isEmpty) logger.warn("this replica is promoted with nothing in its log: it has copied nothing from any master");
    logger.warn(`promoted: this node is the master of epoch ${log.epoch} now, which follows offset ${lastOffset}`);
    return { epoch: log.epoch, offset: lastOffset };
  }

  /** The new epoch was not begun: the link goes on as if nobody had asked. */
  async #staysReplica(link: MasterLink, error: unknown): Promise<CommandError> {
    const { files, log, logger } = this.#parts;
    // A full disk has taken nothing. Any other failure may have come after the file was replaced.
    if (!isFull(error)) await files?.saveHistory(log.history, true);
    link.resume();
    const reason = error instanceof Error ? error.message : String(error);
    logger.error({ err: error }, "the promotion has failed: this node stays a replica");
    return fail("SERVICE_UNAVAILABLE", `this node stays a replica, since its new epoch could not be saved: ${reason}`);
  }

  replicasAt(offset: number): number {
    return this.feeds?.acknowledgedOffsets().filter((acknowledged) => acknowledged >= offset).length ?? 0;
  }

  whenReplicated(offset: number, replicas: number, answer: () => void): () => void {
    if (this.feeds === undefined) return () => {};
    return this.feeds.waits.add(offset, replicas, answer);
  }

  waitsRefusal(): CommandError | undefined {
    if ((this.feeds?.waits.count ?? 0) < WAITS_MAX) return undefined;
    return fail("SERVICE_UNAVAILABLE", "too many commands wait for replicas already: try again", {
      waiting_max: WAITS_MAX,
    });
  }

  /** Why this node is behind its master; undefined on a master, and where it is not. */
  unready(): string | undefined {
    const report = this.linkReport();
    if (report === undefined) return undefined;
    const { readyLagMs } = this.#parts.config;
    if (report.state !== "log") {
      const failure = report.lastFailure === undefined ? "" : ` (${report.lastFailure})`;
      return report.state === "snapshot"
        ? "This replica is getting a snapshot of its master."
        : `This replica is not linked to its master${failure}.`;
    }
    if (report.lagMs < readyLagMs) return undefined;
    return `This replica is ${Math.round(report.lagMs)} ms behind its master.`;
  }

  linkReport(): MasterLinkReport | undefined {
    return this.#link?.report();
  }

  replicas(): readonly ReplicaReport[] {
    return this.feeds?.report() ?? [];
  }

  /** Links to a master so far. */
  get linkCount(): number {
    return this.#link?.linkCount ?? 0;
  }

  /** Ends the link to a master; those of replicas are ended through `links`. */
  async stop(): Promise<void> {
    // Whoever has asked for it is told how it ends; here it only must not be under way any more.
    await Promise.allSettled([this.#promotion]);
    await this.#link?.stop("this node is stopping");
  }
}
