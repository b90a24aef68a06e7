import { createServer } from "node:net";
import { pack } from "msgpackr";
import { describe, expect, it } from "vitest";
import { ClientSocket, webSocketFrames } from "./client-socket.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import { PacedLane, paceLanes } from "./paced-lane.ts";

const STALL_MS = 60;
const REPLY = pack({ success: true });

describe("an open loop", () => {
  it("charges a stall of the server to every request that was due in it", async () => {
    // Answers each byte with a reply; begins to look at them late.
    const server = createServer((socket) => {
      socket.pause();
      setTimeout(() => socket.resume(), STALL_MS);
      socket.on("data", (bytes) => {
        for (let i = 0; i < bytes.length; i++) socket.write(Buffer.concat([Buffer.from([0x82, REPLY.length]), REPLY]));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const socket = await ClientSocket.open(address.port, webSocketFrames);
    const latencies = new LatencyHistogram();
    const lane = new PacedLane(socket, latencies);
    const startMs = monotonicMs();
    const dues: number[] = [];
    await paceLanes([lane], 1_000, 200, (_, each, dueMs) => {
      dues.push(dueMs);
      each.send(Buffer.from("x"), dueMs);
    });
    expect(latencies.samples).toBe(200);
    // The instants are a millisecond apart, whatever happened.
    expect(dues[199] - dues[0]).toBeCloseTo(199, 6);
    expect(dues[0]).toBeGreaterThanOrEqual(startMs);
    // A fifth were due in the first two thirds of the stall, and waited for the rest of it.
    expect(latencies.percentileMs(0.85)).toBeGreaterThan(STALL_MS / 4);
    socket.close();
    server.close();
  });
});
