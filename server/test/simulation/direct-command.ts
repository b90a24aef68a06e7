/** Asks a node without a client, for the checks: reads only, which leave nothing behind. */
import { unrestrictedGrant } from "../../src/access/grant.ts";
import type { Caller } from "../../src/dispatch/caller.ts";
import type { Engine } from "./simulated-node.ts";

const CHECKER: Caller = {
  id: 0,
  protocol: "http",
  address: "",
  connectedAtMs: 0,
  commandCount: 0,
  unreadBytes: () => 0,
  session: undefined,
  pushFormat: "json",
  answerLate: () => {},
  outbox: undefined,
  grant: unrestrictedGrant(),
  expel: () => {},
};

/** The payload of the reply; empty where it is none. */
export function run(
  { dispatcher }: Engine,
  command: string,
  payload: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const reply = dispatcher.handle(Buffer.from(JSON.stringify({ command, payload })), "json", "json", CHECKER);
  if (reply === undefined) throw new Error(`${command} waits`);
  const text = Buffer.from(reply.bytes.subarray(0, reply.length)).toString();
  const body = JSON.parse(text) as { success: boolean; payload?: Record<string, unknown> };
  return body.success && body.payload !== null && body.payload !== undefined ? body.payload : {};
}
