/** The connection of a caller, for commands that have something pushed to it. */
import type { Caller, Outbox } from "../../dispatch/caller.ts";
import { ClientSession } from "../../fanout/client-session.ts";
import { type CommandError, fail } from "../errors.ts";

export interface Connection {
  readonly session: ClientSession;
  readonly outbox: Outbox;
}

/** @returns INVALID_REQUEST where there is nothing to push to. */
export function connectionOf(caller: Caller, command: string): Connection | CommandError {
  const { outbox } = caller;
  const session = outbox === undefined ? undefined : ClientSession.of(caller);
  if (outbox === undefined || session === undefined || session.isClosed) {
    return fail("INVALID_REQUEST", `${command} needs a WebSocket (GET /api/v1/ws): it is about what is pushed to one`);
  }
  return { session, outbox };
}
