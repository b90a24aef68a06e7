/** For a node that takes no replicas, whatever they have: every hello is answered with the reason. */
import { encodeLinkMessage, REFUSAL, type RefusalReason } from "./link-message.ts";
import type { LinkEnd, LinkSocket, ReplicaLinks } from "./link-socket.ts";

export class RefusedLinks implements ReplicaLinks {
  readonly #refusal: Uint8Array;

  constructor(reason: RefusalReason, message: string) {
    this.#refusal = encodeLinkMessage({ kind: REFUSAL, reason, message });
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  connected(socket: LinkSocket): LinkEnd {
    return {
      received: () => {
        socket.send(this.#refusal);
        socket.close();
      },
      drained() {},
      closed() {},
    };
  }
}
