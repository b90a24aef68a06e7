/**
 * Which watched rooms have changed since the fan-out last looked. Node-local. A room that nobody watches costs one test.
 *
 * Those who watch a room that is removed wait for its name, as do those who watch a name before there is a room: they are
 * counted, and the next room of that name begins as watched by them and is reported, so that they can be told of the gap.
 */
import type { Room } from "./room.ts";

export class RoomChanges {
  #changed: Room[] = [];
  /** Those who wait for a room, by its name. Bounded by the subscriptions. */
  readonly #waiting = new Map<string, number>();

  /** @param room the room that has the name now; undefined where there is none. */
  watch(name: string, room: Room | undefined): void {
    if (room === undefined) this.#waiting.set(name, (this.#waiting.get(name) ?? 0) + 1);
    else room.watched++;
  }

  /** @param room as `watch` has it. */
  unwatch(name: string, room: Room | undefined): void {
    if (room !== undefined) {
      room.watched--;
      return;
    }
    const left = (this.#waiting.get(name) ?? 0) - 1;
    if (left > 0) this.#waiting.set(name, left);
    else this.#waiting.delete(name);
  }

  /** Those who wait for a room of this name. */
  waitingFor(name: string): number {
    return this.#waiting.get(name) ?? 0;
  }

  created(room: Room): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting.get(room.name);
    if (waiting === undefined) return;
    this.#waiting.delete(room.name);
    room.watched = waiting;
    this.note(room);
  }

  note(room: Room): void {
    if (room.watched === 0 || room.changed) return;
    room.changed = true;
    this.#changed.push(room);
  }

  removed(room: Room): void {
    if (room.watched === 0) return;
    this.note(room);
    this.#waiting.set(room.name, room.watched);
    room.watched = 0;
  }

  drain(visit: (room: Room) => void): void {
    if (this.#changed.length === 0) return;
    const changed = this.#changed;
    this.#changed = [];
    let visited = 0;
    try {
      while (visited < changed.length) {
        const room = changed[visited++];
        room.changed = false;
        visit(room);
      }
    } finally {
      // A bug that concerns one room must not cost the others what has changed in them.
      if (visited < changed.length) this.#changed = [...changed.slice(visited), ...this.#changed];
    }
  }
}
