/**
 * The Redis names that this server knows, found by their bytes: no string is made of what a client sends. The table holds
 * what answers each: a command of the registry with its compiled words and reply, or a connection command.
 *
 *     name -> hash of its bytes in upper case -> bucket -> entry          object -> container -> encoding -> entry
 */
import { type ArgumentDecoder, compileArguments } from "../codecs/resp/resp-arguments.ts";
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import type { Command } from "../commands/command.ts";
import type { Registry } from "../commands/registry.ts";
import type { ReplyShape } from "../commands/resp/reply-shapes.ts";
import type { RespCommand, RespDescription } from "../commands/resp/resp-command.ts";
import { rangeOf } from "../structures/byte-range.ts";
import type { RespGuard } from "./resp-access.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";

/** What answers a name. */
export interface RespEntry {
  readonly description: RespDescription;
  /** The name in upper-case bytes; that of the second word for a subcommand. */
  readonly nameBytes: Uint8Array;
  /** The registry's command and its position there; for a connection command `undefined` and -1. */
  readonly command: Command | undefined;
  readonly index: number;
  readonly decoder: ArgumentDecoder | undefined;
  readonly reply: ReplyShape | undefined;
  readonly errors: RespCommand["errors"];
  readonly run: ((call: RespCall) => void) | undefined;
  /** What a connection command needs of its caller's token. */
  readonly guard: RespGuard | undefined;
  /** For a container: its subcommands. */
  subcommands: NameTable | undefined;
  readonly arity: number;
  /** It names one key, the word after its name: a burst looks it up ahead. */
  readonly primes: boolean;
}

/** Whether a request may have so many words, its name included: as many as `arity` says, or at least those below zero. */
export function takesWords(arity: number, words: number): boolean {
  return arity >= 0 ? words === arity : words >= -arity;
}

const BUCKETS = 1024;

/** Entries by name. */
class NameTable {
  readonly entries: RespEntry[] = [];
  readonly #buckets: RespEntry[][] = Array.from({ length: BUCKETS }, () => []);

  add(entry: RespEntry): void {
    const { nameBytes } = entry;
    const bucket = this.#buckets[hashOf(nameBytes, 0, nameBytes.length)];
    if (bucket.some((other) => other.description.name === entry.description.name)) {
      throw new Error(`the Redis name ${entry.description.name} is declared twice`);
    }
    bucket.push(entry);
    this.entries.push(entry);
  }

  find(bytes: Uint8Array, start: number, end: number): RespEntry | undefined {
    const bucket = this.#buckets[hashOf(bytes, start, end)];
    for (let i = 0; i < bucket.length; i++) if (isNamed(bucket[i], bytes, start, end)) return bucket[i];
    return undefined;
  }
}

export class RespTable {
  readonly #names = new NameTable();
  /** The entry of the request before: the same name comes often many times in a row. */
  #last: RespEntry | undefined;

  constructor(registry: Registry, commands: readonly RespCommand[], connection: readonly ConnectionCommand[]) {
    const entries = [...commands.map((each) => mapped(registry, each)), ...connection.map(ofConnection)];
    for (const entry of entries) if (!entry.description.name.includes("|")) this.#names.add(entry);
    for (const entry of entries) if (entry.description.name.includes("|")) this.#addSubcommand(entry);
  }

  /** All entries but subcommands. */
  get entries(): readonly RespEntry[] {
    return this.#names.entries;
  }

  /** The entry of the name that a request begins with; a container's own, not that of its subcommand. */
  find(request: RespRequest): RespEntry | undefined {
    const start = request.start(0);
    const end = request.end(0);
    const last = this.#last;
    if (last !== undefined && isNamed(last, request.bytes, start, end)) return last;
    const found = this.#names.find(request.bytes, start, end);
    if (found !== undefined) this.#last = found;
    return found;
  }

  /** By name in lower case, `client|list` for a subcommand. */
  named(name: string): RespEntry | undefined {
    const [first, second] = name.split("|", 2).map(rangeOf);
    const entry = this.#names.find(first.bytes, first.start, first.end);
    if (second === undefined) return entry;
    return entry?.subcommands?.find(second.bytes, second.start, second.end);
  }

  #addSubcommand(entry: RespEntry): void {
    const [name] = entry.description.name.split("|");
    let container = this.named(name);
    if (container === undefined) {
      container = containerOf(name, entry.description);
      this.#names.add(container);
    }
    // COMMAND answers something by itself too.
    container.subcommands ??= new NameTable();
    container.subcommands.add(entry);
  }
}

function mapped(registry: Registry, declared: RespCommand): RespEntry {
  const index = registry.indexOf(rangeOf(declared.command));
  const command = registry.commands[index];
  if (command === undefined)
    throw new Error(`${declared.name} names ${declared.command}, which is not in the registry`);
  const words = declared.name.includes("|") ? 2 : 1;
  const { reply, errors } = declared;
  return {
    ...described(declared),
    command,
    index,
    decoder: compileArguments(declared, command.shape, words),
    reply,
    errors,
    run: undefined,
    guard: undefined,
    subcommands: undefined,
    primes: declared.keys[0] === 1 && declared.keys[1] === 1,
  };
}

function ofConnection(declared: ConnectionCommand): RespEntry {
  const { run, guard } = declared;
  return { ...described(declared), ...NOTHING_OF_REGISTRY, run, guard, subcommands: undefined };
}

/** `client` for `client|list`, unless it is declared itself. */
function containerOf(name: string, first: RespDescription): RespEntry {
  const description: RespDescription = {
    name,
    arity: -2,
    flags: [],
    keys: [0, 0, 0],
    group: first.group,
    summary: `A container for ${name} commands`,
    ...(first.since === undefined ? {} : { since: first.since }),
  };
  return {
    ...described(description),
    ...NOTHING_OF_REGISTRY,
    run: undefined,
    guard: "known",
    subcommands: new NameTable(),
  };
}

const NOTHING_OF_REGISTRY = {
  command: undefined,
  index: -1,
  decoder: undefined,
  reply: undefined,
  errors: undefined,
  primes: false,
} as const;

function described(description: RespDescription) {
  const name = description.name.slice(description.name.indexOf("|") + 1);
  return { description, nameBytes: new TextEncoder().encode(name.toUpperCase()), arity: description.arity };
}

/** FNV-1a over the letters in upper case. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] & 0xdf), 0x01000193);
  return (hash ^ (hash >>> 15)) & (BUCKETS - 1);
}

function isNamed(entry: RespEntry, bytes: Uint8Array, start: number, end: number): boolean {
  const { nameBytes } = entry;
  const length = end - start;
  if (nameBytes.length !== length) return false;
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + i];
    if (byte !== nameBytes[i] && (byte < 0x61 || byte > 0x7a || byte - 0x20 !== nameBytes[i])) return false;
  }
  return true;
}
