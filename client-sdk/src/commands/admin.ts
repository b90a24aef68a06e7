/** The server itself. Always about the master that the client writes to; `admin` permission is needed where there are tokens. */
import { type CallOptions, type Commander, field, reply } from "../commander.ts";
import type { CommandMap } from "../generated/command-map.ts";
import type { AdminClientsReply, AdminConfigSetReply, AdminSlowlogGetReply } from "../generated/shapes.ts";

/** A command as the server describes it. */
export type CommandDescription = CommandMap["admin.commands"]["reply"]["commands"][number];

/** `synap.admin`. */
export class Admin {
  /** The slowest commands. */
  readonly slowlog: SlowLog;
  readonly #commander: Commander;

  constructor(commander: Commander) {
    this.#commander = commander;
    this.slowlog = new SlowLog(commander);
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

  /** Every command with the JSON Schema of its payload. */
  commands(options?: CallOptions): Promise<readonly CommandDescription[]> {
    return this.#commander.send("admin.commands", {}, field("commands"), options);
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
