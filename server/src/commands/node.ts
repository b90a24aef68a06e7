/** The process behind the commands, as the admin commands show it. The composition root implements it. */
import type { Peer } from "../access/access-control.ts";
import type { Grant } from "../access/grant.ts";
import type { NewToken, ShownToken } from "../access/token.ts";
import type { Caller, Who } from "../dispatch/caller.ts";
import type { Command } from "./command.ts";
import type { CommandError } from "./errors.ts";
import type { SlowLog } from "./slow-log.ts";

export interface Node {
  readonly slowLog: SlowLog;
  readonly replication: NodeReplication;
  readonly persistence: NodePersistence;
  readonly access: NodeAccess;
  /** Every command, in the order of the registry. */
  readonly commands: readonly Command[];
  /** One object per section of `admin.info`. */
  info(): Record<string, Record<string, unknown>>;
  /** The effective configuration, secrets redacted, by its keys in the file. */
  configuration(): Record<string, unknown>;
  clients(): readonly ClientInfo[];
  /** Part by part, in bytes; `total` is the sum. */
  memory(): MemoryUse;
  /** Keys removed by their deadline and by the memory limit, on this node. */
  removals(): { readonly expired: number; readonly evicted: number };
}

/** Who may use this node. */
export interface NodeAccess {
  /** What a connection has before it has said who it is. */
  readonly newcomer: Grant;
  /** What a token grants; everything, where nobody has to log in. Errors: UNAUTHORIZED, RATE_LIMIT_EXCEEDED. */
  authenticate(token: string, name: string | undefined, peer: Peer): Grant | CommandError;
  describe(grant: Grant): GrantDescription;
  /** Wrong tokens, requests without one, and commands that were not permitted. Grows. */
  readonly refusedCount: number;
  /**
   * For the audit log: somebody may not run a command.
   * @param command undefined where what was sent names none that there is. Neither it nor the reason may hold what was sent.
   */
  refused(caller: Caller, command: string | undefined, reason: string): void;
  /**
   * For the audit log: somebody has run a command that administers.
   * @param ok undefined where nobody waited for what became of it.
   */
  ran(who: Who, command: string, ok: boolean | undefined): void;
  /** Errors: INVALID_PAYLOAD. Rejects where the tokens cannot be written. */
  create(wanted: NewToken): Promise<(ShownToken & { readonly token: string }) | CommandError>;
  list(): readonly ShownToken[];
  /** As `create`. */
  revoke(name: string): Promise<{ readonly revoked: true; readonly name: string } | CommandError>;
}

export interface GrantDescription {
  readonly name: string;
  readonly allow: string[];
  /** Null for one that does not expire. */
  readonly expires_at: number | null;
}

/** What this node keeps on disk. */
export interface NodePersistence {
  /** Begins a snapshot, or joins the one under way. Errors: INVALID_REQUEST where nothing is kept, SERVICE_UNAVAILABLE. */
  beginSnapshot(): BegunSnapshot | CommandError;
}

export interface BegunSnapshot {
  /** False where one is under way already. */
  readonly started: boolean;
  /** It holds everything up to this offset. */
  readonly offset: number;
}

/** This node among its replicas, or beside its master. */
export interface NodeReplication {
  readonly role: "master" | "replica";
  /** Makes a replica a master, in an epoch that is on disk. Errors: INVALID_REQUEST on a master. */
  promote(): Promise<Promoted | CommandError>;
  /** How many replicas have made everything up to `offset` durable. */
  replicasAt(offset: number): number;
  /**
   * Calls `answer` once when so many have, which is not so yet.
   * @returns ends the wait.
   */
  whenReplicated(offset: number, replicas: number, answer: () => void): () => void;
  /** Why nobody else may wait for replicas now; undefined where one may. */
  waitsRefusal(): CommandError | undefined;
}

export interface Promoted {
  readonly epoch: number;
  /** The last one that was copied: everything up to it is here. */
  readonly offset: number;
}

export interface MemoryUse {
  readonly total: number;
  /** Keys, values and their index. */
  readonly keys: number;
  readonly [component: string]: number;
}

export interface ClientInfo {
  readonly id: number;
  readonly protocol: string;
  readonly address: string;
  readonly connected_at: number;
  readonly commands: number;
  readonly unread_bytes: number;
  /** The name of its token; empty for none. */
  readonly token: string;
}
