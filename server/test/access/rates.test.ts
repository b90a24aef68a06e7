/** Limits of rates and of connections, as clients of each protocol meet them. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AccessServer } from "./access-server.ts";

const WAIT = { timeout: 10_000, interval: 20 };
const GET = { command: "kv.get", payload: { key: "k" } };

let server: AccessServer;
beforeEach(() => {
  server = new AccessServer();
});
afterEach(() => server.end());

describe("a rate of requests", () => {
  it("is refused over HTTP with Retry-After, for the token and not for others", async () => {
    const [one, two] = [await server.token("one", ["*"]), await server.token("two", ["*"])];
    await server.start("--set", "access.token_requests_per_sec=1", "--set", "access.rate_burst_secs=3");
    const get = (token: string) => server.http(GET, { authorization: `Bearer ${token}` });
    for (let i = 0; i < 3; i++) expect((await get(one)).status).toBe(200);
    const refused = await get(one);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(refused.body).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", details: { retry_after_secs: 1 } });
    expect((await get(two)).status).toBe(200);
    await vi.waitFor(async () => expect((await get(one)).status).toBe(200), WAIT);
  });

  it("counts each command of a batch, and each of a RESP connection", async () => {
    await server.start("--set", "access.connection_requests_per_sec=5", "--set", "access.rate_burst_secs=1");
    const peer = await server.webSocket();
    await peer.ask("kv.mget", { keys: ["a"] });
    const resp = await server.resp();
    for (let i = 0; i < 6; i++) resp.say("PING");
    await vi.waitFor(() => expect(resp.received.split("\r\n")).toHaveLength(7), WAIT);
    expect(resp.received.split("\r\n").slice(0, 6)).toEqual([
      ...Array<string>(5).fill("+PONG"),
      expect.stringMatching(/^-RATE_LIMIT_EXCEEDED /),
    ]);
    const answers = await Promise.all(Array.from({ length: 6 }, () => peer.ask("kv.get", { key: "a" })));
    expect(answers.filter(({ code }) => code === "RATE_LIMIT_EXCEEDED").length).toBeGreaterThanOrEqual(1);
  });

  it("counts a batch of nothing as one request", async () => {
    await server.start("--set", "access.address_requests_per_sec=1", "--set", "access.rate_burst_secs=5");
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) statuses.push((await server.http({ type: "batch", commands: [] })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
  });

  it("lets no batch through that would keep everybody else out for long", async () => {
    await server.start("--set", "access.address_requests_per_sec=10", "--set", "access.rate_burst_secs=1");
    const batch = (count: number) => server.http({ type: "batch", commands: Array(count).fill(GET) });
    const tooLarge = await batch(61);
    expect(tooLarge).toMatchObject({ status: 413, body: { code: "PAYLOAD_TOO_LARGE" } });
    expect(tooLarge.body.error).toContain("send less in one message");
    expect([(await server.http(GET)).status, (await batch(10)).status, (await server.http(GET)).status]).toEqual([
      200, 429, 200,
    ]);
  });

  it("counts event streams as they open, and what RESP cannot run", async () => {
    const rate = ["--set", "access.address_requests_per_sec=1", "--set", "access.rate_burst_secs=5"];
    await server.start(...rate, "--set", "access.connection_requests_per_sec=100000");
    const streams: number[] = [];
    for (let i = 0; i < 6; i++) streams.push((await server.events("topic=t")).status);
    expect(streams.filter((status) => status === 200)).toHaveLength(5);
    expect(streams.at(-1)).toBe(429);
    const resp = await server.resp();
    for (let i = 0; i < 6; i++) resp.say(i % 2 === 0 ? "NOSUCH" : "GET");
    await vi.waitFor(() => expect(resp.received).toContain("RATE_LIMIT_EXCEEDED"), WAIT);
  });

  describe("of an address", () => {
    const post = async (body: string, headers = {}) =>
      (await server.fetch("/api/v1/command", { method: "POST", body, headers })).status;
    const json = { "content-type": "application/json" };
    it.each<[string, number, () => Promise<number>]>([
      ["commands without a token", 401, () => post(JSON.stringify(GET), json)],
      ["commands with a wrong one", 401, () => post(JSON.stringify(GET), { ...json, "x-api-key": "wrong" })],
      ["event streams without a token", 401, async () => (await server.events("topic=t")).status],
      ["pages", 401, async () => (await server.fetch("/metrics")).status],
      ["paths where nothing is", 404, async () => (await server.fetch("/nothing")).status],
      ["handshakes", 101, async () => ((await server.webSocket()).failure.includes("429") ? 429 : 101)],
    ])("holds for %s", async (_, usual, ask) => {
      await server.token("some", ["*"]);
      await server.start("--set", "access.address_requests_per_sec=1", "--set", "access.rate_burst_secs=5");
      const answers: number[] = [];
      for (let i = 0; i < 6; i++) answers.push(await ask());
      expect(answers).toEqual([...Array<number>(5).fill(usual), 429]);
    });

    it("holds for bodies that cannot be read, for what no command can be found in, and for strangers over RESP", async () => {
      const rate = ["--set", "access.address_requests_per_sec=1", "--set", "access.rate_burst_secs=4"];
      await server.start(...rate);
      const answers = [await post("x", { "content-type": "text/plain" }), await post("{", json), await post("{", json)];
      answers.push(await post("{", { ...json, "content-encoding": "br" }), await post("{", json));
      expect(answers).toEqual([415, 400, 400, 415, 429]);
      await server.end();
      server = new AccessServer();
      await server.token("some", ["*"]);
      await server.start(...rate);
      const resp = await server.resp();
      for (let i = 0; i < 5; i++) resp.say("PING");
      await vi.waitFor(() => expect(resp.received.split("\r\n")).toHaveLength(6), WAIT);
      const lines = resp.received.split("\r\n").map((line) => line.split(" ")[0]);
      expect(lines).toEqual([...Array<string>(4).fill("-NOAUTH"), "-RATE_LIMIT_EXCEEDED", ""]);
    });

    it("is not used up by pages of others in a browser there, which have one of their own", async () => {
      const token = await server.token("some", ["*"]);
      await server.start("--set", "access.address_requests_per_sec=1", "--set", "access.rate_burst_secs=5");
      const foreign = { "sec-fetch-site": "cross-site" };
      const answers: number[] = [];
      for (const path of [
        "/nothing",
        "/metrics",
        "/api/v1/events?topic=t",
        "/health",
        "/nothing",
        "/nothing",
        "/metrics",
      ])
        answers.push((await server.fetch(path, { headers: foreign })).status);
      expect(answers).toEqual([404, 403, 403, 200, 404, 429, 429]);
      expect((await server.fetch("/metrics", { headers: { "x-api-key": token } })).status).toBe(200);
    });

    it("lets a load balancer ask, and counts that", async () => {
      await server.start("--set", "access.address_requests_per_sec=1", "--set", "access.rate_burst_secs=5");
      for (let i = 0; i < 20; i++) {
        expect((await server.fetch(i % 2 === 0 ? "/health" : "/ready")).status).toBe(200);
      }
      expect((await server.fetch("/health")).status).toBe(200);
      const refused = await server.fetch("/api/v1/openapi.json");
      // What was answered although nothing was left is not owed.
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    });
  });

  it("of bytes refuses what comes after too many", async () => {
    await server.start("--set", "access.address_bytes_per_sec=1000", "--set", "access.rate_burst_secs=1");
    const set = { command: "kv.set", payload: { key: "k", value: "x".repeat(5000) } };
    expect((await server.http(set)).status).toBe(200);
    const refused = await server.http(GET);
    expect([refused.status, Number(refused.headers.get("retry-after"))]).toEqual([429, expect.closeTo(5, -1)]);
  });
});

it("wrong tokens from an address are answered slowly after ten of them, and right ones as before", async () => {
  const [inUse, unused] = [await server.token("in-use", ["*"]), await server.token("unused", ["*"])];
  const late = await server.token("late", ["*"]);
  await server.start();
  const get = async (token: string) => {
    const startedMs = performance.now();
    const { status, headers } = await server.http(GET, { authorization: `Bearer ${token}` });
    return { status, retryAfter: headers.get("retry-after"), isSlow: performance.now() - startedMs > 900 };
  };
  expect(await get(inUse)).toMatchObject({ status: 200 });
  for (let i = 0; i < 10; i++) expect(await get(`wrong-${i}`)).toMatchObject({ status: 401 });
  const [refused, known] = await Promise.all([get("wrong"), get(unused)]);
  expect(refused).toEqual({ status: 429, retryAfter: "1", isSlow: true });
  expect(known).toMatchObject({ status: 200, isSlow: false });
  expect(await get(inUse)).toMatchObject({ status: 200 });
  // Each that comes when a wait is over begins one twice as long: RESP finds the address in the middle of eight seconds.
  for (let wrong = 0, i = 0; wrong < 3; i++) if ((await get(`wrong-${i}`)).status === 401) wrong++;
  const [resp, right] = [await server.resp(), await server.resp()];
  right.say("AUTH", late);
  await vi.waitFor(() => expect(right.received).toBe("+OK\r\n"), WAIT);
  resp.say("AUTH", "wrong");
  resp.say("PING");
  await vi.waitFor(() => expect(resp.isClosed).toBe(true), WAIT);
  expect(resp.received).toBe("-ERR too many wrong tokens came from this address: try again later\r\n");
}, 60_000);

it("wrong tokens on a WebSocket are answered a second late, and the connection ends with nothing run behind them", async () => {
  const right = await server.token("right", ["*"]);
  await server.start();
  const known = await server.webSocket("", { authorization: `Bearer ${right}` });
  for (let i = 0; i < 10; i++) {
    expect(await known.ask("auth", { token: `wrong-${i}` })).toMatchObject({ code: "UNAUTHORIZED" });
  }
  const set = (key: string) => ({ command: "kv.set", payload: { key, value: 1 } });
  const wrong = { command: "auth", payload: { token: "wrong" } };
  const [alone, inBatch] = [await server.webSocket(), await server.webSocket("", { authorization: `Bearer ${right}` })];
  const startedMs = performance.now();
  alone.send({ ...wrong, request_id: 1 });
  alone.send({ command: "auth", payload: { token: right }, request_id: 2 });
  inBatch.send({ type: "batch", commands: [set("before"), wrong, set("behind")], request_id: 1 });
  inBatch.send({ ...set("later"), request_id: 2 });
  expect(await known.ask("kv.get", { key: "before" })).toMatchObject({ success: true });
  await vi.waitFor(() => expect([alone.closeCode, inBatch.closeCode]).toEqual([1008, 1008]), WAIT);
  expect(performance.now() - startedMs).toBeGreaterThan(900);
  const tooMany = { success: false, code: "RATE_LIMIT_EXCEEDED" };
  const goodbye = { type: "closing", code: "RATE_LIMIT_EXCEEDED" };
  expect(alone.messages).toMatchObject([{ ...tooMany, request_id: 1, details: { retry_after_secs: 1 } }, goodbye]);
  expect(inBatch.messages).toMatchObject([{ request_id: 1, results: [{ success: true }, tooMany, tooMany] }, goodbye]);
  const keys = { keys: ["behind", "later"] };
  expect(await known.ask("kv.mget", keys)).toMatchObject({ payload: { values: [null, null] } });
});

it("a wrong token in a transaction of a Redis client ends that too, and each of its commands has an answer", async () => {
  const right = await server.token("right", ["*"]);
  await server.start();
  const peer = await server.resp();
  peer.say("AUTH", right);
  peer.say("MULTI");
  for (let i = 0; i < 12; i++) peer.say("AUTH", `wrong-${i}`);
  peer.say("SET", "behind", "1");
  peer.say("EXEC");
  peer.say("SET", "later", "1");
  await vi.waitFor(() => expect(peer.isClosed).toBe(true), WAIT);
  const tooMany = "-ERR too many wrong tokens came from this address: try again later";
  const unrun = "-ERR too many wrong tokens came: the rest of the transaction was not run";
  const [, answers] = peer.received.split("*13\r\n");
  expect(answers.split("\r\n")).toEqual([
    ...Array<string>(10).fill("-WRONGPASS invalid username-password pair or user is disabled."),
    ...[tooMany, unrun, unrun, tooMany, ""],
  ]);
  const known = await server.webSocket("", { authorization: `Bearer ${right}` });
  const keys = { keys: ["behind", "later"] };
  expect(await known.ask("kv.mget", keys)).toMatchObject({ payload: { values: [null, null] } });
});

describe("connections of one address", () => {
  it("are as many as they may be, over all protocols, and fewer again when one ends", async () => {
    await server.start("--set", "access.max_connections_per_address=3");
    const first = await server.webSocket();
    expect(await first.ask("kv.get", { key: "k" })).toMatchObject({ success: true });
    const stream = await server.events("topic=t");
    expect(stream.status).toBe(200);
    const resp = await server.resp();
    resp.say("PING");
    await vi.waitFor(() => expect(resp.received).toContain("PONG"), WAIT);
    expect((await server.webSocket()).failure).toContain("429");
    expect((await server.events("topic=t")).status).toBe(429);
    const late = await server.resp();
    await vi.waitFor(
      () => expect([late.isClosed, late.received]).toEqual([true, "-ERR max number of clients reached\r\n"]),
      WAIT,
    );
    expect((await server.http(GET)).status).toBe(200);
    resp.say("QUIT");
    await vi.waitFor(async () => {
      const again = await server.webSocket();
      expect(again.failure).toBe("");
    }, WAIT);
  });
});
