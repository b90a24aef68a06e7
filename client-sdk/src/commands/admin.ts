/**
 * The server itself: the master that the client writes to, or with `followMaster: false` the one server of its URL. `admin`
 * permission is needed where there are tokens.
 */
import { type CallOptions, type Commander, field, reply } from "../commander.ts";
import type { CommandMap } from "../generated/command-map.ts";
import type {
  AdminClientsReply,
  AdminConfigSetReply,
  AdminPromoteReply,
  AdminSlowlogGetReply,
  AdminSnapshotReply,
  AdminTokensCreateReply,
  AdminTokensListReply,
} from "../generated/shapes.ts";

/** How long `wait` waits at the server without `waitMs`. */
const WAIT_MS = 1_000;
/** For the answer of a server that has waited to come back. */
const ANSWER_MS = 5_000;
const DAY_MS = 86_400_000;

/** A command as the server describes it. */
export type CommandDescription = CommandMap["admin.commands"]["reply"]["commands"][number];

/** `synap.admin`. */
export class Admin {
  /** The slowest commands. */
  readonly slowlog: SlowLog;
  /** Who may use the server. */
  readonly tokens: Tokens;
  readonly #commander: Commander;

  constructor(commander: Commander) {
    this.#commander = commander;
    this.slowlog = new SlowLog(commander);
    this.tokens = new Tokens(commander);
  }

  /** What this server is and how it does, one object a section, under the server's own names. */
  info(options?: CallOptions): Promise<Readonly<Record<string, unknown>>> {
    return this.#commander.send("admin.info", {}, undefined, options);
  }

  /** The effective configuration, secrets redacted, by section and key as in the file. */
  config(options?: CallOptions): Promise<Readonly<Record<string, unknown>>> {
    return this.#commander.send("admin.config", {}, undefined, options);
  }

  /** Changes a setting until the server stops. */
  setConfig(
    key: CommandMap["admin.config.set"]["payload"]["key"],
    value: string,
    options?: CallOptions,
  ): Promise<AdminConfigSetReply> {
    return this.#commander.send("admin.config.set", { key, value }, undefined, options);
  }

  /** The connections, oldest first. */
  clients(limit?: number, options?: CallOptions): Promise<AdminClientsReply> {
    return this.#commander.send("admin.clients", limit === undefined ? {} : { limit }, reply, options);
  }

  /** Begins a snapshot and does not wait for its end: `info` tells of it. `started` is false where one is under way already. */
  snapshot(options?: CallOptions): Promise<AdminSnapshotReply> {
    return this.#commander.send("admin.snapshot", {}, reply, options);
  }

  /**
   * Makes a replica the master of a new epoch: `connect(url, { followMaster: false })` speaks to a replica. Stop the old master
   * first. @throws InvalidRequestError when it is a master.
   */
  promote(options?: CallOptions): Promise<AdminPromoteReply> {
    return this.#commander.send("admin.promote", {}, reply, options);
  }

  /**
   * Waits until `replicas` of them have on disk what the master has taken so far, or `waitMs` (1000; 0 is a day) are over,
   * which is no error and undoes nothing.
   *
   * @returns how many have it
   */
  wait(replicas: number, waitMs: number = WAIT_MS, options?: CallOptions): Promise<number> {
    // The wait is not part of the time that the answer may take.
    const timeoutMs = (waitMs === 0 ? DAY_MS : waitMs) + (options?.timeoutMs ?? ANSWER_MS);
    const payload = { replicas, timeout_ms: waitMs };
    return this.#commander.send("admin.wait", payload, field("replicas"), { ...options, timeoutMs });
  }

  /** Every command with the JSON Schema of its payload. */
  commands(options?: CallOptions): Promise<readonly CommandDescription[]> {
    return this.#commander.send("admin.commands", {}, field("commands"), options);
  }
}

/** `synap.admin.tokens`: those of one server, which does not copy them to its replicas. */
export class Tokens {
  readonly #commander: Commander;

  constructor(commander: Commander) {
    this.#commander = commander;
  }

  /**
   * Makes a token and answers with it, this once: the server keeps only its hash. `allow` is a list of permissions such as
   * `kv:write:session:`; `expires` a time such as `30d`. @throws InvalidPayloadError when there is one of this name.
   */
  create(
    name: string,
    allow: readonly string[],
    { expires, ...options }: CallOptions & { readonly expires?: string } = {},
  ): Promise<AdminTokensCreateReply> {
    const payload = { name, allow: [...allow], ...(expires === undefined ? {} : { expires }) };
    return this.#commander.send("admin.tokens.create", payload, reply, options);
  }

  /** Names, permissions and ends, without what a token is recognised by. */
  list(options?: CallOptions): Promise<AdminTokensListReply["tokens"]> {
    return this.#commander.send("admin.tokens.list", {}, field("tokens"), options);
  }

  /** Ends a token, and the connections that have it. @throws InvalidPayloadError when there is none of this name. */
  async revoke(name: string, options?: CallOptions): Promise<void> {
    await this.#commander.send("admin.tokens.revoke", { name }, reply, options);
  }
}

/** `synap.admin.slowlog`. */
export class SlowLog {
  readonly #commander: Commander;

  constructor(commander: Commander) {
    this.#commander = commander;
  }

  /** The last slow commands, newest first. */
  get(limit?: number, options?: CallOptions): Promise<AdminSlowlogGetReply> {
    return this.#commander.send("admin.slowlog.get", limit === undefined ? {} : { limit }, reply, options);
  }

  /** Forgets them. @returns how many there were. */
  reset(options?: CallOptions): Promise<number> {
    return this.#commander.send("admin.slowlog.reset", {}, field("removed"), options);
  }
}
