/**
 * A command that belongs to the connection and not to the store: HELLO, SELECT, CLIENT, MULTI, SUBSCRIBE. These are matters
 * of the protocol; they are declared beside the dispatcher, and listed in resp-connection-commands.ts.
 */
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import type { ReplySink } from "../commands/resp/reply-sink.ts";
import type { RespDescription } from "../commands/resp/resp-command.ts";
import type { RespGuard } from "./resp-access.ts";
import type { RespClient } from "./resp-client.ts";
import type { RespDispatcher } from "./resp-dispatcher.ts";
import type { RespEntry } from "./resp-table.ts";

/** One call of a connection command. Reused from call to call. */
export interface RespCall {
  readonly client: RespClient;
  readonly request: RespRequest;
  readonly entry: RespEntry;
  /** Takes exactly one reply, or none where pushes stand for it (SUBSCRIBE). */
  readonly sink: ReplySink;
  /** Runs commands of the registry (`runCommand`), knows the table and the clock. */
  readonly dispatcher: RespDispatcher;
}

export interface ConnectionCommand extends RespDescription {
  /** What it needs of its caller's token. */
  readonly guard: RespGuard;
  /** The words were counted by `arity`. */
  readonly run: (call: RespCall) => void;
}
