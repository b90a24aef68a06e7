/** RESP over a real socket while the log is not released so far: bursts go on, replies leave in order when they may. */
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ReleaseGate } from "../../src/runtime/release-gate.ts";
import { TurnEnd } from "../../src/runtime/turn-end.ts";
import { Connections } from "../../src/transports/connections.ts";
import { RespTransport } from "../../src/transports/resp/resp-transport.ts";
import { Fixture } from "../dispatcher-fixture.ts";
import { seededRandom } from "../engine.ts";
import { eventually } from "../integration/transport-under-test.ts";
import { respDispatcher } from "../resp-fixture.ts";

const GRACE_MS = 5000;
const OUTBOX_BYTES_MAX = 200_000;

/** The engine behind a RESP port, with a log that is released when the test says so. */
class RespServer {
  readonly fixture = new Fixture();
  readonly connections = new Connections();
  readonly gate = new ReleaseGate(0);
  readonly log = { isBehind: false };
  readonly transport: RespTransport;
  port = 0;

  constructor() {
    const { clock, bugs } = this.fixture;
    const dispatch = respDispatcher(this.fixture, {
      replyBytesMax: 100_000,
      reportBug: (where, error) => `bug-${bugs.push({ id: "", where, error })}`,
    });
    this.transport = new RespTransport({
      options: {
        host: "127.0.0.1",
        port: 0,
        connectionsMax: 100,
        outboxBytesMax: OUTBOX_BYTES_MAX,
        replyBytesMax: 100_000,
        connectionTimeoutMs: 5000,
        keepAliveMs: 0,
      },
      dispatch,
      connections: this.connections,
      clock,
      turnEnd: new TurnEnd(),
      gate: this.gate,
      acceptFailed: (error) => bugs.push({ id: "", where: "accepting", error }),
      log: this.log,
    });
  }

  get applied(): number {
    return this.fixture.engine.executor.appliedOffset;
  }

  /** Resolves when the log has come to this offset. */
  reached(offset: number): Promise<void> {
    return eventually(() => this.applied >= offset);
  }

  /** Everything so far is on disk. */
  releaseAll(): void {
    if (this.applied > this.gate.releasedOffset) this.gate.advance(this.applied);
  }
}

class Peer {
  readonly socket: Socket;
  received = "";
  /** What was written together comes as one. */
  chunkCount = 0;
  isClosed = false;

  constructor({ port }: RespServer) {
    this.socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
    this.socket.on("data", (chunk) => {
      this.received += chunk.toString("latin1");
      this.chunkCount += 1;
    });
    this.socket.on("error", () => {});
    this.socket.on("end", () => {
      this.isClosed = true;
    });
    this.socket.on("close", () => {
      this.isClosed = true;
    });
    peers.push(this);
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  async gets(text: string): Promise<void> {
    await eventually(() => this.received.length >= text.length || this.isClosed);
    expect(this.received).toBe(text);
  }
}

let server: RespServer;
const peers: Peer[] = [];

beforeEach(async () => {
  server = new RespServer();
  server.port = (await server.transport.listen()).port;
});

afterEach(async () => {
  for (const { socket } of peers.splice(0)) socket.destroy();
  await server.transport.stop(0);
  await eventually(() => server.connections.respActive === 0);
  expect(server.connections).toMatchObject({ unreadBytes: 0, heldOutboxes: 0, heldOutboxBytes: 0 });
  expect(server.gate.waiterCount).toBe(0);
  expect(server.fixture.bugs).toEqual([]);
});

/** Another connection has been served since: whatever could leave has left, and would have come. */
async function othersServed(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Peer(server).send("PING\r\n").gets("+PONG\r\n");
}

describe("replies", () => {
  it("to what needs nothing leave at once where nothing is held, and else behind it", async () => {
    const peer = new Peer(server).send("PING\r\n");
    await peer.gets("+PONG\r\n");
    peer.send("SET a 1\r\n");
    await server.reached(1);
    peer.send("PING\r\nECHO x\r\n");
    await othersServed();
    expect(peer.received).toBe("+PONG\r\n");
    server.gate.advance(1);
    await peer.gets("+PONG\r\n+OK\r\n+PONG\r\n$1\r\nx\r\n");
  });

  it("to many bursts share one release and leave in one write", async () => {
    const peer = new Peer(server);
    const count = 50;
    for (let i = 1; i <= count; i++) {
      peer.send(`SET k${i} ${i}\r\n`);
      await server.reached(i);
    }
    expect(peer.received).toBe("");
    expect(server.connections.heldOutboxes).toBe(1);
    server.gate.advance(count);
    await peer.gets("+OK\r\n".repeat(count));
    expect(peer.chunkCount).toBe(1);
  });

  it("of one burst wait for the last of it", async () => {
    const peer = new Peer(server).send("SET a 1\r\nGET a\r\nSET b 2\r\n");
    await server.reached(2);
    server.gate.advance(1);
    await othersServed();
    expect(peer.received).toBe("");
    server.gate.advance(2);
    await peer.gets("+OK\r\n$1\r\n1\r\n+OK\r\n");
  });

  it("to reads wait for what they show, and no longer", async () => {
    const writer = new Peer(server).send("SET a 1\r\n");
    await server.reached(1);
    server.gate.advance(1);
    await writer.gets("+OK\r\n");
    writer.send("SET b 2\r\n");
    await server.reached(2);
    // What was written before is released; that a key is not there may be the work of what is not.
    await new Peer(server).send("GET a\r\n").gets("$1\r\n1\r\n");
    const [reader, misser] = [new Peer(server).send("GET b\r\n"), new Peer(server).send("GET c\r\n")];
    await othersServed();
    expect([reader.received, misser.received]).toEqual(["", ""]);
    server.gate.advance(2);
    await reader.gets("$1\r\n2\r\n");
    await misser.gets("$-1\r\n");
  });

  it("to EXEC wait for its record", async () => {
    const peer = new Peer(server).send("MULTI\r\nSET a 1\r\nGET a\r\nSET b 2\r\nEXEC\r\n");
    await server.reached(2);
    server.gate.advance(1);
    await othersServed();
    expect(peer.received).toBe("");
    server.gate.advance(2);
    await peer.gets(`+OK\r\n${"+QUEUED\r\n".repeat(3)}*3\r\n+OK\r\n$1\r\n1\r\n+OK\r\n`);
  });

  it("to EXEC of what was changed wait for the change", async () => {
    const peer = new Peer(server).send("WATCH a\r\nMULTI\r\nPING\r\n");
    await peer.gets("+OK\r\n+OK\r\n+QUEUED\r\n");
    new Peer(server).send("SET a 1\r\n");
    await server.reached(1);
    peer.send("EXEC\r\n");
    await othersServed();
    expect(peer.received).not.toContain("*");
    server.gate.advance(1);
    await peer.gets("+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n");
  });

  it("that come late wait as well, and what came behind the command runs meanwhile", async () => {
    const publisher = new Peer(server).send("QCREATE q\r\n");
    await server.reached(1);
    server.gate.advance(1);
    await publisher.gets(":1\r\n");
    const waiter = new Peer(server).send("QCONSUME q WAIT 30000\r\nSET after 1\r\n");
    await eventually(() => server.fixture.dispatcher.waits.count === 1);
    publisher.send("QPUBLISH q m\r\n");
    // The message, its delivery, and the key.
    await server.reached(4);
    await othersServed();
    expect([publisher.received, waiter.received]).toEqual([":1\r\n", ""]);
    server.gate.advance(2);
    await eventually(() => publisher.received !== ":1\r\n");
    await othersServed();
    expect(waiter.received).toBe("");
    server.gate.advance(3);
    await eventually(() => waiter.received !== "");
    await othersServed();
    expect(waiter.received.endsWith("+OK\r\n")).toBe(false);
    server.gate.advance(4);
    await eventually(() => waiter.received.endsWith("+OK\r\n"));
  });

  it("that wait for a disk that is behind have their peer wait, and what it sent is run when they have left", async () => {
    const peer = new Peer(server).send("SET a 1\r\n");
    await server.reached(1);
    server.log.isBehind = true;
    peer.send("SET a 2\r\n");
    await server.reached(2);
    peer.send("SET a 3\r\n");
    await othersServed();
    expect(server.applied).toBe(2);
    server.gate.advance(1);
    await peer.gets("+OK\r\n");
    await othersServed();
    expect(server.applied).toBe(2);
    server.gate.advance(2);
    await server.reached(3);
    server.log.isBehind = false;
    server.gate.advance(3);
    await peer.gets("+OK\r\n+OK\r\n+OK\r\n");
    // Nothing of it is left.
    peer.send("SET a 4\r\n");
    await server.reached(4);
    server.gate.advance(4);
    await peer.gets("+OK\r\n".repeat(4));
  });

  it("that a client does not want are not held for it", async () => {
    const peer = new Peer(server).send("CLIENT REPLY OFF\r\nSET a 1\r\n");
    await server.reached(1);
    expect(server.connections.heldOutboxes).toBe(0);
    server.gate.advance(1);
    await peer.send("CLIENT REPLY ON\r\n").gets("+OK\r\n");
  });
});

describe("messages of channels", () => {
  it("do not wait where nothing is held, and else stay behind it", async () => {
    const subscriber = new Peer(server).send("HELLO 3\r\nSUBSCRIBE ch\r\n");
    await eventually(() => subscriber.received.endsWith(":1\r\n"));
    const start = subscriber.received;
    const message = (text: string): string => `>3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$${text.length}\r\n${text}\r\n`;
    await new Peer(server).send("SET x 1\r\nPUBLISH ch quick\r\n");
    await subscriber.gets(start + message("quick"));
    subscriber.send("SET y 1\r\n");
    await server.reached(2);
    await new Peer(server).send("PUBLISH ch behind\r\n").gets(":1\r\n");
    await othersServed();
    expect(subscriber.received).toBe(start + message("quick"));
    server.gate.advance(2);
    await subscriber.gets(`${start}${message("quick")}+OK\r\n${message("behind")}`);
  });

  it("about keys wait until the change is released", async () => {
    await new Peer(server).send("CONFIG SET notify-keyspace-events KA\r\n").gets("+OK\r\n");
    const subscriber = new Peer(server).send("PSUBSCRIBE __key*\r\n");
    await eventually(() => subscriber.received.endsWith(":1\r\n"));
    const start = subscriber.received;
    new Peer(server).send("SET x 1\r\n");
    await server.reached(1);
    await othersServed();
    expect(subscriber.received).toBe(start);
    server.gate.advance(1);
    await eventually(() => subscriber.received.endsWith("$3\r\nset\r\n"));
  });
});

describe("a connection ends", () => {
  it("after QUIT, once what is held has left", async () => {
    const peer = new Peer(server).send("SET a 1\r\nQUIT\r\nSET b 1\r\n");
    await server.reached(1);
    await othersServed();
    expect([peer.received, peer.isClosed]).toEqual(["", false]);
    server.gate.advance(1);
    await eventually(() => peer.isClosed);
    expect(peer.received).toBe("+OK\r\n+OK\r\n");
    expect(server.applied).toBe(1);
  });

  it("after QUIT, without the messages that came since", async () => {
    const peer = new Peer(server).send("HELLO 3\r\nSUBSCRIBE ch\r\n");
    await eventually(() => peer.received.endsWith(":1\r\n"));
    const start = peer.received;
    peer.send("SET a 1\r\nQUIT\r\n");
    await server.reached(1);
    await new Peer(server).send("PUBLISH ch late\r\n").gets(":1\r\n");
    server.gate.advance(1);
    await eventually(() => peer.isClosed);
    expect(peer.received).toBe(`${start}+OK\r\n+OK\r\n`);
  });

  it("after its peer has ended it, once what is held has left", async () => {
    const peer = new Peer(server);
    peer.socket.end("SET a 1\r\nSET b 1\r\n");
    await server.reached(2);
    await othersServed();
    expect(peer.isClosed).toBe(false);
    server.gate.advance(2);
    await eventually(() => peer.isClosed);
    expect(peer.received).toBe("+OK\r\n+OK\r\n");
  });

  it("after a protocol error, which stays behind what is held", async () => {
    const peer = new Peer(server).send("SET a 1\r\n*1\r\nPING\r\n");
    await server.reached(1);
    await othersServed();
    expect(peer.received).toBe("");
    server.gate.advance(1);
    await eventually(() => peer.isClosed);
    expect(peer.received).toMatch(/^\+OK\r\n-ERR Protocol error/);
  });

  it("by a reset while replies are held, and its writes have happened", async () => {
    const peer = new Peer(server).send("SET a 1\r\n");
    await server.reached(1);
    peer.socket.resetAndDestroy();
    await eventually(() => server.connections.heldOutboxes === 0);
    expect(server.gate.waiterCount).toBe(0);
    server.gate.advance(1);
    await new Peer(server).send("GET a\r\n").gets("$1\r\n1\r\n");
  });

  it("when the server stops, after what is held", async () => {
    const peer = new Peer(server).send("SET a 1\r\n");
    await server.reached(1);
    const stopped = server.transport.stop(GRACE_MS);
    await new Promise(setImmediate);
    expect([peer.received, peer.isClosed]).toEqual(["", false]);
    server.gate.advance(1);
    await stopped;
    await eventually(() => peer.isClosed);
    expect(peer.received).toBe("+OK\r\n");
  });

  it("when the server stops and the log does not come so far", async () => {
    const peer = new Peer(server).send("SET a 1\r\n");
    await server.reached(1);
    await server.transport.stop(20);
    await eventually(() => peer.isClosed);
    expect(peer.received).toBe("");
  });
});

describe("a client that sends without end", () => {
  it("is not read from past its limit while the log is slow, and gets everything in the end", async () => {
    const peer = new Peer(server);
    const value = "v".repeat(1000);
    const count = 3000;
    peer.send(`SET k ${value}\r\n${"GET k\r\n".repeat(count)}`);
    await eventually(() => server.connections.heldOutboxBytes > OUTBOX_BYTES_MAX - 100_000);
    await othersServed();
    // One more burst than the limit.
    expect(server.connections.heldOutboxBytes).toBeLessThan(OUTBOX_BYTES_MAX + 300_000);
    const executed = server.fixture.engine.executor.counters.gets;
    expect(executed).toBeLessThan(count);
    await othersServed();
    expect(server.fixture.engine.executor.counters.gets).toBe(executed);
    server.gate.advance(1);
    await eventually(() => peer.received.length === 5 + count * (value.length + 9));
  });

  it("goes on where its writes are released bit by bit", async () => {
    const peer = new Peer(server);
    const count = 40_000;
    peer.send("INCR n\r\n".repeat(count));
    const expected = Array.from({ length: count }, (_, i) => `:${i + 1}\r\n`).join("");
    await eventually(() => {
      server.releaseAll();
      return peer.received.length >= expected.length;
    });
    expect(peer.received === expected).toBe(true);
  });
});

it.each([1, 2, 3, 4, 5, 6])("reads the same as without waiting, and nothing before its time: seed %i", async (seed) => {
  const random = seededRandom(seed);
  const peer = new Peer(server);
  let expected = "";
  const values = new Map<string, number>();
  /** What may have come when the log was released so far. */
  const lengths: { readonly offset: number; readonly length: number }[] = [];
  let sent = 0;
  for (let i = 0; i < 150; i++) {
    const key = `k${Math.floor(random() * 5)}`;
    const draw = random();
    if (draw < 0.4) {
      peer.send(`INCR ${key}\r\n`);
      const value = (values.get(key) ?? 0) + 1;
      values.set(key, value);
      sent += 1;
      await server.reached(sent);
      lengths.push({ offset: sent, length: expected.length });
      expected += `:${value}\r\n`;
    } else if (draw < 0.7) {
      const value = values.get(key);
      peer.send(`GET ${key}\r\n`);
      expected += value === undefined ? "$-1\r\n" : `$${String(value).length}\r\n${value}\r\n`;
    } else if (draw < 0.8) {
      peer.send("PING\r\n");
      expected += "+PONG\r\n";
    } else if (sent > server.gate.releasedOffset) {
      const { releasedOffset } = server.gate;
      server.gate.advance(releasedOffset + 1 + Math.floor(random() * (sent - releasedOffset)));
    }
    const held = lengths.find(({ offset }) => offset > server.gate.releasedOffset);
    if (held !== undefined) expect(peer.received.length).toBeLessThanOrEqual(held.length);
  }
  server.releaseAll();
  await peer.gets(expected);
});
