/** Starting to listen and stopping, with requests in flight and clients of both kinds connected. */
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { startServer } from "../../src/server.ts";
import { ListenError, type PageRoute } from "../../src/transports/transport.ts";
import { TRANSPORT_FLAGS } from "../tested-transport.ts";
import { eventually, OPTIONS, RawClient, TransportUnderTest } from "./transport-under-test.ts";

const POST = "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const GRACE_MS = 5000;

const running: TransportUnderTest[] = [];

async function listen(port = 0, pages: readonly PageRoute[] = []): Promise<TransportUnderTest> {
  const server = await new TransportUnderTest({ port }, pages).listen();
  running.push(server);
  return server;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      // The type allows for pipes and for servers that do not listen.
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

describe("listen", () => {
  it("says that the port is in use, to a second server of the same kind too", async () => {
    const first = await listen();
    const second = new TransportUnderTest({ port: first.port });
    const failure = await second.listen().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ListenError);
    expect(String(failure)).toContain(`127.0.0.1:${first.port}: the port is in use`);
    expect((await first.post("x")).status).toBe(200);
  });

  it("says that the address is not there", async () => {
    const failure = new TransportUnderTest({ host: "192.0.2.1" }).listen();
    await expect(failure).rejects.toThrow("does not have the address");
  });

  it("takes the port of a server that has just stopped", async () => {
    // Not 0 the first time: uWS sets SO_REUSEADDR only for a port that was named.
    const port = await freePort();
    const first = await listen(port);
    const client = await first.raw().send(`${POST}Content-Length: 1\r\n\r\nx`).answered("json:x");
    await first.transport.stop(GRACE_MS);
    await client.closed();
    const second = await listen(port);
    expect((await second.post("y")).text).toBe("json:y");
  });
});

describe("stop", () => {
  it("finishes the requests in flight and takes no new connection", async () => {
    let finishPage = () => {};
    const page = { status: 200, contentType: "text/plain", body: "made" };
    const made = new Promise<typeof page>((resolve) => {
      finishPage = () => resolve(page);
    });
    const server = await listen(0, [{ path: "/page", respond: () => made }]);
    const uploading = server.raw().send(`${POST}Content-Length: 4\r\n\r\nab`);
    const waiting = server.raw().send("GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const idle = await server.raw().send(`${POST}Content-Length: 1\r\n\r\nx`).answered("json:x");
    await eventually(() => server.connections.httpRequests === 3);
    let isStopped = false;
    const stopped = server.transport.stop(GRACE_MS).then(() => {
      isStopped = true;
    });
    const refused = await new Promise((resolve) => {
      connect(server.port, "127.0.0.1")
        .on("error", () => resolve(true))
        .on("connect", () => resolve(false));
    });
    expect(refused).toBe(true);
    await uploading.send("cd").answered("json:abcd");
    expect(uploading.received).toContain("Connection: close");
    expect(isStopped).toBe(false);
    finishPage();
    await waiting.answered("made");
    await stopped;
    await Promise.all([uploading.closed(), waiting.closed(), idle.closed()]);
    expect(server.connections.active).toBe(0);
  });

  it("answers the very last request in flight before it closes", async () => {
    const server = await listen();
    const last = server.raw().send(`${POST}Content-Length: 4\r\n\r\nab`);
    await eventually(() => server.connections.bytesIn === 2);
    const stopped = server.transport.stop(GRACE_MS);
    await last.send("cd").answered("json:abcd");
    await stopped;
    await last.closed();
  });

  it("runs no command whose answer could not leave", async () => {
    const server = await listen();
    const pipelining = server.raw().send(`${POST}Content-Length: 4\r\n\r\nab`);
    await eventually(() => server.connections.bytesIn === 2);
    const stopped = server.transport.stop(GRACE_MS);
    pipelining.send(`cd${`${POST}Content-Length: 1\r\n\r\nx`.repeat(2)}`);
    await stopped;
    await pipelining.closed();
    expect(pipelining.received.match(/HTTP\/1\.1 200 /g)).toHaveLength(server.dispatch.handledCount);
    expect(pipelining.received).toContain("json:abcd");
  });

  it("lets pages say that the server is stopping", async () => {
    const page = (body: string) => ({ status: 200, contentType: "text/plain", body });
    const route: PageRoute = { path: "/page", respond: ({ isStopping }) => page(isStopping ? "stopping" : "serving") };
    const server = await listen(0, [route]);
    const uploading = server.raw().send(`${POST}Content-Length: 4\r\n\r\nab`);
    const get = "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const watcher = await server.raw().send(get).answered("serving");
    await eventually(() => server.connections.bytesIn === 2);
    const stopped = server.transport.stop(GRACE_MS);
    await watcher.send(get).answered("stopping");
    await uploading.send("cd").answered("json:abcd");
    await stopped;
  });

  it("makes /ready say no", async () => {
    const config = configFromFlags("--no-persistence", "--port", "0", "--log-level", "silent", ...TRANSPORT_FLAGS);
    const server = await startServer(config, silentLogger);
    const port = Number(new URL(server.url).port);
    const get = "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // In one piece, so that the answer to the first tells that the second has begun.
    const uploading = new RawClient(port).send(`${get}${POST}Content-Length: 24\r\n\r\n{"command"`);
    await uploading.answered('{"status":"ready"}');
    const watcher = await new RawClient(port).send(get).answered('{"status":"ready"}');
    const stopped = server.stop();
    await watcher.send(get).answered('"code":"SERVICE_UNAVAILABLE"');
    expect(watcher.received).toContain("HTTP/1.1 503 Service Unavailable");
    await uploading.send(':"kv.dbsize"}\n').answered('"size":0');
    await stopped;
  });

  it("waits until a large reply has been read", async () => {
    const server = await listen();
    const client = server.raw();
    client.socket.pause();
    client.send(`${POST}Content-Length: 13\r\n\r\nsize:20000000`);
    await eventually(() => server.dispatch.handledCount === 1);
    const stopped = server.transport.stop(GRACE_MS);
    client.socket.resume();
    await stopped;
    await client.closed();
    expect(client.received.length).toBeGreaterThan(20_000_000);
  });

  it("tells WebSockets why, with 1001", async () => {
    const server = await listen();
    const sockets = Array.from({ length: 5 }, () => new WebSocket(`ws://127.0.0.1:${server.port}/api/v1/ws`));
    const pushes: string[] = [];
    const codes: number[] = [];
    for (const socket of sockets) {
      socket.on("message", (data) => pushes.push(String(data)));
      socket.on("close", (code) => codes.push(code));
    }
    await eventually(() => sockets.every((socket) => socket.readyState === WebSocket.OPEN));
    sockets[0].send("in flight");
    await eventually(() => pushes.length === 1);
    await server.transport.stop(GRACE_MS);
    await eventually(() => codes.length === 5);
    expect(codes).toEqual([1001, 1001, 1001, 1001, 1001]);
    expect(pushes.slice(1).map((push) => JSON.parse(push).code)).toEqual(Array(5).fill("SHUTTING_DOWN"));
    expect(server.connections.active).toBe(0);
  });

  it("does not wait longer than the grace time", async () => {
    const server = await listen();
    const stuck = server.raw().send(`${POST}Content-Length: 4\r\n\r\nab`);
    await eventually(() => server.connections.bytesIn === 2);
    await server.transport.stop(20);
    await stuck.closed();
    expect(server.connections.active).toBe(0);
  });

  it("is at once done where nobody is connected, and before listening", async () => {
    await new TransportUnderTest(OPTIONS).transport.stop(GRACE_MS);
    const server = await listen();
    await server.transport.stop(GRACE_MS);
  });
});
