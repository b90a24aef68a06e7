/** Keys, whatever is stored under them. */
import { type CallOptions, type Commander, field, reply } from "../commander.ts";
import type { KeyCopyOptions, KeyObjectReply, KeyTypeReply } from "../generated/shapes.ts";
import { payloadOf } from "../naming.ts";

/** `synap.key`. The writes are numbered: after a lost connection they are sent again and run once. */
export class Key {
  readonly #commander: Commander;

  constructor(commander: Commander) {
    this.#commander = commander;
  }

  /** What is stored under a key; `none` for a missing one. */
  type(key: string, options?: CallOptions): Promise<KeyTypeReply["type"]> {
    return this.#commander.send("key.type", { key }, field("type"), options);
  }

  /** Whether a key exists. */
  exists(key: string, options?: CallOptions): Promise<boolean> {
    return this.#commander.send("key.exists", { key }, field("exists"), options);
  }

  /** Gives a key another name, over one that is there. @throws KeyNotFoundError */
  async rename(source: string, destination: string, options?: CallOptions): Promise<void> {
    await this.#commander.send("key.rename", { source, destination }, undefined, options);
  }

  /** Gives a key another name unless that is there. @returns whether it did. @throws KeyNotFoundError */
  renamenx(source: string, destination: string, options?: CallOptions): Promise<boolean> {
    return this.#commander.send("key.renamenx", { source, destination }, field("success"), options);
  }

  /** Copies a value with its expiry. @returns whether it did. @throws KeyNotFoundError */
  copy(source: string, destination: string, options?: KeyCopyOptions & CallOptions): Promise<boolean> {
    return this.#commander.send("key.copy", payloadOf({ source, destination }, options), field("success"), options);
  }

  /** Some key, or null where there is none. */
  randomkey(options?: CallOptions): Promise<string | null> {
    return this.#commander.send("key.randomkey", {}, field("key"), options);
  }

  /** How a value is kept; null for a missing key. */
  object(key: string, options?: CallOptions): Promise<KeyObjectReply | null> {
    return this.#commander.send("key.object", { key }, reply, options);
  }
}
