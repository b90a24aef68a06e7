/** A process that publishes numbered messages to the topics of a plan over one connection; see scenarios/pubsub.ts. */

import { serve } from "../load/client-process.ts";
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { fieldAt, fieldName, numberAt } from "../load/message-pack-fields.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { pace } from "../load/pace.ts";
import { DIGITS, frameFor, INSTANT_DIGITS, writeDigits } from "../load/requests.ts";
import { sleep } from "../servers/processes.ts";
import { fanoutOf, type TopicPlan, topicName, topicOf } from "./topic-plan.ts";

export interface TopicPublisherConfig {
  readonly port: number;
  readonly plan: TopicPlan;
  readonly payloadBytes: number;
}

/** Comes with `go`. */
export interface TopicPublishing {
  readonly first: number;
  readonly count: number;
  /** Requests without a reply, in a closed loop; undefined at fixed instants. */
  readonly inFlight?: number;
  readonly messagesPerSec?: number;
}

/** Comes with `done`. */
export interface TopicPublished {
  readonly startMs: number;
  readonly endMs: number;
  readonly routing: LatencyCounts;
}

const SUCCESS = fieldName("success");
const PAYLOAD = fieldName("payload");
const MATCHED = fieldName("subscribers_matched");
const TRUE = 0xc3;
/** Requests without a reply, after which the run is called overloaded. */
const PENDING_MAX = 1 << 16;

class Publisher {
  readonly #socket: ClientSocket;
  readonly #config: TopicPublisherConfig;
  /** By topic. */
  readonly #frames: readonly Buffer[];
  readonly #fanout: Uint32Array;
  readonly latencies = new LatencyHistogram();
  readonly #due = new Float64Array(PENDING_MAX);
  /** Numbers of the next message to be sent and to be answered. */
  #next = 0;
  #answered = 0;
  #onAnswer: () => void = () => undefined;

  constructor(socket: ClientSocket, config: TopicPublisherConfig) {
    this.#socket = socket;
    this.#config = config;
    const payload = "0".repeat(DIGITS + INSTANT_DIGITS).padEnd(config.payloadBytes, "m");
    this.#frames = Array.from({ length: config.plan.topics }, (_, topic) =>
      frameFor({ command: "pubsub.publish", payload: { topic: topicName(topic), payload } }),
    );
    this.#fanout = fanoutOf(config.plan);
    socket.onMessage = (bytes, start, end) => this.#replied(bytes, start, end);
  }

  async publish({ first, count, inFlight, messagesPerSec }: TopicPublishing): Promise<void> {
    this.#next = first;
    this.#answered = first;
    const end = first + count;
    if (inFlight === undefined) {
      await pace(
        messagesPerSec ?? 1,
        count,
        (_, dueMs) => this.#send(dueMs),
        () => this.#socket.flush(),
      );
      while (this.#answered < end) await sleep(1);
      return;
    }
    await new Promise<void>((resolve) => {
      this.#onAnswer = () => {
        if (this.#next < end) this.#send(monotonicMs());
        if (this.#answered === end) resolve();
      };
      while (this.#next < Math.min(end, first + inFlight)) this.#send(monotonicMs());
      this.#socket.flush();
    });
    this.#onAnswer = () => undefined;
  }

  #send(dueMs: number): void {
    if (this.#next - this.#answered === PENDING_MAX) throw new Error("the server cannot keep up with this rate");
    const message = this.#next++;
    const frame = this.#frames[topicOf(message, this.#config.plan)];
    const payload = frame.length - this.#config.payloadBytes;
    writeDigits(frame, payload, DIGITS, message);
    writeDigits(frame, payload + DIGITS, INSTANT_DIGITS, Math.round(dueMs * 1_000));
    this.#due[message % PENDING_MAX] = dueMs;
    this.#socket.append(frame);
  }

  #replied(bytes: Buffer, start: number, end: number): void {
    if (bytes[fieldAt(bytes, start, SUCCESS)] !== TRUE) throw new Error(bytes.toString("latin1", start, end));
    const message = this.#answered++;
    this.latencies.add(monotonicMs() - this.#due[message % PENDING_MAX]);
    const matched = numberAt(bytes, fieldAt(bytes, fieldAt(bytes, start, PAYLOAD), MATCHED));
    const topic = topicOf(message, this.#config.plan);
    if (matched !== this.#fanout[topic]) {
      throw new Error(`${topicName(topic)} matched ${matched} subscribers, not ${this.#fanout[topic]}`);
    }
    this.#onAnswer();
  }
}

serve<TopicPublisherConfig>(async (config, benchmark) => {
  const publisher = new Publisher(await openWebSocket(config.port), config);
  benchmark.tell("ready");
  for (;;) {
    const publishing = await benchmark.until<TopicPublishing>("go");
    publisher.latencies.clear();
    const startMs = monotonicMs();
    await publisher.publish(publishing);
    const published: TopicPublished = { startMs, endMs: monotonicMs(), routing: publisher.latencies.export() };
    benchmark.tell("done", published);
  }
});
