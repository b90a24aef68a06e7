/** Commands on the tokens of this node: admin.tokens.create, admin.tokens.list, admin.tokens.revoke. */
import { PERMISSIONS_MAX } from "../../access/permission.ts";
import { parseLife } from "../../access/token.ts";
import { WHOLE } from "../access-rule.ts";
import { nodeCommand, readCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import { Flag, Integer, Items, List, Nullable, Optional, Struct, Text } from "../schema.ts";
import { AnswerWait } from "../wait.ts";

/** The tokens are written to disk. */
const WRITE_MS_MAX = 30_000;

const shown = {
  name: Text(),
  allow: Items(Text(), { description: "Permissions, as subsystem:access:prefix." }),
  created_at: Integer({ description: "Milliseconds since the epoch." }),
  expires_at: Nullable(Integer(), { description: "Null for one that does not expire." }),
};

export const adminTokensCreate = nodeCommand({
  name: "admin.tokens.create",
  access: "admin",
  guard: WHOLE,
  shows: "nothing",
  summary: "Makes a token of this node and answers with it, this once: only its hash is kept.",
  arguments: Struct({
    name: Text({ maxBytes: 64, description: "What the token is known by: letters, digits and . _ -" }),
    allow: List(Text({ maxBytes: 1100 }), {
      maxItems: PERMISSIONS_MAX,
      description: "What it may do, such as kv:write:session: or queue:read:* or admin:*",
    }),
    expires: Optional(Text({ description: "How long it is valid, such as 30d, 12h or 15m; absent for ever." })),
  }),
  reply: Struct({ ...shown, token: Text({ description: "To be kept by whoever uses it: it cannot be shown again." }) }),
  isBlocking: () => true,
  act({ name, allow, expires }, { node: { access }, nowMs }) {
    const lifeMs = expires === undefined ? Number.POSITIVE_INFINITY : parseLife(expires);
    if (lifeMs === undefined) {
      return fail("INVALID_PAYLOAD", "expires is a number with s, m, h or d, such as 30d", { path: "expires" });
    }
    return whenWritten(access.create({ name, allow, expiresAtMs: nowMs + lifeMs }));
  },
});

export const adminTokensList = readCommand({
  name: "admin.tokens.list",
  access: "admin",
  guard: WHOLE,
  shows: "nothing",
  summary: "Answers with the tokens of this node, without what they are recognised by.",
  atomic: false,
  arguments: Struct({}),
  reply: Struct({ tokens: Items(Struct(shown)), count: Integer() }),
  read(_args, { node: { access } }) {
    const tokens = access.list().map((each) => ({ ...each, allow: [...each.allow] }));
    return { tokens, count: tokens.length };
  },
});

export const adminTokensRevoke = nodeCommand({
  name: "admin.tokens.revoke",
  access: "admin",
  guard: WHOLE,
  shows: "nothing",
  summary: "Ends a token of this node; connections that have logged in with it are closed.",
  arguments: Struct({ name: Text() }),
  reply: Struct({ revoked: Flag(), name: Text() }),
  isBlocking: () => true,
  act: ({ name }, { node: { access } }) => whenWritten(access.revoke(name)),
});

function whenWritten(change: Promise<unknown>): AnswerWait {
  return new AnswerWait(
    WRITE_MS_MAX,
    (answer) => {
      change.then(answer, (error: unknown) => answer(notWritten(error)));
      // It goes on: whoever asked for it may have left.
      return () => {};
    },
    () => fail("SERVICE_UNAVAILABLE", "the tokens are still being written: admin.tokens.list shows what becomes of it"),
  );
}

function notWritten(error: unknown): CommandError {
  if (isCommandError(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return fail("SERVICE_UNAVAILABLE", `the tokens could not be written: ${reason}`);
}
