/**
 * Transactions with watched keys, by the server's own commands: after `multi(id)` every write that carries `client_id: id` in its
 * payload (`synap.command`) waits for `exec(id)`. For writes that depend on nothing that was read, `synap.batch` with
 * `{ atomic: true }` is simpler; for one key, `kv.cas`.
 */
import { type CallOptions, type Commander, field } from "../commander.ts";
import type { CommandMap } from "../generated/command-map.ts";

/** `synap.transaction`. Nothing here is sent again after a lost connection. */
export class Transaction {
  readonly #commander: Commander;

  constructor(commander: Commander) {
    this.#commander = commander;
  }

  /** Begins a transaction under an id of the caller's choice. */
  async multi(clientId: string, options?: CallOptions): Promise<void> {
    await this.#commander.send("transaction.multi", { client_id: clientId }, undefined, options);
  }

  /** Runs what was queued, as one record; or nothing, where a watched key has changed: `aborted`. */
  exec(clientId: string, options?: CallOptions): Promise<CommandMap["transaction.exec"]["reply"]> {
    return this.#commander.send("transaction.exec", { client_id: clientId }, undefined, options);
  }

  /** Forgets what was queued. */
  async discard(clientId: string, options?: CallOptions): Promise<void> {
    await this.#commander.send("transaction.discard", { client_id: clientId }, undefined, options);
  }

  /** Has `exec` run nothing if one of these keys changes before it. */
  watch(clientId: string, keys: readonly string[], options?: CallOptions): Promise<boolean> {
    return this.#commander.send("transaction.watch", { client_id: clientId, keys }, field("success"), options);
  }

  /** Watches nothing any more. */
  unwatch(clientId: string, options?: CallOptions): Promise<boolean> {
    return this.#commander.send("transaction.unwatch", { client_id: clientId }, field("success"), options);
  }
}
