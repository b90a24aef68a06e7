/**
 * Connections that know when each of their requests was due: in an open loop requests leave at fixed instants, and a reply
 * is as late as it is after its instant.
 */

import { sleep } from "../servers/processes.ts";
import type { ClientSocket } from "./client-socket.ts";
import type { LatencyHistogram } from "./latency-histogram.ts";
import { fieldAt, fieldName } from "./message-pack-fields.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import { pace } from "./pace.ts";

/** Requests of one connection without a reply, after which the run is called overloaded. */
const PENDING_MAX = 1 << 16;
const SUCCESS = fieldName("success");
const TRUE = 0xc3;

/** The due time of a request whose latency does not count. */
export const UNMEASURED = -1;

/** Replies come in the order of the requests, so each belongs to the oldest request that has none. Pushes are passed over. */
export class PacedLane {
  readonly socket: ClientSocket;
  /** Called at every reply, after it was counted. */
  onReply: () => void = () => undefined;
  readonly #due = new Float64Array(PENDING_MAX);
  #sent = 0;
  #answered = 0;

  constructor(socket: ClientSocket, latencies: LatencyHistogram) {
    this.socket = socket;
    socket.onMessage = (bytes, start, end) => {
      const success = fieldAt(bytes, start, SUCCESS);
      if (success < 0) return;
      if (bytes[success] !== TRUE) throw new Error(bytes.toString("latin1", start, end));
      const dueMs = this.#due[this.#answered++ % PENDING_MAX];
      if (dueMs !== UNMEASURED) latencies.add(monotonicMs() - dueMs);
      this.onReply();
    };
  }

  get pending(): number {
    return this.#sent - this.#answered;
  }

  /** Copies the request; it leaves with the others that are due. */
  send(request: Buffer, dueMs: number): void {
    if (this.pending === PENDING_MAX) throw new Error("the server cannot keep up with this rate");
    this.#due[this.#sent++ % PENDING_MAX] = dueMs;
    this.socket.append(request);
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
