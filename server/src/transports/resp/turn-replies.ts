/**
 * Replies of one turn of the loop, of many connections, in one buffer. They leave at its end, one write for each connection:
 *
 *     sockets: run A, run B, run C | turn end: write A, write B, write C
 *
 * A write wakes its peer, which costs more than the write where the peer sleeps. Written one after the other, the first wakes
 * it for all; and what the peers send next arrives together, for one turn.
 */
import type { TurnEnd, TurnEndTask } from "../../runtime/turn-end.ts";
import { copyBytes } from "../../structures/byte-range.ts";

const BYTES_MAX = 256 * 1024;

/** A connection with replies in the buffer. */
export interface ReplyOwner {
  /** The replies are a part of the buffer that all share. */
  writeReplies(replies: Uint8Array): void;
  /** Where its own are in the buffer, for `TurnReplies`. */
  repliesAt: number;
  repliesLength: number;
}

export class TurnReplies {
  /** What `#bytes` shows: asking an array for its buffer costs as much as a small reply. */
  #buffer = new ArrayBuffer(BYTES_MAX);
  #bytes = new Uint8Array(this.#buffer);
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
    copyBytes(bytes, 0, length, this.#bytes, this.#length);
    owner.repliesLength += length;
    this.#length += length;
    return true;
  }

  /** Writes those of one connection now: something is to follow them that does not come here. */
  write(owner: ReplyOwner): void {
    const length = owner.repliesLength;
    if (length === 0) return;
    owner.repliesLength = 0;
    owner.writeReplies(new Uint8Array(this.#buffer, owner.repliesAt, length));
  }

  writeAll(): void {
    for (const owner of this.#owners) this.write(owner);
    this.#owners.length = 0;
    this.#length = 0;
  }

  /** A socket has kept a part of the buffer: it is left to it. */
  surrender(): void {
    this.#buffer = this.#buffer.slice(0);
    this.#bytes = new Uint8Array(this.#buffer);
  }
}
