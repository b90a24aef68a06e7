/** What was pushed to a Redis client before it ends its subscriptions comes before the answer to that, as with Redis. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { RawConnection } from "./differential/raw-connection.ts";

const WAIT = { timeout: 10_000, interval: 20 };
const MESSAGE_BYTES = 100_000;
/** The buffers of the system take some of them. */
const MESSAGE_COUNT = 200;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer(configFromFlags("--no-persistence", "--port", "0"), silentLogger);
});
afterAll(() => server?.stop());

async function subscriber(): Promise<Socket> {
  const { hostname, port } = new URL(server.respUrl ?? "");
  const socket = connect({ host: hostname, port: Number(port) });
  await once(socket, "connect");
  socket.write("SUBSCRIBE c\r\n");
  await once(socket, "data");
  return socket;
}

it.each([
  ["UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n"],
  ["RESET", "+RESET\r\n"],
])("%s of a client of RESP2 that was slow to read", async (word, answer) => {
  const socket = await subscriber();
  const other = await RawConnection.open(server.respUrl ?? "");
  socket.pause();
  for (let i = 0; i < MESSAGE_COUNT; i++) await other.call("PUBLISH", "c", "m".repeat(MESSAGE_BYTES));
  socket.write(`${word}\r\nGET nothing\r\n`);
  const clients = async () => (await other.call("CLIENT", "LIST")).toString();
  await vi.waitFor(async () => expect(await clients()).toContain("cmd=get"), WAIT);
  let bytes = 0;
  let last = "";
  socket.on("data", (chunk) => {
    bytes += chunk.length;
    last = (last + chunk.toString()).slice(-1000);
  });
  socket.resume();
  await vi.waitFor(() => expect(bytes).toBeGreaterThan(MESSAGE_COUNT * MESSAGE_BYTES), WAIT);
  await vi.waitFor(() => expect(last.endsWith(`mmm\r\n${answer}$-1\r\n`)).toBe(true), WAIT);
  socket.destroy();
  other.close();
});
