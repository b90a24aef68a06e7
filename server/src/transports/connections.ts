/**
 * Who is connected and what their sockets have moved: `admin.clients` lists it, the metrics page reads the counters.
 * Written by the transports, plain fields because they are written on every message.
 */
import { networkOf } from "../access/failed-attempts.ts";
import type { Grant } from "../access/grant.ts";
import type { Caller } from "../dispatch/caller.ts";

/** A connection that sends no commands, and so is no caller, but came in by a token all the same. */
export interface GrantedLink {
  readonly grant: Grant;
  /** The grant has ended, and the connection ends with it. */
  expel(): void;
}

export class Connections {
  /** Those of replicas. */
  readonly links = new Set<GrantedLink>();
  readonly #callers = new Map<number, Caller>();
  /** How many of them each network has; kept only where that is limited. */
  readonly #perNetwork = new Map<string, number>();
  readonly #perAddressMax: number;
  #lastId = 0;

  /** Open HTTP sockets, a keep-alive one between two requests and those with an event stream included. */
  httpActive = 0;
  /** Event streams: so many of the HTTP sockets are listed. */
  sseActive = 0;
  websocketActive = 0;
  respActive = 0;
  /** Links of replicas. */
  replicaActive = 0;
  httpRequests = 0;
  websocketMessages = 0;
  /** Replies and pushes that wait in memory until their peers read: part of what the server holds. */
  unreadBytes = 0;
  /** Connections, and HTTP requests, that hold replies or pushes until the log is released, and the bytes of those. */
  heldOutboxes = 0;
  heldOutboxBytes = 0;
  /** Bodies and messages, without HTTP headers, frame headers and TLS; all of RESP. */
  bytesIn = 0;
  bytesOut = 0;
  /** Frames that WebSockets and event streams were sent without a request, and their bytes; these are in `bytesOut` too. */
  pushes = 0;
  pushBytes = 0;
  /** WebSockets, event streams and RESP connections cut off because they left more than `outboxBytesMax` unread, or most when all left too much together. */
  slowClientsCutOff = 0;
  /** WebSockets cut off because more of their messages waited to be worked on than may. */
  floodersCutOff = 0;
  /** HTTP replies not taken whole: the peer left, stopped reading, or sent the next request before reading this reply. */
  repliesAbandoned = 0;
  /** WebSockets that ended by a message over `requestBytesMax`, text that is not UTF-8, or a broken frame; RESP by a protocol error. */
  invalidMessages = 0;
  /** Cut off because a body, a WebSocket's first message or a login did not come in time. */
  silentClientsCutOff = 0;
  /** Turned away because `max_connections` were open, or their address had as many as it may. */
  connectionsRefused = 0;

  /** @param perAddressMax WebSockets, event streams and RESP connections of one address; 0 = no limit. */
  constructor(perAddressMax = 0) {
    this.#perAddressMax = perAddressMax;
  }

  /** Whether the address has as many as it may; then another is to be turned away, and is counted as such. */
  isFullFor(address: string): boolean {
    if (this.#perAddressMax === 0) return false;
    if ((this.#perNetwork.get(networkOf(address)) ?? 0) < this.#perAddressMax) return false;
    this.connectionsRefused += 1;
    return true;
  }

  /** The id of a new `Caller`. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** Lists a connection that lives longer than one request. */
  register(caller: Caller): void {
    this.#callers.set(caller.id, caller);
    this.#count(caller, 1);
  }

  unregister(caller: Caller): void {
    if (this.#callers.delete(caller.id)) this.#count(caller, -1);
  }

  has({ id }: Caller): boolean {
    return this.#callers.has(id);
  }

  #count({ address }: Caller, change: 1 | -1): void {
    if (this.#perAddressMax === 0) return;
    const network = networkOf(address);
    const count = (this.#perNetwork.get(network) ?? 0) + change;
    if (count > 0) this.#perNetwork.set(network, count);
    else this.#perNetwork.delete(network);
  }

  /** The registered connections, oldest first. */
  callers(): IterableIterator<Caller> {
    return this.#callers.values();
  }

  get active(): number {
    return this.httpActive + this.websocketActive + this.respActive + this.replicaActive;
  }
}
