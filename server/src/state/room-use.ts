/** Rooms in the order of their last use, for finding idle ones: a list through the rooms themselves. All in O(1). */
import type { Room } from "./room.ts";

/** Rooms that one search passes over because they are watched. */
const PASSED_MAX = 1000;

export class RoomUse {
  #oldest: Room | undefined = undefined;
  #newest: Room | undefined = undefined;

  add(room: Room): void {
    room.usedBefore = this.#newest;
    room.usedAfter = undefined;
    if (this.#newest === undefined) this.#oldest = room;
    else this.#newest.usedAfter = room;
    this.#newest = room;
  }

  remove(room: Room): void {
    if (room.usedBefore === undefined) this.#oldest = room.usedAfter;
    else room.usedBefore.usedAfter = room.usedAfter;
    if (room.usedAfter === undefined) this.#newest = room.usedBefore;
    else room.usedAfter.usedBefore = room.usedBefore;
    room.usedBefore = undefined;
    room.usedAfter = undefined;
  }

  touch(room: Room, nowMs: number): void {
    if (nowMs > room.usedAtMs) room.usedAtMs = nowMs;
    if (room === this.#newest) return;
    this.remove(room);
    this.add(room);
  }

  /** The room that was not used for longest, if that is `idleMs` and more; a watched room counts as used now. */
  idle(nowMs: number, idleMs: number): Room | undefined {
    for (let passed = 0; passed < PASSED_MAX; passed++) {
      const room = this.#oldest;
      if (room === undefined || room.usedAtMs + idleMs > nowMs) return undefined;
      if (room.watched === 0) return room;
      this.touch(room, nowMs);
    }
    return undefined;
  }

  /** How many rooms the list has, counted from both ends; throws where they differ. For tests. */
  checkInvariants(): number {
    let forward = 0;
    for (let room = this.#oldest; room !== undefined; room = room.usedAfter) forward++;
    let backward = 0;
    for (let room = this.#newest; room !== undefined; room = room.usedBefore) backward++;
    if (forward !== backward) throw new Error(`${forward} rooms from the oldest, ${backward} from the newest`);
    return forward;
  }
}
