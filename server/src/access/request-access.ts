/**
 * What a request or a handshake of HTTP carries, made into a grant. A transport asks this once for each of them, with the
 * headers as they came; where nobody has to log in it does not look at them at all.
 *
 *     Authorization: Bearer TOKEN
 *     X-API-Key: TOKEN
 *     Authorization: Basic base64(NAME:TOKEN)
 *     ?api_key=TOKEN                             from browsers, whose WebSockets and event streams carry no headers
 */
import type { AccessRefusal, Peer } from "./access-control.ts";
import type { Grant } from "./grant.ts";

/** Who may come in, as a transport asks. */
export interface TransportAccess {
  /** Whether anybody has to log in. */
  readonly isOn: boolean;
  /** What one has who has not said who it is. */
  readonly newcomer: Grant;
  authenticate(token: string, name: string | undefined, peer: Peer): Grant | AccessRefusal;
  /** For the audit log: somebody without a token, or with one that does not permit it, is turned away. */
  turnedAway(peer: Peer, reason: string, grant?: Grant): void;
}

/** What carries a token, as it came; empty for what did not. */
export interface Credentials {
  readonly authorization: string;
  readonly apiKey: string;
  /** The query string, for the endpoints where it may carry a token; else empty. */
  readonly query: string;
}

const MALFORMED: AccessRefusal = {
  code: "UNAUTHORIZED",
  message: "the Authorization header is neither Bearer nor Basic with a name and a token",
  retryAfterSecs: 0,
};

/** The grant of a request; that of a newcomer where it carries no token. */
export function grantOf(
  access: TransportAccess,
  { authorization, apiKey, query }: Credentials,
  peer: Peer,
): Grant | AccessRefusal {
  if (!access.isOn) return access.newcomer;
  if (authorization !== "") {
    const given = ofAuthorization(authorization);
    if (given !== undefined) return access.authenticate(given.token, given.name, peer);
    access.turnedAway(peer, MALFORMED.message);
    return MALFORMED;
  }
  const token = apiKey === "" ? tokenInQuery(query) : apiKey;
  return token === "" ? access.newcomer : access.authenticate(token, undefined, peer);
}

function ofAuthorization(header: string): { readonly token: string; readonly name?: string } | undefined {
  const space = header.indexOf(" ");
  const scheme = header.slice(0, space).toLowerCase();
  const rest = header.slice(space + 1).trim();
  if (scheme === "bearer") return { token: rest };
  if (scheme !== "basic") return undefined;
  const text = Buffer.from(rest, "base64").toString();
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  const name = text.slice(0, colon);
  const token = text.slice(colon + 1);
  return name === "" ? { token } : { token, name };
}

/** Empty where there is none. */
function tokenInQuery(query: string): string {
  return query.includes("api_key=") ? (new URLSearchParams(query).get("api_key") ?? "") : "";
}
