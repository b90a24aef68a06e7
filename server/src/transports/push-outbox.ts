/**
 * The pushes that wait for one connection. They gather while a turn of the loop runs and leave at its end, many in one
 * write; what the socket does not take stays here, as frames shared with other connections, until its peer has read.
 *
 *     push -> queue -- turn end (PushWriter) --> socket -- blocked --> the queue waits -- drained --> turn end ...
 *
 * `push` is called in the middle of commands, while the lists of subscribers are walked. So it calls nobody back: a
 * connection that has left too much unread is only marked, and cut off at the end of the turn.
 */
import type { Outbox, Session } from "../dispatch/caller.ts";
import { Fifo } from "./fifo.ts";
import type { PushWriter } from "./push-writer.ts";

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

export class PushOutbox implements Outbox {
  readonly #socket: PushSocket;
  readonly #writer: PushWriter;
  readonly #bytesMax: number;
  readonly #frames = new Fifo<Uint8Array>();
  readonly #kinds = new Fifo<boolean>();
  /** Bytes of the frames that wait here. */
  waitingBytes = 0;
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
    this.#bytesMax = bytesMax;
  }

  push(frame: Uint8Array, isBinary: boolean): boolean {
    if (this.#isSealed || this.#isOverfull) return false;
    const socket = this.#socket;
    if (this.waitingBytes + frame.length > this.#bytesMax || socket.isBlocked) {
      const unread = this.waitingBytes + socket.socketBytes();
      if (unread > 0 && unread + frame.length > this.#bytesMax) {
        this.overflow();
        return false;
      }
    }
    this.#frames.push(frame);
    this.#kinds.push(isBinary);
    this.waitingBytes += frame.length;
    if (socket.isBlocked) this.#wait();
    else this.schedule();
    return true;
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

  /** The connection is closing: what waits is still written, but nothing is added, and the session hears of nothing. */
  seal(): void {
    this.#isSealed = true;
  }

  /** The connection is closing or gone. What waits is dropped. */
  close(): void {
    this.#isSealed = true;
    this.#frames.clear();
    this.#kinds.clear();
    this.waitingBytes = 0;
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
      socket.writePushes(this);
    }
    socket.recount();
    this.#tellSession();
    if (this.waitingBytes === 0 || socket.isBlocked || this.#isScheduled) return false;
    this.#isScheduled = true;
    return true;
  }

  /** The next frame to write in this visit; undefined when it is over. Its kind is `isNextBinary` before the call. */
  take(): Uint8Array | undefined {
    if (this.#visitFrames >= VISIT_FRAMES_MAX || this.#visitBytes >= VISIT_BYTES_MAX) return undefined;
    const frame = this.#frames.shift();
    if (frame === undefined) return undefined;
    this.#kinds.shift();
    this.#visitFrames += 1;
    this.#visitBytes += frame.length;
    this.waitingBytes -= frame.length;
    return frame;
  }

  /** Lets `take` go on to the last frame: the connection is closing in order. */
  takeAll(): void {
    this.#visitFrames = Number.NEGATIVE_INFINITY;
    this.#visitBytes = Number.NEGATIVE_INFINITY;
  }

  get isNextBinary(): boolean {
    return this.#kinds.peek() === true;
  }

  /** Length of the next frame in bytes; 0 when there is none. */
  get nextBytes(): number {
    return this.#frames.peek()?.length ?? 0;
  }

  get waitingFrames(): number {
    return this.#frames.size;
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
}
