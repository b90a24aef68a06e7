/**
 * `POST /api/v1/command`: headers are judged, the body is collected, the dispatcher answers.
 *
 * The common request, whose body comes whole with its headers, is handled in the memory it was read into: no copy, no
 * wait, one write. A body in several pieces is joined, a gzipped one is expanded off the main thread.
 *
 * A command that waits keeps its exchange open. There is no deadline for that: it ends with the body and starts again with
 * the reply. A second request on the connection, sent before the reply, closes it (http-exchange.ts).
 */
import { isRefusal, type Peer } from "../../access/access-control.ts";
import type { Grant } from "../../access/grant.ts";
import type { Caller, PushFormat, Session } from "../../dispatch/caller.ts";
import { acceptsGzip, bodyEncoding, bodyFormat, replyFormat } from "../content-negotiation.ts";
import type { GunzipResult } from "../gzip.ts";
import { RequestBody } from "../request-body.ts";
import type { Reply, WireFormat } from "../transport.ts";
import { chargeAddress, ratedGrant, refuseAccess } from "./admission.ts";
import { HttpExchange } from "./http-exchange.ts";
import type { HttpTraffic, Waiting } from "./http-traffic.ts";
import { HEADER, type HttpRequest, type HttpResponse } from "./socket-server.ts";

/** Answers one request of the command endpoint. */
export function handleCommand(traffic: HttpTraffic, request: HttpRequest, response: HttpResponse): void {
  const verdict = traffic.originRules.judge(request.getHeader(HEADER.host), request.getHeader(HEADER.origin));
  const requestFormat = bodyFormat(request.getHeader(HEADER.contentType));
  const format = replyFormat(request.getHeader(HEADER.accept), requestFormat ?? "json");
  const encoding = bodyEncoding(request.getHeader(HEADER.contentEncoding));
  const announced = request.getHeader(HEADER.contentLength);
  const announcedBytes = Number(announced);
  const command = new CommandExchange(traffic, response, {
    allowOrigin: verdict.allowOrigin,
    acceptsGzip: acceptsGzip(request.getHeader(HEADER.acceptEncoding)),
    isHead: false,
  });
  if (verdict.refusal !== "") {
    command.refuse("FORBIDDEN", verdict.refusal, format);
    return;
  }
  const grant = ratedGrant(traffic, request, command);
  if (isRefusal(grant)) {
    refuseAccess(command, grant, format);
  } else if (announced === "" && !isChunkedAlone(request.getHeader("transfer-encoding"))) {
    // uWS reads it as chunked whatever else it is; who has passed it on may have read something else. Without an answer, since
    // what comes behind it has been read already, and would be taken for the next request.
    command.cut();
  } else if (
    requestFormat === undefined ||
    encoding === undefined ||
    announcedBytes > traffic.options.requestBytesMax
  ) {
    chargeAddress(traffic, command);
    refuseBody(command, requestFormat, encoding, format);
  } else {
    command.grant = grant;
    command.read(requestFormat, format, encoding === "gzip", announcedBytes);
  }
}

/** By what its headers say of it. */
function refuseBody(
  command: CommandExchange,
  requestFormat: WireFormat | undefined,
  encoding: ReturnType<typeof bodyEncoding>,
  format: WireFormat,
): void {
  if (requestFormat === undefined) {
    command.refuse("UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json or application/msgpack.", format);
  } else if (encoding === undefined) {
    const headers = [["Accept-Encoding", "gzip"]] as const;
    command.refuse("UNSUPPORTED_MEDIA_TYPE", "The only Content-Encoding is gzip.", format, { headers });
  } else {
    // Not closed: a close with unread input resets the connection before the client reads why. The body is dropped.
    command.refuseTooLarge(format);
  }
}

function isChunkedAlone(transferEncoding: string): boolean {
  return transferEncoding === "" || transferEncoding.toLowerCase() === "chunked";
}

/** The caller of one HTTP request; lives until the request is answered, or its client gone. */
class HttpCaller implements Caller {
  readonly id: number;
  readonly protocol = "http";
  readonly outbox = undefined;
  commandCount = 0;
  session: Session | undefined;
  pushFormat: PushFormat = "json";
  grant: Grant;
  readonly #traffic: HttpTraffic;
  #exchange: CommandExchange | undefined;

  constructor(traffic: HttpTraffic, exchange: CommandExchange) {
    this.id = traffic.connections.nextId();
    this.grant = exchange.grant;
    this.#traffic = traffic;
    this.#exchange = exchange;
  }

  /** The request is its own connection, as far as commands can see. */
  get connectedAtMs(): number {
    return this.#traffic.clock.nowMs();
  }

  /** Asked for only by what is slow or rare, so it is not read for each request. Empty when the request is over. */
  get address(): string {
    return this.#exchange?.address ?? "";
  }

  unreadBytes(): number {
    return 0;
  }

  answerLate(reply: Reply): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#exchange = undefined;
    exchange.answerLate(reply);
  }

  /** What waits is refused by whoever expels (background-work.ts). */
  expel(): void {}

  release(): void {
    this.#exchange = undefined;
  }

  get isAnswered(): boolean {
    return this.#exchange === undefined;
  }
}

class CommandExchange extends HttpExchange implements Waiting, Peer {
  readonly protocol = "http";
  grant: Grant = this.traffic.access.newcomer;
  #requestFormat: WireFormat = "json";
  #replyFormat: WireFormat = "json";
  #isGzipped = false;
  #announcedBytes = 0;
  /** Made for the bodies that have to be kept. */
  #body: RequestBody | undefined;
  /** The thread pool may be reading the body, so that its memory cannot be given back yet, not even when the client left. */
  #isExpanding = false;
  /** The caller of a command that waits. */
  #waiting: HttpCaller | undefined;

  /** The peer's, as text; empty when the request is over. */
  get address(): string {
    return this.response?.address() ?? "";
  }

  read(requestFormat: WireFormat, replyFormat: WireFormat, isGzipped: boolean, announcedBytes: number): void {
    this.#requestFormat = requestFormat;
    this.#replyFormat = replyFormat;
    this.#isGzipped = isGzipped;
    this.#announcedBytes = announcedBytes;
    // Before anything of it has come, which may be never.
    this.traffic.awaitBody(this);
    this.response?.readBody();
  }

  refuseTooLarge(format: WireFormat): void {
    const bytesMax = this.traffic.options.requestBytesMax;
    const details = { max_request_bytes: bytesMax };
    this.refuse("PAYLOAD_TOO_LARGE", `A request may have at most ${bytesMax} bytes.`, format, { details });
  }

  /** The body did not arrive in time. */
  cutOff(): void {
    this.traffic.connections.silentClientsCutOff += 1;
    const message = `The request did not arrive within ${this.traffic.options.connectionTimeoutMs} ms.`;
    this.corked(() => this.refuse("INVALID_REQUEST", message, this.#replyFormat, { status: 408, close: true }));
  }

  /** Takes the reply of a command that waited; its session hears of nothing more. */
  answerLate(reply: Reply): void {
    this.#waiting = undefined;
    this.answerLater(reply);
  }

  protected override onFinished(): void {
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting.release();
      waiting.session?.closed();
    }
    this.traffic.forgetBody(this);
    if (this.#body !== undefined && !this.#isExpanding) this.#body.release();
  }

  override received(chunk: Uint8Array, isLast: boolean): void {
    if (!this.isOpen) return;
    this.traffic.connections.bytesIn += chunk.length;
    if (isLast) this.traffic.forgetBody(this);
    if (isLast && this.#body === undefined && !this.#isGzipped) {
      // Its length was announced and judged: the end of a body without one comes as an empty chunk of its own.
      this.#dispatch(chunk);
      return;
    }
    const body = this.#keep(chunk);
    if (body === undefined || !isLast) return;
    if (this.#isGzipped) this.#expand(body);
    else this.#dispatch(body.view());
  }

  /** Adds a chunk to the body; refuses the request and returns undefined where there is no room. */
  #keep(chunk: Uint8Array): RequestBody | undefined {
    const { bodyBudget, options } = this.traffic;
    let body = this.#body;
    if (body === undefined) {
      body = new RequestBody(bodyBudget, options.requestBytesMax, this.#announcedBytes);
      this.#body = body;
    }
    const result = body.append(chunk);
    if (result === "ok") return body;
    if (result === "too-large") this.refuseTooLarge(this.#replyFormat);
    else this.refuse("SERVICE_UNAVAILABLE", "Too many large requests are arriving at once.", this.#replyFormat);
    return undefined;
  }

  #expand(body: RequestBody): void {
    this.#isExpanding = true;
    const viewWhileOpen = () => (this.isOpen ? body.view() : undefined);
    void this.traffic.gzipQueue.expand(viewWhileOpen).then((result) => {
      this.#isExpanding = false;
      if (!this.isOpen) body.release();
      this.corked(() => this.#dispatchExpanded(result));
    });
  }

  #dispatchExpanded(result: GunzipResult): void {
    switch (result) {
      case "too-large":
        this.refuseTooLarge(this.#replyFormat);
        return;
      case "invalid": {
        const message = "The body is not valid gzip, as Content-Encoding says it is.";
        this.refuse("INVALID_REQUEST", message, this.#replyFormat);
        return;
      }
      case "no-room": {
        const message = "Too many compressed requests are arriving at once.";
        this.refuse("SERVICE_UNAVAILABLE", message, this.#replyFormat);
        return;
      }
      case "abandoned":
        return;
      default:
        this.#dispatch(result);
    }
  }

  #dispatch(message: Uint8Array): void {
    if (!this.isOpen) return;
    const caller = new HttpCaller(this.traffic, this);
    const reply = this.dispatch.handle(message, this.#requestFormat, this.#replyFormat, caller);
    if (reply === undefined) {
      if (!caller.isAnswered) this.#wait(caller);
      return;
    }
    caller.release();
    this.answerReleased(reply);
    if (this.isOpen) this.#releaseBody();
  }

  #wait(caller: HttpCaller): void {
    this.#waiting = caller;
    this.#releaseBody();
  }

  /** The command has taken what it needs. A body that stayed would keep others from arriving. */
  #releaseBody(): void {
    this.#body?.release();
    this.#body = undefined;
  }
}
