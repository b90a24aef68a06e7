/**
 * Which grant a request or a handshake has, and the answer to one that has none. Nothing is read where nobody has to log in.
 *
 *     address has room? -- no --> 429, and nothing else is looked at
 *       token, page, ... -- refused --> charged to the address
 *       command ------------------> charged by the dispatcher, which knows how many there are in it
 */
import { type AccessRefusal, isRefusal, type Peer } from "../../access/access-control.ts";
import { type Grant, slotOf } from "../../access/grant.ts";
import type { Level } from "../../access/permission.ts";
import { grantOf } from "../../access/request-access.ts";
import type { WireFormat } from "../transport.ts";
import type { HttpExchange } from "./http-exchange.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import { HEADER, type HttpRequest, type HttpResponse } from "./socket-server.ts";

/** @param query where a token may be in it: of an event stream and of a WebSocket. */
export function admit(
  { access }: HttpTraffic,
  request: HttpRequest,
  peer: Peer,
  query: string | undefined,
): Grant | AccessRefusal {
  if (!access.isOn) return access.newcomer;
  const authorization = request.getHeader(HEADER.authorization);
  const apiKey = authorization === "" ? request.getHeader(HEADER.apiKey) : "";
  return grantOf(access, { authorization, apiKey, query: query ?? "" }, peer);
}

/** Why nothing of an address is looked at now; undefined where it is. */
function addressRefusal({ rates, clock }: HttpTraffic, address: string, isForeign: boolean): AccessRefusal | undefined {
  const waitMs = rates === undefined ? 0 : rates.addressWaitMs(address, clock.monotonicMs(), isForeign);
  return waitMs === 0 ? undefined : { ...TOO_FAST, retryAfterSecs: Math.max(1, Math.ceil(waitMs / 1000)) };
}

/** Charges an address for a request that no dispatcher hears of. */
export function chargeAddress(
  { rates, clock }: HttpTraffic,
  { address }: { readonly address: string },
  isForeign = false,
): void {
  rates?.chargeAddress(address, clock.monotonicMs(), isForeign);
}

/**
 * The same for one that is charged whatever becomes of it; answers with why nothing of its address is looked at now.
 * @param isProbe charged alone.
 */
export function chargedOrRefusal(
  traffic: HttpTraffic,
  request: HttpRequest,
  response: HttpResponse,
  isProbe = false,
): AccessRefusal | undefined {
  if (traffic.rates === undefined) return undefined;
  const isForeign = isOfForeignPage(request);
  const address = response.address();
  const refusal = isProbe ? undefined : addressRefusal(traffic, address, isForeign);
  if (refusal === undefined) chargeAddress(traffic, { address }, isForeign);
  return refusal;
}

/** Has not said who it is. */
function isStranger({ access }: HttpTraffic, grant: Grant): boolean {
  return access.isOn && grant === access.newcomer;
}

const NO_TOKEN: AccessRefusal = {
  code: "UNAUTHORIZED",
  message: "this server wants a token: send it as Authorization: Bearer TOKEN",
  retryAfterSecs: 0,
};

export const TOO_MANY_CONNECTIONS: AccessRefusal = {
  code: "RATE_LIMIT_EXCEEDED",
  message: "this address has as many connections as it may",
  retryAfterSecs: 1,
};

const CHALLENGE = [["WWW-Authenticate", 'Bearer realm="synap"']] as const;

const TOO_FAST: AccessRefusal = {
  code: "RATE_LIMIT_EXCEEDED",
  message: "too much was sent: try again later",
  retryAfterSecs: 1,
};

/** Answers 401, 403 or 429. */
export function refuseAccess(exchange: HttpExchange, refusal: AccessRefusal, format: WireFormat): void {
  const { code, message, retryAfterSecs } = refusal;
  if (retryAfterSecs === 0) {
    exchange.refuse(code, message, format, code === "UNAUTHORIZED" ? { headers: CHALLENGE } : {});
    return;
  }
  const details = { retry_after_secs: retryAfterSecs };
  const headers = [["Retry-After", String(retryAfterSecs)]] as const;
  // Who tries at full speed is answered slowly, and has to connect anew then: that costs it more than us.
  if (refusal.isSlow) exchange.refuseSlowly(code, message, format, { details, headers, close: true });
  else exchange.refuse(code, message, format, { details, headers });
}

const FOREIGN_PAGE: AccessRefusal = {
  code: "FORBIDDEN",
  message: "a page of another origin may not have its browser log in here",
  retryAfterSecs: 0,
};

/**
 * A page can have an image, a frame or a link fetched from here, with a token of its own making in the address, and with no
 * Origin: its wrong ones would count for whoever looks at it. Browsers say so of themselves. Of the same site is also what comes from
 * another port of this host, or from another name of its domain.
 */
function isOfForeignPage(request: HttpRequest): boolean {
  const site = request.getHeader("sec-fetch-site");
  return (site === "cross-site" || site === "same-site") && request.getHeader(HEADER.origin) === "";
}

/**
 * The grant of who may go on, with a token that permits `needs`; or why it is turned away, which the audit log is told.
 * @param terms not there for commands: they come by POST alone, which browsers never send without an Origin.
 */
export function grantOrRefusal(
  traffic: HttpTraffic,
  request: HttpRequest,
  peer: Peer,
  terms?: AdmissionTerms,
): Grant | AccessRefusal {
  const { access } = traffic;
  if (terms !== undefined && access.isOn && isOfForeignPage(request)) {
    access.turnedAway(peer, FOREIGN_PAGE.message);
    return FOREIGN_PAGE;
  }
  const grant = admit(traffic, request, peer, terms?.query);
  if (isRefusal(grant) || grant.isUnrestricted) return grant;
  if (isStranger(traffic, grant)) {
    access.turnedAway(peer, NO_TOKEN.message);
    return NO_TOKEN;
  }
  const needs = terms?.needs;
  if (needs === undefined || grant.allowsAll(slotOf("admin", needs))) return grant;
  const message = `the token does not permit this: it needs admin:${needs}`;
  access.turnedAway(peer, message, grant);
  return { code: "FORBIDDEN", message, retryAfterSecs: 0 };
}

/** The same for what the dispatcher charges if it comes to that; what does not is charged to the address here. */
export function ratedGrant(
  traffic: HttpTraffic,
  request: HttpRequest,
  peer: Peer,
  terms?: AdmissionTerms,
): Grant | AccessRefusal {
  if (traffic.rates === undefined) return grantOrRefusal(traffic, request, peer, terms);
  const isForeign = isOfForeignPage(request);
  const tooFast = addressRefusal(traffic, peer.address, isForeign);
  if (tooFast !== undefined) return tooFast;
  const grant = grantOrRefusal(traffic, request, peer, terms);
  if (isRefusal(grant)) chargeAddress(traffic, peer, isForeign);
  return grant;
}

export interface AdmissionTerms {
  /** Where a token may be in it. */
  readonly query?: string;
  /** Of the subsystem admin; any token will do if it does not say. */
  readonly needs?: Level | undefined;
}
