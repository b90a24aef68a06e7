/**
 * A process whose connections take messages from one queue and acknowledge them, until all have been; see
 * scenarios/queue.ts. What was delivered is held against what was published.
 */

import { serve } from "../load/client-process.ts";
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import {
  arrayLength,
  fieldAt,
  fieldName,
  firstElement,
  numberAt,
  skip,
  textStart,
} from "../load/message-pack-fields.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { ProgressTeller } from "../load/progress-teller.ts";
import { DIGITS, frameFor, INSTANT_DIGITS, OpenRequest, perform, readDigits } from "../load/requests.ts";
import { doneOrStalled } from "../load/stall-watch.ts";
import { DeliveryLedger } from "./delivery-ledger.ts";
import type { PriorityDistribution } from "./message-plan.ts";

export interface QueueWorkersConfig {
  readonly port: number;
  readonly queue: string;
  readonly messages: number;
  readonly distribution: PriorityDistribution;
  readonly workers: number;
  readonly ackDeadlineSecs: number;
  /** Whether messages are asked for or pushed. */
  readonly mode: "consume" | "subscribe";
  /** Messages asked for and acknowledged with one command. */
  readonly messagesPerCommand: number;
  /** `consume`: requests of a worker without a reply; `subscribe`: messages that a worker may have unacknowledged. */
  readonly inFlight: number;
  /** Whether messages come while they are published, so that their delivery can be timed. */
  readonly measuresDelivery?: boolean;
}

export interface QueueWorked {
  readonly startMs: number;
  readonly endMs: number;
  readonly problems: readonly string[];
  readonly delivery: LatencyCounts;
}

const SUCCESS = fieldName("success");
const PAYLOAD = fieldName("payload");
const MESSAGE = fieldName("message");
const MESSAGES = fieldName("messages");
const ACKED = fieldName("acked");
const ID = fieldName("id");
const DELIVERY_ID = fieldName("delivery_id");
const PRIORITY = fieldName("priority");
const TRUE = 0xc3;
const NIL = 0xc0;
/** A queue that answers so often that it is empty, though messages are missing, has lost them. */
const EMPTY_REPLIES_MAX = 1_000;

class Worker {
  readonly socket: ClientSocket;
  readonly #crew: Crew;
  readonly #ack: OpenRequest;
  /** Ids in `#ack`. */
  #collected = 0;

  constructor(socket: ClientSocket, crew: Crew) {
    this.socket = socket;
    this.#crew = crew;
    const { queue, messagesPerCommand } = crew.config;
    const ids = messagesPerCommand === 1 ? ["message_id", "delivery_id"] : ["message_ids"];
    this.#ack = new OpenRequest("queue.ack", { queue }, ids);
    socket.onMessage = (bytes, start, end) => this.#received(bytes, start, end);
  }

  #received(bytes: Buffer, start: number, end: number): void {
    const success = fieldAt(bytes, start, SUCCESS);
    if (success < 0) {
      const message = fieldAt(bytes, start, MESSAGE);
      if (message < 0) throw new Error(`neither reply nor delivery: ${bytes.toString("latin1", start, end)}`);
      this.#take(bytes, message);
      return;
    }
    if (bytes[success] !== TRUE) throw new Error(bytes.toString("latin1", start, end));
    const payload = fieldAt(bytes, start, PAYLOAD);
    const acked = fieldAt(bytes, payload, ACKED);
    if (acked >= 0) this.#crew.acknowledged(numberAt(bytes, acked));
    else this.#consumed(bytes, payload);
  }

  #consumed(bytes: Buffer, payload: number): void {
    const crew = this.#crew;
    const one = fieldAt(bytes, payload, MESSAGE);
    let count = 0;
    if (one >= 0) {
      if (bytes[one] !== NIL) {
        this.#take(bytes, one);
        count = 1;
      }
    } else {
      const list = fieldAt(bytes, payload, MESSAGES);
      count = arrayLength(bytes, list);
      let at = firstElement(bytes, list);
      for (let i = 0; i < count; i++) {
        this.#take(bytes, at);
        at = skip(bytes, at);
      }
      this.acknowledgeCollected();
    }
    crew.consumed(this, count);
  }

  /** Counts the message that stands at `at` and acknowledges it, alone or with those to come. */
  #take(bytes: Buffer, at: number): void {
    const { config, ledger } = this.#crew;
    const id = fieldAt(bytes, at, ID);
    const deliveryId = fieldAt(bytes, at, DELIVERY_ID);
    const text = textStart(bytes, fieldAt(bytes, at, PAYLOAD));
    const number = readDigits(bytes, text, DIGITS);
    this.#crew.delivered(bytes, text + DIGITS);
    ledger.add(number, numberAt(bytes, deliveryId), numberAt(bytes, fieldAt(bytes, at, PRIORITY)));
    const ack = this.#ack;
    if (config.messagesPerCommand === 1) {
      ack.open();
      ack.field(0, bytes, id, skip(bytes, id));
      ack.field(1, bytes, deliveryId, skip(bytes, deliveryId));
      ack.close(this.socket);
      return;
    }
    if (this.#collected === 0) {
      ack.open();
      ack.arrayField(0);
    }
    ack.element(bytes, id, skip(bytes, id));
    this.#collected += 1;
    if (config.mode === "subscribe" && this.#collected === config.messagesPerCommand) this.acknowledgeCollected();
    if (config.mode === "subscribe" && ledger.deliveries === config.messages) this.#crew.acknowledgeAll();
  }

  acknowledgeCollected(): void {
    if (this.#collected === 0) return;
    this.#ack.close(this.socket, this.#collected);
    this.#collected = 0;
  }
}

class Crew {
  readonly config: QueueWorkersConfig;
  readonly ledger: DeliveryLedger;
  readonly latencies = new LatencyHistogram();
  readonly #teller: ProgressTeller;
  readonly #workers: Worker[] = [];
  readonly #consume: Buffer;
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
    this.ledger = new DeliveryLedger(config.messages, config.distribution);
    const { queue, messagesPerCommand, ackDeadlineSecs } = config;
    const count = messagesPerCommand === 1 ? {} : { count: messagesPerCommand };
    this.#consume = frameFor({ command: "queue.consume", payload: { queue, ...count, ack_deadline: ackDeadlineSecs } });
  }

  /** Grows with every delivery and acknowledgement. */
  get progress(): number {
    return this.ledger.deliveries + this.#acked;
  }

  async open(): Promise<void> {
    for (let i = 0; i < this.config.workers; i++) {
      this.#workers.push(new Worker(await openWebSocket(this.config.port), this));
    }
  }

  async begin(): Promise<void> {
    const { mode, queue, inFlight, ackDeadlineSecs } = this.config;
    if (mode === "subscribe") {
      const payload = { queue, prefetch: inFlight, ack_deadline: ackDeadlineSecs };
      for (const { socket } of this.#workers) await perform(socket, "queue.subscribe", payload);
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
    worker.socket.append(this.#consume);
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
