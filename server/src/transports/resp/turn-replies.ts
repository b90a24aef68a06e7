/**
 * Replies of one turn of the loop, of many connections, in one buffer. They leave at its end, one write for each connection:
 *
 *     sockets: run A, run B, run C | turn end: write A, write B, write C
 *
 * A write wakes its peer, which costs more than the write where the peer sleeps. Written one after the other, the first wakes
 * it for all; and what the peers send next arrives together, for one turn.
 */
import type { TurnEnd, TurnEndTask } from "../../runtime/turn-end.ts";

const BYTES_MAX = 256 * 1024;

/** A connection with replies in the buffer. */
export interface ReplyOwner {
  /** Writes what is its own of the buffer, from `repliesAt` on. */
  writeReplies(bytes: Uint8Array): void;
  repliesAt: number;
  repliesLength: number;
}

export class TurnReplies {
  #bytes = new Uint8Array(BYTES_MAX);
  #length = 0;
  readonly #owners: ReplyOwner[] = [];
  readonly #task: TurnEndTask;

  constructor(turnEnd: TurnEnd) {
    this.#task = turnEnd.add(() => {
      this.writeAll();
      return false;
    });
  }

  /** Takes a copy of `bytes[0, length)`. @returns false where that is too large: then everything before it has been written. */
  add(owner: ReplyOwner, bytes: Uint8Array, length: number): boolean {
    if (this.#length + length > BYTES_MAX) {
      this.writeAll();
      if (length > BYTES_MAX) return false;
    }
    const isNext = owner.repliesLength > 0 && owner.repliesAt + owner.repliesLength === this.#length;
    if (!isNext) {
      this.write(owner);
      owner.repliesAt = this.#length;
      this.#owners.push(owner);
      this.#task.request();
    }
    this.#bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#length);
    owner.repliesLength += length;
    this.#length += length;
    return true;
  }

  /** Writes those of one connection now: something is to follow them that does not come here. */
  write(owner: ReplyOwner): void {
    if (owner.repliesLength > 0) owner.writeReplies(this.#bytes);
  }

  writeAll(): void {
    for (const owner of this.#owners) this.write(owner);
    this.#owners.length = 0;
    this.#length = 0;
  }

  /** A socket has kept a part of the buffer: it is left to it. */
  surrender(): void {
    this.#bytes = this.#bytes.slice();
  }
}
