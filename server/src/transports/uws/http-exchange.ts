/**
 * One HTTP request on its way to its reply, and how a reply is written.
 *
 * A reply is offered with `tryEnd`, which takes no more than the socket takes. The rest waits here, and while it waits the
 * exchange is unanswered: uWS closes a connection whose next request comes before that (it answers one at a time), and
 * one that takes nothing for about 8 s. So a client that does not read costs one reply, however much it pipelines; with
 * `end` it would cost memory without bound. For the same reason every reply but those to HEAD has a body.
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
import { CONTENT_TYPE, contentTypeBytes, type HttpResponse } from "./uws.ts";

const STATUS_LINES: Readonly<Record<number, string>> = {
  400: "400 Bad Request",
  401: "401 Unauthorized",
  403: "403 Forbidden",
  404: "404 Not Found",
  405: "405 Method Not Allowed",
  408: "408 Request Timeout",
  409: "409 Conflict",
  410: "410 Gone",
  413: "413 Payload Too Large",
  415: "415 Unsupported Media Type",
  421: "421 Misdirected Request",
  422: "422 Unprocessable Content",
  426: "426 Upgrade Required",
  429: "429 Too Many Requests",
  500: "500 Internal Server Error",
  503: "503 Service Unavailable",
  507: "507 Insufficient Storage",
};

export type Header = readonly [name: string, value: string];

/** What a request said that its reply must heed. */
export interface ReplyTerms {
  /** The origin to name in CORS headers, or empty. */
  readonly allowOrigin: string;
  readonly acceptsGzip: boolean;
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

export class HttpExchange implements ReleaseWaiter, Visited {
  protected readonly traffic: HttpTraffic;
  protected readonly dispatch: Dispatch;
  readonly #terms: ReplyTerms;
  /** uWS's object, until the reply is handed over or the client is gone: then it must not be touched any more. */
  #response: HttpResponse | undefined;
  /** The reply has been offered to the socket; a part of it may still wait here. */
  #isAnswered = false;
  /** A reply, or the rest of one, that waits in memory and is counted as unread. */
  #held: Uint8Array = EMPTY;
  /** What answers, once the log is released up to `#releaseOffset`. */
  #later: (() => void) | undefined;
  #releaseOffset = 0;

  constructor(traffic: HttpTraffic, response: HttpResponse, terms: ReplyTerms) {
    this.traffic = traffic;
    this.dispatch = traffic.dispatch;
    this.#terms = terms;
    this.#response = response;
    traffic.begin();
    response.onAborted(() => this.#abort());
  }

  /** There is still an answer to be given, and somebody to give it to. */
  get isOpen(): boolean {
    return this.#response !== undefined && !this.#isAnswered;
  }

  /** uWS's object while the exchange is open, for reading the body and the peer's address. */
  protected get response(): HttpResponse | undefined {
    return this.#response;
  }

  /**
   * Sends a reply of the dispatcher, gzipped where that is wanted: at once, or when what it shows is released. Call it within
   * uWS's callback or `corked`.
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

  /** Sends a reply or a page, gzipped where that is wanted. Call it within uWS's callback or `corked`. */
  answer(reply: Reply): void {
    if (!this.#fits(reply)) {
      this.#refuseUnread(formatOf(reply));
      return;
    }
    const body = exactly(reply.bytes, reply.length);
    if (this.#terms.acceptsGzip && this.traffic.shouldCompress(reply.length)) {
      this.#answerCompressed(reply.status, reply.contentType, body);
      return;
    }
    this.#write(reply.status, reply.contentType, body, NO_HEADERS, false);
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

  /** A short plain text. */
  answerText(text: string, headers: readonly Header[]): void {
    this.#write(200, "text/plain; charset=utf-8", Buffer.from(text), headers, false);
  }

  /**
   * The headers of a reply without its body, to HEAD. The connection can take no more requests: this version of uWS goes
   * on waiting for the body it has been told the length of. The client is told to close, and closed if it does not.
   */
  answerHead(reply: Pick<Reply, "status" | "length" | "contentType">): void {
    const response = this.#response;
    if (response === undefined) return;
    this.#writeHead(response, reply.status, reply.contentType, NO_HEADERS);
    response.endWithoutBody(reply.length, true);
    this.#finish();
  }

  /** Sends the headers of a reply that has no end yet: what follows goes to the response that this returns. */
  protected beginStream(contentType: string, headers: readonly Header[]): HttpResponse | undefined {
    const response = this.#response;
    if (response !== undefined) this.#writeHead(response, 200, contentType, headers);
    return response;
  }

  /**
   * Sends the last bytes of a stream. The connection could take another request, and is closed by uWS if none comes. (To
   * have it closed at once is no use here: uWS then writes a `Connection` header, into the middle of the body.)
   */
  protected endStream(lastBytes: Uint8Array): void {
    const response = this.#response;
    if (response === undefined) return;
    this.traffic.connections.bytesOut += lastBytes.length;
    response.cork(() => {
      response.end(lastBytes);
    });
    this.#finish();
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.#response?.close();
  }

  /** Runs `write` so that all it writes leaves in one piece; for replies made outside uWS's callbacks. */
  corked(write: () => void): void {
    this.#response?.cork(write);
  }

  /** The exchange is over: answered or aborted. Called once. */
  protected onFinished(): void {}

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
    this.#isAnswered = true;
    this.#writeHead(response, status, contentType, headers);
    this.traffic.connections.bytesOut += body.length;
    if (close) {
      response.end(body, true);
      this.#finish();
    } else if (response.tryEnd(body, body.length)[1]) {
      this.#finish();
    } else {
      this.#keepRest(response, body);
    }
  }

  #writeHead(response: HttpResponse, status: number, contentType: string, headers: readonly Header[]): void {
    if (status !== 200) response.writeStatus(STATUS_LINES[status] ?? String(status));
    response.writeHeader(CONTENT_TYPE, contentTypeBytes(contentType));
    if (this.#terms.allowOrigin !== "") {
      response.writeHeader("Access-Control-Allow-Origin", this.#terms.allowOrigin);
      response.writeHeader("Vary", "Origin");
    }
    for (const [name, value] of headers) response.writeHeader(name, value);
    // The transport closes the connections itself, but only when all replies are taken.
    if (this.traffic.isStopping) response.writeHeader("Connection", "close");
  }

  /** Keeps the part of a reply that the socket did not take, and offers it again when there is room. */
  #keepRest(response: HttpResponse, body: Uint8Array): void {
    const restAt = response.getWriteOffset();
    const rest = body.slice(restAt);
    this.#hold(rest);
    response.onWritable((offset) => {
      const [taken, isDone] = response.tryEnd(rest.subarray(offset - restAt), body.length);
      if (isDone) this.#finish();
      return taken;
    });
  }

  #hold(bytes: Uint8Array): void {
    this.traffic.outboxes.add(bytes.length - this.#held.length);
    this.#held = bytes;
  }

  #abort(): void {
    if (this.#response === undefined) return;
    if (this.#isAnswered) this.traffic.connections.repliesAbandoned += 1;
    this.#finish();
  }

  #finish(): void {
    this.#response = undefined;
    if (this.#takeLater() !== undefined) this.traffic.gate.forget(this);
    if (this.#held.length > 0) this.#hold(EMPTY);
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
