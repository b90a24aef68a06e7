/**
 * Pushes that were too many for the turn they came in: they go on at the end of turns, in the order they came. While any
 * wait, all that come later wait behind them, so that every subscriber gets its pushes in order.
 *
 *     add --> [ target 8 | 41 | frames ] [ target 2 | 42 | frames ] ... --> first, in slices of its subscribers
 *
 * A push is for those who were linked when it came. The ones who come while pushes wait are noted with the number of the
 * first push that is for them; who is not noted was there before all of them.
 */

/** One for each format in use at the target, by its index; encoded, since what a push shows is gone by the next command. */
export type Frames = readonly (Uint8Array | undefined)[];

export interface WaitingPush {
  readonly target: number;
  readonly sequence: number;
  readonly frames: Frames;
  readonly releaseOffset: number;
  readonly heldBytes: number;
  /** Whether some of its subscribers have had it. */
  isUnderWay: boolean;
  next: WaitingPush | undefined;
}

/** About what a push holds beside the bytes of its frames. */
const PUSH_BYTES = 256;

export class SubscribersBacklog {
  first: WaitingPush | undefined;
  heldBytes = 0;
  #last: WaitingPush | undefined;
  /** Of the next push. */
  #sequence = 1;
  /** By link: those made while pushes wait, with the number of the first push for them. */
  readonly #late = new Map<number, number>();

  get isEmpty(): boolean {
    return this.first === undefined;
  }

  add(target: number, frames: Frames, releaseOffset: number): void {
    let heldBytes = PUSH_BYTES;
    for (const frame of frames) heldBytes += frame?.length ?? 0;
    const sequence = this.#sequence++;
    const push = { target, sequence, frames, releaseOffset, heldBytes, isUnderWay: false, next: undefined };
    if (this.#last === undefined) this.first = push;
    else this.#last.next = push;
    this.#last = push;
    this.heldBytes += heldBytes;
  }

  /** Takes `push` away, if it is still the first. */
  shift(push: WaitingPush): void {
    if (this.first !== push) return;
    this.first = push.next;
    this.heldBytes -= push.heldBytes;
    if (this.first === undefined) this.clear();
  }

  clear(): void {
    this.first = undefined;
    this.#last = undefined;
    this.heldBytes = 0;
    this.#late.clear();
  }

  /** The link was just made: what waits is not for it. */
  linked(link: number): void {
    if (!this.isEmpty) this.#late.set(link, this.#sequence);
  }

  isFor({ sequence }: WaitingPush, link: number): boolean {
    return sequence >= (this.#late.get(link) ?? 0);
  }
}
