/** A process that publishes numbered messages to one queue; see scenarios/queue.ts. */

import { type Asking, askingOf } from "../load/asking.ts";
import { serve } from "../load/client-process.ts";
import type { Protocol } from "../load/connection.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { PacedLane, paceLanes } from "../load/paced-lane.ts";
import { ProgressTeller } from "../load/progress-teller.ts";
import { DIGITS, INSTANT_DIGITS, numberedFrame, writeDigits } from "../load/requests.ts";
import { requestOf } from "../load/workload.ts";
import { PRIORITIES, type PriorityDistribution, priorityOf } from "./message-plan.ts";

export interface QueuePublisherConfig {
  readonly protocol: Protocol;
  readonly port: number;
  readonly queue: string;
  readonly messages: number;
  readonly payloadBytes: number;
  readonly distribution: PriorityDistribution;
  /** Connections that take the commands in turn; what one of them publishes stays in order. */
  readonly publishers: number;
  /** 1 publishes with queue.publish, more with queue.publish_batch. */
  readonly messagesPerCommand: number;
  /** Of each connection. */
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

/** @returns the request of a command, whose bytes the next call may overwrite */
type Encoder = (command: number, dueMs: number) => Buffer;

class Publisher {
  readonly latencies = new LatencyHistogram();
  readonly #config: QueuePublisherConfig;
  readonly #lanes: readonly PacedLane[];
  readonly #encode: Encoder;
  readonly #commands: number;

  private constructor(config: QueuePublisherConfig, teller: ProgressTeller, open: OpenLane[]) {
    this.#config = config;
    this.#encode = config.messagesPerCommand === 1 ? singles(config) : batches(config);
    this.#commands = Math.ceil(config.messages / config.messagesPerCommand);
    const counted = {
      add: (latencyMs: number) => {
        teller.add(latencyMs, this.latencies);
        teller.count(config.messagesPerCommand - 1);
      },
    };
    this.#lanes = open.map(({ socket, asking }) => new PacedLane(socket, counted, asking));
  }

  static async open(config: QueuePublisherConfig, teller: ProgressTeller): Promise<Publisher> {
    const asking = askingOf(config.protocol);
    const open: OpenLane[] = [];
    for (let i = 0; i < config.publishers; i++) open.push({ socket: await asking.open(config.port), asking });
    return new Publisher(config, teller, open);
  }

  /** As many at a time as the configuration says, or at fixed instants. */
  async publishAll(): Promise<void> {
    const { messagesPerSec } = this.#config;
    if (messagesPerSec === undefined) {
      await Promise.all(this.#lanes.map((lane, index) => this.#closedLoop(lane, index)));
      return;
    }
    await paceLanes(this.#lanes, messagesPerSec, this.#commands, (command, lane, dueMs) => {
      lane.send(this.#encode(command, dueMs), dueMs);
    });
  }

  /** The commands of one lane, each of which leaves when an earlier one is answered. */
  #closedLoop(lane: PacedLane, index: number): Promise<void> {
    return new Promise((resolve) => {
      let next = index;
      const send = () => {
        if (next >= this.#commands) return;
        const nowMs = monotonicMs();
        lane.send(this.#encode(next, nowMs), nowMs);
        next += this.#lanes.length;
      };
      lane.onReply = () => {
        send();
        if (lane.pending === 0) resolve();
      };
      for (let i = 0; i < this.#config.inFlight; i++) send();
      lane.socket.flush();
      if (lane.pending === 0) resolve();
    });
  }
}

interface OpenLane {
  readonly socket: Awaited<ReturnType<Asking["open"]>>;
  readonly asking: Asking;
}

serve<QueuePublisherConfig>(async (config, benchmark) => {
  const publisher = await Publisher.open(config, new ProgressTeller(benchmark));
  benchmark.tell("ready");
  await benchmark.until("go");
  const startMs = monotonicMs();
  await publisher.publishAll();
  const published: QueuePublished = { startMs, endMs: monotonicMs(), latencies: publisher.latencies.export() };
  benchmark.tell("done", published);
});

/** A message each: a frame for each priority in which only the digits change. */
function singles({ protocol, port, queue, payloadBytes, distribution }: QueuePublisherConfig): Encoder {
  const frames = Array.from({ length: PRIORITIES }, (_, priority) =>
    numberedFrame(payloadBytes, (payload) =>
      requestOf(protocol, port, [{ command: "queue.publish", payload: { queue, priority, payload } }]),
    ),
  );
  return (message, dueMs) => {
    const { frame, at } = frames[priorityOf(message, distribution)];
    writeDigits(frame, at, DIGITS, message);
    writeDigits(frame, at + DIGITS, INSTANT_DIGITS, Math.round(dueMs * 1_000));
    return frame;
  };
}

function batches(config: QueuePublisherConfig): Encoder {
  const { protocol, port, queue, payloadBytes, distribution, messagesPerCommand } = config;
  const rest = "v".repeat(payloadBytes - DIGITS);
  return (batch) => {
    const first = batch * messagesPerCommand;
    const count = Math.min(messagesPerCommand, config.messages - first);
    const messages = Array.from({ length: count }, (_, i) => ({
      payload: String(first + i).padStart(DIGITS, "0") + rest,
      priority: priorityOf(first + i, distribution),
    }));
    return requestOf(protocol, port, [{ command: "queue.publish_batch", payload: { queue, messages } }]);
  };
}
