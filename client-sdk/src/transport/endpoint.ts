/** One server: its lanes, and what is known of it. */
import type { ResolvedOptions } from "../options.ts";
import type { Codec } from "../wire/codec.ts";
import type { Request } from "../wire/request.ts";
import type { Session } from "../wire/session.ts";
import { Lane, type LaneListener } from "./lane.ts";

export class Endpoint {
  readonly url: string;
  /** As many of this client's writes as it is known to have (see replica-offsets.ts); -1 for a new connection. */
  caughtUpCount = -1;
  readonly lanes: readonly Lane[];
  #current = 0;

  constructor(url: string, options: ResolvedOptions, session: Session, codec: Codec, listener: LaneListener) {
    this.url = url;
    this.lanes = Array.from({ length: options.connections }, () => {
      return new Lane(() => url, options, session, codec, listener);
    });
  }

  get isOpen(): boolean {
    return this.lanes.some(({ isOpen }) => isOpen);
  }

  get load(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.load, 0);
  }

  /** Commands of one turn share a lane, and with it a frame and an order; the next turn takes the next lane. */
  issue(request: Request): void {
    if (this.lanes.length > 1 && !this.lanes[this.#current].isGathering) {
      this.#current = (this.#current + 1) % this.lanes.length;
    }
    this.lanes[this.#current].issue(request);
  }

  close(): void {
    for (const lane of this.lanes) lane.close();
  }
}
