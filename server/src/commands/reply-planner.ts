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
import { NO_HASH, PLACE_BYTES, ROW_PLACES } from "../state/reply-row.ts";
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

/** A reply that is longer is remembered alone, so that a row may be small. */
export const ROW_REPLY_BYTES_MAX = 512;
const ROW_BYTES_MAX = ROW_PLACES * (PLACE_BYTES + ROW_REPLY_BYTES_MAX);
/** With its id, its slot, and what its commands may add to the spare memory: deadlines. */
const ROW_ROOM_BYTES = 2 * ROW_BYTES_MAX;

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

  /** As `find`, for the command of a batch: `id` is that of its row. */
  findPlace(id: ByteRange, place: number): RememberedReply | undefined {
    return this.#store.findPlace(id, place, this.#planner.nowMs, this.#found) ? this.#found : undefined;
  }

  /** Whether anything is remembered of a row: then each of its commands is to be looked for. */
  hasRow(id: ByteRange): boolean {
    return this.#store.has(id, this.#planner.nowMs);
  }

  /**
   * Whether there is room for a row, whatever its commands do: asked before the first of them is planned, since the last one has
   * been committed when the row is staged.
   */
  hasRoomForRow(): boolean {
    const planner = this.#planner;
    return (
      this.refusalOf(ROW_BYTES_MAX) === undefined && planner.hasRoomFor(ROW_ROOM_BYTES, this.#store, planner.spareBytes)
    );
  }

  /** Why a reply of so many bytes is not remembered. */
  refusalOf(replyBytes: number): CommandError | undefined {
    const limitBytes = Math.floor(this.#limits.bytesMax / REPLY_PART);
    if (replyBytes <= limitBytes) return undefined;
    const message = "the reply is too large to be remembered: ask for less at once";
    return fail("PAYLOAD_TOO_LARGE", message, { limit_bytes: limitBytes });
  }

  /** As `remember`, for a row that there was room for. */
  rememberRow(id: ByteRange, format: ReplyFormat, row: ByteRange): void {
    const refusal = this.remember(id, NO_HASH, format, row, Number.POSITIVE_INFINITY);
    if (refusal !== undefined) throw new Error(`a row has lost its room: ${refusal.message}`);
  }

  /**
   * Stages that a reply is remembered, with the record that makes it true; nothing else may be staged after it. For what is
   * given see `NewReply`.
   * @param spareBytes what may be used beyond what is usable.
   */
  remember(
    id: ByteRange,
    hash: ByteRange,
    format: ReplyFormat,
    reply: ByteRange,
    spareBytes = this.#planner.spareBytes,
  ): CommandError | undefined {
    const planner = this.#planner;
    const { windowMs, bytesMax } = this.#limits;
    const store = this.#store;
    const idBytes = id.end - id.start;
    const replyBytes = reply.end - reply.start;
    const tooLarge = this.refusalOf(replyBytes);
    if (tooLarge !== undefined) return tooLarge;
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
    if (growthBytes > 0 && !planner.reserveBytes(growthBytes, store, spareBytes)) return planner.failure;
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
