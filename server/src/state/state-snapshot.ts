/**
 * A snapshot of the state, exact at one offset S, written in steps while operations go on being applied.
 *
 *     apply ... S | apply | step | apply | apply | step | ... | step -> true
 *               new        images of what the walk comes to
 *                    images of what is about to change and is not written yet
 *
 * Each object that was there at S is written once, as it was at S: by the walk, or right before it changes or goes. Objects
 * newer than S are passed by. So the images are those of S whatever is applied meanwhile, though in another order; without
 * changes they come in a canonical order, and equal states give equal bytes. How each store knows what is written already is
 * in its own file (key-images.ts, queue-images.ts, room-images.ts, reply-images.ts); another store adds its part to the list below and to the
 * one of state-restorer.ts.
 *
 * Beginning costs O(1), whatever the state holds. A step writes about as many bytes as it is given, and passing an object by
 * counts as some; the image of one object is not divided. While a snapshot is under way a change costs what it must write
 * first, and one look at a version or a mark where it need not; without one, the test of a field.
 */
import { ImageWriter, type StoreImages } from "./image.ts";
import { KeyImages } from "./key-images.ts";
import { QueueImages } from "./queue-images.ts";
import { ReplyImages } from "./reply-images.ts";
import { RoomImages } from "./room-images.ts";
import type { StateMachine } from "./state-machine.ts";

export class StateSnapshot {
  /** S. */
  readonly offset: number;
  /** Images that were not taken yet: whole ones, whenever it is looked at. The owner takes them and calls `reset`. */
  readonly images = new ImageWriter();
  readonly #state: StateMachine;
  /** What is not complete, in the order of the walk. */
  readonly #parts: StoreImages[];
  #isEnded = false;

  /** Throws where another snapshot of this state is under way. */
  constructor(state: StateMachine) {
    if (state.hasSnapshot) throw new Error("another snapshot is under way");
    state.hasSnapshot = true;
    this.#state = state;
    this.offset = state.appliedOffset;
    this.#parts = [
      new KeyImages(state.keys, this.offset, this.images),
      new QueueImages(state.queues, this.offset, this.images),
      new RoomImages(state.rooms, this.offset, this.images),
      new ReplyImages(state.replies, this.offset, this.images),
    ];
  }

  /**
   * Walks on until about so many bytes of images are written. Returns whether the snapshot is complete: then `images` has
   * the last of it, and `end` remains to be called. Not after `end`.
   * @param budgetBytes above 0.
   */
  step(budgetBytes: number): boolean {
    if (this.#isEnded) throw new Error("the snapshot has ended");
    this.images.budgetBytes = budgetBytes;
    while (this.#parts.length > 0) {
      if (!this.#parts[0].step()) return false;
      this.#parts.shift();
    }
    return true;
  }

  /** Lets go of the state, whether the snapshot is complete or given up. May come more than once. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const part of this.#parts) part.end();
    this.#state.hasSnapshot = false;
  }
}
