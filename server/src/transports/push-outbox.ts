/**
 * What waits for one connection: its pushes, and the replies that may not leave yet. Pushes gather while a turn of the loop
 * runs and leave at its end, many in one write; what the socket does not take stays here, as frames shared with other
 * connections, until its peer has read.
 *
 *     push -> fresh -- turn end (PushWriter) --> socket -- blocked --> the rest waits -- drained --> turn end ...
 *               |
 *               | not released (runtime/release-gate.ts)
 *               v
 *     reply -> held -- released, turn end -----> socket
 *
 * A reply is given to its socket at once, unless it shows what is not released or something is held already: then it stands
 * behind that, and before the pushes of its turn, where it would have been without waiting. So what a peer reads is the same
 * bytes in the same order, whether the log is slow, fast or in memory; nothing overtakes, also what need not wait.
 *
 * `push` is called in the middle of commands, while the lists of subscribers are walked. So it calls nobody back: a
 * connection that has left too much unread is only marked, and cut off at the end of the turn.
 */
import type { Outbox, Session } from "../dispatch/caller.ts";
import type { ReleaseGate, ReleaseWaiter } from "../runtime/release-gate.ts";
import { copyBytes } from "../structures/byte-range.ts";
import { BINARY, FrameQueue, REPLY, TEXT } from "./frame-queue.ts";
import type { PushWriter, Visited } from "./push-writer.ts";

/** What one visit writes at most, so that one connection with much to read does not hold up the others. */
const VISIT_FRAMES_MAX = 64;
const VISIT_BYTES_MAX = 256 * 1024;

/** The connection below an outbox. */
export interface PushSocket {
  readonly session: Session | undefined;
  /** The socket has not taken all it was given; the connection will call `socketDrained` when it has. */
  readonly isBlocked: boolean;
  /** What it was given and has not taken yet. */
  socketBytes(): number;
  /** Gives the socket frames from `outbox.take`, as one write if it can, until there is none or it is blocked. */
  writePushes(outbox: PushOutbox): void;
  /** Something waits or has gone: counts it in the budget of all outboxes. */
  recount(): void;
  /** Cuts off a peer that has left too much unread. Called at the end of a turn. */
  refuseSlow(): void;
}

export class PushOutbox implements Outbox, Visited, ReleaseWaiter {
  readonly #socket: PushSocket;
  readonly #writer: PushWriter;
  readonly #gate: ReleaseGate;
  readonly #bytesMax: number;
  /** Pushes that no visit has come to, or for which the socket had no room. */
  #fresh = new FrameQueue();
  /** What a visit could not write since the log was not released so far, and all that came behind it. Made when needed. */
  #held: FrameQueue | undefined;
  /** Bytes of all frames that wait here. */
  waitingBytes = 0;
  /** Of the visit under way: the one of the two whose frames it writes. */
  #source = this.#fresh;
  /** What of `#held` is counted for the metrics. */
  #countedBytes = 0;
  /** The most that was unread since the session was last told that there is less. */
  #peakBytes = 0;
  #isScheduled = false;
  /** Too much was unread: the connection is cut off at the end of this turn. */
  #isOverfull = false;
  /** Takes no more pushes. */
  #isSealed = false;
  #visitFrames = 0;
  #visitBytes = 0;

  /** @param bytesMax what may be unread, the socket's part included. */
  constructor(socket: PushSocket, writer: PushWriter, bytesMax: number) {
    this.#socket = socket;
    this.#writer = writer;
    this.#gate = writer.gate;
    this.#bytesMax = bytesMax;
  }

  push(frame: Uint8Array, isBinary: boolean, releaseOffset: number): boolean {
    if (this.#isSealed || this.#isOverfull) return false;
    const socket = this.#socket;
    if (this.waitingBytes + frame.length > this.#bytesMax || socket.isBlocked) {
      if (!this.hasRoom(frame.length)) {
        this.overflow();
        return false;
      }
    }
    const isReleased = releaseOffset <= this.#gate.releasedOffset;
    this.#fresh.add(frame, isBinary ? BINARY : TEXT, isReleased ? 0 : releaseOffset);
    this.waitingBytes += frame.length;
    if (socket.isBlocked) this.#wait();
    else this.schedule();
    return true;
  }

  /** Whether a reply must be given to `hold`, and not to the socket. */
  mustHold(releaseOffset: number): boolean {
    return releaseOffset > this.#gate.releasedOffset || this.isHolding;
  }

  /** Something waits for the log to be released, or behind what did: nothing may overtake it. */
  get isHolding(): boolean {
    return this.#held !== undefined && this.#held.size > 0;
  }

  /** Whether so much more may be unread. A peer that has read everything may be sent a reply of any size. */
  hasRoom(bytes: number): boolean {
    const unreadBytes = this.waitingBytes + this.#socket.socketBytes();
    return unreadBytes === 0 || unreadBytes + bytes <= this.#bytesMax;
  }

  /**
   * Keeps a copy of a reply, `bytes[0, length)`, until it may leave. The pushes of this turn come behind it, as they would had
   * it been sent.
   */
  hold(bytes: Uint8Array, length: number, isBinary: boolean, releaseOffset: number): void {
    const copy = Buffer.allocUnsafe(length);
    copyBytes(bytes, 0, length, copy, 0);
    this.#held ??= new FrameQueue();
    const held = this.#held;
    if (held.size === 0) this.#gate.wait(this);
    held.add(copy, REPLY + (isBinary ? BINARY : TEXT), releaseOffset);
    this.waitingBytes += length;
    this.#countHeld();
  }

  /** What was pushed so far leaves before the reply that comes next. */
  putPushesFirst(): void {
    if (this.#fresh.size === 0) return;
    // A visit is due already, or comes when the socket has drained: it finds this.
    this.#held ??= new FrameQueue();
    this.#held.addAll(this.#fresh);
    this.#countHeld();
  }

  /** The log was released further. */
  released(): void {
    if (!this.isHolding) return;
    if (!this.mayTake) this.#gate.wait(this);
    // Else it is visited once the socket has drained.
    else if (!this.#socket.isBlocked) this.schedule();
  }

  /** Asks for a visit at the end of this turn. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#writer.add(this);
  }

  /** Marks the connection as too slow: nothing more is taken, and it is cut off at the end of this turn. */
  overflow(): void {
    if (this.#isSealed || this.#isOverfull) return;
    this.#isOverfull = true;
    this.schedule();
  }

  /**
   * The connection is closing: what waits is still written, some of it perhaps when the log is released, but nothing is added,
   * and the session hears of nothing.
   */
  seal(): void {
    this.#isSealed = true;
  }

  /** The connection is closing or gone. What waits is dropped. */
  close(): void {
    this.#isSealed = true;
    this.#fresh.clear();
    this.waitingBytes = 0;
    if (!this.isHolding) return;
    this.#held?.clear();
    this.#gate.forget(this);
    this.#countHeld();
  }

  /**
   * Writes some of what waits.
   * @returns whether the socket would take more: then another visit is due, after the other connections had theirs.
   */
  visit(): boolean {
    this.#isScheduled = false;
    const socket = this.#socket;
    if (this.#isOverfull && !this.#isSealed) {
      socket.refuseSlow();
      return false;
    }
    if (!socket.isBlocked && this.waitingBytes > 0) {
      this.noteUnread();
      this.#visitFrames = 0;
      this.#visitBytes = 0;
      this.#settle();
      socket.writePushes(this);
      this.#countHeld();
    }
    socket.recount();
    this.#tellSession();
    if (this.waitingBytes === 0 || socket.isBlocked || this.#isScheduled) return false;
    if (!this.mayTake) {
      this.#gate.wait(this);
      return false;
    }
    this.#isScheduled = true;
    return true;
  }

  /**
   * What this visit finds and may not write is held from here on: whatever comes later stays behind it, as it would if this
   * had been written.
   */
  #settle(): void {
    const fresh = this.#fresh;
    if (this.#held !== undefined && this.#held.size > 0) this.#held.addAll(fresh);
    else if (fresh.holdsBeyond(this.#gate.releasedOffset)) {
      this.#fresh = this.#held ?? new FrameQueue();
      this.#held = fresh;
    }
    this.#source = this.#next;
  }

  /** The queue whose first frame leaves next. */
  get #next(): FrameQueue {
    const held = this.#held;
    return held !== undefined && held.size > 0 ? held : this.#fresh;
  }

  /** Whether there is a frame that may leave. */
  get mayTake(): boolean {
    const next = this.#next;
    return next.size > 0 && !next.isFirstHeld(this.#gate.releasedOffset);
  }

  /** The next frame to write in this visit; undefined when it is over. Its kind is `isNextBinary` before the call. */
  take(): Uint8Array | undefined {
    if (this.#visitFrames >= VISIT_FRAMES_MAX || this.#visitBytes >= VISIT_BYTES_MAX) return undefined;
    const source = this.#source;
    if (source.isFirstHeld(this.#gate.releasedOffset)) return undefined;
    const frame = source.shift();
    if (frame === undefined) return undefined;
    this.#visitFrames += 1;
    this.#visitBytes += frame.length;
    this.waitingBytes -= frame.length;
    return frame;
  }

  /** Lets `take` go on to the last frame that may leave: the connection is closing in order. */
  takeAll(): void {
    this.#settle();
    this.#visitFrames = Number.NEGATIVE_INFINITY;
    this.#visitBytes = Number.NEGATIVE_INFINITY;
  }

  get isNextBinary(): boolean {
    return (this.#source.nextKind & BINARY) !== 0;
  }

  /** Else it is a push. */
  get isNextReply(): boolean {
    return this.#source.nextKind >= REPLY;
  }

  /** Length of the next frame in bytes; 0 when there is none. */
  get nextBytes(): number {
    return this.#source.nextBytes;
  }

  get waitingFrames(): number {
    return this.#fresh.size + (this.#held?.size ?? 0);
  }

  /** Of replies that are held; of the pushes that are, no connection has memory of its own. */
  get heldReplyBytes(): number {
    return this.#held?.replyBytes ?? 0;
  }

  /** Remembers how much is unread, so that the session is told when it has become much less. */
  noteUnread(): void {
    this.#peakBytes = Math.max(this.#peakBytes, this.waitingBytes + this.#socket.socketBytes());
  }

  /** The socket has taken some of what it was given. */
  socketDrained(): void {
    if (this.waitingBytes > 0 && !this.#socket.isBlocked) this.schedule();
    this.#tellSession();
  }

  #tellSession(): void {
    const peakBytes = this.#peakBytes;
    if (peakBytes === 0 || this.#isSealed) return;
    const unreadBytes = this.waitingBytes + this.#socket.socketBytes();
    if (unreadBytes > 0 && unreadBytes >= peakBytes / 2) return;
    this.#peakBytes = unreadBytes;
    this.#socket.session?.drained();
  }

  /** What waits for a peer, and not for the end of the turn, is memory that the budget has to know of. */
  #wait(): void {
    this.noteUnread();
    this.#socket.recount();
    this.#writer.checkBudget();
  }

  #countHeld(): void {
    const bytes = this.#held?.bytes ?? 0;
    const before = this.#countedBytes;
    if (bytes === before) return;
    this.#writer.countHeld((bytes > 0 ? 1 : 0) - (before > 0 ? 1 : 0), bytes - before);
    this.#countedBytes = bytes;
  }
}
