/** A dispatcher whose idempotent writes are looked at: what is remembered of them, and how. */

import type { Format } from "../src/dispatch/reply.ts";
import type { StateMachine } from "../src/state/state-machine.ts";
import { json, msgpack } from "./conformance/format.ts";
import { answered, Fixture } from "./dispatcher-fixture.ts";
import { caller, emptyState } from "./engine.ts";
import { allOperationKinds } from "./operation-kinds.ts";

export const FORMATS = { json, msgpack };

export class IdempotentFixture extends Fixture {
  /** The reply's bytes. */
  bytes(message: unknown, format: Format = "json", replyFormat: Format = format): Buffer {
    const encoded = new Uint8Array(FORMATS[format].encode(message));
    const reply = answered(this.dispatcher.handle(encoded, format, replyFormat, caller));
    return Buffer.from(reply.bytes.subarray(0, reply.length));
  }

  reply(message: unknown, format: Format = "json", replyFormat: Format = format): unknown {
    return FORMATS[replyFormat].decode(this.bytes(message, format, replyFormat));
  }

  get(key: string): unknown {
    return this.run("kv.get", { key }).body.payload;
  }

  get remembered(): number {
    return this.engine.state.replies.count;
  }

  /** Kinds of the operations of each record since `offset`. */
  kindsFrom(offset: number): number[][] {
    return allOperationKinds(this.engine.log, offset);
  }

  /** A state that has followed the log from its beginning. */
  replica(): StateMachine {
    const replica = emptyState();
    this.engine.log.read(1, ({ firstOffset, operations }) => {
      replica.apply(operations, operations.length, firstOffset);
      return true;
    });
    return replica;
  }

  get replays(): number {
    return this.dispatcher.idempotentReplays;
  }
}
