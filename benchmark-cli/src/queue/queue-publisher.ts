/** A process that publishes numbered messages to one queue; see scenarios/queue.ts. */

import { serve } from "../load/client-process.ts";
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { fieldAt, fieldName } from "../load/message-pack-fields.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { pace } from "../load/pace.ts";
import { ProgressTeller } from "../load/progress-teller.ts";
import { DIGITS, frameFor, INSTANT_DIGITS, writeDigits } from "../load/requests.ts";
import { type PriorityDistribution, priorityOf } from "./message-plan.ts";

export interface QueuePublisherConfig {
  readonly port: number;
  readonly queue: string;
  readonly messages: number;
  readonly payloadBytes: number;
  readonly distribution: PriorityDistribution;
  /** 1 publishes with queue.publish, more with queue.publish_batch. */
  readonly messagesPerCommand: number;
  readonly inFlight: number;
  /** Open loop: at fixed instants, whatever is in flight. */
  readonly messagesPerSec?: number;
}

export interface QueuePublished {
  readonly startMs: number;
  readonly endMs: number;
  /** Of a command: in a closed loop from its start, else from the instant it was due. */
  readonly latencies: LatencyCounts;
}

const PRIORITIES = 10;
const SUCCESS = fieldName("success");
const TRUE = 0xc3;
/** Commands without a reply, after which the run is called overloaded. */
const PENDING_MAX = 1 << 16;

/** Replies come in the order of the requests, so each belongs to the oldest that has none. */
class Publisher {
  readonly latencies = new LatencyHistogram();
  readonly #config: QueuePublisherConfig;
  readonly #socket: ClientSocket;
  readonly #publish: (number: number, dueMs: number) => void;
  readonly #teller: ProgressTeller;
  readonly #due = new Float64Array(PENDING_MAX);
  readonly #commands: number;
  #sent = 0;
  #answered = 0;
  #onAnswer: () => void = () => undefined;

  constructor(socket: ClientSocket, config: QueuePublisherConfig, teller: ProgressTeller) {
    this.#config = config;
    this.#socket = socket;
    this.#teller = teller;
    this.#publish = config.messagesPerCommand === 1 ? singles(socket, config) : batches(socket, config);
    this.#commands = Math.ceil(config.messages / config.messagesPerCommand);
    socket.onMessage = (bytes, start, end) => this.#replied(bytes, start, end);
  }

  /** As many at a time as the configuration says, or at fixed instants. */
  async publishAll(): Promise<void> {
    const { messagesPerSec, inFlight } = this.#config;
    const allAnswered = new Promise<void>((resolve) => {
      this.#onAnswer = () => {
        if (messagesPerSec === undefined && this.#sent < this.#commands) this.#send(monotonicMs());
        if (this.#answered === this.#commands) resolve();
      };
    });
    if (messagesPerSec === undefined) {
      while (this.#sent < Math.min(inFlight, this.#commands)) this.#send(monotonicMs());
      this.#socket.flush();
    } else {
      const flush = () => this.#socket.flush();
      await pace(messagesPerSec, this.#commands, (_, dueMs) => this.#send(dueMs), flush);
    }
    await allAnswered;
  }

  #send(dueMs: number): void {
    if (this.#sent - this.#answered === PENDING_MAX) throw new Error("the server cannot keep up with this rate");
    this.#due[this.#sent % PENDING_MAX] = dueMs;
    this.#publish(this.#sent++, dueMs);
  }

  #replied(bytes: Buffer, start: number, end: number): void {
    if (bytes[fieldAt(bytes, start, SUCCESS)] !== TRUE) throw new Error(bytes.toString("latin1", start, end));
    this.#teller.add(monotonicMs() - this.#due[this.#answered++ % PENDING_MAX], this.latencies);
    this.#teller.count(this.#config.messagesPerCommand - 1);
    this.#onAnswer();
  }
}

serve<QueuePublisherConfig>(async (config, benchmark) => {
  // One connection, because publish order is then the order of the requests.
  const socket = await openWebSocket(config.port);
  const publisher = new Publisher(socket, config, new ProgressTeller(benchmark));
  benchmark.tell("ready");
  await benchmark.until("go");
  const startMs = monotonicMs();
  await publisher.publishAll();
  const published: QueuePublished = { startMs, endMs: monotonicMs(), latencies: publisher.latencies.export() };
  benchmark.tell("done", published);
});

/** Publishes the message of a number: a frame for each priority in which only the digits change. */
function singles(socket: ClientSocket, config: QueuePublisherConfig): (message: number, dueMs: number) => void {
  const { queue, payloadBytes, distribution } = config;
  const frames = Array.from({ length: PRIORITIES }, (_, priority) =>
    frameFor({
      command: "queue.publish",
      payload: { queue, priority, payload: "0".repeat(DIGITS + INSTANT_DIGITS).padEnd(payloadBytes, "v") },
    }),
  );
  return (message, dueMs) => {
    const frame = frames[priorityOf(message, distribution)];
    const payload = frame.length - payloadBytes;
    writeDigits(frame, payload, DIGITS, message);
    writeDigits(frame, payload + DIGITS, INSTANT_DIGITS, Math.round(dueMs * 1_000));
    socket.append(frame);
  };
}

function batches(socket: ClientSocket, config: QueuePublisherConfig): (batch: number) => void {
  const { queue, payloadBytes, distribution, messagesPerCommand } = config;
  const rest = "v".repeat(payloadBytes - DIGITS);
  return (batch) => {
    const first = batch * messagesPerCommand;
    const count = Math.min(messagesPerCommand, config.messages - first);
    const messages = Array.from({ length: count }, (_, i) => ({
      payload: String(first + i).padStart(DIGITS, "0") + rest,
      priority: priorityOf(first + i, distribution),
    }));
    socket.append(frameFor({ command: "queue.publish_batch", payload: { queue, messages } }));
  };
}
