/**
 * Everything at once, for as long as is asked for: gets and sets at a fixed rate, a queue at a fixed rate with every message
 * checked, and idle connections that must all still be there at the end. There may be no error, and memory may not grow past
 * its plateau.
 */
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { ClientProcess } from "../load/client-process.ts";
import { fill, type Load, type LoadObserver, type LoadResult, runLoad } from "../load/load.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import type { QueuePublished, QueuePublisherConfig } from "../queue/queue-publisher.ts";
import type { QueueWorked, QueueWorkersConfig } from "../queue/queue-workers.ts";
import type { PhaseRecorder } from "../report/phase-recorder.ts";
import type { Phase, ScenarioResult, TimelinePoint } from "../report/result.ts";
import { median, type Row } from "../report/row.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import type { FsyncPolicy } from "../servers/synap-process.ts";
import type { Target } from "../servers/target.ts";
import type { IdleConnections, IdleConnectionsConfig } from "./idle-connections.ts";
import { cpuNote, latencyRows } from "./judgement.ts";
import type { Needs } from "./rehearsal.ts";
import type { Stage } from "./stage.ts";

export interface StressOptions {
  readonly duration: number;
  /** Operations per second. */
  readonly kvRate: number;
  /** Messages per second that are published, consumed and acknowledged. */
  readonly queueRate: number;
  readonly connections: number;
  readonly keys: number;
  readonly fsync: FsyncPolicy;
  readonly seed: number;
}

const BATCH = 100;
const KV_CONNECTIONS = 10;
const WORKERS = 5;
const QUEUE_IN_FLIGHT = 4;
const DEADLINE_SECS = 30;
/** Messages are checked a part at a time, since every one is remembered until then. */
const QUEUE_PART_SECS = 10;
const QUEUE = "stress";
/** Of both the server and each client process, for everything but idle connections. */
const FILES_RESERVED = 500;
/** Ports that Linux gives to one address by default. */
const PORTS_MAX = 28_000;
const CONNECTIONS_PER_PROCESS = 10_000;
const GROWTH_SHARE_MAX = 0.05;
const RATE_SHARE_MIN = 0.95;

export async function runStress(options: StressOptions, stage: Stage): Promise<ScenarioResult> {
  const connections = Math.min(options.connections, connectionsMax());
  const notes: string[] = [];
  if (connections < options.connections) {
    notes.push(
      `${connections} connections and not ${options.connections}: more files or ports are not allowed here (ulimit -n)`,
    );
    stage.line(`  ${notes[0]}`);
  }
  return await new StressScenario({ ...options, connections }, stage, notes).run();
}

/** What the limit of open files and the ports of one address allow. */
function connectionsMax(): number {
  const limit = readFileSync("/proc/self/limits", "utf8").match(/^Max open files\s+(\d+)/m)?.[1];
  return Math.min(PORTS_MAX, Number(limit ?? FILES_RESERVED) - FILES_RESERVED);
}

class StressScenario {
  readonly #options: StressOptions;
  readonly #stage: Stage;
  readonly #notes: string[];
  readonly #clients: ChildProcess[] = [];
  #recorder: PhaseRecorder | undefined;
  #messages = 0;
  /** Without the time between the parts. */
  #queueSecs = 0;

  constructor(options: StressOptions, stage: Stage, notes: string[]) {
    this.#options = options;
    this.#stage = stage;
    this.#notes = notes;
  }

  async run(): Promise<ScenarioResult> {
    const { duration, kvRate, queueRate, connections, fsync, keys } = this.#options;
    const needs: Needs = { uses: ["keys", "queue"], protocol: "websocket" };
    const target = await this.#stage.open({ durability: fsync }, needs);
    await fill(target.port, { count: keys, valueBytes: VALUE_BYTES });
    const idle = await this.#openIdle(target, connections);
    this.#recorder = await this.#stage.record({
      name: "stress",
      unit: "operations",
      usage: target.usage,
      clients: this.#clients,
      seconds: duration,
    });
    const endMs = performance.now() + duration * 1_000;
    const [kv] = await Promise.all([this.#runKv(target), this.#runQueue(target, endMs)]);
    const done = (kv?.commands ?? 0) + this.#messages;
    const latencies = kv === undefined ? [] : [{ name: "kv, a frame", latency: kv.latency, counts: kv.latencies }];
    const phase = this.#stage.keep(await this.#recorder.finish(done, this.#recorder.seconds, latencies));
    let lost = 0;
    for (const process of idle) {
      process.tell("count");
      lost += (await process.until<IdleConnections>("held")).lost;
      await process.stop();
    }
    await target.stop();
    return {
      scenario: "stress",
      title: `Stress for ${duration} s: ${kvRate} operations/s, ${queueRate} messages/s, ${connections} connections (fsync: ${fsync})`,
      settings: { ...this.#options },
      rows: this.#rows(phase, kv, lost),
      phases: [phase],
      errors: kv?.errors ?? {},
      ...(queueRate === 0
        ? {}
        : { deliveries: { expected: this.#messages, what: "messages: each delivered once, none left" } }),
      notes: this.#notes,
    };
  }

  async #openIdle({ port }: Target, connections: number): Promise<ClientProcess[]> {
    const processes: ClientProcess[] = [];
    for (let first = 0; first < connections; first += CONNECTIONS_PER_PROCESS) {
      const config: IdleConnectionsConfig = {
        port,
        connections: Math.min(CONNECTIONS_PER_PROCESS, connections - first),
      };
      const process = new ClientProcess(new URL("idle-connections.ts", import.meta.url), config);
      await process.until("ready");
      processes.push(process);
      this.#stage.line(`  ${(first + config.connections).toLocaleString("en-US")} connections are open`);
    }
    return processes;
  }

  async #runKv(target: Target): Promise<LoadResult | undefined> {
    const { kvRate, keys, duration, seed } = this.#options;
    if (kvRate === 0) return undefined;
    const load: Load = {
      protocol: "websocket",
      port: target.port,
      workload: { mix: { get: 0.8, set: 0.2 }, keys, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, batch: BATCH },
      connections: KV_CONNECTIONS,
      requestsPerSec: kvRate / BATCH,
      pacing: "timer",
      seconds: duration,
      countsErrors: true,
      seed,
    };
    const observer: LoadObserver = {
      onStart: (generators) => this.#clients.push(...generators),
      onProgress: (progress) => this.#recorder?.progress(progress),
    };
    return await runLoad(load, target.child, observer);
  }

  async #runQueue(target: Target, endMs: number): Promise<void> {
    const { queueRate } = this.#options;
    if (queueRate === 0) return;
    for (let part = 0; performance.now() < endMs; part++) {
      const seconds = Math.min(QUEUE_PART_SECS, (endMs - performance.now()) / 1_000);
      const messages = Math.max(BATCH, Math.round((queueRate * seconds) / BATCH) * BATCH);
      await this.#runQueuePart(target, `${QUEUE}-${part}`, messages);
      this.#messages += messages;
    }
  }

  async #runQueuePart(target: Target, queue: string, messages: number): Promise<void> {
    await target.command("queue.create", { name: queue, config: { max_depth: 0 } });
    const client = { protocol: "websocket", port: target.port, publishers: 1 } as const;
    const plan = { ...client, queue, messages, distribution: "equal", messagesPerCommand: BATCH } as const;
    const publishing: QueuePublisherConfig = {
      ...plan,
      payloadBytes: VALUE_BYTES,
      inFlight: QUEUE_IN_FLIGHT,
      messagesPerSec: this.#options.queueRate / BATCH,
    };
    const working: QueueWorkersConfig = {
      ...plan,
      workers: WORKERS,
      ackDeadlineSecs: DEADLINE_SECS,
      mode: "subscribe",
      inFlight: BATCH * QUEUE_IN_FLIGHT,
    };
    const publisher = new ClientProcess(new URL("../queue/queue-publisher.ts", import.meta.url), publishing);
    const workers = new ClientProcess(new URL("../queue/queue-workers.ts", import.meta.url), working);
    this.#clients.push(publisher.child, workers.child);
    workers.onProgress = (progress) => this.#recorder?.progress(progress);
    await Promise.all([publisher.until("ready"), workers.until("ready")]);
    workers.tell("go");
    publisher.tell("go");
    const { startMs } = await publisher.until<QueuePublished>("done");
    const { problems, endMs } = await workers.until<QueueWorked>("done");
    this.#queueSecs += (endMs - startMs) / 1_000;
    await Promise.all([publisher.stop(), workers.stop()]);
    if (problems.length > 0) throw new BenchmarkError(`deliveries are wrong: ${problems.join("; ")}`);
    const { depth, pending } = await target.command("queue.stats", { queue });
    if (depth !== 0 || pending !== 0) throw new BenchmarkError(`messages are left: ${depth} ready, ${pending} pending`);
    await target.command("queue.delete", { queue });
  }

  #rows(phase: Phase, kv: LoadResult | undefined, lost: number): Row[] {
    const { kvRate, queueRate, connections } = this.#options;
    const rows: Row[] = [];
    if (kv !== undefined) {
      const goal = kvRate * RATE_SHARE_MIN;
      const value = kv.commandsPerSec;
      rows.push({ what: "gets and sets", value, unit: "operations/s", better: "more", goal, note: cpuNote(phase) });
      rows.push(...latencyRows(`kv, a frame of ${BATCH}`, kv.latency));
    }
    if (queueRate > 0) {
      const goal = queueRate * RATE_SHARE_MIN;
      const note = `in parts of ${QUEUE_PART_SECS} s; each message checked, and the time between parts left out`;
      const value = this.#messages / this.#queueSecs;
      rows.push({ what: "messages through queues", value, unit: "messages/s", better: "more", goal, note });
    }
    if (connections > 0) {
      rows.push({
        what: `of ${connections} connections closed`,
        value: lost,
        unit: "connections",
        better: "less",
        goal: 0,
      });
    }
    const growth = growthOf(phase.points);
    if (growth === undefined) return rows;
    const note = "RSS of the last third beside that of the middle third";
    rows.push({
      what: "growth of memory",
      value: growth * 100,
      unit: "%",
      better: "less",
      goal: GROWTH_SHARE_MAX * 100,
      note,
    });
    return rows;
  }
}

/** How much more memory the server has in the last third than in the middle one; undefined where nobody knows. */
export function growthOf(points: readonly Pick<TimelinePoint, "serverRssBytes">[]): number | undefined {
  const sizes = points.flatMap(({ serverRssBytes }) => (serverRssBytes === null ? [] : [serverRssBytes]));
  const third = Math.floor(sizes.length / 3);
  if (third === 0) return undefined;
  return median(sizes.slice(2 * third)) / median(sizes.slice(third, 2 * third)) - 1;
}
