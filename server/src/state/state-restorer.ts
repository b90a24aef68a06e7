/**
 * Fills an empty state with the images of a snapshot. Afterwards it is the state that the snapshot was taken of, at its
 * offset: what follows from images (deadlines, orders, tables, counts) is built anew while they are read.
 *
 * The memory limit of keys is not enforced meanwhile: what is over it is evicted by the writes that come.
 *
 * The bytes were checked by whoever has kept them. What is checked here is that they make sense; after a throw the state is
 * of no use.
 */
import type { StoreRestorer } from "./image.ts";
import { KeyRestorer } from "./key-images.ts";
import { QueueRestorer } from "./queue-restorer.ts";
import { ReplyRestorer } from "./reply-images.ts";
import { RoomRestorer } from "./room-images.ts";
import type { StateMachine } from "./state-machine.ts";

export class StateRestorer {
  readonly #state: StateMachine;
  readonly #parts: readonly StoreRestorer[];
  /** By kind of image. */
  readonly #byKind: (StoreRestorer | undefined)[] = new Array<StoreRestorer | undefined>(256).fill(undefined);

  /** @param state empty, at offset 0. */
  constructor(state: StateMachine) {
    const { keys, queues, rooms, replies } = state;
    if (state.appliedOffset !== 0 || keys.size + queues.queues().length + rooms.count + replies.count > 0)
      throw new Error(`a snapshot is restored into a state that is at offset ${state.appliedOffset}, or not empty`);
    this.#state = state;
    this.#parts = [
      new KeyRestorer(keys),
      new QueueRestorer(queues),
      new RoomRestorer(rooms),
      new ReplyRestorer(replies),
    ];
    for (const part of this.#parts) for (const kind of part.kinds) this.#byKind[kind] = part;
  }

  /**
   * Restores the images in `bytes`, the first `length` of which are whole ones. Throws where they are malformed.
   * Costs about as much as applying the operations that made them; give it small chunks where the loop must not wait.
   */
  apply(bytes: Uint8Array, length: number): void {
    for (let at = 0; at < length; ) {
      const part = this.#byKind[bytes[at]];
      if (part === undefined) throw new Error(`unknown kind of image ${bytes[at]} at byte ${at}`);
      at = part.restore(bytes, at, length);
    }
  }

  /** All images were applied: the state is at `offset` now, and goes on from there. Throws where they were not all. */
  finish(offset: number): void {
    for (const part of this.#parts) part.finish(offset);
    this.#state.restoredAt(offset);
  }
}
