/**
 * Scenario 2: messages are published to one queue, then taken and acknowledged by workers; in each of the ways that clients
 * use a queue. Then both at once, at a fifth of the rate that was reached, for the latencies. Every message must be
 * delivered once and in order, and the queue must be empty at the end.
 */
import { ClientProcess } from "../load/client-process.ts";
import type { Protocol } from "../load/connection.ts";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import type { PriorityDistribution } from "../queue/message-plan.ts";
import type { QueuePublished, QueuePublisherConfig } from "../queue/queue-publisher.ts";
import type { QueueWorked, QueueWorkersConfig } from "../queue/queue-workers.ts";
import type { Phase, PhaseLatency, ScenarioResult } from "../report/result.ts";
import type { Row } from "../report/row.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { type FsyncPolicy, NO_SNAPSHOTS } from "../servers/synap-process.ts";
import { portOf, type Target } from "../servers/target.ts";
import { clientLimits, cpuNote, latencyRows, repeat } from "./judgement.ts";
import { checkPipeline, orderNote } from "./protocol-options.ts";
import type { Needs } from "./rehearsal.ts";
import type { Stage } from "./stage.ts";

/** How real clients use a queue: command by command, many messages per command, or pushed. */
export const QUEUE_WAYS = ["single", "batch", "subscribed"] as const;
export type QueueWay = (typeof QUEUE_WAYS)[number];

/** RESP has no batch: QPUBLISH and QACK are about one message each. Only a WebSocket is pushed to. */
const WAYS_OF: Readonly<Record<Protocol, readonly QueueWay[]>> = {
  websocket: QUEUE_WAYS,
  http: ["single", "batch"],
  resp: ["single"],
};

export interface QueueOptions {
  /** Of what is asked; what is pushed needs a WebSocket. */
  readonly protocol: Protocol;
  /** Connections that publish. */
  readonly publishers: number;
  /** Those that are measured; all that the protocol has. */
  readonly way: QueueWay | "all";
  readonly messages: number;
  readonly priorityDistribution: PriorityDistribution;
  readonly workers: number;
  /** Seconds. */
  readonly ackDeadline: number;
  readonly payloadSize: number;
  /** Requests of a connection without a reply. */
  readonly pipeline: number;
  readonly prefetch: number;
  readonly batch: number;
  /** Seconds of the open loop; 0 leaves it out. */
  readonly duration: number;
  /** Messages per second of the open loop; a fifth of the slower of the two rates by default. */
  readonly rate: number | undefined;
  readonly fsync: FsyncPolicy;
  readonly rounds: number;
}

const QUEUE = "benchmark";
const SHARE_OF_MAXIMUM = 1 / 5;
const BATCHES_IN_FLIGHT = 4;
/** The specification's figures. */
const PUBLISHED_PER_SEC = 50_000;
const CONSUMED_PER_SEC = 100_000;
const END_TO_END_SECS_MAX = 30;

interface Variant {
  readonly way: QueueWay;
  readonly name: string;
  readonly mode: QueueWorkersConfig["mode"];
  readonly batch: number;
}

function variantsOf({ batch, way: wanted, protocol }: QueueOptions): Variant[] {
  const variants: Variant[] = [
    { way: "single", name: "one message per command", mode: "consume", batch: 1 },
    { way: "batch", name: `${batch} messages per command`, mode: "consume", batch },
    { way: "subscribed", name: `subscribed, ${batch} per acknowledgement`, mode: "subscribe", batch },
  ];
  return variants.filter(({ way }) => (wanted === "all" ? WAYS_OF[protocol].includes(way) : wanted === way));
}

function check({ protocol, way, pipeline }: QueueOptions): void {
  checkPipeline(protocol, pipeline);
  if (way === "all" || WAYS_OF[protocol].includes(way)) return;
  if (way === "subscribed") {
    throw new BenchmarkError(
      `--way subscribed does not go with --protocol ${protocol}: what is pushed needs a WebSocket`,
    );
  }
  throw new BenchmarkError(
    "--way batch does not go with --protocol resp, whose QPUBLISH and QACK are about one message each: use --pipeline",
  );
}

export async function runQueue(options: QueueOptions, stage: Stage): Promise<ScenarioResult> {
  check(options);
  return await repeat(options.rounds, () => new QueueScenario(options, stage).run());
}

class QueueScenario {
  readonly #options: QueueOptions;
  readonly #stage: Stage;
  readonly #phases: Phase[] = [];
  readonly #rows: Row[] = [];
  #delivered = 0;

  constructor(options: QueueOptions, stage: Stage) {
    this.#options = options;
    this.#stage = stage;
  }

  async run(): Promise<ScenarioResult> {
    const { messages, duration, fsync, rate, ...rest } = this.#options;
    const rates: number[] = [];
    let server = "";
    for (const variant of variantsOf(this.#options)) {
      const target = await this.#open();
      server = target.name;
      rates.push(await this.#closed(target, variant));
      await target.stop();
    }
    if (duration > 0) {
      const target = await this.#open();
      await this.#openLoop(target, rate ?? rates[0] * SHARE_OF_MAXIMUM);
      await target.stop();
    }
    return {
      scenario: "queue",
      title: `A queue of ${messages.toLocaleString("en-US")} messages over ${rest.protocol} (fsync: ${fsync})`,
      settings: { messages, duration, fsync, ...rest, server, ...(rate === undefined ? {} : { rate }) },
      rows: this.#rows,
      phases: this.#phases,
      errors: {},
      deliveries: { expected: this.#delivered, what: "messages: each delivered once and in order, none left" },
      notes: [...clientLimits(this.#phases, 1), ...protocolNotes(this.#options)],
    };
  }

  async #open(): Promise<Target> {
    const { fsync, protocol } = this.#options;
    const needs: Needs = { uses: ["queue"], protocol };
    const target = await this.#stage.open({ durability: fsync, args: NO_SNAPSHOTS }, needs);
    // Of a server that was there before: what an earlier run has left there.
    await target.command("queue.delete", { queue: QUEUE }).catch((error: unknown) => {
      if (!(error instanceof BenchmarkError)) throw error;
    });
    await target.command("queue.create", { name: QUEUE, config: { max_depth: 0 } });
    return target;
  }

  /** @returns the slower of the two rates. */
  async #closed(target: Target, { name, mode, batch }: Variant): Promise<number> {
    const { messages, pipeline, prefetch } = this.#options;
    const inFlight = batch === 1 ? pipeline : Math.min(BATCHES_IN_FLIGHT, pipeline);
    const publisher = this.#publisher(target, { messagesPerCommand: batch, inFlight });
    const workerInFlight = mode === "subscribe" ? prefetch : inFlight;
    const workers = this.#workers(target, { mode, messagesPerCommand: batch, inFlight: workerInFlight });
    await Promise.all([publisher.until("ready"), workers.until("ready")]);

    const record = (phase: string, client: ClientProcess) =>
      this.#stage.record({
        name: `${name}: ${phase}`,
        unit: "messages",
        usage: target.usage,
        clients: [client.child],
        total: messages,
      });
    const publishing = await record("publish", publisher);
    publisher.onProgress = (progress) => publishing.progress(progress);
    publisher.tell("go");
    const published = await publisher.until<QueuePublished>("done");
    const publishSecs = (published.endMs - published.startMs) / 1_000;
    const publishPhase = await publishing.finish(messages, publishSecs, [latencyOf("publish", published.latencies)]);

    this.#keep(publishPhase);
    const consuming = await record("consume", workers);
    workers.onProgress = (progress) => consuming.progress(progress);
    workers.tell("go");
    const worked = await workers.until<QueueWorked>("done");
    const consumeSecs = (worked.endMs - worked.startMs) / 1_000;
    const consumePhase = this.#keep(await consuming.finish(messages, consumeSecs));
    await this.#verify(target, worked, messages);
    await Promise.all([publisher.stop(), workers.stop()]);
    this.#rows.push(...closedRows(name, publishPhase, consumePhase));
    return messages / Math.max(publishSecs, consumeSecs);
  }

  async #openLoop(target: Target, perSec: number): Promise<void> {
    const messages = Math.max(1, Math.round(perSec * this.#options.duration));
    // Messages of one priority, so that publish order is the order in which they must come while others are published.
    const plan = { messages, distribution: "equal", messagesPerCommand: 1 } as const;
    const publisher = this.#publisher(target, { ...plan, inFlight: 1, messagesPerSec: perSec });
    const pushed = { protocol: "websocket", port: target.port, mode: "subscribe", measuresDelivery: true } as const;
    const workers = this.#workers(target, { ...plan, ...pushed, inFlight: this.#options.prefetch });
    await Promise.all([publisher.until("ready"), workers.until("ready")]);
    const recorder = await this.#stage.record({
      name: "open loop: publish and consume together",
      unit: "messages",
      usage: target.usage,
      clients: [publisher.child, workers.child],
      total: messages,
    });
    workers.onProgress = (progress) => recorder.progress(progress);
    workers.tell("go");
    publisher.tell("go");
    const published = await publisher.until<QueuePublished>("done");
    const worked = await workers.until<QueueWorked>("done");
    const latencies = [latencyOf("publish", published.latencies), latencyOf("delivery", worked.delivery)];
    const phase = this.#keep(await recorder.finish(messages, (worked.endMs - published.startMs) / 1_000, latencies));
    await this.#verify(target, worked, messages);
    await Promise.all([publisher.stop(), workers.stop()]);
    const note = `at ${Math.round(perSec).toLocaleString("en-US")} messages/s; ${cpuNote(phase)}`;
    this.#rows.push(
      ...latencyRows("open loop, publish to its reply", latencies[0].latency, { p95: 1 }, note),
      ...latencyRows("open loop, publish to delivery", latencies[1].latency, {}, note),
    );
  }

  #publisher(
    target: Target,
    config: Pick<QueuePublisherConfig, "inFlight" | "messagesPerCommand"> & Partial<QueuePublisherConfig>,
  ): ClientProcess {
    const { messages, priorityDistribution: distribution, payloadSize: payloadBytes } = this.#options;
    const common = { ...this.#clients(target), queue: QUEUE, messages, distribution, payloadBytes };
    const full: QueuePublisherConfig = { ...common, ...config };
    return new ClientProcess(new URL("../queue/queue-publisher.ts", import.meta.url), full);
  }

  #workers(
    target: Target,
    config: Pick<QueueWorkersConfig, "inFlight" | "messagesPerCommand" | "mode"> & Partial<QueueWorkersConfig>,
  ): ClientProcess {
    const { messages, priorityDistribution: distribution, workers, ackDeadline: ackDeadlineSecs } = this.#options;
    const common = { ...this.#clients(target), queue: QUEUE, messages, distribution, workers, ackDeadlineSecs };
    const full: QueueWorkersConfig = { ...common, ...config };
    return new ClientProcess(new URL("../queue/queue-workers.ts", import.meta.url), full);
  }

  #clients(target: Target): Pick<QueueWorkersConfig, "protocol" | "port" | "publishers"> {
    const { protocol, publishers } = this.#options;
    return { protocol, port: portOf(target, protocol), publishers };
  }

  #keep(phase: Phase): Phase {
    this.#phases.push(this.#stage.keep(phase));
    const rate = Math.round(phase.done / phase.seconds).toLocaleString("en-US");
    this.#stage.line(`  ${phase.name}: ${rate} messages/s, ${cpuNote(phase)}`);
    return phase;
  }

  async #verify(target: Target, worked: QueueWorked, messages: number): Promise<void> {
    const stats = await target.command("queue.stats", { queue: QUEUE });
    const left = ["depth", "pending", "dead"].filter((name) => stats[name] !== 0);
    const problems = [...worked.problems, ...left.map((name) => `${stats[name]} messages left ${name}`)];
    if (stats.acked !== messages) problems.push(`the server counted ${stats.acked} acknowledgements`);
    if (problems.length > 0) throw new BenchmarkError(`deliveries are wrong: ${problems.join("; ")}`);
    this.#delivered += messages;
  }
}

function protocolNotes({ protocol, way, duration, publishers }: QueueOptions): string[] {
  const notes = orderNote(publishers);
  if (protocol === "websocket") return notes;
  const left = QUEUE_WAYS.filter((each) => !WAYS_OF[protocol].includes(each));
  if (way === "all") notes.push(`not over ${protocol}: ${left.map((each) => `--way ${each}`).join(" and ")}`);
  if (duration > 0) notes.push(`the open loop publishes over ${protocol}; its workers are pushed to, over WebSockets`);
  return notes;
}

function latencyOf(name: string, counts: QueuePublished["latencies"]): PhaseLatency {
  return { name, counts, latency: LatencyHistogram.of([counts]).latency() };
}

function closedRows(name: string, published: Phase, consumed: Phase): Row[] {
  const perSec = ({ done, seconds }: Phase) => done / seconds;
  return [
    {
      what: `${name}: published`,
      value: perSec(published),
      unit: "messages/s",
      better: "more",
      goal: PUBLISHED_PER_SEC,
      note: cpuNote(published),
    },
    {
      what: `${name}: consumed and acknowledged`,
      value: perSec(consumed),
      unit: "messages/s",
      better: "more",
      goal: CONSUMED_PER_SEC,
      note: cpuNote(consumed),
    },
    {
      what: `${name}: end to end`,
      value: published.seconds + consumed.seconds,
      unit: "s",
      better: "less",
      goal: END_TO_END_SECS_MAX,
      note: "every message once and in order",
    },
  ];
}
