/** The server forgetting the replies of idempotent writes by itself, and counting them meanwhile. */
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";

let server: RunningServer;
beforeAll(async () => {
  const flags = [
    "--no-persistence",
    "--port",
    "0",
    "--log-level",
    "silent",
    "--set",
    "protocol.idempotency_window_secs=2",
  ];
  server = await startServer(configFromFlags(...flags), silentLogger);
});
afterAll(() => server.stop());

async function increment(requestId: number): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  const payload = { key: "n" };
  const body = JSON.stringify({ command: "kv.incr", payload, client_id: "c", request_id: requestId, idempotent: true });
  const response = await fetch(`${server.url}/api/v1/command`, { method: "POST", headers, body });
  return response.json();
}

async function metric(series: string): Promise<number> {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  const line = page.split("\n").find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
}

it("remembers replies for their time, and gives their memory back", async () => {
  const first = await increment(1);
  expect(await increment(1)).toEqual(first);
  for (let id = 2; id < 50; id++) await increment(id);
  expect(await metric("synap_idempotent_replays_total")).toBe(1);
  await vi.waitFor(async () => expect(await metric("synap_idempotent_replies")).toBe(0), {
    timeout: 10_000,
    interval: 20,
  });
  expect(await metric('synap_memory_component_bytes{component="replies"}')).toBe(0);
  expect(await increment(1)).toEqual({ success: true, request_id: 1, payload: { value: 50 } });
});
