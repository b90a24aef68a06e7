/**
 * Keyspace notifications of Redis: messages about keys, to channels, named after what has happened.
 *
 *     SET k ..  -->  __keyspace@0__:k    set        with K
 *                    __keyevent@0__:set  k          with E
 *
 * They are made from the operations of a record that was applied. What an operation is called follows from its kind and, where
 * commands of Redis have names of their own for it (INCR is "incrby", not "set"), from the command that wrote it. While
 * no flag asks for them, `isOn` is all that a write looks at.
 */
import {
  OP_DEADLINE,
  OP_EVICT,
  OP_EXPIRE,
  OP_FLUSH,
  OP_PUT,
  OP_REMOVE,
  OP_SPLICE,
  Operation,
  QUEUE_KIND_MIN,
} from "../state/operation.ts";
import { otherOperationBytes } from "../state/operation-bytes.ts";
import { TAG_BYTES, Value } from "../state/value.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import type { Channels } from "./channels.ts";

/** The command that wrote operations of a record, up to `end`, counted from the record's first. */
export interface Origin {
  readonly command: string;
  readonly end: number;
}

/** What `A` stands for, in the order in which Redis shows the flags. */
const ALL = "g$lshzxetd";
/** Those that nothing here has events for are known, and say nothing: lists, sets, hashes, sorted sets, streams, modules. */
const FLAGS = `${ALL}KEmn`;

const KEYSPACE = new TextEncoder().encode("__keyspace@0__:");
const KEYEVENT = new TextEncoder().encode("__keyevent@0__:");

/** An event's name and the flag that asks for it. */
interface Named {
  readonly event: string;
  readonly flag: string;
}

const named = (flag: string, event: string): Named => ({ event, flag });
const SET = named("$", "set");
const DEL = named("g", "del");
const EXPIRE = named("g", "expire");
const PERSIST = named("g", "persist");
const EXPIRED = named("x", "expired");
const EVICTED = named("e", "evicted");

/** What a write of a value is called where it is not "set". */
const WRITES: ReadonlyMap<string, Named> = new Map([
  ["kv.incr", named("$", "incrby")],
  ["kv.decr", named("$", "incrby")],
  ["kv.incrbyfloat", named("$", "incrbyfloat")],
  ["kv.append", named("$", "append")],
  ["kv.setrange", named("$", "setrange")],
  ["key.rename", named("g", "rename_to")],
  ["key.renamenx", named("g", "rename_to")],
  ["key.copy", named("g", "copy_to")],
]);
const RENAME_FROM = named("g", "rename_from");
const RENAMES: ReadonlySet<string> = new Set(["key.rename", "key.renamenx"]);

const NOTHING = new Uint8Array(0);

export class KeyspaceEvents {
  /** Whether anybody asks for events. */
  isOn = false;
  /** Where the messages go. */
  readonly channels: Channels;
  #flags: ReadonlySet<string> = new Set();
  /** Of the messages of the record under way. */
  #releaseOffset = 0;
  readonly #operation = new Operation(new ByteRange(NOTHING, 0, 0), new ByteRange(NOTHING, 0, 0));

  constructor(channels: Channels) {
    this.channels = channels;
  }

  /** As Redis shows them: `AKE`, `g$xKE`. */
  get flags(): string {
    const classes = [...ALL].filter((flag) => this.#flags.has(flag)).join("");
    return (classes === ALL ? "A" : classes) + [..."KEmn"].filter((flag) => this.#flags.has(flag)).join("");
  }

  /** @returns false where a letter is no flag; then nothing has changed. */
  setFlags(text: string): boolean {
    if (!areKeyspaceFlags(text)) return false;
    this.#flags = new Set(text.replaceAll("A", ALL));
    this.isOn = (this.#flags.has("K") || this.#flags.has("E")) && [...ALL].some((flag) => this.#flags.has(flag));
    return true;
  }

  /** Tells of a record that was just applied: its operations, `record[0..length)`. */
  committed(record: Uint8Array, length: number, lastOffset: number, origins: readonly Origin[]): void {
    if (!this.channels.hasSubscribers) return;
    this.#releaseOffset = lastOffset;
    const operation = this.#operation;
    let next = 0;
    for (let at = 0, count = 0; at < length; count++) {
      while (next < origins.length && origins[next].end <= count) next++;
      const kind = record[at];
      if (kind >= QUEUE_KIND_MIN) at += otherOperationBytes(record, at);
      else {
        at = operation.read(record, at, length);
        this.#tell(operation, origins[next]?.command ?? "");
      }
    }
  }

  #tell({ kind, key, deadlineMs }: Operation, command: string): void {
    switch (kind) {
      case OP_PUT:
      case OP_SPLICE:
        this.#publish(WRITES.get(command) ?? SET, key);
        if (command === "kv.set" && kind === OP_PUT && deadlineMs !== 0) this.#publish(EXPIRE, key);
        return;
      case OP_REMOVE:
        this.#publish(RENAMES.has(command) ? RENAME_FROM : DEL, key);
        return;
      case OP_EXPIRE:
        this.#publish(EXPIRED, key);
        return;
      case OP_EVICT:
        this.#publish(EVICTED, key);
        return;
      case OP_DEADLINE:
        this.#publish(deadlineMs === 0 ? PERSIST : EXPIRE, key);
        return;
      case OP_FLUSH:
        // As in Redis, nothing tells of it.
        return;
    }
  }

  #publish({ event, flag }: Named, key: ByteRange): void {
    if (!this.#flags.has(flag)) return;
    const name = rangeOf(event);
    if (this.#flags.has("K")) this.channels.publish(prefixed(KEYSPACE, key), asValue(name), this.#releaseOffset);
    if (this.#flags.has("E")) this.channels.publish(prefixed(KEYEVENT, name), asValue(key), this.#releaseOffset);
  }
}

export function areKeyspaceFlags(text: string): boolean {
  return [...text].every((flag) => flag === "A" || FLAGS.includes(flag));
}

function prefixed(prefix: Uint8Array, { bytes, start, end }: ByteRange): ByteRange {
  const joined = new Uint8Array(prefix.length + end - start);
  joined.set(prefix);
  joined.set(bytes.subarray(start, end), prefix.length);
  return new ByteRange(joined, 0, joined.length);
}

function asValue({ bytes, start, end }: ByteRange): Value {
  return new Value(TAG_BYTES, bytes, start, end);
}
