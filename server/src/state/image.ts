/**
 * Images: what a snapshot is made of, as bytes. An image is one object of the state (a key, a queue, an event) as it was at
 * the snapshot's offset, and says nothing of any other time. Each store writes and reads its own: key-images.ts,
 * queue-images.ts, room-images.ts, reply-images.ts. Kinds begin where those of operations end, sixteen to a store, so that a reader that is
 * given the wrong bytes sees it at the first of them.
 *
 * Images refer to others by id (a message to its queue) and come after these; beyond that they come in any order.
 * server/docs/log-format.md draws them.
 */
import { OperationWriter } from "./operation.ts";

export const KEY_IMAGE = 128;
export const QUEUE_IMAGE = 144;
export const DEDUP_ID_IMAGE = 145;
export const MESSAGE_IMAGE = 146;
export const ROOM_IMAGE = 160;
export const EVENT_IMAGE = 161;
export const REPLY_IMAGE = 176;

/** What passing an object by counts for, so that a step that finds little to write is bounded too. */
const SKIP_BYTES = 64;

/** Collects images. What is in it may be taken at any time, and `reset` then empties it. `count` means nothing here. */
export class ImageWriter extends OperationWriter {
  /** What is left of the step that is being taken; below zero when an image was larger. */
  budgetBytes = 0;

  override begin(bytes: number): number {
    this.budgetBytes -= bytes;
    return super.begin(bytes);
  }

  /** An object was passed by: it was written before, or is newer than the snapshot. */
  skip(): void {
    this.budgetBytes -= SKIP_BYTES;
  }
}

/** A store's part of a snapshot. From its construction on it sees every change of the store before it happens. */
export interface StoreImages {
  /** Writes images until the budget is used up; true when all of the store is written, and nothing is watched any more. */
  step(): boolean;
  /** Lets go of the store, wherever it is. May come more than once. */
  end(): void;
}

/** Fills one store with images. */
export interface StoreRestorer {
  /** The store's kinds. */
  readonly kinds: readonly number[];
  /**
   * Restores from the image at `at`, which ends by `end`, and returns where the next begins. Throws where no snapshot can
   * have written it.
   */
  restore(bytes: Uint8Array, at: number, end: number): number;
  /** All images were restored: checks what is only known now, and puts in order what depends on all of them. */
  finish(offset: number): void;
}

/** Throws unless an image of so many bytes at `at` is whole. */
export function checkImageEnd(bytes: Uint8Array, at: number, imageBytes: number, end: number): void {
  if (at + imageBytes > end)
    throw new Error(`image of kind ${bytes[at]} at byte ${at} runs ${at + imageBytes - end} bytes past its chunk`);
}

export function malformed(bytes: Uint8Array, at: number, problem: string): Error {
  return new Error(`image of kind ${bytes[at]} at byte ${at}: ${problem}`);
}
