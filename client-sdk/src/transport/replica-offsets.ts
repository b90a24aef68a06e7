/**
 * Which replicas have what this client has written, for `readYourWrites`. Writes are counted as they are answered; the
 * master is asked for its offset, which is at or past them, and the replicas until they have come to it. Nobody is asked
 * while nothing was written, and nothing is read.
 *
 *     written 7 --> master: offset 120 --> replica: offset 118, ... 120 --> the replica has 7
 */
import { ProtocolError } from "../errors.ts";
import { pause } from "../timer.ts";
import { Request } from "../wire/request.ts";
import type { Endpoint } from "./endpoint.ts";

/** Between two questions to a replica that is not there yet. */
const ASK_AGAIN_MS = 5;

export class ReplicaOffsets {
  readonly #master: () => Endpoint;
  readonly #asked = new Set<Endpoint>();
  #writtenCount = 0;
  #isClosed = false;

  constructor(master: () => Endpoint) {
    this.#master = master;
  }

  /** A write is under way: no replica has it until it was asked. */
  written(request: Request): void {
    // Counted twice: a read issued at once must not pass it, and only an offset taken after its answer covers it.
    this.#writtenCount += 1;
    const count = (): void => {
      this.#writtenCount += 1;
    };
    request.promise.then(count, count);
  }

  has(replica: Endpoint): boolean {
    if (this.#writtenCount === 0 || replica.caughtUpCount === this.#writtenCount) return true;
    if (!this.#asked.has(replica)) {
      this.#asked.add(replica);
      void this.#ask(replica);
    }
    return false;
  }

  close(): void {
    this.#isClosed = true;
  }

  async #ask(replica: Endpoint): Promise<void> {
    try {
      const count = this.#writtenCount;
      const wanted = await offsetOf(this.#master());
      while (!this.#isClosed && replica.isOpen && (await offsetOf(replica)) < wanted) await pause(ASK_AGAIN_MS);
      if (replica.isOpen) replica.caughtUpCount = count;
    } catch (error) {
      // It stays behind, and reads stay with the master; the next read asks again.
      replica.caughtUpCount = error instanceof Error ? -1 : replica.caughtUpCount;
    } finally {
      this.#asked.delete(replica);
    }
  }
}

async function offsetOf(endpoint: Endpoint): Promise<number> {
  const request = new Request("admin.info", {}, "read", undefined);
  endpoint.issue(request);
  // An object with a section for each subject; a field that is not there is looked at as undefined.
  const { replication } = (await request.promise) as { readonly replication?: { readonly offset?: unknown } };
  if (typeof replication?.offset !== "number") throw new ProtocolError("admin.info tells no offset");
  return replication.offset;
}
