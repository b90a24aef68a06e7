/** A process that publishes numbered messages to the topics of a plan; see scenarios/pubsub.ts. */

import { askingOf } from "../load/asking.ts";
import { serve } from "../load/client-process.ts";
import type { ClientSocket } from "../load/client-socket.ts";
import type { Protocol } from "../load/connection.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { pace } from "../load/pace.ts";
import { PacedLane } from "../load/paced-lane.ts";
import { DIGITS, INSTANT_DIGITS, type NumberedFrame, numberedFrame, writeDigits } from "../load/requests.ts";
import { requestOf } from "../load/workload.ts";
import { sleep } from "../servers/processes.ts";
import { fanoutOf, publisherOf, type TopicPlan, topicName, topicOf } from "./topic-plan.ts";

export interface TopicPublisherConfig {
  readonly protocol: Protocol;
  readonly port: number;
  readonly plan: TopicPlan;
  readonly payloadBytes: number;
}

/** Comes with `go`. */
export interface TopicPublishing {
  readonly first: number;
  readonly count: number;
  /** Requests of a connection without a reply, in a closed loop; undefined at fixed instants. */
  readonly inFlight?: number;
  readonly messagesPerSec?: number;
}

/** Comes with `done`. */
export interface TopicPublished {
  readonly startMs: number;
  readonly endMs: number;
  readonly routing: LatencyCounts;
}

class Lane {
  readonly paced: PacedLane;
  /** Of the messages without a reply, oldest first. */
  readonly topics: number[] = [];
  onAnswer: () => void = () => undefined;

  constructor(paced: PacedLane) {
    this.paced = paced;
  }
}

class Publisher {
  readonly latencies = new LatencyHistogram();
  readonly #config: TopicPublisherConfig;
  /** By topic. */
  readonly #frames: readonly NumberedFrame[];
  readonly #fanout: Uint32Array;
  readonly #lanes: readonly Lane[];

  constructor(sockets: readonly ClientSocket[], config: TopicPublisherConfig) {
    const { protocol, port, plan, payloadBytes } = config;
    const asking = askingOf(protocol);
    const matchedOf = asking.numberOf("subscribers_matched");
    this.#config = config;
    this.#frames = Array.from({ length: plan.topics }, (_, topic) =>
      numberedFrame(payloadBytes, (payload) =>
        requestOf(protocol, port, [{ command: "pubsub.publish", payload: { topic: topicName(topic), payload } }]),
      ),
    );
    this.#fanout = fanoutOf(plan);
    this.#lanes = sockets.map((socket) => {
      const lane = new Lane(new PacedLane(socket, this.latencies, asking));
      lane.paced.onReply = (bytes, start, end) => {
        this.#replied(lane, matchedOf(bytes, start, end));
        lane.onAnswer();
      };
      return lane;
    });
  }

  async publish({ first, count, inFlight, messagesPerSec }: TopicPublishing): Promise<void> {
    if (inFlight !== undefined) {
      await Promise.all(this.#lanes.map((_, index) => this.#closedLoop(index, first, first + count, inFlight)));
      return;
    }
    const send = (index: number, dueMs: number) => this.#send(first + index, dueMs);
    await pace(messagesPerSec ?? 1, count, send, () => {
      for (const { paced } of this.#lanes) paced.socket.flush();
    });
    while (this.#lanes.some(({ paced }) => paced.pending > 0)) await sleep(1);
  }

  /** The messages of one connection, each of which leaves when an earlier one is answered. */
  #closedLoop(index: number, first: number, end: number, inFlight: number): Promise<void> {
    const { plan } = this.#config;
    const lane = this.#lanes[index];
    let next = first;
    const send = () => {
      while (next < end && publisherOf(topicOf(next, plan), plan) !== index) next++;
      if (next < end) this.#send(next++, monotonicMs());
    };
    return new Promise((resolve) => {
      const endIfDone = () => {
        if (lane.paced.pending > 0) return;
        lane.onAnswer = () => undefined;
        resolve();
      };
      lane.onAnswer = () => {
        send();
        endIfDone();
      };
      for (let i = 0; i < inFlight; i++) send();
      lane.paced.socket.flush();
      endIfDone();
    });
  }

  #send(message: number, dueMs: number): void {
    const { plan } = this.#config;
    const topic = topicOf(message, plan);
    const lane = this.#lanes[publisherOf(topic, plan)];
    const { frame, at } = this.#frames[topic];
    writeDigits(frame, at, DIGITS, message);
    writeDigits(frame, at + DIGITS, INSTANT_DIGITS, Math.round(dueMs * 1_000));
    lane.topics.push(topic);
    lane.paced.send(frame, dueMs);
  }

  #replied(lane: Lane, matched: number): void {
    const topic = lane.topics.shift() ?? 0;
    if (matched === this.#fanout[topic]) return;
    throw new Error(`${topicName(topic)} matched ${matched} subscribers, not ${this.#fanout[topic]}`);
  }
}

serve<TopicPublisherConfig>(async (config, benchmark) => {
  const asking = askingOf(config.protocol);
  const sockets: ClientSocket[] = [];
  for (let i = 0; i < config.plan.publishers; i++) sockets.push(await asking.open(config.port));
  const publisher = new Publisher(sockets, config);
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
