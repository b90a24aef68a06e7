/** `GET /api/v1/replication` of the transport: who may link, and messages there and back. */
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import type { LinkEnd, LinkSocket, ReplicaLinks } from "../../src/replication/link-socket.ts";
import { testedTransport } from "../tested-transport.ts";
import { type RawClient, TransportUnderTest } from "./transport-under-test.ts";

/** Answers each message with itself, and remembers what became of its links. */
class EchoLinks implements ReplicaLinks {
  readonly sockets: LinkSocket[] = [];
  closedCount = 0;
  isStopped = false;

  connected(socket: LinkSocket): LinkEnd {
    this.sockets.push(socket);
    return {
      received: (message) => socket.send(message),
      drained: () => {},
      closed: () => {
        this.closedCount += 1;
      },
    };
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    for (const socket of this.sockets) socket.close();
  }
}

/** uWebSockets.js keeps a pong for each ping, up to a limit. */
const UNSENT_BYTES_MAX = testedTransport === "portable" ? 1000 : 97 * 1024 * 1024;

let server: TransportUnderTest;
let links: EchoLinks;
beforeEach(async () => {
  links = new EchoLinks();
  server = await new TransportUnderTest().listen();
  server.replicaLinks = links;
});
afterEach(() => server.stop());

function open(headers: Record<string, string> = {}): WebSocket {
  return new WebSocket(`ws://127.0.0.1:${server.port}/api/v1/replication`, { headers });
}

/** The status of a refused handshake. */
async function refusalOf(socket: WebSocket): Promise<number | undefined> {
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode?: number }];
  socket.on("error", () => socket.terminate());
  socket.terminate();
  return response.statusCode;
}

/** The server reads on, or has closed. */
function drainedOrClosed({ socket }: RawClient): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

describe("the endpoint of replicas", () => {
  it("carries binary messages both ways, and tells of the end", async () => {
    const socket = open();
    await once(socket, "open");
    expect(server.connections.replicaActive).toBe(1);
    expect(server.connections.httpActive).toBe(0);
    const large = Buffer.alloc(200_000, 7);
    socket.send(large);
    const [message] = (await once(socket, "message")) as [Buffer];
    expect(message.equals(large)).toBe(true);
    socket.close();
    await vi.waitFor(() => expect(links.closedCount).toBe(1));
    expect(server.connections.replicaActive).toBe(0);
    links.sockets[0].send(large);
    expect(links.sockets[0].bufferedBytes()).toBe(0);
  });

  it("refuses text", async () => {
    const socket = open();
    await once(socket, "open");
    socket.send("hello");
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(1003);
  });

  it("refuses web pages of other origins, and anybody while the server starts", async () => {
    expect(await refusalOf(open({ Origin: "http://evil.example" }))).toBe(403);
    server.replicaLinks = undefined;
    expect(await refusalOf(open())).toBe(503);
  });

  it("is a WebSocket and nothing else", async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/api/v1/replication`);
    expect(response.status).toBe(426);
  });

  it("keeps no answers for a peer that pings and does not read", async () => {
    const client = server.raw();
    const handshake = [
      "GET /api/v1/replication HTTP/1.1",
      "Host: localhost",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
    ];
    await client.send(`${handshake.join("\r\n")}\r\n\r\n`).answered("101 Switching Protocols");
    client.socket.pause();
    // A ping of 125 bytes, with the mask 0.
    const ping = Buffer.concat([Buffer.of(0x89, 0x80 | 125, 0, 0, 0, 0), Buffer.alloc(125)]);
    const burst = Buffer.concat(Array.from({ length: 5000 }, () => ping));
    let sentBytes = 0;
    while (sentBytes < 160_000_000 && !client.isClosed) {
      sentBytes += burst.length;
      if (!client.socket.write(burst)) await drainedOrClosed(client);
      expect(links.sockets[0].bufferedBytes()).toBeLessThan(UNSENT_BYTES_MAX);
    }
    client.destroy();
    await vi.waitFor(() => expect(links.closedCount).toBe(1));
  });

  it("is told when the server stops, before links are cut", async () => {
    const socket = open();
    await once(socket, "open");
    const closed = once(socket, "close");
    await server.stop();
    const [code] = (await closed) as [number];
    expect([links.isStopped, code]).toEqual([true, 1000]);
  });
});
