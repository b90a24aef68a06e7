/**
 * One HTTP request on its way to its reply, and how a reply is written.
 *
 * What of a reply the socket does not take is kept below, and counted here; until it has gone the exchange is unanswered. A
 * connection whose next request comes before that is closed, and so is one that takes nothing for some seconds. So a client
 * that does not read costs one reply, however much it pipelines. For the same reason every reply but those to HEAD has a body:
 * without one, uWS has nothing to keep, and reads on.
 *
 * A reply that shows what is not released yet is kept, and the exchange stays open as one whose command waits. So a client
 * that sends its next request before the reply to a write is closed, unless writes are not waited for: HTTP pipelining and
 * durable writes do not go together.
 */
import type { ReleaseWaiter } from "../../runtime/release-gate.ts";
import { compressSmall } from "../gzip.ts";
import type { Visited } from "../push-writer.ts";
import type { Dispatch, RefusalCode, Reply, WireFormat } from "../transport.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import type { HttpResponse, ResponseOwner } from "./socket-server.ts";

export type Header = readonly [name: string, value: string];

/** What a request said that its reply must heed. */
export interface ReplyTerms {
  /** The origin to name in CORS headers, or empty. */
  readonly allowOrigin: string;
  readonly acceptsGzip: boolean;
  /** Of whatever is answered the headers alone are sent: what came behind them would be read as the next reply. */
  readonly isHead: boolean;
}

/** What a refusal may differ in from its code's status. */
export interface RefusalForm {
  readonly status?: number;
  readonly headers?: readonly Header[];
  readonly details?: { readonly [name: string]: unknown };
  readonly close?: boolean;
}

/** The kernel takes a reply of this size even from a server whose memory for unread ones is used up. */
const SMALL_REPLY_BYTES_MAX = 16 * 1024;
const EMPTY = new Uint8Array(0);
const NO_HEADERS: readonly Header[] = [];

export class HttpExchange implements ReleaseWaiter, ResponseOwner, Visited {
  protected readonly traffic: HttpTraffic;
  protected readonly dispatch: Dispatch;
  readonly #terms: ReplyTerms;
  /** Refuses, when it has been held back for long enough. */
  #slowRefusal: (() => void) | undefined;
  /** Until the reply is handed over or the client is gone: then it must not be touched any more. */
  #response: HttpResponse | undefined;
  /** The reply has been offered to the socket; a part of it may still wait here. */
  #isAnswered = false;
  /** A reply that waits to be sent. It is counted as unread, like the rest of one that is kept below. */
  #held: Uint8Array = EMPTY;
  #restBytes = 0;
  /** What answers, once the log is released up to `#releaseOffset`. */
  #later: (() => void) | undefined;
  #releaseOffset = 0;

  constructor(traffic: HttpTraffic, response: HttpResponse, terms: ReplyTerms) {
    this.traffic = traffic;
    this.dispatch = traffic.dispatch;
    this.#terms = terms;
    this.#response = response;
    traffic.begin();
    response.own(this);
  }

  /** There is still an answer to be given, and somebody to give it to. */
  get isOpen(): boolean {
    return this.#response !== undefined && !this.#isAnswered;
  }

  /** While the exchange is open, for reading the body and the peer's address. */
  protected get response(): HttpResponse | undefined {
    return this.#response;
  }

  /**
   * Sends a reply of the dispatcher, gzipped where that is wanted: at once, or when what it shows is released. Call it while
   * the request is handed over, or `corked`.
   */
  protected answerReleased(reply: Reply): void {
    if (reply.releaseOffset <= this.traffic.gate.releasedOffset) this.answer(reply);
    else this.answerLater(reply);
  }

  /** The same, from anywhere: a copy is sent at the end of this turn or a later one. */
  protected answerLater(reply: Reply): void {
    if (!this.#fits(reply)) {
      const format = formatOf(reply);
      this.onceReleased(0, () => this.#refuseUnread(format));
      return;
    }
    const kept = { ...reply, bytes: reply.bytes.slice(0, reply.length) };
    this.#hold(kept.bytes);
    this.onceReleased(reply.releaseOffset, () => {
      this.#hold(EMPTY);
      this.answer(kept);
    });
  }

  /**
   * Answers corked, at the end of this turn or of the one in which the log is released so far; never where the client leaves
   * before. It waits for that turn also since uWS corks one connection at a time: in a callback of another every header would
   * be a write of its own.
   */
  protected onceReleased(releaseOffset: number, answer: () => void): void {
    this.#later = answer;
    this.#releaseOffset = releaseOffset;
    this.traffic.outboxes.countHeld(1, this.#held.length);
    this.released();
  }

  released(): void {
    if (this.#releaseOffset <= this.traffic.gate.releasedOffset) this.traffic.pushWriter.add(this);
    else this.traffic.gate.wait(this);
  }

  visit(): boolean {
    const answer = this.#takeLater();
    if (answer !== undefined) this.corked(answer);
    return false;
  }

  #takeLater(): (() => void) | undefined {
    const answer = this.#later;
    if (answer === undefined) return undefined;
    this.#later = undefined;
    this.traffic.outboxes.countHeld(-1, -this.#held.length);
    return answer;
  }

  /** Sends a reply or a page, gzipped where that is wanted. Call it as `answerReleased`. */
  answer(reply: Reply): void {
    if (this.#terms.isHead) {
      this.answerHead(reply);
      return;
    }
    if (!this.#fits(reply)) {
      this.#refuseUnread(formatOf(reply));
      return;
    }
    const body = exactly(reply.bytes, reply.length);
    if (this.#terms.acceptsGzip && this.traffic.shouldCompress(reply.length)) {
      this.#answerCompressed(reply.status, reply.contentType, body);
      return;
    }
    const { retryAfterSecs = 0 } = reply;
    const headers: readonly Header[] = retryAfterSecs === 0 ? NO_HEADERS : [["Retry-After", String(retryAfterSecs)]];
    this.#write(reply.status, reply.contentType, body, headers, false);
  }

  #fits({ length }: Pick<Reply, "length">): boolean {
    return length <= SMALL_REPLY_BYTES_MAX || this.traffic.outboxes.hasRoom(length);
  }

  #refuseUnread(format: WireFormat): void {
    this.refuse("SERVICE_UNAVAILABLE", "Too many replies are waiting for clients that do not read.", format);
  }

  refuse(code: RefusalCode, message: string, format: WireFormat, form: RefusalForm = {}): void {
    const reply = this.dispatch.refuse(code, message, format, form.details);
    const body = exactly(reply.bytes, reply.length);
    this.#write(form.status ?? reply.status, reply.contentType, body, form.headers ?? NO_HEADERS, form.close ?? false);
  }

  /** The same, about a second later: for who would try again at once. Nothing else may be answered meanwhile. */
  refuseSlowly(code: RefusalCode, message: string, format: WireFormat, form: RefusalForm): void {
    this.#slowRefusal = () => this.refuse(code, message, format, form);
    this.traffic.heldBack.add(this, this.traffic.clock.monotonicMs());
  }

  refuseNow(): void {
    const refuse = this.#slowRefusal;
    this.#slowRefusal = undefined;
    if (refuse !== undefined) this.corked(refuse);
  }

  /** A short plain text. */
  answerText(text: string, headers: readonly Header[]): void {
    this.#write(200, "text/plain; charset=utf-8", Buffer.from(text), headers, false);
  }

  /** The headers of a reply without its body, to HEAD. */
  answerHead(reply: Pick<Reply, "status" | "length" | "contentType">): void {
    const response = this.#response;
    if (response !== undefined) this.#endHead(response, reply, NO_HEADERS, false);
  }

  #endHead(
    response: HttpResponse,
    { status, length, contentType }: Pick<Reply, "status" | "length" | "contentType">,
    headers: readonly Header[],
    close: boolean,
  ): void {
    this.#writeHead(response, status, contentType, headers);
    response.endHead(length, close);
    this.#finish();
  }

  /** Sends the headers of a reply that has no end yet: what follows goes to the response that this returns. */
  protected beginStream(contentType: string, headers: readonly Header[], filler: Uint8Array): HttpResponse | undefined {
    const response = this.#response;
    if (response === undefined) return undefined;
    this.#writeHead(response, 200, contentType, headers);
    response.beginStream(filler);
    return response;
  }

  /** Sends the last bytes of a stream. @param isWaited the exchange goes on until the socket has taken them, so that no stop comes before. */
  protected endStream(lastBytes: Uint8Array, isWaited: boolean): void {
    const response = this.#response;
    if (response === undefined || this.#isAnswered) return;
    this.traffic.connections.bytesOut += lastBytes.length;
    this.#isAnswered = true;
    const restBytes = response.endStream(lastBytes);
    if (restBytes === 0 || !isWaited) {
      this.#finish();
    } else {
      this.#restBytes = restBytes;
      this.traffic.outboxes.add(restBytes);
    }
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.#response?.close();
  }

  /** Runs `write` so that all it writes leaves in one piece; for replies made later than the request was handed over. */
  corked(write: () => void): void {
    this.#response?.cork(write);
  }

  /** The exchange is over: answered or aborted. Called once. */
  protected onFinished(): void {}

  received(_chunk: Uint8Array, _isLast: boolean): void {
    throw new Error("this exchange has not asked for a body");
  }

  drained(): void {
    throw new Error("this exchange is no stream");
  }

  ended(): void {
    if (this.#response !== undefined) this.#finish();
  }

  gone(): void {
    if (this.#response === undefined) return;
    if (this.#isAnswered) this.traffic.connections.repliesAbandoned += 1;
    this.#finish();
  }

  #answerCompressed(status: number, contentType: string, body: Uint8Array): void {
    const small = compressSmall(body);
    if (small !== undefined) {
      this.#write(status, contentType, small, GZIPPED, false);
      return;
    }
    const queue = this.traffic.gzipQueue;
    if (queue.isFull) {
      this.#write(status, contentType, body, NO_HEADERS, false);
      return;
    }
    // The dispatcher's buffer is reused before the thread pool is done.
    this.#hold(body.slice());
    const heldWhileOpen = () => (this.isOpen ? this.#held : undefined);
    queue.compress(heldWhileOpen).then(
      (compressed) => {
        if (compressed === undefined) return;
        this.#hold(EMPTY);
        this.corked(() => this.#write(status, contentType, compressed, GZIPPED, false));
      },
      (error: unknown) => {
        const id = this.traffic.reportBug(error, "compressing a reply");
        const form = { details: { id } };
        this.corked(() => this.refuse("INTERNAL_ERROR", "The reply could not be compressed.", "json", form));
      },
    );
  }

  #write(status: number, contentType: string, body: Uint8Array, headers: readonly Header[], close: boolean): void {
    const response = this.#response;
    if (response === undefined || this.#isAnswered) return;
    if (this.#terms.isHead) {
      this.#endHead(response, { status, length: body.length, contentType }, headers, close);
      return;
    }
    this.#isAnswered = true;
    this.#writeHead(response, status, contentType, headers);
    this.traffic.connections.bytesOut += body.length;
    this.#restBytes = response.end(body, close);
    if (this.#restBytes === 0) this.#finish();
    else this.traffic.outboxes.add(this.#restBytes);
  }

  #writeHead(response: HttpResponse, status: number, contentType: string, headers: readonly Header[]): void {
    response.writeHead(status, contentType);
    if (this.#terms.allowOrigin !== "") {
      response.writeHeader("Access-Control-Allow-Origin", this.#terms.allowOrigin);
      response.writeHeader("Vary", "Origin");
    }
    for (const [name, value] of headers) response.writeHeader(name, value);
    // The transport closes the connections itself, but only when all replies are taken.
    if (this.traffic.isStopping) response.writeHeader("Connection", "close");
  }

  #hold(bytes: Uint8Array): void {
    this.traffic.outboxes.add(bytes.length - this.#held.length);
    this.#held = bytes;
  }

  #finish(): void {
    if (this.#slowRefusal !== undefined) this.traffic.heldBack.remove(this);
    this.#response = undefined;
    if (this.#takeLater() !== undefined) this.traffic.gate.forget(this);
    if (this.#held.length > 0) this.#hold(EMPTY);
    if (this.#restBytes > 0) this.traffic.outboxes.add(-this.#restBytes);
    this.onFinished();
    this.traffic.finish();
  }
}

const GZIPPED: readonly Header[] = [
  ["Content-Encoding", "gzip"],
  ["Vary", "Accept-Encoding"],
];

function formatOf({ contentType }: Pick<Reply, "contentType">): WireFormat {
  return contentType === "application/msgpack" ? "msgpack" : "json";
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.length === length ? bytes : bytes.subarray(0, length);
}
