/** Tokens over real sockets: how they come in by each protocol, and what becomes of a connection when its token ends. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { AccessServer } from "./access-server.ts";

const WAIT = { timeout: 10_000, interval: 20 };
const SET = { command: "kv.set", payload: { key: "app:1", value: 1 } };

let server: AccessServer;
beforeEach(() => {
  server = new AccessServer();
});
afterEach(() => server.end());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (name: string, token: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${token}`).toString("base64")}`,
});

describe("HTTP", () => {
  it("takes a token in three ways, and nothing else", async () => {
    const token = await server.token("app", ["kv:write:app:"]);
    await server.start();
    const status = async (headers: Record<string, string>, body: object = SET) =>
      (await server.http(body, headers)).status;
    expect(await status(bearer(token))).toBe(200);
    expect(await status({ "x-api-key": token })).toBe(200);
    expect(await status(basic("app", token))).toBe(200);
    expect(await status(basic("", token))).toBe(200);
    expect(await status({ authorization: `bearer ${token}` })).toBe(200);
    for (const wrong of [
      {},
      bearer("wrong"),
      bearer(""),
      basic("other", token),
      { authorization: token },
      { authorization: `Digest ${token}` },
    ]) {
      expect(await status(wrong)).toBe(401);
    }
    expect((await server.fetch(`/api/v1/command?api_key=${token}`, { method: "POST", body: "{}" })).status).toBe(401);
    const refused = await server.http(SET);
    expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="synap"');
    expect(refused.body).toMatchObject({ success: false, code: "UNAUTHORIZED" });
    expect(await status(bearer(token), { command: "kv.set", payload: { key: "other", value: 1 } })).toBe(403);
    expect(await status(bearer(token), { command: "auth", payload: { token } })).toBe(400);
  });

  it("shows its pages to those who may see them", async () => {
    const known = await server.token("app", ["kv:write:app:"]);
    const admin = await server.token("dashboard", ["admin:read"]);
    await server.start();
    const status = async (path: string, token?: string) =>
      (await server.fetch(path, token === undefined ? {} : { headers: bearer(token) })).status;
    const pages = ["/health", "/ready", "/health/replication", "/metrics", "/api/v1/openapi.json"];
    const statuses = async (token?: string) => Promise.all(pages.map((path) => status(path, token)));
    expect(await statuses()).toEqual([200, 401, 401, 401, 401]);
    expect(await statuses("wrong")).toEqual([200, 401, 401, 401, 401]);
    expect(await statuses(known)).toEqual([200, 200, 403, 403, 200]);
    expect(await statuses(admin)).toEqual([200, 200, 200, 200, 200]);
  });

  it("takes no token of a page elsewhere, which would count for who looks at it", async () => {
    const token = await server.token("app", ["*"]);
    await server.start();
    const get = async (site: string, path: string) =>
      (await server.fetch(path, { headers: { "sec-fetch-site": site } })).status;
    for (const site of ["cross-site", "same-site"]) {
      for (let i = 0; i < 15; i++) expect(await get(site, "/api/v1/events?topic=t&api_key=wrong")).toBe(403);
    }
    expect(await get("none", "/api/v1/events?topic=t&api_key=wrong")).toBe(401);
    expect(await get("cross-site", "/health")).toBe(200);
    expect((await server.events("topic=t", { ...bearer(token), "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  it("looks at no token that comes from a foreign origin", async () => {
    await server.token("app", ["*"]);
    await server.start();
    const get = async (headers: Record<string, string>) =>
      (await server.fetch("/metrics", { headers: { ...bearer("wrong"), ...headers } })).status;
    for (let i = 0; i < 15; i++) expect(await get({ origin: "http://elsewhere.example" })).toBe(403);
    expect(server.lines.join()).not.toContain("login_refused");
    // One of the ten that an address has.
    expect(await get({})).toBe(401);
  });

  it("shows its metrics to everybody where the configuration says so", async () => {
    await server.token("app", ["*"]);
    await server.start("--set", "metrics.require_token=false");
    expect((await server.fetch("/metrics")).status).toBe(200);
  });

  it("does not wait for a body that nobody may send", async () => {
    await server.token("app", ["*"]);
    await server.start();
    const socket = connect(Number(new URL(server.server.url).port), "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    socket.write(
      "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n",
    );
    await vi.waitFor(() => expect(answer).toMatch(/^HTTP\/1.1 401 /), WAIT);
    socket.destroy();
  });
});

describe("a WebSocket", () => {
  it("takes a token with its handshake, in its address, or by a command", async () => {
    const token = await server.token("app", ["kv:write:app:"]);
    await server.start();
    for (const peer of [await server.webSocket("", bearer(token)), await server.webSocket(`?api_key=${token}`)]) {
      expect(await peer.ask("kv.set", SET.payload)).toMatchObject({ success: true });
      expect(await peer.ask("kv.get", { key: "other" })).toMatchObject({ code: "FORBIDDEN" });
    }
    expect((await server.webSocket("", bearer("wrong"))).failure).toContain("401");
    expect((await server.webSocket("?api_key=wrong")).failure).toContain("401");
    const peer = await server.webSocket();
    expect(await peer.ask("kv.set", SET.payload)).toMatchObject({ code: "UNAUTHORIZED" });
    expect(await peer.ask("no.such", {})).toMatchObject({ code: "UNAUTHORIZED" });
    expect(await peer.ask("auth", { token: "wrong" })).toMatchObject({ code: "UNAUTHORIZED" });
    expect(await peer.ask("auth", { token })).toMatchObject({
      success: true,
      payload: { success: true, name: "app", allow: ["kv:write:app:"], expires_at: null },
    });
    expect(await peer.ask("kv.set", SET.payload)).toMatchObject({ success: true });
  });

  it("keeps what it is subscribed to when its token is renewed, and takes none that permits less", async () => {
    const [one, two] = [
      await server.token("one", ["kv:read:a:"]),
      await server.token("two", ["kv:read:a:", "kv:write:b"]),
    ];
    const less = await server.token("less", ["kv:read:a:b"]);
    await server.start();
    const peer = await server.webSocket("", bearer(one));
    expect(await peer.ask("kv.watch", { prefix: "a:" })).toMatchObject({ success: true });
    expect(await peer.ask("auth", { token: less })).toMatchObject({ code: "FORBIDDEN" });
    expect(await peer.ask("auth", { token: two })).toMatchObject({ success: true });
    await server.revoke("one");
    await vi.waitFor(async () => {
      const again = await server.webSocket("", bearer(one));
      expect(again.failure).toContain("401");
    }, WAIT);
    expect(await peer.ask("kv.set", { key: "b", value: 1 })).toMatchObject({ success: true });
    expect(peer.closeCode).toBeUndefined();
  });

  it("is open to a client with a token where nobody has to log in", async () => {
    await server.start();
    const peer = await server.webSocket("", bearer("any"));
    expect(await peer.ask("auth", { token: "any" })).toMatchObject({ success: true, payload: { name: "" } });
    expect(await peer.ask("kv.set", SET.payload)).toMatchObject({ success: true });
  });
});

describe("an event stream", () => {
  it("takes a token with its request or in its address", async () => {
    const token = await server.token("app", ["pubsub:read:news.", "stream:write:app:"]);
    await server.start();
    const status = async (query: string, headers = {}) => (await server.events(query, headers)).status;
    expect(await status(`topic=news.%23&api_key=${token}`)).toBe(200);
    expect(await status("topic=news.%23", bearer(token))).toBe(200);
    expect(await status("topic=news.%23")).toBe(401);
    expect(await status("topic=news.%23&api_key=wrong")).toBe(401);
    expect(await status("topic=%23", bearer(token))).toBe(403);
    expect(await status("room=other", bearer(token))).toBe(403);
    expect(server.lines.join()).not.toContain(token);
  });
});

describe("RESP", () => {
  it("takes a token by AUTH and HELLO, as Redis takes a password", async () => {
    const token = await server.token("app", ["kv:write:app:"]);
    await server.start();
    const peer = await server.resp();
    for (const words of [
      ["PING"],
      ["HELLO", "3"],
      ["AUTH", "wrong"],
      ["AUTH", "other", token],
      ["AUTH", "app", token, "x"],
      ["AUTH", "app", token],
      ["SET", "app:1", "v"],
      ["SET", "b", "v"],
      ["MULTI"],
      ["GET", "app:1"],
      ["GET", "b"],
      ["EXEC"],
      ["RESET"],
      ["GET", "app:1"],
      ["AUTH", token],
      ["GET", "app:1"],
      ["CLIENT", "LIST"],
      ["QUIT"],
    ]) {
      peer.say(...words);
    }
    await vi.waitFor(() => expect(peer.isClosed).toBe(true), WAIT);
    const wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    expect(peer.received.split("\r\n").map((line) => line.replace(/^(-NOPERM).*/, "$1"))).toEqual([
      "-NOAUTH Authentication required.",
      expect.stringMatching(/^-NOAUTH HELLO must be called with the client already authenticated/),
      wrong,
      wrong,
      "-ERR syntax error",
      "+OK",
      "+OK",
      "-NOPERM",
      "+OK",
      "+QUEUED",
      "+QUEUED",
      "*2",
      "$1",
      "v",
      "-NOPERM",
      "+RESET",
      "-NOAUTH Authentication required.",
      "+OK",
      "$1",
      "v",
      "-NOPERM",
      "+OK",
      "",
    ]);
    const greeted = await server.resp();
    greeted.say("HELLO", "3", "AUTH", "default", token, "SETNAME", "me");
    greeted.say("CLIENT", "INFO");
    await vi.waitFor(() => expect(greeted.received).toContain("user=app"), WAIT);
  });
});

describe("who has not logged in", () => {
  it("may not stay, whatever it says", async () => {
    const token = await server.token("app", ["*"]);
    await server.start("--set", "access.login_timeout_secs=1");
    const [stranger, known] = [await server.webSocket(), await server.webSocket("", bearer(token))];
    expect(await stranger.ask("kv.get", { key: "k" })).toMatchObject({ code: "UNAUTHORIZED" });
    const [silent, late] = [await server.resp(), await server.resp()];
    late.say("AUTH", token);
    await vi.waitFor(() => expect([stranger.closeCode, silent.isClosed]).toEqual([1008, true]), WAIT);
    late.say("PING");
    await vi.waitFor(() => expect(late.received).toBe("+OK\r\n+PONG\r\n"), WAIT);
    expect(await known.ask("kv.get", { key: "k" })).toMatchObject({ success: true });
  });

  it("may not send much", async () => {
    const token = await server.token("app", ["*"]);
    await server.start();
    const peer = await server.webSocket();
    await expect(peer.ask("auth", { token: "x".repeat(20_000) })).rejects.toThrow("1008");
    const resp = await server.resp();
    resp.say("SET", "k", "x".repeat(20_000));
    await vi.waitFor(() => expect(resp.isClosed).toBe(true), WAIT);
    expect(resp.received).toMatch(/^-ERR /);
    const known = await server.resp();
    known.say("AUTH", token);
    await vi.waitFor(() => expect(known.received).toBe("+OK\r\n"), WAIT);
    known.say("SET", "k", "x".repeat(200_000));
    await vi.waitFor(() => expect(known.received).toBe("+OK\r\n+OK\r\n"), WAIT);
  });
});

it.each(["POST / HTTP/1.1", "PUT / HTTP/1.1", "OPTIONS * HTTP/1.1", "GET / HTTP/1.1"])(
  "RESP closes on %s, and runs nothing of its body",
  async (line) => {
    await server.start();
    const peer = await server.resp();
    peer.send(`${line}\r\nHost: localhost\r\nContent-Length: 30\r\n\r\nSET hidden 1\r\n`);
    await vi.waitFor(() => expect(peer.isClosed).toBe(true), WAIT);
    expect((await server.http({ command: "kv.exists", payload: { key: "hidden" } })).body.payload).toEqual({
      exists: false,
    });
  },
);

describe("a token that ends", () => {
  it("ends the connections that have it, in the middle, and what they wait for", async () => {
    const allow = ["kv:*", "pubsub:*", "queue:*"];
    const [token, other] = [await server.token("app", allow), await server.token("other", allow)];
    await server.start();
    const peer = await server.webSocket("", bearer(token));
    const stays = await server.webSocket("", bearer(other));
    const resp = await server.resp();
    resp.say("AUTH", token);
    resp.say("SUBSCRIBE", "c");
    const stream = await server.events("topic=t", bearer(token));
    expect(await peer.ask("kv.watch", { prefix: "" })).toMatchObject({ success: true });
    await stays.ask("queue.create", { name: "q" });
    // Longer than the test may take: it is not the end of its time that answers it.
    const waiting = server.http({ command: "queue.consume", payload: { queue: "q", wait_ms: 30_000 } }, bearer(token));
    await server.revoke("app");
    await vi.waitFor(() => expect(peer.closeCode).toBe(1008), WAIT);
    expect(peer.messages.at(-1)).toMatchObject({ type: "closing", code: "UNAUTHORIZED" });
    await vi.waitFor(() => expect([resp.isClosed, stream.isOver]).toEqual([true, true]), WAIT);
    expect(stream.text).toContain('"code":"UNAUTHORIZED"');
    expect((await waiting).body).toMatchObject({ code: "UNAUTHORIZED" });
    expect(stays.closeCode).toBeUndefined();
    await stays.ask("queue.publish", { queue: "q", payload: "secret" });
    expect(await stays.ask("queue.stats", { queue: "q" })).toMatchObject({ payload: { ready: 1, pending: 0 } });
    expect((await server.http(SET, bearer(token))).status).toBe(401);
  });

  it("ends the links of replicas too, and those that were there before the first token", async () => {
    await server.start();
    const open = (headers: Record<string, string>) => {
      const link = new WebSocket(`${server.server.url.replace("http", "ws")}/api/v1/replication`, { headers });
      return { opened: once(link, "open"), closed: once(link, "close") };
    };
    const early = open({});
    await early.opened;
    const token = await server.token("replica", ["admin:*"]);
    expect((await early.closed)[0]).toBe(1008);
    const late = open(bearer(token));
    await late.opened;
    await server.revoke("replica");
    expect((await late.closed)[0]).toBe(1008);
  });

  it("by its time does the same", async () => {
    const token = await server.token("short", ["*"], 1500);
    await server.start();
    const peer = await server.webSocket("", bearer(token));
    expect(await peer.ask("kv.watch", { prefix: "" })).toMatchObject({ success: true });
    await vi.waitFor(() => expect(peer.closeCode).toBe(1008), WAIT);
    expect((await server.http(SET, bearer(token))).status).toBe(401);
  });

  it("and is the first there is shuts out those who never had one", async () => {
    await server.start();
    const peer = await server.webSocket();
    expect(await peer.ask("kv.watch", { prefix: "" })).toMatchObject({ success: true });
    const created = await peer.ask("admin.tokens.create", { name: "admin", allow: ["admin:*"] });
    expect(created).toMatchObject({ payload: { token: expect.stringMatching(/^synap_/) } });
    await vi.waitFor(() => expect(peer.closeCode).toBe(1008), WAIT);
    expect((await server.http(SET)).status).toBe(401);
  });
});

describe("a signed token", () => {
  it("comes in by every protocol, is renewed on a living connection, and ends with its key", async () => {
    const secret = randomBytes(32);
    const keysFile = join(server.directory, "keys.json");
    const writeKeys = (...keys: object[]) => writeFileSync(keysFile, JSON.stringify({ keys }));
    const sign = (sub: string, lifeSecs: number) =>
      new SignJWT({ sub, allow: ["kv:write:app:"], exp: Math.floor(Date.now() / 1000) + lifeSecs })
        .setProtectedHeader({ alg: "HS256" })
        .sign(secret);
    writeKeys({ kty: "oct", k: secret.toString("base64url") });
    await server.start("--set", `access.jwt_keys_file=${keysFile}`);
    expect((await server.http(SET)).status).toBe(401);
    const token = await sign("ada", 600);
    expect((await server.http(SET, bearer(token))).status).toBe(200);
    expect((await server.http(SET, basic("ada", token))).status).toBe(200);
    expect((await server.http(SET, bearer(await sign("ada", -1)))).body).toMatchObject({
      error: "the token has expired",
    });
    const resp = await server.resp();
    resp.say("AUTH", "ada", token);
    resp.say("GET", "app:1");
    await vi.waitFor(() => expect(resp.received).toBe("+OK\r\n$1\r\n1\r\n"), WAIT);
    const peer = await server.webSocket("", bearer(await sign("ada", 2)));
    expect(await peer.ask("kv.watch", { prefix: "app:" })).toMatchObject({ success: true });
    expect(await peer.ask("auth", { token: await sign("ada", 600) })).toMatchObject({ payload: { name: "jwt:ada" } });
    const left = await server.webSocket("", bearer(await sign("bob", 2)));
    await vi.waitFor(() => expect(left.closeCode).toBe(1008), WAIT);
    expect(await peer.ask("kv.set", SET.payload)).toMatchObject({ success: true });
    writeKeys();
    await vi.waitFor(() => expect([peer.closeCode, resp.isClosed]).toEqual([1008, true]), WAIT);
    expect((await server.http(SET, bearer(token))).status).toBe(401);
  });

  it("shares no transaction, no idempotent write and no rate with one of the same sub of another signer", async () => {
    const signers = [randomBytes(32), randomBytes(32)];
    const keys = signers.map((secret, i) => ({ kty: "oct", k: secret.toString("base64url"), kid: `k${i}` }));
    const keysFile = join(server.directory, "keys.json");
    writeFileSync(keysFile, JSON.stringify({ keys }));
    const sign = (secret: Buffer) =>
      new SignJWT({ sub: "ada", allow: ["kv:write:app:"], exp: Math.floor(Date.now() / 1000) + 600 })
        .setProtectedHeader({ alg: "HS256" })
        .sign(secret);
    const [one, other] = (await Promise.all(signers.map(sign))).map(bearer);
    const rate = ["--set", "access.token_requests_per_sec=1", "--set", "access.rate_burst_secs=3"];
    await server.start("--set", `access.jwt_keys_file=${keysFile}`, ...rate);
    const once = {
      command: "kv.incr",
      payload: { key: "app:count" },
      client_id: "c",
      request_id: 1,
      idempotent: true,
    };
    const client = { client_id: "c" };
    expect((await server.http({ command: "transaction.multi", payload: client }, one)).status).toBe(200);
    expect((await server.http({ command: "transaction.discard", payload: client }, other)).status).toBe(400);
    expect((await server.http({ command: "transaction.discard", payload: client }, one)).status).toBe(200);
    const counts = [await server.http(once, one), await server.http(once, other), await server.http(once, other)];
    expect(counts.map(({ body }) => body.payload)).toMatchObject([{ value: 1 }, { value: 2 }, { value: 2 }]);
  });
});

it("is told of in the audit log: who came in, who did not, and what was administered", async () => {
  const [admin, app] = [await server.token("admin", ["admin:*"]), await server.token("app", ["kv:write:app:"])];
  await server.start();
  const create = { command: "admin.tokens.create", payload: { name: "new", allow: ["kv:read:*"] } };
  const { body } = await server.http(create, bearer(admin));
  const { token } = body.payload as { token: string };
  await server.http(create, bearer(app));
  await server.http(SET, bearer("wrong-token"));
  await server.http(SET);
  const audited = server.lines
    .map((line) => (JSON.parse(line) as [Record<string, unknown>])[0])
    .filter((fields) => typeof fields === "object" && "audit" in fields && fields.audit !== "tokens");
  const from = { address: "127.0.0.1", protocol: "http" };
  // And no others: of a command that was refused the refusal tells, and nothing says that it ran.
  expect(audited).toEqual([
    { audit: "login", token: "admin", ...from },
    {
      audit: "admin",
      token: "admin",
      command: "admin.tokens.create",
      ok: true,
      protocol: "http",
      address: expect.any(String),
    },
    { audit: "login", token: "app", ...from },
    {
      audit: "refused",
      token: "app",
      command: "admin.tokens.create",
      reason: "the token does not permit admin.tokens.create: it needs admin:admin:*",
      ...from,
    },
    { audit: "login_refused", reason: "the token is not valid", ...from },
    { audit: "refused", reason: expect.stringContaining("wants a token"), ...from },
  ]);
  for (const secret of [admin, app, token, "wrong-token"]) expect(server.lines.join()).not.toContain(secret);
});
