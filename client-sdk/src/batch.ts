/** Batches that the caller makes: commands that run in order with nothing between, or, when atomic, all or none. */

import { type Sending, sendingOf, sendingOfAny } from "./command-safety.ts";
import type { CallOptions } from "./commander.ts";
import { type SynapError, serverError } from "./errors.ts";
import type { CommandMap, CommandName } from "./generated/command-map.ts";
import { Request, type Safety } from "./wire/request.ts";

/** A command with its payload, in the names of the wire. */
export type BatchCommand = {
  readonly [Name in CommandName]: { readonly command: Name; readonly payload?: CommandMap[Name]["payload"] };
}[CommandName];

/** How a command of a batch went. */
export type BatchResult<Reply> =
  | { readonly success: true; readonly payload: Reply }
  | { readonly success: false; readonly error: SynapError };

/** How the commands of a batch went, in their order. */
export type BatchResults<Commands extends readonly BatchCommand[]> = {
  readonly [Index in keyof Commands]: BatchResult<CommandMap[Commands[Index]["command"]]["reply"]>;
};

/** How to run a batch. */
export interface BatchOptions extends CallOptions {
  /** All of it is one record of the server's log, or nothing happens and the promise is rejected with the first error. */
  readonly atomic?: boolean | undefined;
}

/** The request that a batch is. */
export function batchRequest(commands: readonly BatchCommand[], options: BatchOptions | undefined): Request {
  const isAtomic = options?.atomic === true;
  const sendings = commands.map(({ command, payload }) => sendingOfAny(command, payload));
  const items = commands.map(({ command, payload }, index) => {
    const { safety, isExempt } = sendings[index];
    const item = new Request(command, payload ?? {}, safety, undefined);
    // An atomic batch is one thing.
    item.isExempt = isExempt && !isAtomic;
    return item;
  });
  const convert = (results: unknown): unknown => {
    // The connection has checked that there is one object for each command.
    return (results as readonly WireResult[]).map((result, index) => resultOf(result, commands[index].command));
  };
  return new Request("batch", {}, safetyOf(sendings), convert, options, { items, isAtomic });
}

export function needsMaster(commands: readonly BatchCommand[]): boolean {
  return commands.some(({ command }) => sendingOf(command).needsMaster);
}

/** As safe as the least safe of its commands. */
function safetyOf(sendings: readonly Sending[]): Safety {
  const safeties = sendings.map(({ safety }) => safety);
  if (safeties.includes("unsafe")) return "unsafe";
  return safeties.includes("numbered") ? "numbered" : "read";
}

interface WireResult {
  readonly success: boolean;
  readonly payload?: unknown;
  readonly error?: unknown;
  readonly code?: unknown;
  readonly details?: Readonly<Record<string, unknown>>;
}

function resultOf({ success, payload, error, code, details }: WireResult, command: string): BatchResult<unknown> {
  if (success) return { success, payload };
  return { success, error: serverError(String(code), String(error), { command, details }) };
}
