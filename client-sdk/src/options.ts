/** What a client can be told, with its defaults. */
import type { BackoffOptions } from "./transport/backoff.ts";

/** Which servers answer reads: see `readFrom`. */
export type ReadFrom = "master" | "replicas" | "any";

/** How to reach the servers and what to hold them and the caller to. Everything has a default. */
export interface ClientOptions {
  /** MessagePack, smaller and faster, or JSON, which a person can read on the wire. Default `msgpack`. */
  readonly format?: "msgpack" | "json";
  /**
   * What the servers ask for, or a function that gets it: called before each connection, and for a signed one (JWT) again
   * before it expires, to renew it on the living connection. Default none.
   */
  readonly token?: string | (() => string | Promise<string>);
  /**
   * Connections for commands to each server. One does for most; with more, commands of different turns of the event loop
   * may overtake each other. Default 1.
   */
  readonly connections?: number;
  /** Commands of a connection that may be sent and not answered; others wait here. Default 4096. */
  readonly maxInFlight?: number;
  /**
   * Commands that may wait here for each connection; past it a command fails with TooManyCommandsError. `drained()` is for
   * those who would rather wait. Default 1,000,000.
   */
  readonly maxQueued?: number;
  /** The largest command, in bytes: the server's `max_request_bytes`. It ends connections that send more. Default 16 MB. */
  readonly maxRequestBytes?: number;
  /** How long a command may take, attempts after lost connections included. Looked at ten times a second. Default 30,000. */
  readonly timeoutMs?: number;
  /** How long a connection may take to open, the server's first answer included. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** How long a server may be silent before it is asked for a sign, and as long again to give it. Default 15,000. */
  readonly heartbeatMs?: number;
  /** Waits between attempts to connect. There is no limit to attempts while somebody waits for an answer. */
  readonly reconnect?: BackoffOptions;
  /**
   * Whether writes are numbered, so that a write whose answer was lost is sent again and still runs once. False: such writes
   * fail with ConnectionLostError. Default true.
   */
  readonly idempotentWrites?: boolean;
  /**
   * Whether a replica's word is followed to its master. False, with one URL: this server and no other is spoken to, to ask a
   * replica how it is or to promote it, and what only a master does fails with ReadOnlyReplicaError. Default true.
   */
  readonly followMaster?: boolean;
  /**
   * `master`: reads go where writes go. `replicas`: to the replica with the fewest unanswered commands of this client, equals in
   * turn, and to the master only while no replica is connected. `any`: the same, the master being one of them.
   * Only with several URLs. Default `master`.
   */
  readonly readFrom?: ReadFrom;
  /**
   * With `readFrom` other than `master`: a replica answers reads only once it is known to have what this client has written.
   * It is asked for its offset with admin.info, which the token must allow. Default false.
   */
  readonly readYourWrites?: boolean;
}

/** Options of the constructor: those of `connect`, and where to. */
export interface SynapClientOptions extends ClientOptions {
  /** One server, or a master and its replicas in any order. `ws:`, `wss:`, `http:` or `https:`. */
  readonly url: string | URL | readonly (string | URL)[];
}

export interface ResolvedOptions {
  readonly urls: readonly string[];
  readonly format: "msgpack" | "json";
  readonly token: string | (() => string | Promise<string>) | undefined;
  readonly connections: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  readonly maxRequestBytes: number;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly reconnect: BackoffOptions;
  readonly idempotentWrites: boolean;
  readonly followMaster: boolean;
  readonly readFrom: ReadFrom;
  readonly readYourWrites: boolean;
}

/** @throws TypeError for what cannot be meant. */
export function resolveOptions(given: SynapClientOptions): ResolvedOptions {
  const unknown = Object.keys(given).find((name) => !NAMES.has(name));
  if (unknown !== undefined)
    throw new TypeError(`${unknown}: there is no such option; there are ${[...NAMES].join(", ")}`);
  const urls = (Array.isArray(given.url) ? given.url : [given.url]).map((url: string | URL) => socketUrl(String(url)));
  if (urls.length === 0) throw new TypeError("url: at least one is needed");
  const { followMaster = true, idempotentWrites = true, readYourWrites = false, token } = given;
  for (const [name, value] of Object.entries({ followMaster, idempotentWrites, readYourWrites })) {
    if (typeof value !== "boolean") throw new TypeError(`${name}: ${String(value)} must be true or false`);
  }
  if (token !== undefined && typeof token !== "string" && typeof token !== "function") {
    throw new TypeError("token: it must be a string, or a function that gets one");
  }
  if (!followMaster && urls.length > 1) throw new TypeError("followMaster: false is for a client of one URL");
  return {
    urls: [...new Set(urls)],
    format: oneOf("format", given.format ?? "msgpack", ["msgpack", "json"]),
    token,
    connections: whole("connections", given.connections ?? 1, CONNECTIONS_MAX),
    maxInFlight: whole("maxInFlight", given.maxInFlight ?? 4_096),
    maxQueued: whole("maxQueued", given.maxQueued ?? 1_000_000),
    maxRequestBytes: whole("maxRequestBytes", given.maxRequestBytes ?? 16 * 2 ** 20),
    timeoutMs: positive("timeoutMs", given.timeoutMs ?? 30_000),
    connectTimeoutMs: positive("connectTimeoutMs", given.connectTimeoutMs ?? 5_000),
    heartbeatMs: positive("heartbeatMs", given.heartbeatMs ?? 15_000),
    reconnect: given.reconnect ?? {},
    idempotentWrites,
    followMaster,
    readFrom: oneOf("readFrom", given.readFrom ?? "master", ["master", "replicas", "any"]),
    readYourWrites,
  };
}

/** To each server; a process that needs more needs more processes. */
const CONNECTIONS_MAX = 1_000;
const NAMES = new Set(
  Object.keys({
    url: true,
    format: true,
    token: true,
    connections: true,
    maxInFlight: true,
    maxQueued: true,
    maxRequestBytes: true,
    timeoutMs: true,
    connectTimeoutMs: true,
    heartbeatMs: true,
    reconnect: true,
    idempotentWrites: true,
    followMaster: true,
    readFrom: true,
    readYourWrites: true,
  } satisfies Record<keyof SynapClientOptions, true>),
);
const SOCKET_PATH = "/api/v1/ws";
const SCHEMES: Readonly<Record<string, string>> = { "ws:": "ws:", "wss:": "wss:", "http:": "ws:", "https:": "wss:" };

/** The address of a server's WebSocket, from whichever of its addresses was given. */
function socketUrl(given: string): string {
  let url: URL;
  try {
    url = new URL(given);
  } catch (cause) {
    throw new TypeError(`url: ${JSON.stringify(given)} is not a URL such as ws://localhost:15500`, { cause });
  }
  const scheme = SCHEMES[url.protocol];
  if (scheme === undefined) {
    throw new TypeError(`url: ${JSON.stringify(given)} must begin with ws:, wss:, http: or https:`);
  }
  url.hash = "";
  if (url.pathname === "/") url.pathname = SOCKET_PATH;
  // A URL with another scheme: the setter refuses to go from http: to ws:.
  return url.href.replace(url.protocol, scheme);
}

/** The address of a master as a replica tells it: with a scheme or without, and any path. */
export function masterSocketUrl(told: string, secure: boolean): string {
  const withScheme = /^[a-z]+:\/\//.test(told) ? told : `${secure ? "wss" : "ws"}://${told}`;
  const url = new URL(withScheme);
  url.pathname = SOCKET_PATH;
  return socketUrl(url.href);
}

/** @throws TypeError for what is no number from 1 on. */
export function positive(name: string, value: number): number {
  if (!Number.isFinite(value) || value < 1) throw new TypeError(`${name}: ${value} must be at least 1`);
  return value;
}

function whole(name: string, value: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new TypeError(`${name}: ${value} must be a whole number from 1 to ${max}`);
  }
  return value;
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw new TypeError(`${name}: ${value} must be one of ${allowed.join(", ")}`);
  return value;
}
