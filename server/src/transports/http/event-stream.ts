/**
 * One event stream (server-sent events): an HTTP reply that goes on. Its pushes are complete events, made by whoever
 * pushes; what is added here are `retry` at the start, comments in times of silence, and the `closing` event.
 *
 *     accepted --dispatch.openEvents--> refused: an ordinary reply
 *                                   \-> streaming --too much unread, or shutdown--> ended
 *
 * That a stream begins tells that its room is there: it begins when that is released.
 *
 * A response takes whatever it is given and keeps without bound what the socket does not take. So it gets pieces of 64 KB, and
 * none while it keeps one: the rest waits in the outbox, where it is counted.
 *
 * A silent stream has no deadline (it had one until the request had come). A peer that takes nothing of what it was sent is
 * cut off after about 10 s. One that has vanished gets a comment every 15 s and is let go when the kernel gives up sending
 * it, which on Linux can take a quarter of an hour; until then only its outbox limits it.
 */
import type { Grant } from "../../access/grant.ts";
import type { Caller, PushFormat, Session } from "../../dispatch/caller.ts";
import type { Reader } from "../outbox-budget.ts";
import { PushOutbox, type PushSocket } from "../push-outbox.ts";
import type { ClosingCode } from "../transport.ts";
import type { EventStreams } from "./event-streams.ts";
import { type Header, HttpExchange, type ReplyTerms } from "./http-exchange.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import type { HttpResponse } from "./socket-server.ts";

export const EVENT_STREAM = "text/event-stream";
const HEADERS: readonly Header[] = [
  ["Cache-Control", "no-store"],
  // A proxy such as nginx would gather events until its buffer is full.
  ["X-Accel-Buffering", "no"],
];
/** The headers leave at once with it; a browser that has lost the connection comes back after 2 s. */
const START = Buffer.from("retry: 2000\n\n");
const PING = Buffer.from(": ping\n\n");
const EMPTY_COMMENT = Buffer.from(":\n\n");
/** After so much silence: below the 30 s and 60 s after which proxies close what is idle. */
const PING_AFTER_MS = 15_000;

export class EventStream extends HttpExchange implements Caller, PushSocket, Reader {
  readonly id: number;
  readonly protocol = "sse";
  readonly address: string;
  readonly connectedAtMs: number;
  commandCount = 0;
  session: Session | undefined;
  pushFormat: PushFormat = "sse";
  readonly outbox: PushOutbox;
  grant: Grant;
  readonly #streams: EventStreams;
  #response: HttpResponse | undefined;
  /** The last piece was not taken whole, and there was no room since. */
  isBlocked = false;
  /** The size of that piece: nobody tells how much of it waits. */
  #socketBytes = 0;
  heldBytes = 0;
  #lastWriteMs = 0;
  #isListed = false;
  /** The stream ends with this when what waits has been written; nothing is pushed any more, and the session knows. */
  #closing: { readonly code: ClosingCode; readonly message: string } | undefined;

  constructor(traffic: HttpTraffic, streams: EventStreams, response: HttpResponse, terms: ReplyTerms) {
    super(traffic, response, terms);
    this.#streams = streams;
    this.id = traffic.connections.nextId();
    this.address = response.address();
    this.connectedAtMs = traffic.clock.nowMs();
    this.grant = traffic.access.newcomer;
    this.outbox = new PushOutbox(this, traffic.pushWriter, traffic.options.outboxBytesMax);
  }

  unreadBytes(): number {
    return this.#socketBytes + this.outbox.waitingBytes;
  }

  socketBytes(): number {
    return this.#socketBytes;
  }

  /** Subscribes what the request names, and begins the stream, or answers why not. */
  start(query: string, lastEventId: string): void {
    const opened = this.dispatch.openEvents({ query, lastEventId }, this);
    if (opened.status !== undefined) {
      this.outbox.close();
      this.answerReleased(opened);
    } else if (opened.releaseOffset <= this.traffic.gate.releasedOffset) {
      this.#begin();
    } else {
      this.isBlocked = true;
      this.onceReleased(opened.releaseOffset, () => {
        this.isBlocked = false;
        this.#begin();
        this.outbox.socketDrained();
        if (this.traffic.isStopping) this.close("SHUTTING_DOWN", "The server is shutting down.");
      });
    }
  }

  #begin(): void {
    this.#response = this.beginStream(EVENT_STREAM, HEADERS, EMPTY_COMMENT);
    if (this.#response === undefined) return;
    this.#isListed = true;
    this.#streams.opened(this);
    this.#write(START);
  }

  expel(message: string): void {
    this.close("UNAUTHORIZED", message);
  }

  /** A stream sends no request after its first: nothing waits for a reply. */
  answerLate(): void {
    throw new Error("an event stream has no late replies");
  }

  /** Says that the connection is alive, where nothing else has said so for a while. */
  ping(nowMs: number): void {
    if (!this.isBlocked && nowMs - this.#lastWriteMs >= PING_AFTER_MS) this.#write(PING);
  }

  writePushes(outbox: PushOutbox): void {
    const { connections } = this.traffic;
    while (!this.isBlocked && this.#response !== undefined) {
      const framesBefore = outbox.waitingFrames;
      const piece = this.#streams.gather(outbox);
      if (piece === undefined) break;
      connections.pushes += framesBefore - outbox.waitingFrames;
      connections.pushBytes += piece.length;
      this.#write(piece);
    }
    this.#endIfDone();
  }

  recount(): void {
    const heldBytes = this.isBlocked ? this.unreadBytes() : 0;
    this.traffic.outboxes.add(heldBytes - this.heldBytes);
    this.heldBytes = heldBytes;
  }

  refuseSlow(): void {
    if (this.#closing !== undefined) return;
    this.traffic.connections.slowClientsCutOff += 1;
    // Before it has begun there is nowhere to say it.
    if (!this.#isListed) this.cut();
    else this.close("SLOW_CONSUMER", `More than ${this.traffic.options.outboxBytesMax} bytes were not read.`);
  }

  /** Ends the stream with a `closing` event: at once, or before a shutdown when the peer has taken what waits. */
  close(code: ClosingCode, message: string): void {
    if (this.#closing !== undefined) return;
    this.#closing = { code, message };
    if (code === "SHUTTING_DOWN") this.outbox.seal();
    else this.outbox.close();
    this.session?.closed();
    this.outbox.takeAll();
    this.writePushes(this.outbox);
  }

  protected override onFinished(): void {
    this.#response = undefined;
    this.isBlocked = false;
    this.#socketBytes = 0;
    this.outbox.close();
    this.recount();
    if (this.#closing === undefined) this.session?.closed();
    if (this.#isListed) this.#streams.closed(this);
  }

  #write(piece: Uint8Array): void {
    const response = this.#response;
    if (response === undefined) return;
    this.#lastWriteMs = this.traffic.clock.monotonicMs();
    this.traffic.connections.bytesOut += piece.length;
    if (response.write(piece)) return;
    this.isBlocked = true;
    this.#socketBytes = Math.max(this.#socketBytes, piece.length);
    this.outbox.noteUnread();
    this.recount();
  }

  /** The socket has taken it all. */
  override drained(): void {
    this.isBlocked = false;
    this.#socketBytes = 0;
    this.recount();
    this.outbox.socketDrained();
    this.#endIfDone();
  }

  /** A slow peer is told as soon as the response takes it; before a shutdown all that waits must have left the process. */
  #endIfDone(): void {
    const closing = this.#closing;
    if (closing === undefined || this.outbox.waitingFrames > 0) return;
    if (closing.code === "SHUTTING_DOWN" && this.isBlocked) return;
    const { bytes, length } = this.dispatch.closing(closing.code, closing.message, "json");
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString();
    this.#response = undefined;
    this.endStream(Buffer.from(`event: closing\ndata: ${text}\n\n`), closing.code === "SHUTTING_DOWN");
  }
}
