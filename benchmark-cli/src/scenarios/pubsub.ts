/**
 * Scenario 4: topics with subscribers of which some have wildcards. First a closed loop, for the rate; then a fifth of that
 * rate at fixed instants, for the latencies. Every subscriber must get exactly what its pattern matches, by the benchmark's
 * own matcher.
 */
import { ClientProcess } from "../load/client-process.ts";
import type { Protocol } from "../load/connection.ts";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import type { Phase, PhaseLatency, ScenarioResult } from "../report/result.ts";
import type { Row } from "../report/row.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { portOf, type Target } from "../servers/target.ts";
import type { TopicPlan } from "../topics/topic-plan.ts";
import type { TopicPublished, TopicPublisherConfig, TopicPublishing } from "../topics/topic-publisher.ts";
import type { TopicRun, TopicRunResult, TopicSubscribersConfig } from "../topics/topic-subscribers.ts";
import { clientLimits, cpuNote, latencyRows, repeat } from "./judgement.ts";
import { checkPipeline, orderNote, subscribersNote } from "./protocol-options.ts";
import type { Stage } from "./stage.ts";

export interface PubsubOptions {
  /** Of what publishes; subscribers have WebSockets. */
  readonly protocol: Protocol;
  /** Connections that publish. */
  readonly publishers: number;
  readonly topics: number;
  readonly messages: number;
  readonly subscribers: number;
  readonly wildcardRatio: number;
  readonly subscribersPerSocket: number;
  readonly payloadSize: number;
  /** Publishes without a reply in the closed loop. */
  readonly pipeline: number;
  readonly clients: number;
  /** Seconds of the open loop. */
  readonly duration: number;
  /** Messages per second of the open loop; a fifth of the closed loop's by default. */
  readonly rate: number | undefined;
  readonly rounds: number;
}

const SHARE_OF_MAXIMUM = 1 / 5;
const WARMUP_MESSAGES = 2_000;
/** The specification's figures. */
const MESSAGES_PER_SEC = 100_000;
const ROUTING_P95_MS = 0.5;
const DELIVERY_P95_MS = 1;

interface Measured {
  readonly phase: Phase;
  readonly messagesPerSec: number;
  readonly routing: PhaseLatency;
  readonly delivery: PhaseLatency;
}

export async function runPubsub(options: PubsubOptions, stage: Stage): Promise<ScenarioResult> {
  checkPipeline(options.protocol, options.pipeline);
  return await repeat(options.rounds, () => new PubsubScenario(options, stage).run());
}

class PubsubScenario {
  readonly #options: PubsubOptions;
  readonly #stage: Stage;
  readonly #plan: TopicPlan;
  readonly #phases: Phase[] = [];
  #subscribers: ClientProcess[] = [];
  #publisher: ClientProcess | undefined;

  constructor(options: PubsubOptions, stage: Stage) {
    const { topics, subscribers, wildcardRatio, publishers } = options;
    this.#options = options;
    this.#stage = stage;
    this.#plan = { topics, subscribers, wildcardRatio, publishers };
  }

  async run(): Promise<ScenarioResult> {
    const { protocol, messages, pipeline: inFlight, duration, rate, clients } = this.#options;
    const { topics, subscribers, wildcardRatio } = this.#plan;
    // Topics are not in the log, so there is nothing to sync.
    const target = await this.#stage.open({ durability: "memory" }, { uses: ["topics"], protocol });
    await this.#open(target);
    await this.#measure("warm-up", target, { first: 0, count: WARMUP_MESSAGES, inFlight });
    const closed = await this.#measure("closed loop", target, { first: WARMUP_MESSAGES, count: messages, inFlight });
    const messagesPerSec = rate ?? closed.messagesPerSec * SHARE_OF_MAXIMUM;
    const count = Math.max(1, Math.round(messagesPerSec * duration));
    const open = await this.#measure("open loop", target, { first: WARMUP_MESSAGES + messages, count, messagesPerSec });
    await this.#close();
    await target.stop();
    return {
      scenario: "pubsub",
      title: `${topics} topics, ${messages} messages, ${subscribers} subscribers, ${wildcardRatio * 100}% wildcards, published over ${protocol}`,
      settings: { ...this.#options, rate: rate ?? "a fifth", server: target.name },
      rows: rowsOf(closed, open, messages),
      phases: this.#phases,
      errors: {},
      deliveries: {
        expected: closed.phase.done + open.phase.done,
        what: "messages: to each subscriber what its pattern matches, once and in order, and no more",
      },
      notes: [
        ...clientLimits(this.#phases, clients),
        ...subscribersNote(protocol),
        ...orderNote(this.#plan.publishers),
      ],
    };
  }

  async #open(target: Target): Promise<void> {
    const { protocol, clients, subscribersPerSocket: perSocket, payloadSize: payloadBytes } = this.#options;
    const port = portOf(target, "websocket");
    const published = { protocol, port: portOf(target, protocol) };
    this.#subscribers = Array.from({ length: clients }, (_, client) => {
      const config: TopicSubscribersConfig = { port, plan: this.#plan, perSocket, client, clients };
      return new ClientProcess(new URL("../topics/topic-subscribers.ts", import.meta.url), config);
    });
    const config: TopicPublisherConfig = { ...published, plan: this.#plan, payloadBytes };
    this.#publisher = new ClientProcess(new URL("../topics/topic-publisher.ts", import.meta.url), config);
    await Promise.all([this.#publisher, ...this.#subscribers].map((client) => client.until("ready")));
  }

  async #close(): Promise<void> {
    await Promise.all(this.#subscribers.map((client) => client.stop()));
    await this.#publisher?.stop();
  }

  async #measure(name: string, target: Target, publishing: TopicPublishing): Promise<Measured> {
    const publisher = this.#publisher;
    if (publisher === undefined) throw new Error("nobody publishes");
    const { first, count } = publishing;
    for (const client of this.#subscribers) client.tell("go", { first, count } satisfies TopicRun);
    await Promise.all(this.#subscribers.map((client) => client.until("going")));
    const processes = [publisher, ...this.#subscribers].map(({ child }) => child);
    const recorder = await this.#stage.record({ name, unit: "deliveries", usage: target.usage, clients: processes });
    for (const client of this.#subscribers) client.onProgress = (progress) => recorder.progress(progress);
    publisher.tell("go", publishing);
    const { startMs, routing } = await publisher.until<TopicPublished>("done");
    const results = await Promise.all(this.#subscribers.map((client) => client.until<TopicRunResult>("done")));
    const problems = results.flatMap((result) => result.problems);
    if (problems.length > 0) {
      throw new BenchmarkError(`deliveries are wrong: ${problems.slice(0, 10).join("; ")}`);
    }
    const seconds = (Math.max(...results.map(({ endMs }) => endMs)) - startMs) / 1_000;
    const deliveries = results.reduce((sum, result) => sum + result.deliveries, 0);
    const latencies = [
      latencyOf("routing", [routing]),
      latencyOf(
        "delivery",
        results.map(({ delivery }) => delivery),
      ),
    ];
    const phase = await recorder.finish(deliveries, seconds, latencies);
    if (name !== "warm-up") this.#keep(phase, count / seconds);
    return { phase, messagesPerSec: count / seconds, routing: latencies[0], delivery: latencies[1] };
  }

  #keep(phase: Phase, messagesPerSec: number): void {
    this.#phases.push(this.#stage.keep(phase));
    const rate = Math.round(messagesPerSec).toLocaleString("en-US");
    this.#stage.line(`  ${phase.name}: ${rate} messages/s, ${cpuNote(phase)}`);
  }
}

function latencyOf(name: string, parts: readonly TopicPublished["routing"][]): PhaseLatency {
  const all = LatencyHistogram.of(parts);
  return { name, counts: all.export(), latency: all.latency() };
}

function rowsOf(closed: Measured, open: Measured, messages: number): Row[] {
  const fanout = closed.phase.done / messages;
  const note = `at ${Math.round(open.messagesPerSec).toLocaleString("en-US")} messages/s; ${cpuNote(open.phase)}`;
  return [
    {
      what: "messages, until the last is delivered",
      value: closed.messagesPerSec,
      unit: "messages/s",
      better: "more",
      goal: MESSAGES_PER_SEC,
      note: cpuNote(closed.phase),
    },
    {
      what: "deliveries",
      value: closed.phase.done / closed.phase.seconds,
      unit: "deliveries/s",
      note: `${closed.phase.done.toLocaleString("en-US")}, none lost or twice: ${fanout.toFixed(2)} of each message`,
    },
    ...latencyRows("routing, publish to its reply", open.routing.latency, { p95: ROUTING_P95_MS }, note),
    ...latencyRows("delivery, from the instant it was due", open.delivery.latency, { p95: DELIVERY_P95_MS }),
  ];
}
