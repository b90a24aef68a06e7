/** The content of a file on the fake disk: in the cache, on the disk, and the sectors that differ (fake-disk.ts). */
import type { SeededChoices } from "./seeded-choices.ts";

export const SECTOR_BYTES = 512;

/** A sector that was written since the last sync. */
interface PendingSector {
  /** Counts the writes of the file: of the last one to this sector. */
  write: number;
  /** What it held after the earlier ones; any of it may have come to the disk. */
  earlier: { readonly write: number; readonly bytes: Uint8Array }[];
}

/** What a sync that was begun will make durable. */
export interface SyncedContent {
  readonly length: number;
  readonly sectors: ReadonlyMap<number, { readonly write: number; readonly bytes: Uint8Array }>;
}

export class FakeFile {
  /** In the cache. */
  #bytes = new Uint8Array(0);
  /** On the disk. */
  #durable = new Uint8Array(0);
  readonly #pending = new Map<number, PendingSector>();
  #writes = 0;

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    const end = position + bytes.length;
    this.#bytes = resized(this.#bytes, Math.max(this.#bytes.length, end));
    this.#writes++;
    for (let sector = Math.floor(position / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) this.#touch(sector);
    this.#bytes.set(bytes, position);
  }

  /** Keeps what the sector holds, where that may be on its way to the disk. */
  #touch(sector: number): void {
    const pending = this.#pending.get(sector);
    if (pending === undefined) this.#pending.set(sector, { write: this.#writes, earlier: [] });
    else {
      pending.earlier.push({ write: pending.write, bytes: sectorOf(this.#bytes, sector) });
      pending.write = this.#writes;
    }
  }

  /** What a sync that begins now is about. */
  pending(): SyncedContent {
    const sectors = new Map<number, { write: number; bytes: Uint8Array }>();
    for (const [sector, { write }] of this.#pending) {
      sectors.set(sector, { write, bytes: sectorOf(this.#bytes, sector) });
    }
    return { length: this.#bytes.length, sectors };
  }

  sync({ length, sectors }: SyncedContent): void {
    this.#durable = resized(this.#durable, length);
    for (const [sector, { write, bytes }] of sectors) {
      this.#durable.set(bytes.subarray(0, Math.max(0, length - sector * SECTOR_BYTES)), sector * SECTOR_BYTES);
      const pending = this.#pending.get(sector);
      if (pending === undefined) continue;
      if (pending.write === write) this.#pending.delete(sector);
      else pending.earlier = pending.earlier.filter((each) => each.write > write);
    }
  }

  /** The power has failed: the disk has what it has. */
  crash(choices: SeededChoices, keptShare: number): void {
    const bytes = resized(this.#durable, this.#lengthLeft(choices));
    for (const [sector, { earlier }] of this.#pending) {
      const at = sector * SECTOR_BYTES;
      if (at >= bytes.length || !choices.chance(keptShare)) continue;
      const newest = sectorOf(this.#bytes, sector);
      const written = choices.chance(0.8) ? newest : (earlier.at(choices.below(earlier.length))?.bytes ?? newest);
      const length = Math.min(written.length, bytes.length - at);
      const torn = keptShare < 1 && choices.chance(0.2) ? choices.below(length + 1) : length;
      // Which end of a sector is written first is not known either.
      if (choices.chance(0.5)) bytes.set(written.subarray(0, torn), at);
      else bytes.set(written.subarray(length - torn, length), at + length - torn);
    }
    this.#bytes = bytes;
    this.#durable = bytes.slice();
    this.#pending.clear();
  }

  #lengthLeft(choices: SeededChoices): number {
    const [from, to] = [this.#durable.length, this.#bytes.length];
    if (from === to || choices.chance(0.3)) return from;
    if (choices.chance(0.5)) return to;
    return Math.min(from, to) + choices.below(Math.abs(to - from));
  }
}

function sectorOf(bytes: Uint8Array, sector: number): Uint8Array {
  return bytes.slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
}

function resized(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  if (bytes.length === length) return bytes;
  const other = new Uint8Array(length);
  other.set(bytes.subarray(0, length));
  return other;
}
