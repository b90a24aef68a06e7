import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { socketPairs } from "../../../test/socket-pairs.ts";
import { DirectWrites } from "./direct-writes.ts";

const { pair, closeAll } = socketPairs();
afterEach(closeAll);

async function textOf(peer: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of peer) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

// Node 26 does much of this itself. Where this fails with another one the server still works, and a command by itself costs more.
const CAN_WRITE_DIRECTLY = Number.parseInt(process.versions.node, 10) < 26;

test("is possible before Node 26, and else left to the stream", async () => {
  const { accepted } = await pair();
  expect(new DirectWrites(accepted, () => {}).write(Buffer.from("a"))).toBe(CAN_WRITE_DIRECTLY);
});

const testDirect = test.runIf(CAN_WRITE_DIRECTLY);

testDirect("what the system takes at once is written, in order with what goes through the stream", async () => {
  const { accepted, peer } = await pair();
  const onTaken = vi.fn();
  const direct = new DirectWrites(accepted, onTaken);
  expect(direct.write(Buffer.from("a"))).toBe(true);
  accepted.write("b");
  expect(direct.write(Buffer.from("c"))).toBe(true);
  expect([direct.pendingBytes, accepted.bytesWritten]).toEqual([0, 3]);
  accepted.end("d");
  expect(await textOf(peer)).toBe("abcd");
  expect(onTaken).not.toHaveBeenCalled();
});

testDirect("what the system does not take is counted until it does, and comes before all that follows", async () => {
  const { accepted, peer } = await pair();
  const onTaken = vi.fn();
  const direct = new DirectWrites(accepted, onTaken);
  const large = Buffer.alloc(32 * 1024 * 1024, "x");
  expect(direct.write(large)).toBe(true);
  expect(direct.pendingBytes).toBeGreaterThan(0);
  expect(direct.write(Buffer.from("no"))).toBe(false);
  accepted.write("y");
  const text = textOf(peer);
  await vi.waitFor(() => expect(onTaken).toHaveBeenCalledOnce());
  expect(direct.pendingBytes).toBe(0);
  accepted.end("z");
  const read = await text;
  expect([read.length, read.slice(-3)]).toEqual([large.length + 2, "xyz"]);
});

testDirect("what waits when the socket goes is forgotten, and its owner is told", async () => {
  const { accepted } = await pair();
  const onTaken = vi.fn();
  const direct = new DirectWrites(accepted, onTaken);
  direct.write(Buffer.alloc(32 * 1024 * 1024));
  expect(direct.pendingBytes).toBeGreaterThan(0);
  accepted.destroy();
  await vi.waitFor(() => expect(onTaken).toHaveBeenCalledOnce());
  expect(direct.pendingBytes).toBe(0);
  expect(direct.write(Buffer.from("x"))).toBe(false);
});

testDirect("a peer that is gone ends the socket, and nothing else", async () => {
  const { accepted, peer } = await pair();
  accepted.on("error", () => {});
  const closed = once(accepted, "close");
  const direct = new DirectWrites(accepted, () => {});
  peer.resetAndDestroy();
  await once(peer, "close");
  await vi.waitFor(() => {
    direct.write(Buffer.from("x"));
    expect(accepted.destroyed).toBe(true);
  });
  await closed;
});

test("a socket that has ended is not written to", async () => {
  const { accepted, peer } = await pair();
  const direct = new DirectWrites(accepted, () => {});
  accepted.end("a");
  expect(direct.write(Buffer.from("b"))).toBe(false);
  expect(await textOf(peer)).toBe("a");
});

testDirect(
  "a request that the system still has is not used again, also where all bytes were taken meanwhile",
  async () => {
    const { accepted } = await pair();
    const other = await pair();
    const [direct, onTaken] = [new DirectWrites(accepted, () => {}), vi.fn()];
    // The peer has made room between the first try of the system and the second.
    Object.defineProperty(Reflect.get(accepted, "_handle"), "writeQueueSize", { get: () => 0 });
    const kept = Buffer.alloc(32 * 1024 * 1024);
    expect([direct.write(kept), direct.pendingBytes]).toEqual([true, 0]);
    const next = new DirectWrites(other.accepted, onTaken);
    const large = Buffer.alloc(32 * 1024 * 1024, "x");
    expect(next.write(large)).toBe(true);
    expect(next.pendingBytes).toBeGreaterThan(0);
    const text = textOf(other.peer);
    await vi.waitFor(() => expect(onTaken).toHaveBeenCalledOnce());
    other.accepted.end();
    expect((await text).length).toBe(large.length);
  },
);
