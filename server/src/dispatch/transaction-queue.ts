/**
 * Finds the commands that belong to an open transaction (commands/transaction): a write whose payload or envelope carries the
 * transaction's `client_id` is queued and not run. While there is no transaction at all, no message is looked at.
 */
import type { Codec, Envelope } from "../codecs/codec.ts";
import { type ArgumentShape, compileShape } from "../commands/argument-shape.ts";
import type { Command } from "../commands/command.ts";
import { CommandError, fail } from "../commands/errors.ts";
import { ownedClient } from "../commands/transaction/owned-client.ts";
import type { Transactions } from "../commands/transaction/transactions.ts";
import { TAG_TEXT, Value } from "../state/value.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import type { Caller } from "./caller.ts";

const QUEUED = { success: true, queued: true } as const;

/** Shapes in which `client_id` is an argument; made for each command when it is first needed. */
const shapes = new WeakMap<Command, ArgumentShape>();

export interface QueueContext {
  readonly transactions: Transactions;
  /** Why no write may run, and so none is queued. */
  readonly writeRefusal: CommandError | undefined;
  readonly nowMs: number;
  /** Why the caller may not run a command, and so not queue it either. */
  refusal(command: Command, args: Record<string, unknown>, caller: Caller): CommandError | undefined;
}

/**
 * Queues the command of an envelope where it belongs to an open transaction. An idempotent one is refused there: it has no
 * reply to remember before the transaction runs.
 * @param clientId of its envelope, or of the batch that it is in.
 * @returns what to answer with; `undefined` where the command is to run.
 */
export function queueInTransaction(
  context: QueueContext,
  command: Command,
  { payload }: Pick<Envelope, "payload">,
  clientId: ByteRange | undefined,
  decoder: Codec,
  isIdempotent: boolean,
  caller: Caller,
): typeof QUEUED | CommandError | undefined {
  const { transactions, nowMs, writeRefusal } = context;
  if (transactions.count === 0 || !command.isQueueable) return undefined;
  const args = decoder.decodeArguments(payload, shapeOf(command));
  if (args instanceof CommandError) {
    // Whose it is cannot be read from a payload like this.
    const owned = clientId && ownedClient(caller, clientId);
    if (owned !== undefined && transactions.isOpen(owned)) transactions.spoil(owned);
    return undefined;
  }
  const { client_id: given, ...rest } = args;
  const said: ByteRange | undefined = given instanceof Value && given.tag === TAG_TEXT ? given : clientId;
  if (said === undefined) return undefined;
  const client = ownedClient(caller, said);
  if (!transactions.isOpen(client)) return undefined;
  const refusal = context.refusal(command, rest, caller);
  if (refusal !== undefined) {
    transactions.spoil(client);
    return refusal;
  }
  if (isIdempotent || command.isBlocking?.(rest)) {
    transactions.spoil(client);
    const what = isIdempotent ? "be idempotent" : "wait";
    return fail("INVALID_REQUEST", `a command of a transaction cannot ${what}`);
  }
  if (writeRefusal !== undefined && command.plan !== undefined) {
    transactions.spoil(client);
    return writeRefusal;
  }
  return transactions.queue(client, command, rest, nowMs) ?? QUEUED;
}

function shapeOf(command: Command): ArgumentShape {
  const known = shapes.get(command);
  if (known !== undefined) return known;
  const { argumentSchema: schema } = command;
  const shape = compileShape({
    ...schema,
    properties: { ...schema.properties, client_id: { "x-kind": "any", "x-optional": true } },
    "x-ignored": schema["x-ignored"]?.filter((name) => name !== "client_id") ?? [],
  });
  shapes.set(command, shape);
  return shape;
}
