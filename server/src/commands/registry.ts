/** All commands by name. The only list of them: protocols, metrics, the OpenAPI document and the docs tables read it. */
import type { ByteRange } from "../structures/byte-range.ts";
import { editDistance } from "../structures/edit-distance.ts";
import type { Command } from "./command.ts";

export class Registry {
  readonly commands: readonly Command[];
  readonly #byHash = new Map<number, NamedCommand[]>();

  constructor(commands: readonly Command[]) {
    this.commands = commands;
    for (const [index, command] of commands.entries()) {
      const name = new TextEncoder().encode(command.name);
      const hash = hashOf(name, 0, name.length);
      const bucket = this.#byHash.get(hash) ?? [];
      if (bucket.some((other) => other.command.name === command.name)) {
        throw new Error(`command ${command.name} is declared twice`);
      }
      bucket.push({ name, index, command });
      this.#byHash.set(hash, bucket);
    }
  }

  /** The position in `commands` of the command with this name, or -1. Looks at the bytes; no string is made. */
  indexOf(name: ByteRange): number {
    const bucket = this.#byHash.get(hashOf(name.bytes, name.start, name.end));
    if (bucket === undefined) return -1;
    for (const candidate of bucket) {
      if (sameBytes(candidate.name, name)) return candidate.index;
    }
    return -1;
  }

  /** Up to three names that a mistyped one may have meant, nearest first. */
  nearest(name: string): string[] {
    const wanted = name.toLowerCase().slice(0, 64);
    return this.commands
      .map((command) => ({ name: command.name, distance: editDistance(wanted, command.name) }))
      .filter(({ name: known, distance }) => distance <= Math.min(3, known.length / 2) || sameOperation(known, wanted))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, 3)
      .map(({ name: known }) => known);
  }
}

interface NamedCommand {
  readonly name: Uint8Array;
  readonly index: number;
  readonly command: Command;
}

/** `get` and `cache.get` both want to hear of `kv.get`. */
function sameOperation(known: string, wanted: string): boolean {
  return known.slice(known.indexOf(".") + 1) === wanted.slice(wanted.lastIndexOf(".") + 1);
}

/** FNV-1a, 31 bits so that it stays a small integer. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash & 0x3fff_ffff;
}

function sameBytes(name: Uint8Array, range: ByteRange): boolean {
  if (range.end - range.start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== range.bytes[range.start + i]) return false;
  return true;
}
