import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { CAN_WRITE_DIRECTLY, DirectWrites } from "./direct-writes.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A socket that was accepted, and its peer, which is not read from yet. */
async function pair(): Promise<{ readonly accepted: Socket; readonly peer: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1").pause();
  const [accepted] = (await once(server, "connection")) as [Socket];
  closing.push(() => {
    peer.destroy();
    accepted.destroy();
    server.close();
  });
  return { accepted, peer };
}

async function textOf(peer: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of peer) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("is possible before Node 26, whose sockets do much of this themselves", () => {
  // Where this fails with another Node the server still works, and a command by itself costs a tenth more: see direct-writes.ts.
  expect(CAN_WRITE_DIRECTLY).toBe(Number.parseInt(process.versions.node, 10) < 26);
});

test("is left to the stream where it is not possible", async () => {
  const { accepted } = await pair();
  const direct = new DirectWrites(accepted, () => {});
  expect(direct.write(Buffer.from("a"))).toBe(CAN_WRITE_DIRECTLY);
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
