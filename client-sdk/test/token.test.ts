/** Tokens that are refused, or end while a client is connected. */
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { connect, type SynapClient, UnauthorizedError } from "../src/index.ts";
import { resolveOptions } from "../src/options.ts";
import type { Connection } from "../src/transport/connection.ts";
import { Login } from "../src/transport/login.ts";
import { RefusedTokens } from "../src/transport/refused-tokens.ts";
import { openSocket } from "../src/transport/socket.ts";
import { failure, until } from "./condition.ts";
import { FaultProxy } from "./fault-proxy.ts";
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

const secret = randomBytes(32);

function signed(lifeMs: number): string {
  const claims = {
    sub: "ada",
    allow: ["kv:write:*", "stream:write:*"],
    exp: (Date.now() + lifeMs) / 1_000,
    jti: randomBytes(8),
  };
  const parts = [{ alg: "HS256" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  const signature = createHmac("sha256", secret).update(parts.join(".")).digest("base64url");
  return [...parts, signature].join(".");
}

describe("a signed token that a function gives", () => {
  it("is renewed on the living connection before it expires", { timeout: 30_000 }, async () => {
    const keysFile = join(directory, "keys.json");
    writeFileSync(keysFile, JSON.stringify({ keys: [{ kty: "oct", k: secret.toString("base64url") }] }));
    const signing = await ServerProcess.start({ settings: [`access.jwt_keys_file=${keysFile}`] });
    onTestFinished(() => signing.end());
    const token = vi.fn(() => signed(4_000));
    const app = await connect(signing.url, { token });
    onTestFinished(() => app.close());
    const ended = vi.fn();
    app.on("disconnected", ended);
    await app.stream.getOrCreate("room");
    const room = app.stream.subscribe("room", { fromOffset: 0 });
    await room.ready;
    const firstEndMs = Date.now() + 4_000;
    await until(async () => {
      await app.kv.set("k", 1);
      return Date.now() > firstEndMs + 1_000;
    });
    await app.stream.publish("room", "still", 1);
    expect((await room.next()).value).toMatchObject({ event: "still" });
    expect(ended).not.toHaveBeenCalled();
    // Of two connections, each of which has renewed its own.
    expect(token.mock.calls.length).toBeGreaterThanOrEqual(4);
  });

  describe("and its renewal", () => {
    const renewing = async (give: () => string) => {
      vi.useFakeTimers();
      onTestFinished(() => {
        vi.useRealTimers();
      });
      const token = vi.fn(give);
      const options = resolveOptions({ url: "ws://localhost", token });
      const login = new Login(options, new RefusedTokens(options));
      await login.token("ws://localhost");
      const authenticate = vi.fn(async () => {});
      login.accepted({ isClosing: false, authenticate } as unknown as Connection);
      return { login, token, authenticate };
    };

    it("is tried again when it fails, at least a second later, until the token is over", async () => {
      const first = signed(16_000);
      let calls = 0;
      const { token, authenticate } = await renewing(() => {
        calls += 1;
        if (calls === 2) throw new Error("the login service is away");
        return calls === 3 ? signed(16_000) : first;
      });
      await vi.advanceTimersByTimeAsync(12_000);
      expect([token.mock.calls.length, authenticate.mock.calls.length]).toEqual([2, 0]);
      await vi.advanceTimersByTimeAsync(2_900);
      expect(token).toHaveBeenCalledTimes(2);
      await vi.advanceTimersByTimeAsync(100);
      expect([token.mock.calls.length, authenticate.mock.calls.length]).toEqual([3, 1]);
    });

    it("ends with the connection", async () => {
      const { login, token } = await renewing(() => signed(16_000));
      expect(vi.getTimerCount()).toBe(1);
      login.ended();
      expect(vi.getTimerCount()).toBe(0);
      await vi.advanceTimersByTimeAsync(20_000);
      expect(token).toHaveBeenCalledTimes(1);
    });
  });
});

describe("a revoked token", () => {
  /** The server counts wrong tokens by address. */
  const ownServer = async (name: string) => {
    const own = await ServerProcess.start({ dataDirectory: join(directory, name) });
    onTestFinished(() => own.end());
    const open = await connect(own.url);
    const root = await open.admin.tokens.create("root", ["*"]);
    await open.close();
    const operator = await connect(own.url, { token: root.token });
    onTestFinished(() => operator.close());
    return { server: own, operator };
  };

  it("is told at once each time, and tried again slowly, when wrong ones are too many too", {
    timeout: 30_000,
  }, async () => {
    const { server: braking, operator } = await ownServer("braking");
    const { token } = await operator.admin.tokens.create("app", ["kv:read:*"]);
    const app = await connect(braking.url, { token, reconnect: { initialMs: 5, maxMs: 1_000 } });
    onTestFinished(() => app.close());
    // From the first refusal on; before it the server ends the connection that lives.
    const attempts: { readonly error: Error; readonly atMs: number }[] = [];
    app.on("disconnected", ({ error }) => {
      if (attempts.length > 0 || error instanceof UnauthorizedError) attempts.push({ error, atMs: performance.now() });
    });
    await operator.admin.tokens.revoke("app");
    const refusedTimes = (count: number) =>
      until(async () => {
        expect(await failure(app.kv.get("k", { timeoutMs: 1_500 }))).toBeInstanceOf(UnauthorizedError);
        return attempts.length >= count;
      });
    await refusedTimes(2);
    const headers = { authorization: "Bearer wrong" };
    await until(async () => (await fetch(`${braking.url}/ready`, { headers })).status === 429);
    await refusedTimes(3);
    expect(attempts.every(({ error }) => error instanceof UnauthorizedError)).toBe(true);
    for (let i = 1; i < attempts.length; i++) {
      expect(attempts[i].atMs - attempts[i - 1].atMs).toBeGreaterThanOrEqual(1_000);
    }
  });

  it("is tried for all connections by one, and what is followed anew has the answer at once too", async () => {
    const { server: own, operator } = await ownServer("shared");
    const { token } = await operator.admin.tokens.create("app", ["kv:read:*", "stream:read:*"]);
    await operator.stream.getOrCreate("room");
    const proxy = await FaultProxy.start(own.port);
    onTestFinished(() => proxy.end());
    // No second attempt within this test: the pause begins at a second.
    const app = await connect(proxy.url, { token, connections: 4, reconnect: { initialMs: 5, maxMs: 60_000 } });
    onTestFinished(() => app.close());
    const room = app.stream.subscribe("room");
    await room.ready;
    const followed = failure(room.next());
    let isRefused = false;
    app.on("disconnected", ({ error }) => {
      isRefused ||= error instanceof UnauthorizedError;
    });
    await operator.admin.tokens.revoke("app");
    const refusedCommand = async () => expect(await failure(app.kv.get("k"))).toBeInstanceOf(UnauthorizedError);
    await until(async () => {
      await refusedCommand();
      return isRefused;
    });
    expect(await followed).toBeInstanceOf(UnauthorizedError);
    const before = proxy.connectionCount;
    for (let i = 0; i < 8; i++) {
      await refusedCommand();
      expect(await failure(app.stream.subscribe("room").next())).toBeInstanceOf(UnauthorizedError);
    }
    expect(proxy.connectionCount).toBe(before);
  });

  it("is followed at once by another that the function gives", async () => {
    const create = () => admin.admin.tokens.create("changing", ["kv:read:*"]);
    let { token } = await create();
    let isSlow = false;
    const asked = vi.fn(async () => {
      // Longer than commands wait where there is nothing to hope for.
      if (isSlow) await new Promise((resolve) => setTimeout(resolve, 500));
      return token;
    });
    const app = await connect(server.url, { token: asked, reconnect: { initialMs: 5, maxMs: 60_000 } });
    onTestFinished(() => app.close());
    let isRefused = false;
    app.on("disconnected", ({ error }) => {
      isRefused ||= error instanceof UnauthorizedError;
    });
    await admin.admin.tokens.revoke("changing");
    await until(async () => {
      expect(await failure(app.kv.get("k"))).toBeInstanceOf(UnauthorizedError);
      return isRefused;
    });
    ({ token } = await create());
    isSlow = true;
    expect(await app.kv.get("k")).toBeNull();
    expect(asked).toHaveBeenCalledTimes(3);
  });
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
