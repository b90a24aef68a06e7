/**
 * A client's connection to one life of a node, on the node's side of the wire: the caller that commands see, and the ordered
 * outbox. A frame leaves the process when the release gate of the node has come to what the dispatcher said that it shows.
 * What it really shows is worked out here from the log alone, for `shown` to compare with what later starts find.
 */
import { unrestrictedGrant } from "../../src/access/grant.ts";
import type { Caller, PushFormat, Session } from "../../src/dispatch/caller.ts";
import type { Reply } from "../../src/dispatch/reply.ts";
import type { ReleaseWaiter } from "../../src/runtime/release-gate.ts";
import { type ClientRequest, encodeRequest, replyTo } from "./client-request.ts";
import type { Engine, SimulatedNode } from "./simulated-node.ts";

/** What leaves a process. */
export interface Frame {
  readonly text: string;
  /** What must be released before. */
  readonly releaseOffset: number;
  /** The last offset of the log that the request has written itself, or of the key that it has read; 0 for none. */
  readonly dependsOn: number;
  /** Of the reply to a write that has run now. */
  readonly isWrite: boolean;
}

export interface ConnectionOwner {
  /** Frames have left the node, in order. */
  left(connection: ClientConnection, frame: Frame): void;
  /** The connection is gone. @param isGivenBack what it was pushed is another's now. */
  closed(connection: ClientConnection, isGivenBack: boolean): void;
  /** Of a key's last change up to what is applied now. */
  lastChange(node: SimulatedNode, engine: Engine, key: string): number;
  /** The end of the first record that was written from `offset` on. */
  recordEnd(node: SimulatedNode, engine: Engine, offset: number): number;
}

export class ClientConnection implements Caller, ReleaseWaiter {
  readonly id: number;
  readonly protocol = "websocket";
  readonly address = "127.0.0.1";
  readonly connectedAtMs = 0;
  commandCount = 0;
  session: Session | undefined;
  pushFormat: PushFormat = "json";
  readonly outbox: Caller["outbox"];
  grant = unrestrictedGrant();
  readonly clientId: number;
  readonly node: SimulatedNode;
  readonly engine: Engine;
  isOpen = true;
  readonly #owner: ConnectionOwner;
  #held: Frame[] = [];

  constructor(id: number, clientId: number, node: SimulatedNode, engine: Engine, owner: ConnectionOwner) {
    this.id = id;
    this.clientId = clientId;
    this.node = node;
    this.engine = engine;
    this.#owner = owner;
    node.connections.add(this);
    this.outbox = {
      push: (frame, _isBinary, releaseOffset) => {
        if (!this.isOpen) return false;
        this.#hold({ text: Buffer.from(frame).toString(), releaseOffset, dependsOn: 0, isWrite: false });
        return true;
      },
    };
  }

  unreadBytes(): number {
    return 0;
  }

  /** Nobody has to log in here. */
  expel(): void {}

  /** @param attempt how often the client has sent it before. */
  handle(request: ClientRequest, attempt: number): void {
    const { engine, node } = this;
    const { dispatcher, log } = engine;
    const before = log.nextOffset;
    const reply = dispatcher.handle(encodeRequest(this.clientId, request, attempt), "json", "json", this);
    if (reply === undefined) return;
    const isWrite = log.nextOffset > before;
    let dependsOn = isWrite ? this.#owner.recordEnd(node, engine, before) : 0;
    if (request.readKey !== undefined) dependsOn = this.#owner.lastChange(node, engine, request.readKey);
    const frame = frameOf(reply);
    this.#hold({ ...frame, text: replyTo(request, frame.text), dependsOn, isWrite });
  }

  answerLate(reply: Reply): void {
    if (this.isOpen) this.#hold({ ...frameOf(reply), dependsOn: 0, isWrite: false });
  }

  #hold(frame: Frame): void {
    this.#held.push(frame);
    this.released();
  }

  released(): void {
    const { gate } = this.engine;
    while (this.isOpen && this.#held.length > 0) {
      if (this.#held[0].releaseOffset > gate.releasedOffset) {
        gate.wait(this);
        return;
      }
      const [frame] = this.#held.splice(0, 1);
      this.#owner.left(this, frame);
    }
  }

  /** The socket is closed, or the process is gone: what is held is never sent. */
  close(isProcessThere: boolean): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#held = [];
    this.node.connections.delete(this);
    if (isProcessThere) {
      this.engine.gate.forget(this);
      this.session?.closed();
    }
    this.#owner.closed(this, isProcessThere);
  }
}

function frameOf({ bytes, length, releaseOffset }: Reply): Omit<Frame, "dependsOn" | "isWrite"> {
  return { text: Buffer.from(bytes.subarray(0, length)).toString(), releaseOffset };
}
