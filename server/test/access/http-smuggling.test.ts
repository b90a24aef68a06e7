/**
 * Requests that two readers could cut apart in two ways (RFC 9112, sections 5 and 6): a proxy in front and this server must not
 * see different ones. Each hides a write; it must not happen, and the connection must not go on as if nothing were wrong.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it, type TestContext, vi } from "vitest";
import { testedTransport } from "../tested-transport.ts";
import { AccessServer } from "./access-server.ts";

const WAIT = { timeout: 15_000, interval: 20 };

/** One of its own for each test: some wait for a deadline, and do so at the same time. */
async function serverFor({ onTestFinished }: TestContext): Promise<AccessServer> {
  const server = new AccessServer();
  onTestFinished(() => server.end());
  await server.start();
  return server;
}

const HIDDEN = JSON.stringify({ command: "kv.set", payload: { key: "hidden", value: 1 } });
const PLAIN = JSON.stringify({ command: "kv.dbsize" });
const head = (lines: readonly string[]) =>
  ["POST /api/v1/command HTTP/1.1", "Host: localhost", "Content-Type: application/json", ...lines, "", ""].join("\r\n");
const hiddenRequest = head([`Content-Length: ${HIDDEN.length}`]) + HIDDEN;

/** Everything that comes back until the connection is closed, or for the time that the one after it takes. */
async function say(server: AccessServer, text: string): Promise<{ received: string; isClosed: boolean }> {
  const socket = connect(Number(new URL(server.server.url).port), "127.0.0.1");
  const said = { received: "", isClosed: false };
  socket.on("data", (chunk) => {
    said.received += chunk.toString("latin1");
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    said.isClosed = true;
  });
  await once(socket, "connect");
  socket.write(Buffer.from(text, "latin1"));
  await vi.waitFor(() => {
    if (!said.isClosed && !said.received.includes("\r\n\r\n")) throw new Error("nothing came");
  }, WAIT);
  // Whatever was sent behind has been read by the time that another request is answered.
  await server.fetch("/health");
  socket.destroy();
  return said;
}

async function hiddenHasRun(server: AccessServer): Promise<boolean> {
  const { body } = await server.http({ command: "kv.exists", payload: { key: "hidden" } });
  return (body.payload as { exists: boolean }).exists;
}

const chunked = `${PLAIN.length.toString(16)}\r\n${PLAIN}\r\n0\r\n\r\n`;

describe.concurrent("a request that can be read in two ways", () => {
  it.for([
    [
      "a length and chunks, the length short",
      head(["Content-Length: 4", "Transfer-Encoding: chunked"]) + chunked + hiddenRequest,
    ],
    [
      "a length and chunks, the length long",
      `${head([`Content-Length: ${5 + hiddenRequest.length}`, "Transfer-Encoding: chunked"])}0\r\n\r\n${hiddenRequest}`,
    ],
    ["a list of lengths", head([`Content-Length: 0, ${hiddenRequest.length}`]) + hiddenRequest],
    ["a length with a sign", head([`Content-Length: +${PLAIN.length}`]) + PLAIN + hiddenRequest],
    ["a length below zero", head(["Content-Length: -1"]) + hiddenRequest],
    ["a length in hexadecimal", head(["Content-Length: 0x10"]) + hiddenRequest],
    ["chunks by another name", head(["Transfer-Encoding: xchunked"]) + hiddenRequest],
    [
      "chunks of which the last is not chunked",
      head(["Transfer-Encoding: chunked, identity"]) + chunked + hiddenRequest,
    ],
    ["a space before the colon", head([`Content-Length : ${hiddenRequest.length}`]) + hiddenRequest],
    ["a folded header", head(["X-A: 1", ` Content-Length: ${hiddenRequest.length}`]) + hiddenRequest],
    ["a zero byte in a header", head([`X-A: \0`, "Content-Length: 0"]) + hiddenRequest],
    ["a chunk length that is too long", `${head(["Transfer-Encoding: chunked"])}FFFFFFFFFFFFFFFFF\r\n${hiddenRequest}`],
    [
      "no host",
      `POST /api/v1/command HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    ],
  ])("%s", async ([, text], context) => {
    const server = await serverFor(context);
    const { received, isClosed } = await say(server, text);
    expect(await hiddenHasRun(server)).toBe(false);
    if (!isClosed) expect(received).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(received).not.toMatch(/HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 200 /);
  });
});

describe.concurrent("a handshake with a body", () => {
  const handshake = (path: string, ...lines: string[]) =>
    [
      `GET ${path} HTTP/1.1`,
      "Host: localhost",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ...lines,
      "",
      "",
    ].join("\r\n");
  it.for([
    ["that is announced", handshake("/api/v1/ws", `Content-Length: ${hiddenRequest.length}`)],
    ["in chunks", handshake("/api/v1/ws", "Transfer-Encoding: chunked")],
    ["of a replica", handshake("/api/v1/replication", `Content-Length: ${hiddenRequest.length}`)],
  ])("%s is refused, and none of it is taken for a request", async ([, text], context) => {
    const server = await serverFor(context);
    const { received } = await say(server, text + hiddenRequest);
    // node:http reads the body first, and then sees a request like any other.
    expect(received).toMatch(testedTransport === "native" ? /^HTTP\/1\.1 400 / : /^HTTP\/1\.1 426 /);
    expect(received).not.toMatch(/HTTP\/1\.1 (?:101|200) /);
    expect(await hiddenHasRun(server)).toBe(false);
  });

  it("of no bytes is none", async (context) => {
    const server = await serverFor(context);
    const { received } = await say(server, handshake("/api/v1/ws", "Content-Length: 0"));
    expect(received).toMatch(/^HTTP\/1\.1 101 /);
  });
});

describe.concurrent("the answer to a HEAD", () => {
  it.for([
    ["a page that wants a token", "/ready"],
    ["an event stream that does", "/api/v1/events?topic=t"],
    ["a path where nothing is", "/nothing"],
    ["a path that has no HEAD", "/api/v1/command"],
    ["a page", "/health"],
  ])("has no body that could be read as the next one's: %s", async ([, path], context) => {
    const server = await serverFor(context);
    await server.token("some", ["*"]);
    await vi.waitFor(async () => expect((await server.fetch("/ready")).status).toBe(401), WAIT);
    const { received } = await say(server, `HEAD ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    expect(received).toMatch(/^HTTP\/1\.1 \d{3} .*\r\nContent-Length: [1-9].*\r\n\r\n$/is);
    expect(received.indexOf("\r\n\r\n")).toBe(received.length - 4);
  });
});

// skipped: uWebSockets.js takes the first of two lengths, and to look at every header costs a tenth of its speed (security.md)
it.skipIf(testedTransport === "native")("a request with two lengths is refused", async (context) => {
  const server = await serverFor(context);
  const { received, isClosed } = await say(
    server,
    head(["Content-Length: 0", `Content-Length: ${hiddenRequest.length}`]) + hiddenRequest,
  );
  expect(await hiddenHasRun(server)).toBe(false);
  if (!isClosed) expect(received).toMatch(/^HTTP\/1\.1 4\d\d /);
});

describe.concurrent("what is too much", () => {
  it.for([
    ["a header of 100 KB", head([`X-Long: ${"x".repeat(100_000)}`, "Content-Length: 0"])],
    ["a URL of 100 KB", `GET /${"x".repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
    ["a thousand headers", head([...Array.from({ length: 1000 }, (_, i) => `X-${i}: ${i}`), "Content-Length: 0"])],
  ])("%s ends the connection, or is refused", async ([, text], context) => {
    const server = await serverFor(context);
    const { received, isClosed } = await say(server, text);
    if (!isClosed) expect(received).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect((await server.fetch("/health")).status).toBe(200);
  });
});
