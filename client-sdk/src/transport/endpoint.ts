/** One server: its lanes, and what is known of it. */
import type { Request } from "../wire/request.ts";
import { type ClientParts, Lane, type LaneListener } from "./lane.ts";

export class Endpoint {
  readonly url: string;
  /** As many of this client's writes as it is known to have (see replica-offsets.ts); -1 for a new connection. */
  caughtUpCount = -1;
  readonly lanes: readonly Lane[];
  #current = 0;

  constructor(url: string, parts: ClientParts, listener: LaneListener) {
    this.url = url;
    this.lanes = Array.from({ length: parts.options.connections }, () => new Lane(() => url, parts, listener));
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
