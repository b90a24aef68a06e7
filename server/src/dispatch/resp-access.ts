/**
 * What Redis clients need to say who they are (AUTH, HELLO ... AUTH), and what connection commands need of their token. Commands
 * of the registry have that in their declaration; these have a guard:
 *
 *     anybody        no token: AUTH itself, and what ends a connection
 *     known          any valid token
 *     admin:read     what shows the server; `admin:admin` what changes it
 *
 * SUBSCRIBE, PSUBSCRIBE and WATCH look at their words too.
 */
import type { Peer } from "../access/access-control.ts";
import { type Grant, slotOf } from "../access/grant.ts";
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import { grantRefusal } from "../commands/access-rule.ts";
import { CommandError } from "../commands/errors.ts";
import { errorText } from "../commands/resp/error-texts.ts";
import { ClientSession } from "../fanout/client-session.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import { literalPrefixLength } from "../structures/glob.ts";
import type { RespClient } from "./resp-client.ts";

export type RespGuard = "anybody" | "known" | "admin:read" | "admin:admin";

/** Who may use this node, as far as a connection of a Redis client asks. */
export interface RespAccess {
  /** What a connection has before it has said who it is. */
  readonly newcomer: Grant;
  authenticate(token: string, name: string | undefined, peer: Peer): Grant | CommandError;
}

export const WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
export const NO_PASSWORD =
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
/** In the place of an error: the connection gets it later. */
export const ANSWERED_LATER = "";
const NO_AUTH = "NOAUTH Authentication required.";
const HAS_SUBSCRIPTIONS =
  "NOPERM this connection has subscriptions that the new token does not permit: open another for it";

const SLOTS: Readonly<Record<"admin:read" | "admin:admin", number>> = {
  "admin:read": slotOf("admin", "read"),
  "admin:admin": slotOf("admin", "admin"),
};
const KV_READ = slotOf("kv", "read");
const PUBSUB_READ = slotOf("pubsub", "read");

/** Why a client may say nothing but who it is; undefined where it is known. */
export function strangerRefusal(
  { grant }: RespClient,
  guard: RespGuard | undefined,
  nowMs: number,
): string | undefined {
  if (guard === "anybody") return undefined;
  const refusal = grantRefusal(grant, nowMs);
  if (refusal === undefined) return undefined;
  return grant.end === "anonymous" ? NO_AUTH : errorText(refusal, undefined);
}

/** Why a connection command may not run. */
export function guardRefusal({ grant }: RespClient, guard: RespGuard, name: string): string | undefined {
  if (guard === "anybody" || guard === "known" || grant.isUnrestricted) return undefined;
  return grant.allowsAll(SLOTS[guard]) ? undefined : `NOPERM the token does not permit ${name}: it needs ${guard}`;
}

/** Logs a client in, or answers with the error. `name` is that of the token, or Redis' default user. */
export function logIn(client: RespClient, access: RespAccess, name: string, token: string): string | undefined {
  const grant = access.authenticate(token, name, client);
  if (grant instanceof CommandError) {
    if (grant.code !== "RATE_LIMIT_EXCEEDED") return WRONG_PASSWORD;
    // Who tries at full speed is answered slowly, and has to connect anew then: that costs it more than us.
    client.isBlocked = true;
    client.socket.endLater(`-ERR ${grant.message}: try again later\r\n`);
    return ANSWERED_LATER;
  }
  const { session } = client;
  const hasParts = session instanceof ClientSession && session.partCount > 0;
  if (hasParts && !grant.covers(client.grant)) return HAS_SUBSCRIPTIONS;
  client.granted(grant);
  return undefined;
}

/** Why the words from the second on may not be watched. */
export function keysRefusal({ grant }: RespClient, request: RespRequest): string | undefined {
  if (grant.isUnrestricted) return undefined;
  for (let word = 1; word < request.count; word++) {
    if (!grant.allows(KV_READ, request.range(word))) return "NOPERM the token does not permit to watch this key";
  }
  return undefined;
}

const KEYSPACE = rangeOf("__keyspace@0__:");
const KEYEVENT = rangeOf("__keyevent@0__:");

/** Why the words from the second on may not be subscribed to. Channels of keyspace events tell of keys: those count too. */
export function channelsRefusal({ grant }: RespClient, request: RespRequest, isGlob: boolean): string | undefined {
  if (grant.isUnrestricted) return undefined;
  for (let word = 1; word < request.count; word++) {
    const name = request.range(word);
    const start = isGlob ? new ByteRange(name.bytes, name.start, name.start + literalPrefixLength(name)) : name;
    const isOneName = start.length === name.length;
    const isPermitted = isOneName ? grant.allows(PUBSUB_READ, start) : grant.allowsAllFrom(PUBSUB_READ, start);
    if (!isPermitted || !permitsKeys(grant, start, !isOneName)) {
      return `NOPERM the token does not permit the ${isGlob ? "pattern" : "channel"} '${name.toString().slice(0, 100)}'`;
    }
  }
  return undefined;
}

/** @param start what all the channels begin with; `goesOn` where more may follow. */
function permitsKeys(grant: Grant, start: ByteRange, goesOn: boolean): boolean {
  if (begins(start, KEYSPACE)) {
    return grant.allows(KV_READ, new ByteRange(start.bytes, start.start + KEYSPACE.length, start.end));
  }
  const mayBeKeyspace = begins(start, KEYEVENT) || (goesOn && (begins(KEYSPACE, start) || begins(KEYEVENT, start)));
  return !mayBeKeyspace || grant.allowsAll(KV_READ);
}

function begins(range: ByteRange, prefix: ByteRange): boolean {
  if (range.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++)
    if (range.bytes[range.start + i] !== prefix.bytes[prefix.start + i]) return false;
  return true;
}
