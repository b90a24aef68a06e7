/** Tokens that are refused, or end while a client is connected. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { connect, type SynapClient, UnauthorizedError } from "../src/index.ts";
import { openSocket } from "../src/transport/socket.ts";
import { failure } from "./condition.ts";
import { ServerProcess } from "./server-process.ts";

let directory: string;
let server: ServerProcess;
let admin: SynapClient;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "synap-token-"));
  server = await ServerProcess.start({ dataDirectory: directory });
  const open = await connect(server.url);
  const { token } = await open.admin.tokens.create("admin", ["*"]);
  await open.close();
  admin = await connect(server.url, { token });
});

afterAll(async () => {
  await admin.close();
  await server.end();
  rmSync(directory, { recursive: true });
});

it("a token that is not valid is told when connecting", async () => {
  expect(await failure(connect(server.url, { token: "wrong" }))).toBeInstanceOf(UnauthorizedError);
  expect(await failure(connect(server.url))).toMatchObject({
    code: expect.stringMatching(/UNAUTHORIZED|CONNECTION_FAILED/),
  });
});

it("a token that is revoked ends what waits, what comes and what is followed", async () => {
  const { token } = await admin.admin.tokens.create("app", ["kv:read:*", "stream:read:*"]);
  await admin.stream.getOrCreate("room");
  const app = await connect(server.url, { token, reconnect: { initialMs: 5, maxMs: 50 } });
  expect(await app.kv.get("nothing")).toBeNull();
  const room = app.stream.subscribe("room", { fromOffset: 0 });
  await room.ready;
  const next = failure(room.next());
  await admin.admin.tokens.revoke("app");
  expect(await next).toBeInstanceOf(UnauthorizedError);
  expect(await failure(app.kv.get("nothing"))).toBeInstanceOf(UnauthorizedError);
  await app.close();
});

describe("why a handshake failed is asked of a page", () => {
  /** Opens a WebSocket, with a token, at a server that does so with its connections. @returns how many those were. */
  const opening = async (accept: (socket: Socket) => void, timeoutMs: number): Promise<number> => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => {
      sockets.push(socket);
      accept(socket);
    });
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as AddressInfo;
    const listener = { message: () => {}, closed: () => {} };
    const error = await failure(openSocket(`ws://127.0.0.1:${port}/api/v1/ws`, "token", listener, timeoutMs));
    expect(error).toMatchObject({ code: "CONNECTION_FAILED" });
    return sockets.length;
  };

  it("within the time that is left", async () => {
    const timeout = vi.spyOn(AbortSignal, "timeout");
    onTestFinished(() => timeout.mockRestore());
    expect(await opening((socket) => socket.destroy(), 5000)).toBe(2);
    expect(timeout).toHaveBeenCalledOnce();
    expect(timeout.mock.calls[0][0]).toBeLessThan(5000);
  });

  it("and not where there is none left", async () => {
    expect(await opening((socket) => socket.resume(), 300)).toBe(1);
  });
});
