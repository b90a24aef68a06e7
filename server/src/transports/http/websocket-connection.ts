/**
 * One WebSocket. A message is answered in the frame kind it came in, at once and in order; a command that waits, later.
 *
 *     open --first message--> serving --too much unread, or shutdown--> closing --drained, or overdue--> closed
 *
 * A reply that shows what is not released yet is held in the outbox, and all that comes after it stays behind it.
 *
 * What the peer has not read of replies lies in the socket's buffer, pushes wait in the outbox until that is empty: together at
 * most `outboxBytesMax`. Past that the connection is closing: it takes no more messages, says why in a `closing` push, and
 * ends as soon as the peer has read it all, or is cut. When the outboxes of all connections together are too full, the
 * fullest is cut at once: it would not read the push anyway.
 *
 * After too many wrong tokens the answer to `auth` is held back (`isHeldBack`): nothing that comes meanwhile is looked at, and the
 * connection ends behind it.
 */
import type { Grant } from "../../access/grant.ts";
import type { Buckets } from "../../access/rate-limits.ts";
import type { Caller, PushFormat, Session } from "../../dispatch/caller.ts";
import { MessagePace, type PacedConnection } from "../message-pacer.ts";
import type { Reader } from "../outbox-budget.ts";
import { PushOutbox, type PushSocket } from "../push-outbox.ts";
import type { ClosingCode, Reply, WireFormat } from "../transport.ts";
import { DROPPED, type MessageOwner, type MessageSocket, SENT } from "./socket-server.ts";
import type { WebSocketTraffic } from "./websocket-traffic.ts";

const CLOSE_CODES: Readonly<Record<ClosingCode, number>> = {
  UNAUTHORIZED: 1008,
  SLOW_CONSUMER: 1013,
  SHUTTING_DOWN: 1001,
  RATE_LIMIT_EXCEEDED: 1008,
};

/** Room for a token, generously; and of answers to who has sent none as much may be unread. */
const STRANGER_BYTES_MAX = 16 * 1024;

/** An answer that leaves later, and the frame it leaves in. */
interface HeldAnswer {
  readonly reply: Reply;
  readonly isBinary: boolean;
}

interface Closing {
  readonly code: ClosingCode;
  readonly message: string;
}

export class WebSocketConnection implements Caller, MessageOwner, PacedConnection, PushSocket, Reader {
  readonly id: number;
  readonly protocol = "websocket";
  readonly address: string;
  readonly connectedAtMs: number;
  commandCount = 0;
  session: Session | undefined;
  pushFormat: PushFormat = "json";
  grant: Grant;
  rate: Buckets | undefined;
  isHeldBack = false;
  readonly #traffic: WebSocketTraffic;
  /** Set from open to close. */
  #socket: MessageSocket | undefined;
  /** Made for the connections that get pushes. */
  #outbox: PushOutbox | undefined;
  /** Some of what was sent may lie in the socket's buffer. While it is false nobody has to ask how much. */
  #isBacklogged = false;
  /** What lay in the socket's buffer when it was last looked at. */
  #socketBytes = 0;
  /** What is counted in the budget of all outboxes: the above, the pushes behind it, and the messages that wait. */
  #heldBytes = 0;
  #closing: Closing | undefined;
  #heldAnswer: HeldAnswer | undefined;
  /** The push that says why was sent: nothing comes after it. */
  #hasSaidGoodbye = false;
  /** That of the last message. */
  #format: WireFormat = "json";
  #hasSpoken = false;
  readonly #pace: MessagePace;
  /** Closing or closed: nothing is pushed any more. */
  #arePushesOver = false;
  #isSessionOver = false;

  constructor(traffic: WebSocketTraffic, id: number, address: string, connectedAtMs: number, grant: Grant) {
    this.#traffic = traffic;
    this.id = id;
    this.grant = grant;
    this.address = address;
    this.connectedAtMs = connectedAtMs;
    this.#pace = new MessagePace(traffic.pacer, this);
  }

  get outbox(): PushOutbox {
    if (this.#outbox === undefined) {
      this.#outbox = new PushOutbox(this, this.#traffic.pushWriter, this.#traffic.outboxBytesMax);
      if (this.#arePushesOver) this.#outbox.close();
    }
    return this.#outbox;
  }

  unreadBytes(): number {
    return (this.#socket?.getBufferedAmount() ?? 0) + (this.#outbox?.waitingBytes ?? 0);
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isBlocked(): boolean {
    return this.#isBacklogged;
  }

  socketBytes(): number {
    return this.#socketBytes;
  }

  opened(socket: MessageSocket): void {
    this.#socket = socket;
    this.#traffic.opened(this);
  }

  closed(isViolation: boolean): void {
    if (isViolation) this.#traffic.connections.invalidMessages += 1;
    this.#socket = undefined;
    this.#socketBytes = 0;
    this.#isBacklogged = false;
    this.#heldAnswer = undefined;
    this.#endPushes();
    // What the peer sent before it left is worked on. What that subscribes or waits for ends with it.
    if (this.#pace.waitingBytes === 0) this.#endSession();
    this.recount();
    this.#traffic.closed(this);
  }

  caughtUp(): void {
    if (this.#socket === undefined) this.#endSession();
  }

  receive(message: Uint8Array, isBinary: boolean): void {
    const { connections } = this.#traffic;
    connections.websocketMessages += 1;
    connections.bytesIn += message.length;
    if (this.#closing !== undefined || this.isHeldBack) return;
    if (!this.#hasSpoken) {
      this.#hasSpoken = true;
      this.#traffic.hasSpoken(this);
    }
    if (message.length > STRANGER_BYTES_MAX && this.#isStranger) {
      this.close("UNAUTHORIZED", "Who has not logged in may not send so much.");
      return;
    }
    this.#pace.receive(message, isBinary);
    if (this.#pace.waitingBytes > 0) this.#traffic.outboxes.cutSlowest();
  }

  /** Works on a message, now or when it has waited for its turn. */
  handle(message: Uint8Array, isBinary: boolean): void {
    if (this.#closing !== undefined || this.isHeldBack) return;
    const { dispatch } = this.#traffic;
    this.#format = isBinary ? "msgpack" : "json";
    const reply = dispatch.handle(message, this.#format, this.#format, this);
    if (reply === undefined) return;
    if (this.isHeldBack) {
      this.#holdBack(reply, isBinary);
      return;
    }
    if (!this.#send(reply, isBinary)) this.refuseSlow();
    if (this.#isBacklogged || this.#outbox?.isHolding) this.#traffic.outboxes.cutSlowest();
  }

  get #isStranger(): boolean {
    return this.grant.end === "anonymous";
  }

  get #unreadBytesMax(): number {
    const { outboxBytesMax } = this.#traffic;
    return this.#isStranger ? Math.min(STRANGER_BYTES_MAX, outboxBytesMax) : outboxBytesMax;
  }

  #holdBack(reply: Reply, isBinary: boolean): void {
    // The dispatcher's buffer is used again.
    this.#heldAnswer = { reply: { ...reply, bytes: exactly(reply).slice() }, isBinary };
    this.#pace.close();
    this.recount();
    this.#traffic.holdsBack(this);
  }

  /** What was held back has waited long enough. */
  endNow(): void {
    const held = this.#heldAnswer;
    if (held === undefined || this.#closing !== undefined) return;
    this.#heldAnswer = undefined;
    if (!this.#send(held.reply, held.isBinary)) this.refuseSlow();
    this.close("RATE_LIMIT_EXCEEDED", "Too many wrong tokens came.");
    this.recount();
  }

  /** Called in the middle of a command of somebody else, so that whoever is too slow is cut off when that is done. */
  answerLate(reply: Reply, format: WireFormat): void {
    if (this.#closing !== undefined) return;
    if (!this.#send(reply, format === "msgpack")) this.refuseSlowLater();
    this.#traffic.pushWriter.checkBudget();
  }

  /** A pong, which is all that is sent without being counted, found no room. */
  dropped(): void {
    this.refuseSlowLater();
  }

  drained(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#look(socket);
    this.recount();
    if (this.#closing === undefined || !this.#hasSaidGoodbye) this.#outbox?.socketDrained();
    else if (this.#socketBytes === 0) this.#end(this.#closing.code);
  }

  /** Sends what the outbox gives: one frame as it is, more of them corked, which makes them one write. */
  writePushes(outbox: PushOutbox): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    if (outbox.waitingFrames === 1) {
      this.writeCorked();
    } else {
      this.#traffic.cork(socket, this);
      // `send` does not know what becomes of the corked bytes.
      this.#look(socket);
    }
    if (this.#closing !== undefined && outbox.waitingFrames === 0) this.#sayGoodbye(socket, this.#closing);
  }

  /** The part of `writePushes` that may run corked. */
  writeCorked(): void {
    const socket = this.#socket;
    const outbox = this.#outbox;
    if (socket === undefined || outbox === undefined) return;
    const { connections } = this.#traffic;
    while (!this.#isBacklogged) {
      const isBinary = outbox.isNextBinary;
      const isReply = outbox.isNextReply;
      const frame = outbox.take();
      if (frame === undefined) return;
      if (!isReply) {
        connections.pushes += 1;
        connections.pushBytes += frame.length;
      }
      connections.bytesOut += frame.length;
      if (socket.send(frame, isBinary, false) !== SENT) this.#look(socket);
    }
  }

  recount(): void {
    const outbox = this.#outbox;
    let heldBytes = this.#pace.waitingBytes;
    if (this.#isBacklogged) heldBytes += this.#socketBytes + (outbox?.waitingBytes ?? 0);
    else if (outbox !== undefined) heldBytes += outbox.heldReplyBytes;
    if (this.#heldAnswer !== undefined) heldBytes += this.#heldAnswer.reply.length;
    if (heldBytes === this.#heldBytes) return;
    this.#traffic.outboxes.add(heldBytes - this.#heldBytes);
    this.#heldBytes = heldBytes;
  }

  expel(message: string): void {
    this.close("UNAUTHORIZED", message);
  }

  /** Cuts off a peer that does not read. */
  refuseSlow(): void {
    if (this.#closing !== undefined) return;
    this.#traffic.connections.slowClientsCutOff += 1;
    this.close("SLOW_CONSUMER", `More than ${this.#unreadBytesMax} bytes were not read.`);
  }

  inOneWrite(work: () => void): void {
    const socket = this.#socket;
    if (socket === undefined) {
      work();
      return;
    }
    socket.cork(work);
    // `send` does not know what becomes of the corked bytes.
    if (this.#socket !== undefined) this.#look(socket);
  }

  /** Too many messages wait to be worked on. */
  flooded(): void {
    this.#traffic.connections.floodersCutOff += 1;
    this.close("RATE_LIMIT_EXCEEDED", "Messages came faster than they could be worked on.");
  }

  /** The same, at the end of this turn: for when a command is under way. */
  refuseSlowLater(): void {
    this.outbox.overflow();
  }

  /**
   * Tells the peer why, then closes: at once when it has read everything, else when it has, or by `cut`. Pushes that wait
   * are sent before a shutdown, and dropped where the peer is too slow for them. Replies that are held leave first, when they
   * may; only who is too slow would not read them.
   */
  close(code: ClosingCode, message: string): void {
    const socket = this.#socket;
    if (socket === undefined || this.#closing !== undefined) return;
    const outbox = this.#outbox;
    if (code === "SHUTTING_DOWN" && outbox !== undefined) this.#sendAll(socket, outbox);
    this.#closing = { code, message };
    this.#pace.close();
    const mustWait = code !== "SLOW_CONSUMER" && outbox?.isHolding === true;
    this.#arePushesOver = true;
    if (mustWait) outbox.seal();
    this.#endSession();
    if (!mustWait) this.#sayGoodbye(socket, this.#closing);
    // A shutdown has a time of its own.
    else if (code !== "SHUTTING_DOWN") this.#traffic.lingers(this);
  }

  #sayGoodbye(socket: MessageSocket, { code, message }: Closing): void {
    this.#hasSaidGoodbye = true;
    this.#endPushes();
    const push = this.#traffic.dispatch.closing(code, message, this.#format);
    socket.cork(() => {
      socket.send(exactly(push), this.#format === "msgpack", false);
    });
    this.#look(socket);
    this.recount();
    if (this.#socketBytes === 0) this.#end(code);
    else this.#traffic.lingers(this);
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.#socket?.close();
  }

  /** @returns false when the peer has left too much unread for this reply. */
  #send(reply: Reply, isBinary: boolean): boolean {
    const socket = this.#socket;
    if (socket === undefined) return true;
    if (reply.releaseOffset > this.#traffic.gate.releasedOffset || this.#outbox?.isHolding) {
      return this.#hold(reply, isBinary);
    }
    if (this.#isBacklogged && this.unreadBytes() + reply.length > this.#unreadBytesMax) return false;
    this.#traffic.connections.bytesOut += reply.length;
    const outcome = socket.send(exactly(reply), isBinary, false);
    if (outcome === SENT) return true;
    this.#look(socket);
    // Also where it has drained meanwhile: that is told, and there may be more to come.
    this.#isBacklogged = true;
    this.recount();
    this.#outbox?.noteUnread();
    return outcome !== DROPPED;
  }

  #hold({ bytes, length, releaseOffset }: Reply, isBinary: boolean): boolean {
    const { outbox } = this;
    if (!outbox.hasRoom(length)) return false;
    outbox.hold(bytes, length, isBinary, releaseOffset);
    this.recount();
    return true;
  }

  #look(socket: MessageSocket): void {
    this.#socketBytes = socket.getBufferedAmount();
    this.#isBacklogged = this.#socketBytes > 0;
  }

  #sendAll(socket: MessageSocket, outbox: PushOutbox): void {
    outbox.takeAll();
    while (outbox.mayTake) {
      // There is room: what the socket holds and what waits here is no more than an outbox may hold.
      this.#isBacklogged = false;
      this.#traffic.cork(socket, this);
    }
  }

  #endPushes(): void {
    this.#arePushesOver = true;
    this.#outbox?.close();
  }

  /** Tells the session, once, that nothing comes or goes any more. */
  #endSession(): void {
    if (this.#isSessionOver) return;
    this.#isSessionOver = true;
    this.session?.closed();
  }

  #end(code: ClosingCode): void {
    this.#socket?.end(CLOSE_CODES[code], code);
  }
}

function exactly(reply: Reply): Uint8Array {
  return reply.bytes.length === reply.length ? reply.bytes : reply.bytes.subarray(0, reply.length);
}
