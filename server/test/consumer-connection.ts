/** A connection with pushes, as the fan-out sees it; how fast it reads is up to the test. */
import { unrestrictedGrant } from "../src/access/grant.ts";
import type { Caller } from "../src/dispatch/caller.ts";
import { ClientSession } from "../src/fanout/client-session.ts";
import { json, msgpack } from "./conformance/format.ts";

export interface Delivered {
  readonly id: number;
  readonly delivery_id: number;
  readonly payload: unknown;
}

/** Delivery pushes, decoded (wire contract, section 5). */
interface DeliveryPush {
  readonly type: string;
  readonly subscription_id: number;
  readonly queue: string;
  readonly message: Delivered;
}

export class ConsumerConnection {
  readonly caller: Caller;
  readonly session: ClientSession;
  readonly pushes: DeliveryPush[] = [];
  /** What the peer has not read. */
  unread = 0;

  constructor(format: "json" | "msgpack" = "json") {
    this.caller = {
      id: 1,
      protocol: "websocket",
      address: "127.0.0.1",
      connectedAtMs: 0,
      commandCount: 0,
      unreadBytes: () => this.unread,
      session: undefined,
      pushFormat: format,
      grant: unrestrictedGrant(),
      expel: () => {},
      answerLate: () => {},
      outbox: { push: (frame, isBinary) => this.#take(frame, isBinary) },
    };
    this.session = ClientSession.of(this.caller);
  }

  get payloads(): unknown[] {
    return this.pushes.map(({ message }) => message.payload);
  }

  /** The deliveries that came since the last call. */
  takeMessages(): Delivered[] {
    return this.pushes.splice(0).map(({ message }) => message);
  }

  #take(frame: Uint8Array, isBinary: boolean): boolean {
    if (this.session.isClosed) return false;
    this.unread += frame.length;
    // What the server pushes to it are deliveries.
    this.pushes.push((isBinary ? msgpack : json).decode(Buffer.from(frame)) as DeliveryPush);
    return true;
  }

  /** The peer has read everything. */
  read(): void {
    this.unread = 0;
    this.session.drained();
  }
}
