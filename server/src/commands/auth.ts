/** auth: says on a living connection who one is, anew or for the first time. */
import type { Grant } from "../access/grant.ts";
import { TOKEN_BYTES_MAX } from "../access/token.ts";
import type { Caller } from "../dispatch/caller.ts";
import { ClientSession } from "../fanout/client-session.ts";
import { ANYBODY } from "./access-rule.ts";
import { nodeCommand } from "./command.ts";
import { type CommandError, fail, isCommandError } from "./errors.ts";
import type { NodeAccess } from "./node.ts";
import { Flag, Integer, Items, Nullable, Struct, Text } from "./schema.ts";

export const auth = nodeCommand({
  name: "auth",
  access: "read",
  guard: ANYBODY,
  shows: "nothing",
  summary: "Gives this connection the permissions of a token, in the place of those it had (WebSocket).",
  arguments: Struct({ token: Text({ maxBytes: TOKEN_BYTES_MAX }) }),
  reply: Struct({
    success: Flag(),
    name: Text({ description: "The token's; empty where nobody has to log in." }),
    allow: Items(Text(), { description: "Permissions, as subsystem:access:prefix." }),
    expires_at: Nullable(Integer(), {
      description: "Milliseconds since the epoch; null for one that does not expire.",
    }),
  }),
  act({ token }, { node: { access }, caller }) {
    if (caller.protocol !== "websocket") {
      return fail(
        "INVALID_REQUEST",
        "auth is for a WebSocket: send the token with the request, as Authorization: Bearer",
      );
    }
    const grant = newGrant(access, caller, token, undefined);
    if (isCommandError(grant)) {
      // Who tries at full speed is answered slowly, and has to connect anew then: that costs it more than us.
      if (grant.code === "RATE_LIMIT_EXCEEDED") caller.isHeldBack = true;
      return grant;
    }
    caller.grant = grant;
    return { success: true, ...access.describe(grant) };
  },
});

/**
 * What a token grants to a living connection, by `auth` or a Redis client's AUTH. Its subscriptions go on, so the token has to
 * permit what they may see. Errors: those of `NodeAccess#authenticate`, and FORBIDDEN.
 */
export function newGrant(
  access: Pick<NodeAccess, "authenticate" | "refused">,
  caller: Caller,
  token: string,
  name: string | undefined,
): Grant | CommandError {
  const grant = access.authenticate(token, name, caller);
  if (isCommandError(grant)) return grant;
  const { session } = caller;
  const hasParts = session instanceof ClientSession && session.partCount > 0;
  if (!hasParts || grant.covers(caller.grant)) return grant;
  const message = "this connection has subscriptions that the new token does not permit: open another for it";
  access.refused(caller, "auth", message);
  return fail("FORBIDDEN", message);
}
