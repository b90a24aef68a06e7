/**
 * Frames that wait for one connection, in the order in which they leave, with the offset that must be released before each.
 *
 *     frames   a   b   c   d   e   f
 *     marks        41      44          b and all behind it wait for 41, d and all behind it for 44
 *
 * Since nothing overtakes, a frame that needs an offset no later than the one before it has no mark of its own. So where
 * nothing has to wait there are no marks, and a thousand events of one record have one.
 */
import { Fifo } from "./fifo.ts";

/** Sums of what a frame is. */
export const TEXT = 0;
export const BINARY = 1;
/** Else a push. */
export const REPLY = 2;

interface Mark {
  /** Of the first frame that waits, as `#taken` counts. */
  readonly position: number;
  readonly releaseOffset: number;
}

export class FrameQueue {
  /** Of all frames. */
  bytes = 0;
  /** Of the replies among them, which are in memory of their own; pushes are shared with other connections. */
  replyBytes = 0;
  readonly #frames = new Fifo<Uint8Array>();
  readonly #kinds = new Fifo<number>();
  readonly #marks = new Fifo<Mark>();
  /** Whether there are marks: while there are none, nothing of them is looked at. */
  #isMarked = false;
  /** Frames taken while there were marks. */
  #taken = 0;
  /** That of the last mark. */
  #lastOffset = 0;

  get size(): number {
    return this.#frames.size;
  }

  /** @param releaseOffset 0 where it is released already. */
  add(frame: Uint8Array, kind: number, releaseOffset: number): void {
    if (releaseOffset > 0) this.#mark(releaseOffset);
    this.#frames.push(frame);
    this.#kinds.push(kind);
    this.bytes += frame.length;
    if (kind >= REPLY) this.replyBytes += frame.length;
  }

  #mark(releaseOffset: number): void {
    if (!this.#isMarked) this.#taken = 0;
    else if (releaseOffset <= this.#lastOffset) return;
    this.#isMarked = true;
    this.#lastOffset = releaseOffset;
    this.#marks.push({ position: this.#taken + this.#frames.size, releaseOffset });
  }

  /** Whether some frame waits for an offset later than this one. */
  holdsBeyond(releasedOffset: number): boolean {
    return this.#isMarked && this.#firstMark(releasedOffset) !== undefined;
  }

  /** Whether there is a first frame, and it waits for an offset later than this one. */
  isFirstHeld(releasedOffset: number): boolean {
    return this.#isMarked && this.#firstMark(releasedOffset)?.position === this.#taken;
  }

  /** The first mark that still holds; those before it are dropped. */
  #firstMark(releasedOffset: number): Mark | undefined {
    let mark = this.#marks.peek();
    while (mark !== undefined && mark.releaseOffset <= releasedOffset) {
      this.#marks.shift();
      mark = this.#marks.peek();
    }
    this.#isMarked = mark !== undefined;
    return mark;
  }

  /** The kind of the first frame; that of a text when there is none. */
  get nextKind(): number {
    return this.#kinds.peek() ?? TEXT;
  }

  /** Length of the first frame in bytes; 0 when there is none. */
  get nextBytes(): number {
    return this.#frames.peek()?.length ?? 0;
  }

  /** Takes the first frame; undefined when there is none. */
  shift(): Uint8Array | undefined {
    const frame = this.#frames.shift();
    if (frame === undefined) return undefined;
    const kind = this.#kinds.shift() ?? TEXT;
    this.bytes -= frame.length;
    if (kind >= REPLY) this.replyBytes -= frame.length;
    if (this.#isMarked) this.#taken += 1;
    return frame;
  }

  /** Takes over all frames of another queue, behind its own. */
  addAll(other: FrameQueue): void {
    const marks = other.#marks;
    for (let position = other.#taken; other.#frames.size > 0; position++) {
      const isMarked = marks.peek()?.position === position;
      const releaseOffset = isMarked ? (marks.shift()?.releaseOffset ?? 0) : 0;
      const kind = other.nextKind;
      const frame = other.#frames.shift();
      other.#kinds.shift();
      if (frame !== undefined) this.add(frame, kind, releaseOffset);
    }
    other.clear();
  }

  clear(): void {
    this.#frames.clear();
    this.#kinds.clear();
    this.#marks.clear();
    this.#isMarked = false;
    this.bytes = 0;
    this.replyBytes = 0;
  }
}
