/**
 * One RESP connection: its socket, the bytes that have come and not been run, and what its peer has left unread.
 *
 *     socket --read--> handle ----------------------------> write        most reads: nothing is kept
 *                        | the beginning of a request
 *                        v
 *                       held --the next read is added--> handle
 *
 * A burst is run from one buffer that all connections share; only what is left of it is kept. What is held grows with what
 * has really come, never with what a request announces; it counts in the budget of all outboxes, and a peer that sends
 * nothing more of a request it has begun is cut off. Replies are built in one buffer for all connections, and leave at the end
 * of the turn (turn-replies.ts); where the socket has not taken all of them at once, the buffer is left to it.
 *
 * Replies that show what is not released yet are held in the outbox while further requests run: those of many bursts share
 * one sync of the log, and leave in one write. What is held counts as unread.
 *
 * A peer that does not read is not read from: past `unreadBytesMax` the requests wait, then the socket does; and so it is with
 * one whose writes the disk cannot keep up with. A command that
 * waits holds up those behind it, and the socket goes on being read for a while, so that the end of the peer is seen.
 */

import type { Socket } from "node:net";
import type { Session } from "../../dispatch/caller.ts";
import type { RespClient, RespSocket } from "../../dispatch/resp-client.ts";
import { WANTS_BYTES, WANTS_TURN } from "../../dispatch/resp-dispatcher.ts";
import { addressOf } from "../listen-failure.ts";
import type { Reader } from "../outbox-budget.ts";
import { plainAddress } from "../peer-address.ts";
import { PushOutbox, type PushSocket } from "../push-outbox.ts";
import { DirectWrites } from "./direct-writes.ts";
import type { RespTraffic } from "./resp-traffic.ts";
import { readInto } from "./shared-input.ts";
import type { ReplyOwner } from "./turn-replies.ts";

const NOTHING = new Uint8Array(0);
/** Of answers to who has not logged in, which are short: as much may be sent before that. */
const STRANGER_UNREAD_BYTES_MAX = 16 * 1024;
/** Of requests that wait, so much is taken in before the socket is no longer read. */
const WAITING_BYTES_MAX = 64 * 1024;
const HELD_BYTES_MIN = 1024;
/** A larger buffer is given back once what is left fills less than a quarter of it. */
const HELD_BYTES_KEPT = 64 * 1024;

export class RespConnection implements RespSocket, PushSocket, Reader, ReplyOwner {
  readonly address: string;
  readonly peer: string;
  readonly connectedAtMs: number;
  readonly client: RespClient;
  readonly outbox: PushOutbox;
  /** See ReplyOwner. */
  repliesAt = 0;
  repliesLength = 0;
  readonly #socket: Socket;
  readonly #direct: DirectWrites;
  /** What `endLater` was given. */
  #lastWords = "";
  readonly #traffic: RespTraffic;
  /** What is left of earlier reads, from 0 on. */
  #held: Uint8Array = NOTHING;
  #heldLength = 0;
  /** Waits for a turn of the loop of its own. */
  #isScheduled = false;
  /** The peer is overdue if it sends nothing: what is held is the beginning of a request. */
  #awaitsRest = false;
  #isClientClosed = false;
  /** See `#hasTooMuch`: nothing runs until it has not. */
  #isFull = false;
  /** The peer sends nothing more; it still reads. */
  #isHalfClosed = false;
  /** Nothing more is read or run; the socket ends when all that is held has left. */
  #isEnding = false;
  #hasEnded = false;
  /** The server stops: the socket goes without waiting for its peer to close. */
  #isLeaving = false;
  #isGone = false;
  /** What the budget of all outboxes knows of: what is unread, and what is held. */
  #countedBytes = 0;

  constructor(socket: Socket, traffic: RespTraffic) {
    this.#socket = socket;
    this.#direct = new DirectWrites(socket, () => (this.isBlocked ? this.recount() : this.#drained()));
    this.#traffic = traffic;
    this.address = plainAddress(socket.remoteAddress);
    this.peer = addressOf(this.address, socket.remotePort ?? 0);
    this.connectedAtMs = traffic.clock.nowMs();
    this.outbox = new PushOutbox(this, traffic.pushWriter, traffic.options.outboxBytesMax);
    this.client = traffic.dispatch.connect(traffic.connections.nextId(), this);
    if (!readInto(socket, traffic.input, (length) => this.#read(traffic.input, length))) {
      socket.on("data", (chunk: Buffer) => this.#read(traffic.inputOf(chunk), chunk.length));
    }
    socket.on("drain", () => this.#drained());
    socket.on("end", () => this.#peerEnded());
    // Reset by the peer and the like: "close" follows, and nobody is left to be told.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
  }

  get session(): Session | undefined {
    return this.client.session;
  }

  get isBlocked(): boolean {
    return this.#socket.writableNeedDrain || this.#direct.pendingBytes > 0;
  }

  /** Of a socket that was destroyed nothing is left, though it may not have said so yet. */
  get heldBytes(): number {
    if (this.#socket.destroyed) return 0;
    const { outbox } = this;
    const waitingBytes = this.isBlocked ? outbox.waitingBytes : outbox.heldReplyBytes;
    return this.socketBytes() + waitingBytes + this.#held.length;
  }

  socketBytes(): number {
    return this.#socket.writableLength + this.#direct.pendingBytes;
  }

  unreadBytes(): number {
    return this.socketBytes() + this.outbox.waitingBytes;
  }

  /** The bytes are in a buffer that the next read uses again. */
  #read(bytes: Uint8Array, length: number): void {
    if (this.#isEnding || this.#isHeldBack()) return;
    this.#traffic.connections.bytesIn += length;
    if (this.#heldLength === 0 && this.#mayRun()) {
      this.#run(bytes, length);
      return;
    }
    this.#keep(bytes, 0, length);
    if (this.#mayRun()) this.#run(this.#held, this.#heldLength);
    else if (this.#heldLength > WAITING_BYTES_MAX) this.#socket.pause();
  }

  #mayRun(): boolean {
    return !(this.client.isBlocked || this.#isFull || this.#isScheduled || this.#isEnding);
  }

  /**
   * Its peer has left too much unread; or has written faster than the disk takes it, and has answers to come. The socket is
   * not read then, which slows a peer down that only ever sends, such as a bulk load: its writes would be refused in the end.
   */
  #hasTooMuch(): boolean {
    const { unreadBytesMax, log } = this.#traffic;
    const bytesMax = this.client.isStranger ? Math.min(this.#strangerBytesMax(), unreadBytesMax) : unreadBytesMax;
    return this.unreadBytes() > bytesMax || (log.isBehind && this.outbox.isHolding);
  }

  /** Of less than its mark, 64 KB from Node 22 on, the socket does not say when it has left. */
  #strangerBytesMax(): number {
    return Math.max(STRANGER_UNREAD_BYTES_MAX, this.#socket.writableHighWaterMark);
  }

  /** Runs what it can of the first `length` of `bytes`, and holds the rest. */
  #run(bytes: Uint8Array, length: number): void {
    const { dispatch } = this.#traffic;
    const progress = dispatch.handle(this.client, bytes, 0, length);
    if (this.#socket.destroyed) return;
    const { consumed } = dispatch;
    const { out } = dispatch.runner;
    if (out.length > 0) this.#writeShared();
    if (this.#isHeldBack()) {
      this.#dropInput();
      this.recount();
      return;
    }
    if (bytes === this.#held) this.#drop(consumed);
    else if (consumed < length) this.#keep(bytes, consumed, length);
    if (this.client.isClosing) {
      this.end();
      return;
    }
    if (this.#hasTooMuch()) this.#isFull = true;
    else if (progress === WANTS_TURN) this.#schedule();
    this.#expectRest(progress === WANTS_BYTES && this.#heldLength > 0 && !this.#isFull);
    if (this.#isHalfClosed) this.#endWhereDone();
    else if (this.#heldLength > WAITING_BYTES_MAX && !this.#mayRun()) this.#socket.pause();
  }

  /** Gives the peer the full time again to send more of the request it has begun, or takes the deadline away. */
  #expectRest(isBegun: boolean): void {
    if (isBegun) this.#traffic.awaitsRest(this);
    else if (this.#awaitsRest) this.#traffic.awaitsNothing(this);
    this.#awaitsRest = isBegun;
  }

  /** Writes the replies in the shared buffer. */
  #writeShared(): void {
    const { runner, releaseOffset } = this.#traffic.dispatch;
    const { out } = runner;
    const { bytes, length } = out;
    const socket = this.#socket;
    if (this.outbox.mustHold(releaseOffset)) {
      this.#hold(bytes, length, releaseOffset);
      return;
    }
    this.#traffic.connections.bytesOut += length;
    if (this.#traffic.replies.add(this, bytes, length)) return;
    socket.write(Buffer.from(bytes.buffer, bytes.byteOffset, length));
    if (socket.writableLength > 0) out.surrender();
    if (socket.writableLength > 0 || this.#countedBytes > 0) this.recount();
  }

  /** The end of the turn, or of the replies that gather in it. */
  writeReplies(replies: Uint8Array): void {
    if (this.#isGone) return;
    const wasEmpty = this.socketBytes() === 0;
    // Behind something else it will be kept: only what is needed.
    if (!this.#direct.write(replies)) this.#socket.write(wasEmpty ? replies : replies.slice());
    const isUnread = this.socketBytes() > 0;
    if (wasEmpty && isUnread) this.#traffic.replies.surrender();
    if (isUnread || this.#countedBytes > 0) this.recount();
  }

  /** What follows does not come behind the replies of this turn by itself. */
  #writeRepliesNow(): void {
    this.#traffic.replies.write(this);
  }

  /** A late reply. */
  write(bytes: Uint8Array, length: number, releaseOffset: number): void {
    if (this.#isEnding || this.#isGone) return;
    if (this.outbox.mustHold(releaseOffset)) {
      this.#hold(bytes, length, releaseOffset);
      return;
    }
    this.#traffic.connections.bytesOut += length;
    this.#writeRepliesNow();
    this.#socket.write(bytes.slice(0, length));
    this.recount();
  }

  #hold(bytes: Uint8Array, length: number, releaseOffset: number): void {
    this.outbox.hold(bytes, length, false, releaseOffset);
    this.recount();
  }

  putPushesFirst(): void {
    this.outbox.putPushesFirst();
  }

  resume(): void {
    if (this.#heldLength > 0 || this.#isHalfClosed) this.#schedule();
  }

  /** Has what is held run in a turn of its own: others have theirs in between. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#traffic.runLater(this);
  }

  /** Its turn has come. */
  continue(): void {
    this.#isScheduled = false;
    if (this.#isGone || !this.#mayRun()) return;
    this.#run(this.#held, this.#heldLength);
    // What is left may be the beginning of a request: only the socket has the rest of it.
    if ((this.#mayRun() || this.#heldLength <= WAITING_BYTES_MAX) && this.#socket.isPaused()) this.#socket.resume();
  }

  /** Adds `bytes[start, end)` to what is held. */
  #keep(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#heldLength + end - start;
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(HELD_BYTES_MIN, length, Math.min(2 * this.#held.length, length * 2)));
      grown.set(this.#held.subarray(0, this.#heldLength));
      this.#held = grown;
      this.recount();
    }
    this.#held.set(bytes.subarray(start, end), this.#heldLength);
    this.#heldLength = length;
  }

  /** Takes the first `count` bytes from what is held. */
  #drop(count: number): void {
    if (count === 0) return;
    const capacity = this.#held.length;
    const left = this.#heldLength - count;
    if (left === 0) this.#held = NOTHING;
    else if (capacity > HELD_BYTES_KEPT && left < capacity / 4) this.#held = this.#held.slice(count, this.#heldLength);
    else this.#held.copyWithin(0, count, this.#heldLength);
    this.#heldLength = left;
    if (this.#held.length !== capacity) this.recount();
  }

  #drained(): void {
    this.recount();
    this.outbox.socketDrained();
    this.#runWhereRoom();
  }

  /** Some of what was unread or held has left: where its requests wait for that, they go on. */
  #runWhereRoom(): void {
    if (!this.#isFull || this.#hasTooMuch()) return;
    this.#isFull = false;
    this.resume();
    if (this.#heldLength === 0) this.#socket.resume();
  }

  #peerEnded(): void {
    this.#isHalfClosed = true;
    this.#endWhereDone();
  }

  /** Its peer sends nothing more. */
  #endWhereDone(): void {
    const { isBlocked } = this.client;
    if (!isBlocked && !this.#mayRun()) return;
    this.end();
    // What it waits for would be lost on it; only the replies before are still its own.
    if (isBlocked) this.#closeClient();
  }

  /** It ends, and only that is still to come: nothing of what it sends meanwhile is kept. */
  #isHeldBack(): boolean {
    return this.#lastWords !== "";
  }

  endLater(text: string): void {
    this.#lastWords = text;
    this.#traffic.holdsBack(this);
  }

  endNow(): void {
    if (this.#isGone) return;
    this.#socket.write(this.#lastWords);
    this.end();
  }

  /** Closes once all that was written, or is held, has left; what comes meanwhile is not looked at. */
  end(): void {
    if (this.#isEnding || this.#isGone) return;
    this.#isEnding = true;
    this.#writeRepliesNow();
    this.#dropInput();
    this.outbox.takeAll();
    this.outbox.seal();
    // Read to the end, or the system would answer what is unread by a reset, which can overtake the last reply.
    this.#socket.resume();
    this.writePushes(this.outbox);
  }

  #endSocket(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.outbox.close();
    this.recount();
    this.#socket.end();
    if (this.#isLeaving) this.#socket.destroySoon();
    else if (!this.#isHalfClosed) this.#traffic.lingers(this);
  }

  /** Closes once all that was written, or is held, has left, whether or not the peer closes too: the server stops. */
  leave(): void {
    this.#isLeaving = true;
    if (this.#hasEnded) this.#socket.destroySoon();
    else this.end();
  }

  /** Ends it at once. */
  cut(): void {
    this.#isEnding = true;
    this.repliesLength = 0;
    this.#dropInput();
    this.outbox.close();
    this.#socket.destroy();
    this.recount();
  }

  #dropInput(): void {
    this.#held = NOTHING;
    this.#heldLength = 0;
    this.#expectRest(false);
  }

  #closeClient(): void {
    if (this.#isClientClosed) return;
    this.#isClientClosed = true;
    this.client.closed();
  }

  #closed(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#isEnding = true;
    this.#dropInput();
    this.outbox.close();
    this.recount();
    this.#closeClient();
    this.#traffic.closed(this);
  }

  /** Writes what may leave, in one write. */
  writePushes(outbox: PushOutbox): void {
    this.#writeFrames(outbox);
    if (!this.#isEnding) this.#runWhereRoom();
    else if (outbox.waitingFrames === 0) this.#endSocket();
  }

  #writeFrames(outbox: PushOutbox): void {
    const frames: Uint8Array[] = [];
    let length = 0;
    const { connections } = this.#traffic;
    for (;;) {
      const { isNextReply } = outbox;
      const frame = outbox.take();
      if (frame === undefined) break;
      frames.push(frame);
      length += frame.length;
      if (isNextReply) continue;
      connections.pushes += 1;
      connections.pushBytes += frame.length;
    }
    if (frames.length === 0 || this.#isGone) return;
    this.#writeRepliesNow();
    connections.bytesOut += length;
    this.#socket.write(frames.length === 1 ? frames[0] : Buffer.concat(frames, length));
  }

  recount(): void {
    const bytes = this.#isGone ? 0 : this.heldBytes;
    this.#traffic.outboxes.add(bytes - this.#countedBytes);
    this.#countedBytes = bytes;
    if (bytes > 0) this.#traffic.pushWriter.checkBudget();
  }

  refuseSlow(): void {
    this.#traffic.connections.slowClientsCutOff += 1;
    this.cut();
  }
}
