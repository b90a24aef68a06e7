/**
 * What one connection waits for and is subscribed to: it tells all of that when the connection closes or has read what it
 * was sent. Made by the first command of a connection that needs it.
 */
import type { Caller, PushFormat, Session } from "../dispatch/caller.ts";

/** Something that ends with its connection: a subscription, or a command that waits. */
export interface SessionPart {
  /** The connection is gone. It must not call `remove`: it is out already. */
  closed(): void;
  /** The connection can take more. */
  drained(): void;
}

export class ClientSession implements Session {
  readonly caller: Caller;
  /** By the id of its subscription, or by itself. */
  readonly #parts = new Map<number | SessionPart, SessionPart>();
  /** Rooms that it is subscribed to. Owned by the feeds. */
  roomCount = 0;
  #isClosed = false;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  /** That of a connection, made if it has none yet. */
  static of(caller: Caller): ClientSession {
    if (caller.session instanceof ClientSession) return caller.session;
    const session = new ClientSession(caller);
    caller.session = session;
    return session;
  }

  /** Nothing can be sent any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** That of the command under way: what it subscribes is pushed in this format. */
  get format(): PushFormat {
    return this.caller.pushFormat;
  }

  get partCount(): number {
    return this.#parts.size;
  }

  /** @param key what it is removed by, and found by if that is the id of its subscription. */
  add(part: SessionPart, key: number | SessionPart = part): void {
    if (this.#isClosed) throw new Error("a closed session takes nothing more");
    this.#parts.set(key, part);
  }

  remove(key: number | SessionPart): void {
    this.#parts.delete(key);
  }

  find(subscriptionId: number): SessionPart | undefined {
    return this.#parts.get(subscriptionId);
  }

  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const parts = [...this.#parts.values()];
    this.#parts.clear();
    for (const part of parts) part.closed();
  }

  drained(): void {
    for (const part of this.#parts.values()) part.drained();
  }
}
