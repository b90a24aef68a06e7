/** Which grant a request or a handshake has, and the answer to one that has none. Nothing is read where nobody has to log in. */
import { type AccessRefusal, isRefusal, type Peer } from "../../access/access-control.ts";
import type { Grant } from "../../access/grant.ts";
import { grantOf } from "../../access/request-access.ts";
import type { WireFormat } from "../transport.ts";
import type { HttpExchange } from "./http-exchange.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import { HEADER, type HttpRequest } from "./socket-server.ts";

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

/** Who has not said who it is gets no further than this: nothing of what it sends is read. */
export function isStranger({ access }: HttpTraffic, grant: Grant): boolean {
  return access.isOn && grant === access.newcomer;
}

export const NO_TOKEN: AccessRefusal = {
  code: "UNAUTHORIZED",
  message: "this server wants a token: send it as Authorization: Bearer TOKEN",
  retryAfterSecs: 0,
};

const CHALLENGE = [["WWW-Authenticate", 'Bearer realm="synap"']] as const;

/** Answers 401, 403 or 429. */
export function refuseAccess(exchange: HttpExchange, refusal: AccessRefusal, format: WireFormat): void {
  const { code, message, retryAfterSecs } = refusal;
  if (retryAfterSecs === 0) {
    exchange.refuse(code, message, format, code === "UNAUTHORIZED" ? { headers: CHALLENGE } : {});
    return;
  }
  const details = { retry_after_secs: retryAfterSecs };
  exchange.refuse(code, message, format, { details, headers: [["Retry-After", String(retryAfterSecs)]] });
}

/** The refusal of who is to get nothing; undefined for who may go on, with a token. */
export function refusalOf(traffic: HttpTraffic, grant: Grant | AccessRefusal): AccessRefusal | undefined {
  if (isRefusal(grant)) return grant;
  return isStranger(traffic, grant) ? NO_TOKEN : undefined;
}
