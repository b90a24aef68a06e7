/** What somebody who has not logged in can have the server hold: as much as a token needs, and nothing while it is held back. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { getDefaultHighWaterMark, setDefaultHighWaterMark } from "node:stream";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { requestBytes } from "../protocol/differential/raw-connection.ts";
import { AccessServer, type WebSocketPeer } from "./access-server.ts";

const WAIT = { timeout: 20_000, interval: 20 };
const KB = 1024;
/** As Node has it from 22 on: a socket with less than that unread does not tell when it was read. */
const HIGH_WATER_BYTES = 64 * KB;
const ownHighWaterBytes = getDefaultHighWaterMark(false);
setDefaultHighWaterMark(false, HIGH_WATER_BYTES);
afterAll(() => setDefaultHighWaterMark(false, ownHighWaterBytes));

let server: AccessServer;
let token: string;
let known: WebSocketPeer;
beforeEach(async () => {
  server = new AccessServer();
  token = await server.token("known", ["*"]);
  await server.start("--set", "access.login_timeout_secs=60");
  known = await server.webSocket("", { authorization: `Bearer ${token}` });
});
afterEach(() => server.end());

async function slowCutOff(): Promise<number> {
  const { payload } = await known.ask("admin.info");
  return (payload as { clients: { slow_cut_off: number } }).clients.slow_cut_off;
}

/** Of all connections, in the server's memory. */
async function heldBytes(): Promise<number> {
  const page = await fetch(`${server.server.url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  const [, bytes] = /component_bytes\{component="outboxes"\} (\S+)/.exec(await page.text()) ?? [];
  return Number(bytes);
}

/** A Redis client that does not read. */
async function unreadClient(): Promise<Socket> {
  const { hostname, port } = new URL(server.server.respUrl ?? "");
  const socket = connect({ host: hostname, port: Number(port) });
  await once(socket, "connect");
  return socket.pause();
}

/** The one of a Redis client that there is. */
async function respClient(): Promise<{ readonly commands: number; readonly unread_bytes: number } | undefined> {
  const { body } = await server.http({ command: "admin.clients" }, { authorization: `Bearer ${token}` });
  const { clients } = body.payload as { clients: { protocol: string; commands: number; unread_bytes: number }[] };
  return clients.find(({ protocol }) => protocol === "resp");
}

it("cuts off a WebSocket that leaves answers unread, long before one that has logged in", async () => {
  const socket = new WebSocket(`${server.server.url.replace("http", "ws")}/api/v1/ws`);
  await once(socket, "open");
  socket.pause();
  const message = JSON.stringify({ command: "kv.get", request_id: "x".repeat(250) });
  // 20 MB of answers: the buffers of the system take some, and somebody who has logged in may leave 32 MB beside them.
  for (let i = 0; i < 50_000; i++) socket.send(message, () => {});
  await vi.waitFor(async () => expect(await slowCutOff()).toBe(1), WAIT);
  socket.terminate();
});

it("reads no more of a Redis client that leaves answers unread", async () => {
  const socket = await unreadClient();
  socket.write("PING\r\n".repeat(2_000_000));
  let last: Awaited<ReturnType<typeof respClient>>;
  await vi.waitFor(async () => {
    const before = last?.commands;
    last = await respClient();
    expect(last?.unread_bytes).toBeGreaterThan(0);
    expect(last?.commands, "it is read no more").toBe(before);
  }, WAIT);
  // One burst more.
  expect(last?.unread_bytes).toBeLessThan(16 * KB + 512 * KB);
  socket.destroy();
});

it("goes on with a Redis client that has read its answers, however little was unread", async () => {
  const socket = await unreadClient();
  let sent = 0;
  let unreadBytes = 0;
  const ping = async (count: number) => {
    socket.write("PING\r\n".repeat(count));
    sent += count;
    await vi.waitFor(async () => {
      const client = await respClient();
      expect(client?.commands).toBe(sent);
      unreadBytes = client?.unread_bytes ?? 0;
    }, WAIT);
  };
  // Each has 10 KB of answers. The system takes some of them.
  while (unreadBytes <= 16 * KB) await ping(300);
  await ping(1);
  expect(unreadBytes).toBeLessThan(HIGH_WATER_BYTES);
  let received = "";
  socket.on("data", (chunk) => {
    received = (received + chunk.toString()).slice(-100);
  });
  socket.resume();
  socket.write(`AUTH ${token}\r\n`);
  await vi.waitFor(() => expect(received).toMatch(/\+OK\r\n$/), WAIT);
  socket.destroy();
});

it("runs what a Redis client sends right behind its token, however large", async () => {
  const peer = await server.resp();
  const requests = [
    ["AUTH", token],
    ["SET", "large", "x".repeat(200 * KB)],
    ["STRLEN", "large"],
  ];
  peer.send(requests.map((words) => requestBytes(words).toString()).join(""));
  await vi.waitFor(() => expect(peer.received).toBe(`+OK\r\n+OK\r\n:${200 * KB}\r\n`), WAIT);
});

it("holds no line of a Redis client that is longer than a token", async () => {
  const peer = await server.resp();
  peer.send("A".repeat(20 * KB));
  await vi.waitFor(() => expect(peer.isClosed).toBe(true), WAIT);
  expect(peer.received).toBe("-ERR Protocol error: too big inline request\r\n");
});

it("keeps nothing of what a Redis client sends while the answer to its wrong token is held back", async () => {
  for (let i = 0; i < 10; i++) await known.ask("auth", { token: `wrong-${i}` });
  const peer = await server.resp();
  peer.say("AUTH", "wrong");
  peer.send("A".repeat(60 * KB));
  let most = 0;
  while (!peer.isClosed) most = Math.max(most, await heldBytes());
  expect(most).toBeLessThan(20 * KB);
  expect(peer.received).toBe("-ERR too many wrong tokens came from this address: try again later\r\n");
});
