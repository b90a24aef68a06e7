/**
 * A listening transport with a fake dispatcher behind it, and raw ways to talk to it. The dispatcher answers
 * `<reply format>:<message>`, or for `size:N` a reply of N bytes, always from one shared buffer that it overwrites first,
 * so that a transport which keeps a reply without copying it is found out. `wait:NAME` is answered late, by `release:NAME`
 * from anywhere or when the transport stops; `listen:NAME` makes the connection one that the test pushes to. `at OFFSET`
 * before a message has its reply depend on that offset of the log.
 */

import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect, type Socket } from "node:net";
import type { Caller, Session } from "../../src/dispatch/caller.ts";
import type { ReplicaLinks } from "../../src/replication/link-socket.ts";
import { ManualClock } from "../../src/runtime/clock.ts";
import { ReleaseGate } from "../../src/runtime/release-gate.ts";
import { TurnEnd } from "../../src/runtime/turn-end.ts";
import { chooseSockets } from "../../src/transports/choose-sockets.ts";
import { Connections } from "../../src/transports/connections.ts";
import { HttpTransport } from "../../src/transports/http/http-transport.ts";
import type {
  Dispatch,
  EventsRequest,
  OpenedEvents,
  PageRoute,
  Reply,
  TransportOptions,
  WireFormat,
} from "../../src/transports/transport.ts";
import { openAccess } from "../open-access.ts";
import { testedTransport } from "../tested-transport.ts";

const sockets = await chooseSockets(testedTransport);

const STATUSES = {
  INVALID_REQUEST: 400,
  UNSUPPORTED_MEDIA_TYPE: 415,
  FORBIDDEN: 403,
  PAYLOAD_TOO_LARGE: 413,
  INTERNAL_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
};

/** Counts what it was told. */
export class FakeSession implements Session {
  closedCount = 0;
  drainedCount = 0;
  onDrained: () => void = () => {};

  closed(): void {
    this.closedCount += 1;
  }

  drained(): void {
    if (this.closedCount > 0) throw new Error("drained after closed");
    this.drainedCount += 1;
    this.onDrained();
  }
}

/** A connection that waits or listens. */
export interface FakePeer {
  readonly caller: Caller;
  readonly format: WireFormat;
  readonly session: FakeSession;
}

export class FakeDispatch implements Dispatch {
  readonly handled: { message: string; format: WireFormat; caller: Caller; address: string }[] = [];
  handledCount = 0;
  /** Off for floods. */
  keepsMessages = true;
  readonly waiting = new Map<string, FakePeer>();
  readonly listeners = new Map<string, FakePeer>();
  readonly opened: EventsRequest[] = [];
  /** What a new event stream finds. */
  onOpen: (caller: Caller) => void = () => {};
  isStopping = false;
  /** What a new event stream shows, and a late reply. */
  releaseOffset = 0;
  #shared = new Uint8Array(64 * 1024);

  handle(message: Uint8Array, format: WireFormat, replyFormat: WireFormat, caller: Caller): Reply | undefined {
    const text = Buffer.from(message).toString();
    this.handledCount += 1;
    if (this.keepsMessages) this.handled.push({ message: text, format, caller, address: caller.address });
    const [, offset, asked] = /^at (\d+) (.*)$/s.exec(text) ?? ["", "0", text];
    const [verb, name] = asked.split(":");
    if (verb === "wait") {
      this.waiting.set(name, this.#meet(caller, replyFormat));
      return undefined;
    }
    if (verb === "release") this.release(name, `late ${name}`);
    if (verb === "listen") this.listeners.set(name, this.#meet(caller, replyFormat));
    const body = verb === "size" ? Buffer.alloc(Number(name), "x") : Buffer.from(`${replyFormat}:${text}`);
    return this.#reply(200, body, replyFormat, Number(offset));
  }

  /** Answers a command that waits. */
  release(name: string, text: string): void {
    const peer = this.waiting.get(name);
    if (peer === undefined) throw new Error(`nobody waits as ${name}`);
    this.waiting.delete(name);
    peer.caller.answerLate(this.#reply(200, Buffer.from(text), peer.format, this.releaseOffset), peer.format);
  }

  listener(name: string): FakePeer {
    const peer = this.listeners.get(name);
    if (peer === undefined) throw new Error(`nobody listens as ${name}`);
    return peer;
  }

  /** Pushes a text to a listener. */
  push(name: string, text: string | Uint8Array, isBinary = false, releaseOffset = 0): boolean {
    const frame = typeof text === "string" ? Buffer.from(text) : text;
    return this.listener(name).caller.outbox?.push(frame, isBinary, releaseOffset) ?? false;
  }

  /** A stream listens under the name that is its query; `?missing` is refused. */
  openEvents(request: EventsRequest, caller: Caller): Reply | OpenedEvents {
    this.opened.push(request);
    if (request.query === "missing") return this.refuse("INVALID_REQUEST", "There is no such room.", "json");
    this.listeners.set(request.query, this.#meet(caller, "json"));
    this.onOpen(caller);
    return { status: undefined, releaseOffset: this.releaseOffset };
  }

  stopping(): void {
    this.isStopping = true;
    for (const name of [...this.waiting.keys()]) this.release(name, "stopping");
  }

  #meet(caller: Caller, format: WireFormat): FakePeer {
    const session = new FakeSession();
    caller.session = session;
    return { caller, format, session };
  }

  refuse(code: keyof typeof STATUSES, error: string, format: WireFormat, details?: object): Reply {
    return this.#reply(STATUSES[code], Buffer.from(JSON.stringify({ success: false, error, code, details })), format);
  }

  closing(code: string, error: string, format: WireFormat): Reply {
    return this.#reply(503, Buffer.from(JSON.stringify({ type: "closing", code, error })), format);
  }

  #reply(status: number, body: Uint8Array, format: WireFormat, releaseOffset = 0): Reply {
    this.#shared.fill(0x21);
    if (body.length > this.#shared.length) this.#shared = new Uint8Array(body.length);
    this.#shared.set(body);
    return { status, bytes: this.#shared, length: body.length, contentType: `application/${format}`, releaseOffset };
  }
}

export const OPTIONS: TransportOptions = {
  host: "127.0.0.1",
  port: 0,
  requestBytesMax: 64 * 1024,
  outboxBytesMax: 256 * 1024,
  connectionsMax: 1000,
  connectionTimeoutMs: 5000,
  idleTimeoutSecs: 300,
  compression: true,
  compressionThresholdBytes: 1024,
  allowedOrigins: ["https://app.example.com"],
  allowedHosts: ["synap.example.com"],
};

export class TransportUnderTest {
  readonly dispatch = new FakeDispatch();
  readonly connections = new Connections();
  readonly clock = new ManualClock();
  readonly bugs: unknown[] = [];
  readonly turnEnd = new TurnEnd();
  readonly gate = new ReleaseGate(0);
  readonly transport: HttpTransport;
  port = 0;

  constructor(changes: Partial<TransportOptions> = {}, pages: readonly PageRoute[] = []) {
    this.transport = new HttpTransport(
      {
        options: { ...OPTIONS, ...changes },
        dispatch: this.dispatch,
        pages,
        connections: this.connections,
        clock: this.clock,
        turnEnd: this.turnEnd,
        gate: this.gate,
        access: openAccess(),
        replicaLinks: () => this.replicaLinks,
        reportBug: (error) => `bug-${this.bugs.push(error)}`,
        acceptFailed: (error) => this.bugs.push(error),
      },
      sockets.create,
    );
  }

  /** Where replicas link; a test gives its own. */
  replicaLinks: ReplicaLinks | undefined;

  async listen(): Promise<this> {
    this.port = (await this.transport.listen()).port;
    return this;
  }

  /** Time passes and the ticker comes by. */
  pass(ms: number): void {
    this.clock.advance(ms);
    this.transport.tick();
  }

  stop(): Promise<void> {
    return this.transport.stop(0);
  }

  request(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: Uint8Array | string = "",
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({ port: this.port, host: "127.0.0.1", method, path, headers, agent: false });
      request.on("error", reject);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, text: bytes.toString() });
        });
      });
      request.end(body);
    });
  }

  post(body: Uint8Array | string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request("POST", "/api/v1/command", { "Content-Type": "application/json", ...headers }, body);
  }

  raw(): RawClient {
    return new RawClient(this.port);
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
}

/** A client that sends any bytes it likes, and reads only if it likes. */
export class RawClient {
  readonly socket: Socket;
  received = "";
  isClosed = false;
  #changed: () => void = () => {};

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (chunk: Buffer) => {
      this.received += chunk.toString("latin1");
      this.#changed();
    });
    // A reset is one of the ways in which a server closes.
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
      this.#changed();
    });
  }

  send(text: string | Uint8Array): this {
    this.socket.write(text);
    return this;
  }

  /** Resolves when `condition` holds for what has been received. */
  async until(condition: (client: RawClient) => boolean): Promise<this> {
    while (!condition(this)) {
      if (this.isClosed) throw new Error(`closed after: ${JSON.stringify(this.received.slice(0, 500))}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    return this;
  }

  answered(text: string): Promise<this> {
    return this.until((client) => client.received.includes(text));
  }

  async closed(): Promise<this> {
    while (!this.isClosed) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    return this;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Polls a condition on the other side of a socket, for which there is no event. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
