/**
 * SUBSCRIBE, PSUBSCRIBE and their counterparts. Each name or pattern is confirmed by a push of its own, and a command has no
 * reply beside them. A client of RESP2 that is subscribed to something may say little else, since what it reads could not be
 * told from messages; one of RESP3 goes on as before.
 *
 *     SUBSCRIBE a b  -->  [subscribe, a, 1] [subscribe, b, 2]
 *     UNSUBSCRIBE    -->  [unsubscribe, a, 1] [unsubscribe, b, 0]      or [unsubscribe, null, 0] where there was none
 *
 * The messages themselves are of fanout/channels.ts.
 */
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import type { CommandError } from "../commands/errors.ts";
import { errorText } from "../commands/resp/error-texts.ts";
import type { ReplySink } from "../commands/resp/reply-sink.ts";
import { NO_KEYS, type RespFlag } from "../commands/resp/resp-command.ts";
import type { Channels } from "../fanout/channels.ts";
import { ClientSession } from "../fanout/client-session.ts";
import { byteName } from "../structures/byte-name.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import { forbiddenChannel, refuse } from "./resp-access.ts";
import type { Gate, RespClient } from "./resp-client.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";
import type { RespEntry } from "./resp-table.ts";

const FLAGS: readonly RespFlag[] = ["pubsub", "noscript", "loading", "stale"];
const ALLOWED_IN_RESP2: ReadonlySet<string> = new Set([
  "subscribe",
  "psubscribe",
  "unsubscribe",
  "punsubscribe",
  "ping",
  "quit",
  "reset",
]);

/** Names or patterns in one command: each is work and a push, and the command is not interrupted. */
const NAMES_MAX = 10_000;

/** What one connection is subscribed to. Names are those of the channels, which all who are subscribed share. */
export class RespSubscriptions {
  readonly names = new Map<string, ByteRange>();
  readonly globs = new Map<string, ByteRange>();
  readonly #client: RespClient;
  readonly #channels: Channels;

  constructor(client: RespClient, channels: Channels) {
    this.#client = client;
    this.#channels = channels;
  }

  get count(): number {
    return this.names.size + this.globs.size;
  }

  add(name: ByteRange, isGlob: boolean): CommandError | undefined {
    const client = this.#client;
    const refusal = this.#channels.subscribe(ClientSession.of(client), client.outbox, name, isGlob);
    if (refusal !== undefined) return refusal;
    const channel = this.#channels.find(name, isGlob);
    if (channel === undefined) throw new Error("a channel that was just subscribed to is not there");
    (isGlob ? this.globs : this.names).set(channel.text, channel.name);
    if (client.version === 2) client.gate = subscriberGate;
    return undefined;
  }

  remove(name: ByteRange, isGlob: boolean): void {
    const client = this.#client;
    this.#channels.unsubscribe(ClientSession.of(client), name, isGlob);
    (isGlob ? this.globs : this.names).delete(byteName(name));
    if (this.count > 0 || client.gate !== subscriberGate) return;
    client.gate = undefined;
    // From here on a client of RESP2 takes what comes for the reply to what it says next.
    client.socket.putPushesFirst();
  }

  /** HELLO has changed the version: what comes from now on comes in it. */
  versionChanged(): void {
    for (const name of [...this.names.values()]) this.add(name, false);
    for (const glob of [...this.globs.values()]) this.add(glob, true);
    if (this.#client.version === 3 && this.#client.gate === subscriberGate) this.#client.gate = undefined;
  }
}

/** What a subscriber of RESP2 may say. */
const subscriberGate: Gate = {
  admits({ description: { name } }: RespEntry, request: RespRequest, sink: ReplySink): boolean {
    if (name === "ping" && request.count <= 2) {
      sink.array(2);
      sink.text("pong");
      if (request.count === 2) sink.bulk(request.range(1));
      else sink.text("");
      return false;
    }
    if (ALLOWED_IN_RESP2.has(name)) return true;
    sink.error(
      `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
    );
    return false;
  },
  refused() {},
  abandoned() {},
};

export const subscriptionCommands: readonly ConnectionCommand[] = [
  pubsub("subscribe", -2, "Listen for messages published to the given channels", (call) => subscribe(call, false)),
  pubsub("psubscribe", -2, "Listen for messages published to channels matching the given patterns", (call) =>
    subscribe(call, true),
  ),
  pubsub("unsubscribe", -1, "Stop listening for messages posted to the given channels", (call) =>
    unsubscribe(call, false),
  ),
  pubsub("punsubscribe", -1, "Stop listening for messages posted to channels matching the given patterns", (call) =>
    unsubscribe(call, true),
  ),
];

function pubsub(name: string, arity: number, summary: string, run: (call: RespCall) => void): ConnectionCommand {
  return { name, arity, guard: "known", flags: FLAGS, keys: NO_KEYS, group: "pubsub", summary, since: "2.0.0", run };
}

/** Refuses, before anything is done, what names more than one command may. */
function namesTooMany({ request, sink }: RespCall): boolean {
  if (request.count - 1 <= NAMES_MAX) return false;
  sink.error(`ERR a command takes at most ${NAMES_MAX} channels or patterns`);
  return true;
}

function subscribe(call: RespCall, isGlob: boolean): void {
  if (namesTooMany(call)) return;
  const { client, request, sink, dispatcher } = call;
  const forbidden = forbiddenChannel(client, request, isGlob);
  if (forbidden !== undefined) {
    const reason = `the token does not permit the ${isGlob ? "pattern" : "channel"}`;
    refuse(call, reason, `${reason} '${forbidden.toString().slice(0, 100)}'`);
    return;
  }
  client.subscriptions ??= new RespSubscriptions(client, dispatcher.runner.executor.fanout.channels);
  const { subscriptions } = client;
  for (let word = 1; word < request.count; word++) {
    const name = request.range(word);
    const refusal = subscriptions.add(name, isGlob);
    if (refusal !== undefined) {
      sink.error(errorText(refusal, undefined));
      continue;
    }
    confirm(sink, isGlob ? "psubscribe" : "subscribe", name, subscriptions.count);
  }
}

function unsubscribe(call: RespCall, isGlob: boolean): void {
  if (namesTooMany(call)) return;
  const { client, request, sink, dispatcher } = call;
  const kind = isGlob ? "punsubscribe" : "unsubscribe";
  const subscriptions =
    client.subscriptions ?? new RespSubscriptions(client, dispatcher.runner.executor.fanout.channels);
  const names: ByteRange[] = [];
  for (let word = 1; word < request.count; word++) names.push(request.range(word));
  if (request.count === 1) names.push(...(isGlob ? subscriptions.globs : subscriptions.names).values());
  for (const name of names) {
    if (client.subscriptions !== undefined) subscriptions.remove(name, isGlob);
    confirm(sink, kind, name, subscriptions.count);
  }
  if (names.length === 0) confirm(sink, kind, undefined, subscriptions.count);
}

function confirm(sink: ReplySink, kind: string, name: ByteRange | undefined, count: number): void {
  sink.push(3);
  sink.text(kind);
  if (name === undefined) sink.null();
  else sink.bulk(name);
  sink.integer(count);
}
