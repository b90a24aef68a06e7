/** Commands of transactions: transaction.multi, .exec, .discard, .watch and .unwatch. A `client_id` says whose. */
import { KNOWN, named } from "../access-rule.ts";
import { nodeCommand } from "../command.ts";
import { ERROR_STATUS, type ErrorCode, isCommandError } from "../errors.ts";
import { AnyObject, Choice, Flag, Items, Key, List, Name, OneOf, Optional, Struct, Text } from "../schema.ts";
import { ownedClient } from "./owned-client.ts";

const WATCH_KEYS_MAX = 1_000;
// The keys of the table are its codes.
const CODES = Object.keys(ERROR_STATUS) as ErrorCode[];

const clientId = Name({ description: "Chosen by the client; its write commands carry it too." });
const done = Struct({ success: Flag() });

export const transactionMulti = nodeCommand({
  name: "transaction.multi",
  access: "write",
  guard: KNOWN,
  summary: "Begins a transaction: write commands that carry this client_id are queued until transaction.exec.",
  arguments: Struct({ client_id: clientId }),
  reply: done,
  act: ({ client_id }, { transactions, caller, nowMs }) =>
    transactions.multi(ownedClient(caller, client_id), nowMs, caller.grant.owner) ?? { success: true },
});

export const transactionExec = nodeCommand({
  name: "transaction.exec",
  access: "write",
  guard: KNOWN,
  summary:
    "Runs what was queued as one record: a command that fails leaves nothing, the others commit. Nothing runs where a watched key has changed.",
  arguments: Struct({ client_id: clientId }),
  reply: OneOf(
    Struct({
      success: Flag(),
      results: Items(
        Struct({
          success: Flag(),
          payload: Optional({ description: "What the command answers with." }),
          error: Optional(Text()),
          code: Optional(Choice(CODES)),
          details: Optional(AnyObject()),
        }),
        { description: "One for each queued command, in order." },
      ),
    }),
    Struct({ aborted: Flag({ description: "True: nothing has happened." }), message: Text() }),
  ),
  act: ({ client_id }, { transactions, caller }) => transactions.exec(ownedClient(caller, client_id), caller),
});

export const transactionDiscard = nodeCommand({
  name: "transaction.discard",
  access: "write",
  guard: KNOWN,
  summary: "Drops what was queued, and the watches.",
  arguments: Struct({ client_id: clientId }),
  reply: done,
  act: ({ client_id }, { transactions, caller }) =>
    transactions.discard(ownedClient(caller, client_id)) ?? { success: true },
});

export const transactionWatch = nodeCommand({
  name: "transaction.watch",
  access: "read",
  guard: named("keys"),
  summary: "Has the next transaction of this client_id run only if these keys are then as they are now.",
  arguments: Struct({ client_id: clientId, keys: List(Key(), { maxItems: WATCH_KEYS_MAX }) }),
  reply: done,
  act({ client_id, keys }, { transactions, caller, nowMs }) {
    const refusal = transactions.watch(ownedClient(caller, client_id), keys, nowMs, caller.grant.owner);
    return isCommandError(refusal) ? refusal : { success: true };
  },
});

export const transactionUnwatch = nodeCommand({
  name: "transaction.unwatch",
  access: "read",
  guard: KNOWN,
  summary: "Watches no key any more.",
  arguments: Struct({ client_id: clientId }),
  reply: done,
  act({ client_id }, { transactions, caller }) {
    transactions.unwatch(ownedClient(caller, client_id));
    return { success: true };
  },
});
