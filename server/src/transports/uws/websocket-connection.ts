/**
 * One WebSocket. A message is answered in the frame kind it came in, at once and in order.
 *
 *     open --first message--> serving --too much unread, or shutdown--> closing --drained, or overdue--> closed
 *
 * What the peer has not read lies in uWS's buffer, at most `outboxBytesMax`; past that the connection is closing: it
 * takes no more messages, says why in a `closing` push, and ends as soon as the peer has read it all, or is cut. When the
 * outboxes of all connections together are too full, the fullest is cut at once: it would not read the push anyway.
 */
import type { Caller } from "../../dispatch/caller.ts";
import type { ClosingCode, Reply, WireFormat } from "../transport.ts";
import type { WebSocket } from "./uws.ts";
import type { WebSocketTraffic } from "./websocket-traffic.ts";

const CLOSE_CODES: Readonly<Record<ClosingCode, number>> = { SLOW_CONSUMER: 1013, SHUTTING_DOWN: 1001 };
/** What `send` of uWS returns when the message went to the socket at once. Else it was buffered (0) or dropped (2). */
const SENT = 1;
const DROPPED = 2;

/** uWS copies the fields of this object to its own; an instance of a class would lose its methods. */
export interface SocketData {
  readonly connection: WebSocketConnection;
}

export class WebSocketConnection implements Caller {
  readonly id: number;
  readonly protocol = "websocket";
  readonly address: string;
  readonly connectedAtMs: number;
  commandCount = 0;
  readonly #traffic: WebSocketTraffic;
  /** Set from open to close; uWS's object must not be touched after that. */
  #socket: WebSocket<SocketData> | undefined;
  /** Some of what was sent may lie in uWS's buffer. While it is false nobody has to ask how much. */
  #isBacklogged = false;
  /** What lay in uWS's buffer when it was last looked at; counted in the budget of all outboxes. */
  #heldBytes = 0;
  #closing: ClosingCode | undefined;
  /** That of the last message. */
  #format: WireFormat = "json";
  #hasSpoken = false;

  constructor(traffic: WebSocketTraffic, id: number, address: string, connectedAtMs: number) {
    this.#traffic = traffic;
    this.id = id;
    this.address = address;
    this.connectedAtMs = connectedAtMs;
  }

  unreadBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  opened(socket: WebSocket<SocketData>): void {
    this.#socket = socket;
    this.#traffic.opened(this);
  }

  closed(): void {
    this.#socket = undefined;
    this.#count(0);
    this.#traffic.closed(this);
  }

  /** @param message socket memory, gone when this returns. */
  receive(message: Uint8Array, isBinary: boolean): void {
    const { connections, dispatch } = this.#traffic;
    connections.websocketMessages += 1;
    connections.bytesIn += message.length;
    if (this.#closing !== undefined) return;
    if (!this.#hasSpoken) {
      this.#hasSpoken = true;
      this.#traffic.hasSpoken(this);
    }
    this.#format = isBinary ? "msgpack" : "json";
    this.#send(dispatch.handle(message, this.#format, this.#format, this), isBinary);
  }

  /** The peer has read some of the backlog. */
  drained(): void {
    if (this.#socket === undefined) return;
    this.#count(this.#socket.getBufferedAmount());
    if (this.#heldBytes > 0) return;
    this.#isBacklogged = false;
    if (this.#closing !== undefined) this.#end(this.#closing);
  }

  /** Cuts off a peer that does not read. */
  refuseSlow(): void {
    if (this.#closing !== undefined) return;
    this.#traffic.connections.slowClientsCutOff += 1;
    this.close("SLOW_CONSUMER", `More than ${this.#traffic.outboxBytesMax} bytes were not read.`);
  }

  /** Tells the peer why, then closes: at once when it has read everything, else when it has, or by `cut`. */
  close(code: ClosingCode, message: string): void {
    const socket = this.#socket;
    if (socket === undefined || this.#closing !== undefined) return;
    this.#closing = code;
    const push = this.#traffic.dispatch.closing(code, message, this.#format);
    socket.cork(() => {
      socket.send(exactly(push), this.#format === "msgpack", false);
    });
    this.#count(socket.getBufferedAmount());
    if (this.#heldBytes === 0) this.#end(code);
    else this.#traffic.lingers(this);
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.#socket?.close();
  }

  #send(reply: Reply, isBinary: boolean): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    if (this.#isBacklogged && socket.getBufferedAmount() + reply.length > this.#traffic.outboxBytesMax) {
      this.refuseSlow();
      return;
    }
    this.#traffic.connections.bytesOut += reply.length;
    const outcome = socket.send(exactly(reply), isBinary, false);
    if (outcome === SENT) return;
    this.#isBacklogged = true;
    this.#count(socket.getBufferedAmount());
    if (outcome === DROPPED) this.refuseSlow();
    if (!this.#traffic.outboxes.hasRoom(0)) this.#traffic.cutSlowest();
  }

  #count(heldBytes: number): void {
    this.#traffic.outboxes.add(heldBytes - this.#heldBytes);
    this.#heldBytes = heldBytes;
  }

  #end(code: ClosingCode): void {
    this.#socket?.end(CLOSE_CODES[code], code);
  }
}

function exactly(reply: Reply): Uint8Array {
  return reply.bytes.length === reply.length ? reply.bytes : reply.bytes.subarray(0, reply.length);
}
