/**
 * Records one phase: what the clients say they have done, and every quarter of a second a point with the rate, the p99, and
 * the CPU time and memory of both sides.
 */
import type { ChildProcess } from "node:child_process";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import type { Progress } from "../load/load.ts";
import { type Usage, usageOf } from "../servers/target.ts";
import type { Phase, PhaseLatency, TimelinePoint } from "./result.ts";
import type { View } from "./view.ts";

const POINT_EVERY_MS = 250;

export interface Recorded {
  readonly name: string;
  /** What is counted. */
  readonly unit: string;
  /** CPU time and memory of the servers under test; undefined where nobody can say. */
  readonly usage: () => Promise<Usage | undefined>;
  readonly clients: readonly ChildProcess[];
  /** How much there is to do, or how long it takes, where that is known. */
  readonly total?: number;
  readonly seconds?: number;
}

export class PhaseRecorder {
  readonly #recorded: Recorded;
  readonly #view: View;
  readonly #points: TimelinePoint[] = [];
  readonly #recent = new LatencyHistogram();
  readonly #all = new LatencyHistogram();
  #done = 0;
  #recentDone = 0;
  #startMs = 0;
  #pointMs = 0;
  #usageAtStart: Usage | undefined;
  #usage: Usage | undefined;
  readonly #secsOfClient = new Map<ChildProcess, number>();
  #clientSecsAtStart = 0;
  #clientSecs = 0;
  #timer: NodeJS.Timeout | undefined;
  #reading = Promise.resolve();

  private constructor(recorded: Recorded, view: View) {
    this.#recorded = recorded;
    this.#view = view;
  }

  static async begin(recorded: Recorded, view: View): Promise<PhaseRecorder> {
    const recorder = new PhaseRecorder(recorded, view);
    const usage = await recorded.usage();
    recorder.#usageAtStart = usage;
    recorder.#usage = usage;
    recorder.#clientSecsAtStart = recorder.#readClients();
    recorder.#clientSecs = recorder.#clientSecsAtStart;
    recorder.#startMs = performance.now();
    recorder.#pointMs = recorder.#startMs;
    recorder.#timer = setInterval(() => {
      recorder.#reading = recorder.#reading.then(() => recorder.#point());
    }, POINT_EVERY_MS);
    return recorder;
  }

  get seconds(): number {
    return (performance.now() - this.#startMs) / 1_000;
  }

  progress({ done, latencies }: Progress): void {
    this.#done += done;
    this.#recentDone += done;
    this.#recent.merge(latencies);
    this.#all.merge(latencies);
  }

  /** CPU seconds of the servers since the phase began; NaN where nobody can say. */
  async #serverSecs(): Promise<number> {
    const usage = await this.#recorded.usage();
    if (usage === undefined || this.#usageAtStart === undefined) return Number.NaN;
    return usage.cpuSeconds - this.#usageAtStart.cpuSeconds;
  }

  /**
   * @param done what has been done by the clients' last word, where they have one
   * @param seconds how long it took by their clock
   */
  async finish(done = this.#done, seconds = this.seconds, latencies: readonly PhaseLatency[] = []): Promise<Phase> {
    clearInterval(this.#timer);
    await this.#reading;
    const serverSecs = await this.#serverSecs();
    if (this.#recentDone > 0 || this.#points.length === 0) await this.#point();
    this.#view.clear();
    return this.#phase(done, seconds, serverSecs, latencies);
  }

  /** What is known now, for a run that is broken off. Nothing is waited for. */
  soFar(): Phase {
    clearInterval(this.#timer);
    const latency = { name: "latency", latency: this.#all.latency(), counts: this.#all.export() };
    const serverSecs = (this.#usage?.cpuSeconds ?? Number.NaN) - (this.#usageAtStart?.cpuSeconds ?? Number.NaN);
    return this.#phase(this.#done, this.seconds, serverSecs, this.#all.samples > 0 ? [latency] : []);
  }

  abandon(): void {
    clearInterval(this.#timer);
    this.#view.clear();
  }

  #phase(done: number, seconds: number, serverSecs: number, latencies: readonly PhaseLatency[]): Phase {
    const { name, unit, clients } = this.#recorded;
    const clientSecs = this.#clientSecs - this.#clientSecsAtStart;
    return {
      name,
      unit,
      done,
      seconds,
      serverCores: Number.isNaN(serverSecs) ? null : serverSecs / seconds,
      clientCores: clients.length === 0 ? null : clientSecs / seconds,
      points: this.#points,
      latencies,
    };
  }

  async #point(): Promise<void> {
    const usage = await this.#recorded.usage();
    const clientSecs = this.#readClients();
    const nowMs = performance.now();
    const seconds = (nowMs - this.#pointMs) / 1_000;
    const isRead = usage !== undefined && this.#usage !== undefined;
    const point: TimelinePoint = {
      atSecs: (nowMs - this.#startMs) / 1_000,
      perSec: this.#recentDone / seconds,
      p99Ms: this.#recent.samples === 0 ? null : this.#recent.percentileMs(0.99),
      serverCores: isRead ? (usage.cpuSeconds - (this.#usage?.cpuSeconds ?? 0)) / seconds : null,
      clientCores: this.#recorded.clients.length === 0 ? null : (clientSecs - this.#clientSecs) / seconds,
      serverRssBytes: usage?.rssBytes ?? null,
    };
    this.#points.push(point);
    this.#pointMs = nowMs;
    this.#usage = usage;
    this.#clientSecs = clientSecs;
    this.#recentDone = 0;
    this.#recent.clear();
    const { name, unit, total, seconds: planned } = this.#recorded;
    const share = total !== undefined ? this.#done / total : planned === undefined ? undefined : point.atSecs / planned;
    this.#view.update(name, unit, point, share);
  }

  #readClients(): number {
    for (const client of this.#recorded.clients) {
      // One that has ended cannot be read any more; what it was seen to have used stays.
      const usage = usageOf(client);
      if (usage !== undefined) this.#secsOfClient.set(client, usage.cpuSeconds);
    }
    return [...this.#secsOfClient.values()].reduce((sum, seconds) => sum + seconds, 0);
  }
}
