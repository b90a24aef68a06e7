/**
 * A process whose connections take messages from one queue and acknowledge them, until all have been; see
 * scenarios/queue.ts. What was delivered is held against what was published.
 */

import { askingOf } from "../load/asking.ts";
import { serve } from "../load/client-process.ts";
import type { Protocol } from "../load/connection.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { ProgressTeller } from "../load/progress-teller.ts";
import { INSTANT_DIGITS, readDigits } from "../load/requests.ts";
import { doneOrStalled } from "../load/stall-watch.ts";
import { AskingWorker } from "./asking-worker.ts";
import { DeliveryLedger } from "./delivery-ledger.ts";
import type { PriorityDistribution } from "./message-plan.ts";
import { WebSocketWorker } from "./websocket-worker.ts";
import type { Worker, WorkersCrew, Working } from "./worker.ts";

export interface QueueWorkersConfig extends Working {
  readonly protocol: Protocol;
  readonly port: number;
  readonly distribution: PriorityDistribution;
  /** Connections that published; what one of them did has an order. */
  readonly publishers: number;
  readonly workers: number;
  /** Whether messages come while they are published, so that their delivery can be timed. */
  readonly measuresDelivery?: boolean;
}

export interface QueueWorked {
  readonly startMs: number;
  readonly endMs: number;
  readonly problems: readonly string[];
  readonly delivery: LatencyCounts;
}

/** A queue that answers so often that it is empty, though messages are missing, has lost them. */
const EMPTY_REPLIES_MAX = 1_000;

class Crew implements WorkersCrew {
  readonly config: QueueWorkersConfig;
  readonly ledger: DeliveryLedger;
  readonly latencies = new LatencyHistogram();
  readonly #teller: ProgressTeller;
  readonly #workers: Worker[] = [];
  /** Messages asked for by requests that have no reply yet. */
  #requested = 0;
  #acked = 0;
  #emptyReplies = 0;
  #finish: () => void = () => undefined;
  readonly finished = new Promise<void>((resolve) => {
    this.#finish = resolve;
  });

  constructor(config: QueueWorkersConfig, teller: ProgressTeller) {
    this.config = config;
    this.#teller = teller;
    const { messages, distribution, publishers: count, messagesPerCommand } = config;
    this.ledger = new DeliveryLedger(messages, distribution, { count, messagesPerCommand });
  }

  /** Grows with every delivery and acknowledgement. */
  get progress(): number {
    return this.ledger.deliveries + this.#acked;
  }

  async open(): Promise<void> {
    const { protocol, port, workers } = this.config;
    const asking = askingOf(protocol);
    for (let i = 0; i < workers; i++) {
      const socket = await asking.open(port);
      const worker =
        protocol === "websocket" ? new WebSocketWorker(socket, this) : new AskingWorker(socket, this, protocol, port);
      this.#workers.push(worker);
    }
  }

  async begin(): Promise<void> {
    const { mode, inFlight } = this.config;
    if (mode === "subscribe") {
      for (const worker of this.#workers) await worker.subscribe();
      return;
    }
    for (let i = 0; i < inFlight; i++) for (const worker of this.#workers) this.#request(worker);
    for (const { socket } of this.#workers) socket.flush();
  }

  consumed(worker: Worker, count: number): void {
    this.#requested -= this.config.messagesPerCommand;
    if (count === 0) this.#emptyReplies += 1;
    if (this.#emptyReplies > EMPTY_REPLIES_MAX) this.#finish();
    else this.#request(worker);
  }

  #request(worker: Worker): void {
    if (this.ledger.deliveries + this.#requested >= this.config.messages) return;
    this.#requested += this.config.messagesPerCommand;
    worker.consume();
  }

  /** From the instant a message was due to be published, where it was published at one. */
  delivered(bytes: Buffer, instantAt: number): void {
    if (this.config.measuresDelivery !== true) {
      this.#teller.count();
      return;
    }
    const dueMs = readDigits(bytes, instantAt, INSTANT_DIGITS) / 1_000;
    this.#teller.add(monotonicMs() - dueMs, this.latencies);
  }

  acknowledged(count: number): void {
    this.#acked += count;
    if (this.#acked >= this.config.messages) this.#finish();
  }

  acknowledgeAll(): void {
    for (const worker of this.#workers) {
      worker.acknowledgeCollected();
      worker.socket.flush();
    }
  }
}

serve<QueueWorkersConfig>(async (config, benchmark) => {
  const crew = new Crew(config, new ProgressTeller(benchmark));
  await crew.open();
  benchmark.tell("ready");
  await benchmark.until("go");
  const startMs = monotonicMs();
  await crew.begin();
  await doneOrStalled(crew.finished, () => crew.progress);
  const worked: QueueWorked = {
    startMs,
    endMs: monotonicMs(),
    problems: crew.ledger.problems(),
    delivery: crew.latencies.export(),
  };
  benchmark.tell("done", worked);
});
