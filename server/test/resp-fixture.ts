/**
 * RESP without a port: a dispatcher over the engine of a `Fixture`, and a peer that is connected to it and nobody looks at.
 *
 *     respDispatcher(fixture).connect(1, respPeer())   ->   the client that `handle` is given
 *
 * What a test is about it gives itself: limits, a clock of its own, where bugs or late replies are to go.
 */
import { allCommands } from "../src/commands/all.ts";
import { Registry } from "../src/commands/registry.ts";
import { allRespCommands } from "../src/commands/resp/all-resp-commands.ts";
import type { RespClient, RespSocket } from "../src/dispatch/resp-client.ts";
import { allConnectionCommands } from "../src/dispatch/resp-connection-commands.ts";
import { RespDispatcher, type RespDispatcherOptions } from "../src/dispatch/resp-dispatcher.ts";
import type { Fixture } from "./dispatcher-fixture.ts";
import { requestBytes } from "./protocol/differential/raw-connection.ts";

/** A bug is thrown, unless somebody wants to be told. */
export function respDispatcher(
  { engine, clock, dispatcher }: Fixture,
  own: Partial<RespDispatcherOptions> = {},
): RespDispatcher {
  return new RespDispatcher({
    registry: new Registry(allCommands),
    executor: engine.executor,
    store: engine.store,
    waits: dispatcher.waits,
    commands: allRespCommands,
    connectionCommands: allConnectionCommands,
    access: engine.node.access,
    clock,
    observer: { observe: () => {} },
    slowLog: engine.node.slowLog,
    replyBytesMax: 1024 * 1024,
    requestBytesMax: 1024 * 1024,
    reportBug: (where, error) => {
      throw new Error(where, { cause: error });
    },
    ...own,
  });
}

export function respPeer(own: Partial<RespSocket> = {}): RespSocket {
  return {
    address: "127.0.0.1",
    peer: "127.0.0.1:1",
    connectedAtMs: 0,
    unreadBytes: () => 0,
    write: () => {},
    putPushesFirst: () => {},
    resume: () => {},
    endLater: () => {},
    cut: () => {},
    outbox: { push: () => true },
    ...own,
  };
}

/** Sends one request; what is answered at once. */
export function say(dispatch: RespDispatcher, client: RespClient, words: readonly string[]): string {
  const bytes = requestBytes(words);
  dispatch.handle(client, bytes, 0, bytes.length);
  return answerOf(dispatch);
}

/** What the last burst was answered with. */
export function answerOf({ runner: { out } }: RespDispatcher): string {
  return Buffer.from(out.bytes.subarray(0, out.length)).toString("latin1");
}
