/** Consumers of a queue over real sockets, each on a connection of its own. */
import { once } from "node:events";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";

type Fields = Readonly<Record<string, unknown>>;

let server: RunningServer;
const sockets: WebSocket[] = [];

beforeAll(async () => {
  server = await startServer(configFromFlags("--no-persistence", "--port", "0", "--log-level", "silent"), silentLogger);
});
afterAll(async () => {
  for (const socket of sockets) socket.terminate();
  await server.stop();
});

async function post(command: string, payload: unknown): Promise<Fields> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ command, payload });
  const response = await fetch(`${server.url}/api/v1/command`, { method: "POST", headers, body });
  // What an object from the wire is.
  return (await response.json()) as Fields;
}

/** Everything that came over one WebSocket, in order. */
class Peer {
  /** As they came: large ones come faster than they are parsed. */
  readonly #frames: string[] = [];
  readonly socket: WebSocket;

  static async connect(): Promise<Peer> {
    const peer = new Peer();
    await once(peer.socket, "open");
    return peer;
  }

  private constructor() {
    this.socket = new WebSocket(`${server.url.replace("http", "ws")}/api/v1/ws`, { perMessageDeflate: false });
    sockets.push(this.socket);
    this.socket.on("message", (data) => this.#frames.push(String(data)));
  }

  send(command: string, payload: Fields, requestId = 1): void {
    this.socket.send(JSON.stringify({ command, request_id: requestId, payload }));
  }

  async received(count: number): Promise<readonly Fields[]> {
    await vi.waitFor(() => expect(this.#frames.length).toBeGreaterThanOrEqual(count), { timeout: 5000, interval: 2 });
    // As above.
    return this.#frames.map((frame) => JSON.parse(frame) as Fields);
  }
}

it("gives what a connection did not acknowledge to another at once when it breaks", async () => {
  const [first, second] = [await Peer.connect(), await Peer.connect()];
  await post("queue.create", { name: "broken" });
  first.send("queue.subscribe", { queue: "broken" });
  await first.received(1);
  await post("queue.publish_batch", { queue: "broken", messages: [{ payload: "a" }, { payload: "b" }] });
  const [, pushed] = await first.received(3);
  const lost = pushed.message as Fields; // A delivery has one.
  second.send("queue.subscribe", { queue: "broken" });
  await second.received(1);
  // Without a closing handshake.
  first.socket.terminate();
  const [, again] = await second.received(3);
  expect(again.message).toMatchObject({ id: lost.id, payload: "a", retry_count: 0 });
  const { id, delivery_id } = again.message as { id: number; delivery_id: number }; // As above.
  const stale = { queue: "broken", message_id: id, delivery_id: lost.delivery_id };
  expect(await post("queue.ack", stale)).toMatchObject({ code: "STALE_DELIVERY" });
  expect(await post("queue.ack", { ...stale, delivery_id })).toMatchObject({ success: true });
  const { payload } = await post("queue.stats", { queue: "broken" });
  expect(payload).toMatchObject({ released: 2, timed_out: 0, pending: 1, consumers: 1 });
});

it("keeps what queue.consume took when its connection breaks", async () => {
  const peer = await Peer.connect();
  await post("queue.publish", { queue: "kept", payload: "a" });
  peer.send("queue.consume", { queue: "kept" });
  const [reply] = await peer.received(1);
  const { message } = reply.payload as { message: Fields }; // As the contract says.
  peer.socket.terminate();
  await vi.waitFor(async () => {
    const { payload } = await post("admin.clients", {});
    expect((payload as { clients: Fields[] }).clients.filter(({ protocol }) => protocol === "websocket").length).toBe(
      sockets.filter(({ readyState }) => readyState === WebSocket.OPEN).length,
    );
  });
  expect((await post("queue.stats", { queue: "kept" })).payload).toMatchObject({ pending: 1, ready: 0 });
  const ack = { queue: "kept", message_id: message.id, delivery_id: message.delivery_id };
  expect(await post("queue.ack", ack)).toMatchObject({ success: true });
});

it("answers those who wait in their order, and forgets one that is gone", async () => {
  const peers = [await Peer.connect(), await Peer.connect(), await Peer.connect()];
  await post("queue.create", { name: "awaited" });
  const consumers = async () => ((await post("queue.stats", { queue: "awaited" })).payload as Fields).consumers;
  for (const [index, peer] of peers.entries()) {
    peer.send("queue.consume", { queue: "awaited", wait_ms: 60_000 }, index);
    await vi.waitFor(async () => expect(await consumers()).toBe(index + 1));
  }
  peers[0].socket.terminate();
  await vi.waitFor(async () => expect(await consumers()).toBe(2));
  // Over HTTP one may wait too.
  const posted = post("queue.consume", { queue: "awaited", wait_ms: 60_000 });
  await vi.waitFor(async () => expect(await consumers()).toBe(3));
  for (const payload of ["a", "b", "c"]) await post("queue.publish", { queue: "awaited", payload });
  expect((await peers[1].received(1))[0]).toMatchObject({ request_id: 1, payload: { message: { payload: "a" } } });
  expect((await peers[2].received(1))[0]).toMatchObject({ request_id: 2, payload: { message: { payload: "b" } } });
  expect(await posted).toMatchObject({ payload: { message: { payload: "c" } } });
});

it("pushes to a consumer that reads slowly all there is, without cutting it off", async () => {
  const peer = await Peer.connect();
  await post("queue.create", { name: "slow" });
  peer.send("queue.subscribe", { queue: "slow", prefetch: 1000 });
  await peer.received(1);
  peer.socket.pause();
  const messages = Array.from({ length: 40 }, () => ({ payload: "x".repeat(200_000) }));
  for (let i = 0; i < 10; i++) await post("queue.publish_batch", { queue: "slow", messages });
  const { payload } = await post("queue.stats", { queue: "slow" });
  // Much is still waiting for it to read.
  expect(payload).toMatchObject({ consumers: 1, depth: expect.any(Number) });
  expect((payload as { depth: number }).depth).toBeGreaterThan(200); // As the contract says.
  peer.socket.resume();
  await peer.received(401);
  expect((await post("queue.stats", { queue: "slow" })).payload).toMatchObject({ depth: 0, pending: 400 });
});
