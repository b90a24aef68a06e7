/** The server making room by itself, for a write that would have had to evict too many keys in one step. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";

let server: RunningServer;
beforeAll(async () => {
  const flags = ["--port", "0", "--log-level", "silent", "--set", "kv_store.max_memory_bytes=8mb"];
  server = await startServer(
    configFromFlags("--no-persistence", ...flags, "--set", "kv_store.eviction_policy=lru"),
    silentLogger,
  );
});
afterAll(() => server.stop());

async function send(command: string, payload: unknown): Promise<number> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ command, payload });
  const response = await fetch(`${server.url}/api/v1/command`, { method: "POST", headers, body });
  await response.arrayBuffer();
  return response.status;
}

it("takes a large value soon after it was refused for a store full of small ones", async () => {
  for (let i = 0; i < 70_000; i += 500) {
    const pairs = Array.from({ length: 500 }, (_, j) => ({ key: `k${i + j}`, value: "x".repeat(100) }));
    expect(await send("kv.mset", { pairs })).toBe(200);
  }
  const large = { key: "large", value: "x".repeat(2 ** 21) };
  expect(await send("kv.set", large)).toBe(507);
  // Each try says how much room is wanted; the room itself is made between them.
  while ((await send("kv.set", large)) !== 200);
});
