/** RESP over a real socket: order, backpressure, the ends of connections, and where the server listens. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { RESP_PORT } from "../../src/config/schema.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { seededRandom } from "../engine.ts";

const servers: RunningServer[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(...flags: string[]): Promise<RunningServer> {
  const server = await startServer(
    configFromFlags("--no-persistence", "--port", "0", "--log-level", "silent", ...flags),
    silentLogger,
  );
  servers.push(server);
  return server;
}

/** A peer that takes what comes, and can wait for it. */
class Peer {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  isClosed = false;

  constructor({ respUrl = "" }: RunningServer) {
    const { hostname, port } = new URL(respUrl);
    this.socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    sockets.push(this.socket);
    this.socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    this.socket.on("error", () => {
      this.isClosed = true;
    });
    this.socket.on("end", () => {
      this.isClosed = true;
    });
  }

  send(text: string | Uint8Array): this {
    this.socket.write(text);
    return this;
  }

  async gets(text: string): Promise<void> {
    await until(() => this.received.length >= text.length || this.isClosed);
    expect(this.received.toString("latin1")).toBe(text);
  }

  async closes(): Promise<string> {
    await until(() => this.isClosed);
    return this.received.toString("latin1");
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error("it did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function multibulk(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
}

async function command(server: RunningServer, name: string, payload = {}): Promise<Record<string, unknown>> {
  const body = JSON.stringify({ command: name, payload });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${server.url}/api/v1/command`, { method: "POST", headers, body });
  const { payload: answer } = (await response.json()) as { payload: Record<string, unknown> };
  return answer;
}

/** What a TLS client sends first, to a server of this name. */
async function greetingOfTls(servername: string): Promise<Buffer> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const client = connectTls({ port: (listener.address() as AddressInfo).port, host: "127.0.0.1", servername });
  // Nobody answers it.
  client.on("error", () => {});
  const [socket] = (await once(listener, "connection")) as [Socket];
  const [greeting] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  listener.close();
  return greeting;
}

/** Requests of several kinds, and what comes back. */
function conversation(): { readonly stream: Buffer; readonly replies: string } {
  const stream: string[] = [];
  const replies: string[] = [];
  const say = (request: string, reply: string): void => {
    stream.push(request);
    replies.push(reply);
  };
  for (let i = 0; i < 40; i++) {
    say(multibulk("SET", `k${i}`, `v\r\n${i}`), "+OK\r\n");
    say(multibulk("GET", `k${i}`), `$${`v\r\n${i}`.length}\r\nv\r\n${i}\r\n`);
    say(`incr "n"\r\n`, `:${i + 1}\r\n`);
    say(multibulk("get", "nope"), "$-1\r\n");
    say(multibulk("MGET", "k0", "nope"), "*2\r\n$4\r\nv\r\n0\r\n$-1\r\n");
    say(multibulk("GET"), "-ERR wrong number of arguments for 'get' command\r\n");
    say(multibulk("Nope", "a", "b"), "-ERR unknown command 'Nope', with args beginning with: 'a' 'b' \r\n");
    say(multibulk("INCR", "k0"), "-ERR value is not an integer or out of range\r\n");
    say(multibulk("DEL", `k${i + 1}`, "nope"), ":0\r\n");
    say(multibulk("PING"), "+PONG\r\n");
  }
  return { stream: Buffer.from(stream.join("")), replies: replies.join("") };
}

describe("a stream", () => {
  it("is answered in order, sent whole", async () => {
    const { stream, replies } = conversation();
    await new Peer(await start()).send(stream).gets(replies);
  });

  it("is answered in order, sent byte by byte and in random pieces", async () => {
    const { stream, replies } = conversation();
    const random = seededRandom(7);
    for (const next of [() => 1, () => 1 + Math.floor(random() * 200)]) {
      const server = await start();
      const peer = new Peer(server);
      peer.socket.setNoDelay(true);
      for (let at = 0; at < stream.length; ) {
        const length = next();
        peer.send(stream.subarray(at, at + length));
        at += length;
        await new Promise(setImmediate);
      }
      await peer.gets(replies);
    }
  });

  it("of many bursts does not hold up another connection, and is answered whole", async () => {
    const server = await start();
    const busy = new Peer(server).send(multibulk("SET", "k", "v".repeat(1000)));
    const count = 3000;
    busy.send(multibulk("GET", "k").repeat(count));
    const other = new Peer(server).send("PING\r\n");
    await other.gets("+PONG\r\n");
    const replyBytes = "$1000\r\n\r\n".length + 1000;
    await until(() => busy.received.length === 5 + count * replyBytes);
  });

  it("takes a value of megabytes, and gives it back", async () => {
    const server = await start();
    const value = "0123456789abcdef".repeat(2 ** 18);
    const peer = new Peer(server).send(multibulk("SET", "big", value) + multibulk("GET", "big") + multibulk("PING"));
    await peer.gets(`+OK\r\n$${value.length}\r\n${value}\r\n+PONG\r\n`);
  });
});

describe("a peer that does not read", () => {
  it("is not read from past its limit, and gets everything once it reads", async () => {
    const server = await start("--set", "protocol.outbox_bytes_max=2mb", "--set", "protocol.max_reply_bytes=1mb");
    const value = "x".repeat(100_000);
    const peer = new Peer(server).send(multibulk("SET", "k", value));
    await peer.gets("+OK\r\n");
    peer.socket.pause();
    const count = 2000;
    peer.send(multibulk("GET", "k").repeat(count));
    let unread = 0;
    for (let i = 0; i < 20; i++) {
      const { clients } = await command(server, "admin.clients");
      const [{ unread_bytes }] = clients as { unread_bytes: number }[];
      unread = Math.max(unread, unread_bytes);
    }
    expect(unread).toBeGreaterThan(100_000);
    expect(unread).toBeLessThan(2 * 2 ** 20);
    peer.socket.resume();
    const replyBytes = `$100000\r\n${value}\r\n`.length;
    let receivedBytes = 0;
    peer.received = Buffer.alloc(0);
    peer.socket.removeAllListeners("data").on("data", (chunk) => {
      receivedBytes += chunk.length;
    });
    await until(() => receivedBytes >= count * replyBytes);
    expect(receivedBytes).toBe(count * replyBytes);
    peer.socket.on("data", (chunk) => {
      peer.received = Buffer.concat([peer.received, chunk]);
    });
    await peer.send("PING\r\n").gets("+PONG\r\n");
  });
});

describe("a peer that does not read small replies", () => {
  it("is not read from past its limit either, and gets its own once it reads, whatever others were answered", async () => {
    const server = await start("--set", "protocol.outbox_bytes_max=2mb", "--set", "protocol.max_reply_bytes=1mb");
    const values = Array.from({ length: 10 }, (_, i) => String(i).repeat(10_000));
    const other = new Peer(server);
    for (const [i, value] of values.entries()) other.send(multibulk("SET", `k${i}`, value));
    await other.gets("+OK\r\n".repeat(10));
    const replies = values.map((value) => `$10000\r\n${value}\r\n`).join("");
    const requests = values.map((_, i) => multibulk("GET", `k${i}`)).join("");
    const peer = new Peer(server);
    peer.socket.pause();
    // As long as those of the peer, and so in the same place of the buffer that all replies share.
    const others = "z".repeat(replies.length - 9);
    const echo = multibulk("ECHO", others);
    const count = 150;
    let unread = 0;
    for (let i = 0; i < count; i++) {
      peer.send(requests);
      other.received = Buffer.alloc(0);
      await other.send(echo).gets(`$${others.length}\r\n${others}\r\n`);
      const { clients } = await command(server, "admin.clients");
      for (const { unread_bytes } of clients as { unread_bytes: number }[]) unread = Math.max(unread, unread_bytes);
    }
    expect(unread).toBeGreaterThan(100_000);
    expect(unread).toBeLessThan(2 * 2 ** 20);
    const chunks: Buffer[] = [];
    let receivedBytes = 0;
    peer.socket.removeAllListeners("data").on("data", (chunk) => {
      chunks.push(chunk);
      receivedBytes += chunk.length;
    });
    peer.socket.resume();
    await until(() => receivedBytes >= count * replies.length);
    // Not as texts: a failure would print all of them.
    expect(Buffer.concat([peer.received, ...chunks]).equals(Buffer.from(replies.repeat(count)))).toBe(true);
    peer.received = Buffer.alloc(0);
    peer.socket.on("data", (chunk) => {
      peer.received = Buffer.concat([peer.received, chunk]);
    });
    await peer.send("PING\r\n").gets("+PONG\r\n");
  });
});

describe("a push for a peer that has left a part of one write unread", () => {
  it("leaves once that was read", async () => {
    const server = await start();
    const value = "v".repeat(100_000);
    const other = new Peer(server).send(multibulk("SET", "k", value));
    await other.gets("+OK\r\n");
    const peer = new Peer(server).send(multibulk("HELLO", "3") + multibulk("SUBSCRIBE", "c"));
    await until(() => peer.received.includes("subscribe"));
    peer.socket.pause();
    await until(async () => {
      peer.send(multibulk("GET", "k"));
      // It is answered before the next is sent: nothing more may be written behind what is unread.
      for (let i = 0; i < 3; i++) await command(server, "admin.clients");
      const { clients } = await command(server, "admin.clients");
      return (clients as { unread_bytes: number }[]).some(({ unread_bytes }) => unread_bytes > 0);
    });
    other.received = Buffer.alloc(0);
    await other.send(multibulk("PUBLISH", "c", "hello")).gets(":1\r\n");
    peer.socket.resume();
    await until(() => peer.received.includes("hello"));
  });
});

describe("a large request behind others in one write", () => {
  const big = "x".repeat(2 ** 20);

  it("is run after a burst that took several turns", async () => {
    const count = 3000;
    const stream = multibulk("SET", "k", "v").repeat(count) + multibulk("SET", "big", big) + multibulk("PING");
    await new Peer(await start()).send(stream).gets(`${"+OK\r\n".repeat(count + 1)}+PONG\r\n`);
  });

  it("is run after a command that waited", async () => {
    const server = await start();
    const publisher = new Peer(server).send(multibulk("QCREATE", "q"));
    await publisher.gets(":1\r\n");
    const waiting = multibulk("QCONSUME", "q", "WAIT", "30000");
    const peer = new Peer(server).send(waiting + multibulk("SET", "big", big) + multibulk("PING"));
    // The server has then read what it takes in meanwhile.
    for (let i = 0; i < 20; i++) await command(server, "admin.clients");
    publisher.send(multibulk("QPUBLISH", "q", "late"));
    await until(() => peer.received.toString("latin1").endsWith("+OK\r\n+PONG\r\n"));
    expect(peer.received.includes("late")).toBe(true);
  });

  it("is run after replies that were read late", async () => {
    const server = await start();
    const value = "y".repeat(4 * 2 ** 20);
    const peer = new Peer(server).send(multibulk("SET", "k", value));
    await peer.gets("+OK\r\n");
    peer.received = Buffer.alloc(0);
    peer.socket.pause();
    peer.send(multibulk("GET", "k").repeat(12) + multibulk("SET", "big", big) + multibulk("PING"));
    await until(async () => {
      const { clients } = await command(server, "admin.clients");
      return (clients as { unread_bytes: number }[]).some(({ unread_bytes }) => unread_bytes > 2 ** 24);
    });
    let length = 0;
    let end = "";
    peer.socket.removeAllListeners("data").on("data", (chunk) => {
      length += chunk.length;
      end = (end + chunk.toString("latin1").slice(-20)).slice(-20);
    });
    peer.socket.resume();
    await until(() => end.endsWith("+OK\r\n+PONG\r\n"));
    expect(length).toBe(12 * `$${value.length}\r\n${value}\r\n`.length + 12);
  });
});

describe("a request that has begun", () => {
  it("ends the connection where nothing more of it comes, and not before", async () => {
    const server = await start("--set", "server.connection_timeout_secs=1");
    const idle = new Peer(server).send("PING\r\n");
    const steady = new Peer(server);
    const request = multibulk("SET", "k", "v");
    let at = 0;
    const silent = new Peer(server).send(multibulk("PING") + request.slice(0, 20));
    const startedMs = Date.now();
    await until(async () => {
      // A byte now and then is enough.
      if (at < 20 && Date.now() - startedMs > at * 100) steady.send(request[at++]);
      return silent.isClosed && at === 20;
    });
    expect(silent.received.toString()).toBe("+PONG\r\n");
    await steady.send(request.slice(20)).gets("+OK\r\n");
    await idle.send("PING\r\n").gets("+PONG\r\n+PONG\r\n");
  });

  it("is bounded together with those of all others", async () => {
    const limits = ["--set", "protocol.outbox_bytes_max=1mb", "--set", "protocol.max_reply_bytes=1mb"];
    const server = await start(...limits);
    const length = 15 * 2 ** 20;
    const begun = Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${length}\r\n${"x".repeat(length - 1)}`);
    const peers = Array.from({ length: 5 }, () => new Peer(server).send(begun));
    await until(() => peers.some((peer) => peer.isClosed));
    expect(peers.every((peer) => peer.isClosed)).toBe(false);
    await new Peer(server).send("PING\r\n").gets("+PONG\r\n");
  });
});

describe("a connection ends", () => {
  it("after QUIT, with what came before it and nothing of what came behind", async () => {
    const server = await start();
    const peer = new Peer(server).send("SET a 1\r\nQUIT\r\nSET a 2\r\n");
    expect(await peer.closes()).toBe("+OK\r\n+OK\r\n");
    expect(await command(server, "kv.get", { key: "a" })).toBe("1");
  });

  it("after a protocol error, once that has been said", async () => {
    const peer = new Peer(await start()).send("PING\r\n*1\r\nPING\r\nPING\r\n");
    expect(await peer.closes()).toBe("+PONG\r\n-ERR Protocol error: expected '$', got 'P'\r\n");
  });

  it.each(["POST / HTTP/1.1\r\nSET a evil\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\nSET a evil\r\n"])(
    "where a browser speaks: %j",
    async (request) => {
      const server = await start();
      expect(await new Peer(server).send(request).closes()).toMatch(/^-ERR /);
      expect(await command(server, "kv.get", { key: "a" })).toBeNull();
    },
  );

  // A web page chooses the server name and the session ticket of a greeting that a browser sends in its name.
  it("where TLS is spoken to a port without it, and no line within the greeting runs", async () => {
    const server = await start();
    const name = "x".repeat(60);
    const greeting = await greetingOfTls(name);
    greeting.write("\r\nSET a evil\r\n", greeting.indexOf(name), "latin1");
    const reply = await new Peer(server).send(greeting).closes();
    expect(reply).toMatch(/^-ERR Protocol error: a line holds bytes that are no text[^\r]*\r\n$/);
    expect(await command(server, "kv.get", { key: "a" })).toBeNull();
  });

  it("where its first line is no command, and nothing behind it runs", async () => {
    const server = await start();
    const reply = await new Peer(server).send("EHLO x\r\nSET a evil\r\n").closes();
    expect(reply).toMatch(/^-ERR unknown command 'EHLO', [^\r]* ends\r\n$/);
    // A word is missing: that has run nothing either.
    expect(await new Peer(server).send("GET\r\nEHLO x\r\nSET a evil\r\n").closes()).toContain("unknown command 'EHLO'");
    expect(await command(server, "kv.get", { key: "a" })).toBeNull();
  });

  it("not where a client that has run a command, or sends arrays, mistypes one", async () => {
    const server = await start();
    const typed = new Peer(server).send("PING\r\nPIGN\r\nPING\r\n");
    await typed.gets("+PONG\r\n-ERR unknown command 'PIGN', with args beginning with: \r\n+PONG\r\n");
    const sent = new Peer(server).send(multibulk("PIGN") + multibulk("PING"));
    await sent.gets("-ERR unknown command 'PIGN', with args beginning with: \r\n+PONG\r\n");
  });

  it("when its peer has ended it, after the last reply", async () => {
    const peer = new Peer(await start());
    peer.socket.end(`${multibulk("SET", "a", "1").repeat(5000)}${multibulk("GET", "a")}*1\r\n$4\r\nPI`);
    expect(await peer.closes()).toBe(`${"+OK\r\n".repeat(5000)}$1\r\n1\r\n`);
  });

  it("when its peer has ended it while a command waits, after the replies before that", async () => {
    const server = await start();
    const value = "y".repeat(4 * 2 ** 20);
    const peer = new Peer(server).send(multibulk("SET", "k", value) + multibulk("QCREATE", "q"));
    await peer.gets("+OK\r\n:1\r\n");
    peer.socket.pause();
    peer.socket.end(multibulk("GET", "k").repeat(3) + multibulk("QCONSUME", "q", "WAIT", "30000"));
    for (let i = 0; i < 20; i++) await command(server, "admin.clients");
    peer.socket.resume();
    const replies = `$${value.length}\r\n${value}\r\n`.repeat(3);
    expect((await peer.closes()) === `+OK\r\n:1\r\n${replies}`).toBe(true);
    // It waits for nothing any more.
    const other = new Peer(server).send(multibulk("QPUBLISH", "q", "m") + multibulk("QCONSUME", "q"));
    await until(() => other.received.includes("payload"));
  });

  it("when the server stops", async () => {
    const server = await start();
    const peer = new Peer(server).send("PING\r\n");
    await peer.gets("+PONG\r\n");
    await server.stop();
    expect(await peer.closes()).toBe("+PONG\r\n");
  });

  it("at once where there are as many as may be", async () => {
    const server = await start("--set", "server.max_connections=2");
    for (let i = 0; i < 2; i++) await new Peer(server).send("PING\r\n").gets("+PONG\r\n");
    expect(await new Peer(server).closes()).toBe("-ERR max number of clients reached\r\n");
  });
});

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

describe("where it listens", () => {
  it("has no RESP where the port is 0", async () => {
    expect((await start("--resp-port", "0")).respUrl).toBeUndefined();
  });

  it("goes on without RESP, and says so, where nobody asked for the port and it is taken", async () => {
    const usual = createServer().listen(RESP_PORT, "127.0.0.1");
    // Taken already is as good; `once` would reject then.
    await new Promise((resolve) => usual.once("listening", resolve).once("error", resolve));
    const warnings: unknown[] = [];
    const logger = { ...silentLogger, warn: (warning: unknown) => warnings.push(warning) };
    const http = createServer().listen(0, "127.0.0.1");
    await once(http, "listening");
    const port = portOf(http);
    http.close();
    await once(http, "close");
    try {
      const server = await startServer(configFromFlags("--no-persistence", "--port", String(port)), logger);
      servers.push(server);
      expect(server.respUrl).toBeUndefined();
      expect(warnings).toEqual([
        `no RESP: Cannot listen on 127.0.0.1:${RESP_PORT}: the port is in use; stop the other process or choose another port. --resp-port sets another port, and 0 none.`,
      ]);
    } finally {
      usual.close();
    }
  });

  it("does not start where the port was asked for and is taken", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    try {
      const port = portOf(taken);
      await expect(start("--resp-port", String(port))).rejects.toThrow(
        `Cannot listen on 127.0.0.1:${port}: the port is in use; stop the other process or choose another port.`,
      );
    } finally {
      taken.close();
    }
  });
});
