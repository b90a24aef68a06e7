/**
 * The rings of rooms that were removed: freed a few blocks at a time, after whoever still reads them has let go.
 *
 * The blocks in them say that they are of rooms which are no more, so while there is any, no block may be moved.
 */
import type { RoomRing } from "./room-ring.ts";

export class DetachedRings {
  /** Of slots, those of rings that are kept included. */
  slotBytes = 0;
  readonly #free: RoomRing[] = [];
  #keptCount = 0;

  /** Whether there is none, to free or kept. */
  get isEmpty(): boolean {
    return this.#free.length === 0 && this.#keptCount === 0;
  }

  /** Takes a ring over. */
  add(ring: RoomRing): void {
    this.slotBytes += ring.slotBytes;
    this.#leave(ring);
  }

  /** As `add`, but the ring stays readable until `release`. */
  keep(ring: RoomRing): void {
    this.slotBytes += ring.slotBytes;
    this.#keptCount++;
  }

  release(ring: RoomRing): void {
    this.#keptCount--;
    this.#leave(ring);
  }

  #leave(ring: RoomRing): void {
    ring.detach();
    if (ring.blockCount > 0) this.#free.push(ring);
  }

  /** Frees up to `blocks` blocks; returns whether there are more that can be freed now. */
  free(blocks: number): boolean {
    let left = blocks;
    for (let ring = this.#free.at(-1); ring !== undefined && left > 0; ring = this.#free.at(-1)) {
      const before = ring.slotBytes;
      left -= ring.freeBlocks(left);
      this.slotBytes -= before - ring.slotBytes;
      if (ring.blockCount === 0) this.#free.pop();
    }
    return this.#free.length > 0;
  }
}
