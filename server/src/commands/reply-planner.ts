/**
 * What plans of idempotent writes need: which reply is remembered, and the operation that remembers one. It is the last of
 * its record, so the write and the memory of it are one.
 */
import { RememberedReply } from "../state/remembered-reply.ts";
import {
  REMEMBER_HEADER_BYTES,
  type ReplyFormat,
  writeForgetReplies,
  writeRemember,
} from "../state/reply-operation.ts";
import type { ReplyStore } from "../state/reply-store.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import { type CommandError, fail } from "./errors.ts";
import type { Planner } from "./planner.ts";

export interface ReplyLimits {
  /** How long a reply is remembered. */
  readonly windowMs: number;
  /** What all of them may take; the oldest go first. */
  readonly bytesMax: number;
}

/** One reply may take this part of what all may take: it must not cost more than a few of the others their place. */
const REPLY_PART = 16;
/** Replies that one record may drop, at up to a microsecond each. The ticker keeps room for the largest reply there may be. */
const RECORD_DROPS_MAX = 2000;

export class ReplyPlanner {
  readonly #store: ReplyStore;
  readonly #planner: Planner;
  readonly #limits: ReplyLimits;
  readonly #found = new RememberedReply();

  constructor(store: ReplyStore, planner: Planner, limits: ReplyLimits) {
    this.#store = store;
    this.#planner = planner;
    this.#limits = limits;
  }

  /** The reply that is remembered for this request; it points into the store and is gone with the next call. */
  find(id: ByteRange): RememberedReply | undefined {
    return this.#store.find(id, this.#planner.nowMs, this.#found) ? this.#found : undefined;
  }

  /**
   * Stages that a reply is remembered, with the record that makes it true; nothing else may be staged after it. For what is
   * given see `NewReply`.
   */
  remember(id: ByteRange, hash: ByteRange, format: ReplyFormat, reply: ByteRange): CommandError | undefined {
    const planner = this.#planner;
    const { windowMs, bytesMax } = this.#limits;
    const store = this.#store;
    const idBytes = id.end - id.start;
    const replyBytes = reply.end - reply.start;
    const replyBytesMax = Math.floor(bytesMax / REPLY_PART);
    if (replyBytes > replyBytesMax) {
      return fail("PAYLOAD_TOO_LARGE", "the reply is too large to be remembered: ask for less at once", {
        limit_bytes: replyBytesMax,
      });
    }
    if (!planner.admit(REMEMBER_HEADER_BYTES + idBytes + replyBytes)) return planner.failure;
    const neededBytes = store.bytesNeeded(idBytes, replyBytes);
    // Where a lower limit was configured than before, the ticker shrinks the window in slices: here it only stops growing.
    const usedBytesMax = Math.max(bytesMax, store.usedBytes);
    const drops = store.dropsFor(neededBytes, usedBytesMax, RECORD_DROPS_MAX);
    const growthBytes = neededBytes - drops.bytes;
    if (store.usedBytes + growthBytes > usedBytesMax) {
      const message = "too many replies would have to be forgotten at once; they go one by one now, so try again";
      return fail("MEMORY_LIMIT_EXCEEDED", message, { limit_bytes: bytesMax, needed_bytes: neededBytes });
    }
    if (growthBytes > 0 && !planner.reserveBytes(growthBytes, store, planner.spareBytes)) return planner.failure;
    writeRemember(planner.writer, { id, hash, format, reply, expiresAtMs: planner.nowMs + windowMs }, drops.count);
    return undefined;
  }

  /**
   * Stages that up to `countMax` replies are forgotten, which are overdue or leave too little room for the next ones; returns
   * how many.
   */
  forgetDue(countMax: number): number {
    const { bytesMax } = this.#limits;
    const count = this.#store.countDue(this.#planner.nowMs, bytesMax - bytesMax / REPLY_PART, countMax);
    if (count > 0) writeForgetReplies(this.#planner.writer, count);
    return count;
  }
}
