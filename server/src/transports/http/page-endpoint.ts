/** The documents beside the command endpoint, and the answers to requests that are for none of them. */
import { type AccessRefusal, isRefusal } from "../../access/access-control.ts";
import { acceptsGzip, replyFormat } from "../content-negotiation.ts";
import type { Page, PageRoute, RefusalCode, Reply } from "../transport.ts";
import { chargedOrRefusal, grantOrRefusal, refuseAccess } from "./admission.ts";
import { type Header, HttpExchange } from "./http-exchange.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import { HEADER, type HttpRequest, type HttpResponse } from "./socket-server.ts";

/** GET or HEAD of a page. */
export function handlePage(traffic: HttpTraffic, route: PageRoute, request: HttpRequest, response: HttpResponse): void {
  const query = request.getQuery();
  const exchange = open(traffic, request, response, route.isProbe === true);
  if (exchange === undefined) return;
  // Only now: a token that comes with a foreign page is none of its user's, and a wrong one counts for the address.
  const refused = route.needs === undefined ? undefined : pageRefusal(traffic, route.needs, request, response);
  if (refused !== undefined) {
    refuseAccess(exchange, refused, "json");
    return;
  }
  const send = (page: Page) => exchange.answer(encode(page));
  const fail = (error: unknown) => {
    const details = { id: traffic.reportBug(error, `the page ${route.path}`) };
    exchange.refuse("INTERNAL_ERROR", "This page could not be made.", "json", { details });
  };
  let page: Page | Promise<Page>;
  try {
    page = route.respond({ query, isStopping: traffic.isStopping });
  } catch (error) {
    fail(error);
    return;
  }
  if (page instanceof Promise) {
    page.then(
      (made) => exchange.corked(() => send(made)),
      (error: unknown) => exchange.corked(() => fail(error)),
    );
  } else {
    send(page);
  }
}

/** Why a page is not for whoever asks. */
function pageRefusal(
  traffic: HttpTraffic,
  needs: NonNullable<PageRoute["needs"]>,
  request: HttpRequest,
  response: HttpResponse,
): AccessRefusal | undefined {
  const peer = { address: response.address(), protocol: "http" };
  const grant = grantOrRefusal(traffic, request, peer, { needs: needs === "admin:read" ? "read" : undefined });
  return isRefusal(grant) ? grant : undefined;
}

/** OPTIONS: what an allowed origin may do here. Has a body, though none is needed: see http-exchange.ts. */
export function handlePreflight(
  traffic: HttpTraffic,
  methods: string,
  request: HttpRequest,
  response: HttpResponse,
): void {
  const asksPrivateNetwork = request.getHeader("access-control-request-private-network") === "true";
  const exchange = open(traffic, request, response);
  if (exchange === undefined) return;
  const headers: Header[] = [
    ["Allow", methods],
    ["Access-Control-Allow-Methods", methods],
    ["Access-Control-Allow-Headers", "Accept, Authorization, Content-Encoding, Content-Type, Last-Event-ID, X-API-Key"],
    ["Access-Control-Max-Age", "600"],
  ];
  // Chrome asks this before a public page may call a server on a private network or this machine.
  if (asksPrivateNetwork) headers.push(["Access-Control-Allow-Private-Network", "true"]);
  exchange.answerText(`${methods}\n`, headers);
}

/** The path is there, the method is not. */
export function refuseMethod(
  traffic: HttpTraffic,
  methods: string,
  request: HttpRequest,
  response: HttpResponse,
): void {
  const format = replyFormat(request.getHeader(HEADER.accept), "json");
  const message = `${request.getCaseSensitiveMethod()} is not possible here; allowed: ${methods}.`;
  const form = { status: 405, headers: [["Allow", methods]] as const };
  open(traffic, request, response)?.refuse("INVALID_REQUEST", message, format, form);
}

/** A plain request to the WebSocket endpoint, or a handshake of another version. */
export function refuseUpgrade(traffic: HttpTraffic, request: HttpRequest, response: HttpResponse): void {
  const headers = [
    ["Upgrade", "websocket"],
    ["Sec-WebSocket-Version", "13"],
  ] as const;
  const form = { status: 426, headers };
  open(traffic, request, response)?.refuse("INVALID_REQUEST", "Here is a WebSocket (version 13).", "json", form);
}

/** A handshake that is not accepted. */
export function refuseHandshake(
  traffic: HttpTraffic,
  code: RefusalCode,
  message: string,
  response: HttpResponse,
): void {
  handshakeExchange(traffic, response).refuse(code, message, "json");
}

/** A handshake with one could be read in two ways: the body as frames, or the frames as a body. */
export function hasBody(request: HttpRequest): boolean {
  const length = request.getHeader(HEADER.contentLength);
  return (length !== "" && length !== "0") || request.getHeader("transfer-encoding") !== "";
}

/** Ends the connection, too: what of the body has come already is not to be read as something else. */
export function refuseHandshakeBody(traffic: HttpTraffic, response: HttpResponse): void {
  const message = "A WebSocket handshake has no body: send it without Content-Length and Transfer-Encoding.";
  handshakeExchange(traffic, response).refuse("INVALID_REQUEST", message, "json", { close: true });
}

/** For an answer in the place of a handshake. */
export function handshakeExchange(traffic: HttpTraffic, response: HttpResponse): HttpExchange {
  return new HttpExchange(traffic, response, { allowOrigin: "", acceptsGzip: false, isHead: false });
}

export function refusePath(traffic: HttpTraffic, request: HttpRequest, response: HttpResponse): void {
  const format = replyFormat(request.getHeader(HEADER.accept), "json");
  const message = "There is nothing at this path; commands go to POST /api/v1/command.";
  open(traffic, request, response)?.refuse("INVALID_REQUEST", message, format, { status: 404 });
}

/**
 * Starts an exchange, or refuses a foreign Host or Origin, or an address that is too fast, and returns undefined.
 * @param isProbe answered although its address is too fast, and charged like the others.
 */
function open(
  traffic: HttpTraffic,
  request: HttpRequest,
  response: HttpResponse,
  isProbe = false,
): HttpExchange | undefined {
  const verdict = traffic.originRules.judge(request.getHeader(HEADER.host), request.getHeader(HEADER.origin));
  const exchange = new HttpExchange(traffic, response, {
    allowOrigin: verdict.allowOrigin,
    acceptsGzip: acceptsGzip(request.getHeader(HEADER.acceptEncoding)),
    isHead: request.getMethod() === "head",
  });
  if (verdict.refusal !== "") {
    exchange.refuse("FORBIDDEN", verdict.refusal, "json");
    return undefined;
  }
  const tooFast = chargedOrRefusal(traffic, request, response, isProbe);
  if (tooFast === undefined) return exchange;
  refuseAccess(exchange, tooFast, "json");
  return undefined;
}

function encode(page: Page): Reply {
  const bytes = typeof page.body === "string" ? Buffer.from(page.body) : page.body;
  return { status: page.status, bytes, length: bytes.length, contentType: page.contentType, releaseOffset: 0 };
}
