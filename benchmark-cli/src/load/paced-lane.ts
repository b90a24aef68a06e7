/**
 * Connections that know when each of their requests was due: in an open loop requests leave at fixed instants, and a reply
 * is as late as it is after its instant.
 */

import { sleep } from "../servers/processes.ts";
import { type Asking, askingOf } from "./asking.ts";
import type { ClientSocket } from "./client-socket.ts";
import type { LatencyHistogram } from "./latency-histogram.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import { pace } from "./pace.ts";

/** Requests of one connection without a reply, after which the run is called overloaded. */
const PENDING_MAX = 1 << 16;

/** The due time of a request whose latency does not count. */
export const UNMEASURED = -1;

/** Replies come in the order of the requests, so each belongs to the oldest request that has none. Pushes are passed over. */
export class PacedLane {
  readonly socket: ClientSocket;
  /** Called at every reply, after it was counted. */
  onReply: (bytes: Buffer, start: number, end: number) => void = () => undefined;
  readonly #asking: Asking;
  readonly #due = new Float64Array(PENDING_MAX);
  #sent = 0;
  #answered = 0;
  /** Copies of requests that wait until the protocol lets another one go; they have their due times. */
  readonly #waiting: Buffer[] = [];

  constructor(socket: ClientSocket, latencies: Pick<LatencyHistogram, "add">, asking: Asking = askingOf("websocket")) {
    this.socket = socket;
    this.#asking = asking;
    socket.onMessage = (bytes, start, end) => {
      if (!asking.isReply(bytes, start, end)) return;
      const dueMs = this.#due[this.#answered++ % PENDING_MAX];
      if (dueMs !== UNMEASURED) latencies.add(monotonicMs() - dueMs);
      const next = this.#waiting.shift();
      if (next !== undefined) socket.append(next);
      this.onReply(bytes, start, end);
    };
  }

  get pending(): number {
    return this.#sent - this.#answered;
  }

  /** Copies the request; it leaves with the others that are due. */
  send(request: Buffer, dueMs: number): void {
    if (this.pending === PENDING_MAX) throw new Error("the server cannot keep up with this rate");
    this.#due[this.#sent++ % PENDING_MAX] = dueMs;
    if (this.pending > this.#asking.pendingMax) this.#waiting.push(Buffer.from(request));
    else this.socket.append(request);
  }
}

/** Sends `count` requests over the lanes in turn, and waits for the last reply. */
export async function paceLanes(
  lanes: readonly PacedLane[],
  ratePerSec: number,
  count: number,
  send: (index: number, lane: PacedLane, dueMs: number) => void,
): Promise<void> {
  await pace(
    ratePerSec,
    count,
    (index, dueMs) => send(index, lanes[index % lanes.length], dueMs),
    () => {
      for (const lane of lanes) lane.socket.flush();
    },
  );
  while (lanes.some((lane) => lane.pending > 0)) await sleep(1);
}
