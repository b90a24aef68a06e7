/** What all event streams of one transport share: who listens, and the memory in which their pieces are joined. */
import type { PushOutbox } from "../push-outbox.ts";
import type { TransportParts } from "../transport.ts";
import type { EventStream } from "./event-stream.ts";
import type { HttpTraffic } from "./http-traffic.ts";

const PIECE_BYTES_MAX = 64 * 1024;

export class EventStreams {
  readonly #http: HttpTraffic;
  readonly #clock: TransportParts["clock"];
  readonly #open = new Set<EventStream>();
  readonly #piece = new Uint8Array(PIECE_BYTES_MAX);

  constructor(http: HttpTraffic) {
    this.#http = http;
    this.#clock = http.clock;
  }

  opened(stream: EventStream): void {
    this.#open.add(stream);
    this.#http.outboxes.register(stream);
    this.#http.connections.register(stream);
    this.#http.connections.sseActive += 1;
  }

  closed(stream: EventStream): void {
    this.#open.delete(stream);
    this.#http.outboxes.unregister(stream);
    this.#http.connections.unregister(stream);
    this.#http.connections.sseActive -= 1;
  }

  /** Takes frames for one write: joined where they are small. Valid until the next call; undefined when there is none. */
  gather(outbox: PushOutbox): Uint8Array | undefined {
    const first = outbox.take();
    if (first === undefined || outbox.nextBytes === 0) return first;
    if (first.length + outbox.nextBytes > PIECE_BYTES_MAX) return first;
    this.#piece.set(first);
    let length = first.length;
    while (outbox.nextBytes > 0 && length + outbox.nextBytes <= PIECE_BYTES_MAX) {
      const frame = outbox.take();
      if (frame === undefined) break;
      this.#piece.set(frame, length);
      length += frame.length;
    }
    return this.#piece.subarray(0, length);
  }

  /** Tells those for whom there has been nothing that they are still connected. */
  ping(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const stream of this.#open) stream.ping(nowMs);
  }

  /** Says goodbye to all. Each is a request in flight until it has ended. */
  shutDown(): void {
    for (const stream of [...this.#open]) stream.close("SHUTTING_DOWN", "The server is shutting down.");
  }
}
