/**
 * What Redis clients need to say who they are (AUTH, HELLO ... AUTH), and what connection commands need of their token. Commands
 * of the registry have that in their declaration; these have a guard:
 *
 *     anybody        no token: AUTH itself, and what ends a connection
 *     known          any valid token
 *     admin:read     what shows the server; `admin:admin` what changes it
 *
 * SUBSCRIBE, PSUBSCRIBE and WATCH look at their words too. The audit log is told of who is refused, and, of what needs
 * `admin:admin`, of each call that runs, as `Executor#refusal` and `CommandRunner#attempt` tell of commands of the registry.
 */
import { type Grant, slotOf } from "../access/grant.ts";
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import { newGrant } from "../commands/auth.ts";
import { CommandError } from "../commands/errors.ts";
import type { Executor } from "../commands/execute.ts";
import type { NodeAccess } from "../commands/node.ts";
import { errorText } from "../commands/resp/error-texts.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import { literalPrefixLength } from "../structures/glob.ts";
import type { RespClient } from "./resp-client.ts";
import type { RespCall } from "./resp-connection-command.ts";
import type { RespEntry } from "./resp-table.ts";

export type RespGuard = "anybody" | "known" | "admin:read" | "admin:admin";

/** Who may use this node, as far as a connection of a Redis client asks, and tells. */
export type RespAccess = Pick<NodeAccess, "newcomer" | "authenticate" | "refused" | "ran">;

export const WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
export const NO_PASSWORD =
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
/** In the place of an error: the connection gets it later. */
export const ANSWERED_LATER = "";
const NO_AUTH = "NOAUTH Authentication required.";

const SLOTS: Readonly<Record<"admin:read" | "admin:admin", number>> = {
  "admin:read": slotOf("admin", "read"),
  "admin:admin": slotOf("admin", "admin"),
};
const KV_READ = slotOf("kv", "read");
const PUBSUB_READ = slotOf("pubsub", "read");

/** Why a client may say nothing but who it is; undefined where it is known. */
export function strangerRefusal(
  client: RespClient,
  entry: RespEntry | undefined,
  executor: Executor,
): string | undefined {
  if (entry?.guard === "anybody") return undefined;
  const refusal = executor.strangerRefusal(client, entry?.command?.name ?? entry?.description.name);
  if (refusal === undefined) return undefined;
  return client.grant.end === "anonymous" ? NO_AUTH : errorText(refusal, undefined);
}

/** Why a connection command may not run. */
export function guardRefusal({ grant }: RespClient, guard: RespGuard, name: string): string | undefined {
  if (guard === "anybody" || guard === "known" || grant.isUnrestricted) return undefined;
  return grant.allowsAll(SLOTS[guard]) ? undefined : `the token does not permit ${name}: it needs ${guard}`;
}

/** Answers who may not run a connection command. What is `shown` may have its arguments; the audit log has the reason alone. */
export function refuse(
  { client, entry, sink, dispatcher }: Omit<RespCall, "request">,
  reason: string,
  shown = reason,
): void {
  dispatcher.access.refused(client, entry.description.name, reason);
  sink.error(`NOPERM ${shown}`);
}

/** Logs a client in, or answers with the error. `name` is that of the token, or Redis' default user. */
export function logIn(client: RespClient, access: RespAccess, name: string, token: string): string | undefined {
  const grant = newGrant(access, client, token, name);
  if (grant instanceof CommandError) {
    if (grant.code === "UNAUTHORIZED") return WRONG_PASSWORD;
    if (grant.code !== "RATE_LIMIT_EXCEEDED") return errorText(grant, undefined);
    // Who tries at full speed is answered slowly, and has to connect anew then: that costs it more than us.
    client.isBlocked = true;
    const error = `ERR ${grant.message}: try again later`;
    client.socket.endLater(`-${error}\r\n`);
    // EXEC has said how many replies there are.
    return client.isExecuting ? error : ANSWERED_LATER;
  }
  client.granted(grant);
  return undefined;
}

/** Whether all the words from the second on may be watched. */
export function permitsWatching({ grant }: RespClient, request: RespRequest): boolean {
  if (grant.isUnrestricted) return true;
  for (let word = 1; word < request.count; word++) if (!grant.allows(KV_READ, request.range(word))) return false;
  return true;
}

const KEYSPACE = rangeOf("__keyspace@0__:");
const KEYEVENT = rangeOf("__keyevent@0__:");

/** The first word that may not be subscribed to. Channels of keyspace events tell of keys: those count too. */
export function forbiddenChannel({ grant }: RespClient, request: RespRequest, isGlob: boolean): ByteRange | undefined {
  if (grant.isUnrestricted) return undefined;
  for (let word = 1; word < request.count; word++) {
    const name = request.range(word);
    const start = isGlob ? new ByteRange(name.bytes, name.start, name.start + literalPrefixLength(name)) : name;
    const isOneName = start.length === name.length;
    const isPermitted = isOneName ? grant.allows(PUBSUB_READ, start) : grant.allowsAllFrom(PUBSUB_READ, start);
    if (!isPermitted || !permitsKeys(grant, start, !isOneName)) return name;
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
