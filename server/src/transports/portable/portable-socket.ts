/**
 * A WebSocket of ws, as the rest of the transports knows it.
 *
 * ws keeps what the socket does not take, and says of each frame when it has left: that a peer has read half of a large frame
 * is not told, but node:net looks at it when it judges whether a socket has timed out. So while something is unsent its
 * timeout says who has vanished, and a ping does else. Whatever comes in counts as heard, also half of a message.
 *
 * Frames are copied, for their owner uses the bytes again.
 */
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { DROPPED, type MessageOwner, type MessageSocket, SENT, type WebSocketRoute } from "../http/socket-server.ts";

const BUFFERED = 0;
/** A peer is pinged so long before it would be cut, or in the middle of a short time. */
const PING_BEFORE_MS = 16_000;
const NO_TIMEOUT = 0;

export class PortableSocket implements MessageSocket {
  readonly #socket: WebSocket;
  readonly #tcp: Socket;
  readonly #owner: MessageOwner;
  readonly #unreadBytesMax: number;
  readonly #silenceMsMax: number;
  #isOpen = true;
  #isCorked = false;
  /** The owner waits to hear that less is buffered. */
  #isBehind = false;
  #readBytes = -1;
  #isPinged = false;
  #heardAtMs = 0;
  /** Something is unsent, and node:net measures how long it has been. */
  #isTimed = false;
  /** One pong at a time: a peer that pings and does not read gets an answer to its last ping (RFC 6455, section 5.5.3). */
  #isPongUnsent = false;
  #nextPong: Buffer | undefined;
  readonly #onFlushed = (): void => this.#flushed();

  constructor(socket: WebSocket, tcp: Socket, owner: MessageOwner, route: WebSocketRoute) {
    this.#socket = socket;
    this.#tcp = tcp;
    this.#owner = owner;
    this.#unreadBytesMax = route.unreadBytesMax === 0 ? Number.POSITIVE_INFINITY : route.unreadBytesMax;
    this.#silenceMsMax = route.silenceSecsMax === 0 ? Number.POSITIVE_INFINITY : route.silenceSecsMax * 1000;
    socket.on("message", (message: Buffer, isBinary: boolean) => this.#receive(message, isBinary));
    socket.on("ping", (data: Buffer) => this.#answerPing(data));
    socket.on("error", () => this.#violated());
    socket.on("close", () => this.#closed(false));
    tcp.on("timeout", () => this.close());
    owner.opened(this);
  }

  send(message: Uint8Array, isBinary: boolean): number {
    if (!this.#hasRoom(message.length)) return DROPPED;
    this.#socket.send(Buffer.from(message), { binary: isBinary }, this.#onFlushed);
    if (this.#isCorked || this.#tcp.writableLength === 0) return SENT;
    this.#isBehind = true;
    return BUFFERED;
  }

  getBufferedAmount(): number {
    return this.#tcp.writableLength;
  }

  cork(work: () => void): void {
    const wasCorked = this.#isCorked;
    this.#isCorked = true;
    this.#tcp.cork();
    try {
      work();
    } finally {
      this.#tcp.uncork();
      this.#isCorked = wasCorked;
      if (this.#tcp.writableLength > 0) this.#isBehind = true;
    }
  }

  end(code: number, reason: string): void {
    this.#socket.close(code, reason);
    this.#closed(false);
  }

  close(): void {
    this.#socket.terminate();
    this.#closed(false);
  }

  /** Pings a peer that is silent, and cuts it where that does not help. */
  watch(nowMs: number): void {
    const { bytesRead } = this.#tcp;
    const isUnsent = this.#tcp.writableLength > 0;
    if (isUnsent !== this.#isTimed) this.#time(isUnsent);
    if (isUnsent || bytesRead !== this.#readBytes) {
      this.#readBytes = bytesRead;
      this.#isPinged = false;
      this.#heardAtMs = nowMs;
    }
    const silentMs = nowMs - this.#heardAtMs;
    if (silentMs >= this.#silenceMsMax) {
      this.close();
    } else if (!this.#isPinged && silentMs >= pingAfterMs(this.#silenceMsMax)) {
      this.#isPinged = true;
      this.#socket.ping();
    }
  }

  #time(isUnsent: boolean): void {
    if (this.#silenceMsMax === Number.POSITIVE_INFINITY) return;
    this.#isTimed = isUnsent;
    this.#tcp.setTimeout(isUnsent ? this.#silenceMsMax : NO_TIMEOUT);
  }

  #receive(message: Buffer, isBinary: boolean): void {
    if (this.#isOpen) this.#owner.receive(message, isBinary);
  }

  #answerPing(data: Buffer): void {
    if (!this.#isOpen) return;
    if (this.#isPongUnsent) this.#nextPong = data;
    else if (this.#hasRoom(data.length)) this.#pong(data);
    else this.#owner.dropped();
  }

  #pong(data: Buffer): void {
    this.#isPongUnsent = true;
    this.#socket.pong(data, false, () => {
      this.#isPongUnsent = false;
      const next = this.#nextPong;
      this.#nextPong = undefined;
      if (next !== undefined && this.#isOpen) this.#pong(next);
      this.#flushed();
    });
  }

  #hasRoom(bytes: number): boolean {
    return this.#tcp.writableLength + bytes <= this.#unreadBytesMax;
  }

  /** Also called for what was never sent, when the socket has closed. */
  #flushed(): void {
    if (!this.#isOpen || !this.#isBehind) return;
    this.#isBehind = this.#tcp.writableLength > 0;
    this.#owner.drained();
  }

  /** ws has sent a close frame that says what is wrong. */
  #violated(): void {
    this.#tcp.destroySoon();
    this.#closed(true);
  }

  #closed(isViolation: boolean): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#owner.closed(isViolation);
  }
}

function pingAfterMs(silenceMsMax: number): number {
  return Math.max(silenceMsMax / 2, silenceMsMax - PING_BEFORE_MS);
}
