/** RESET takes the token from a connection of a Redis client, and with it all that was pushed by it. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AccessServer, type RespPeer } from "./access-server.ts";

const WAIT = { timeout: 10_000, interval: 20 };

let server: AccessServer;
let peer: RespPeer;
let strong: string;
let weak: string;
beforeEach(async () => {
  server = new AccessServer();
  strong = await server.token("strong", ["*"]);
  weak = await server.token("weak", ["kv:read:app:"]);
  await server.start();
  peer = await server.resp();
});
afterEach(() => server.end());

const run = (command: string, payload: object) =>
  server.http({ command, payload }, { authorization: `Bearer ${strong}` });

it.each([
  ["a room", ["SSUBSCRIBE", "r"], "stream.publish", (data: string) => ({ room: "r", event: "e", data })],
  ["a queue", ["QSUBSCRIBE", "q"], "queue.publish", (payload: string) => ({ queue: "q", payload })],
  ["a channel", ["SUBSCRIBE", "t"], "pubsub.publish", (payload: string) => ({ topic: "t", payload })],
])("ends the subscription to %s, for who logs in after it too", async (_, subscribe, publish, payloadOf) => {
  await run("queue.create", { name: "q" });
  await run("stream.create", { room: "r" });
  peer.say("HELLO", "3", "AUTH", "default", strong);
  peer.say(...subscribe);
  peer.say("ECHO", "subscribed");
  await vi.waitFor(() => expect(peer.received).toContain("subscribed\r\n"), WAIT);
  expect((await run(publish, payloadOf("seen"))).status).toBe(200);
  await vi.waitFor(() => expect(peer.received).toContain("seen"), WAIT);
  peer.say("RESET");
  await vi.waitFor(() => expect(peer.received).toMatch(/\+RESET\r\n$/), WAIT);
  await run(publish, payloadOf("hidden"));
  peer.say("AUTH", weak);
  await vi.waitFor(() => expect(peer.received).toMatch(/\+OK\r\n$/), WAIT);
  await run(publish, payloadOf("hidden"));
  peer.say("PING");
  await vi.waitFor(() => expect(peer.received).toMatch(/\+PONG\r\n$/), WAIT);
  expect(peer.received).toMatch(/\+RESET\r\n\+OK\r\n\+PONG\r\n$/);
});

it("lets the connection subscribe anew, and gives back what it was delivered", async () => {
  await run("queue.create", { name: "q" });
  peer.say("AUTH", strong);
  peer.say("QSUBSCRIBE", "q");
  await run("queue.publish", { queue: "q", payload: "one" });
  await vi.waitFor(() => expect(peer.received).toContain("one"), WAIT);
  peer.say("RESET");
  await vi.waitFor(
    async () => expect((await run("queue.stats", { queue: "q" })).body.payload).toMatchObject({ ready: 1, pending: 0 }),
    WAIT,
  );
  const before = peer.received.length;
  peer.say("AUTH", strong);
  peer.say("QSUBSCRIBE", "q");
  await vi.waitFor(() => expect(peer.received.slice(before)).toContain("one"), WAIT);
});
