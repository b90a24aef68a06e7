/**
 * What a benchmark has found, as it is saved, printed and drawn:
 *
 *     BenchmarkReport   one run of the program
 *       ScenarioResult  one scenario: rows beside what was expected of them
 *         Phase         a stretch of it under one load: a line over time, and latencies
 */
import type { Latency, LatencyCounts } from "../load/latency-histogram.ts";
import type { Machine } from "./machine.ts";
import type { Row } from "./row.ts";

/** What was read at one instant; null where nobody could say. */
export interface TimelinePoint {
  /** Seconds since the phase began. */
  readonly atSecs: number;
  /** Of what the phase counts. */
  readonly perSec: number;
  readonly p99Ms: number | null;
  /** CPU seconds per second since the point before. */
  readonly serverCores: number | null;
  readonly clientCores: number | null;
  readonly serverRssBytes: number | null;
}

export interface PhaseLatency {
  readonly name: string;
  readonly latency: Latency;
  readonly counts: LatencyCounts;
}

export interface Phase {
  readonly name: string;
  /** What is counted, such as `commands`. */
  readonly unit: string;
  readonly done: number;
  readonly seconds: number;
  readonly serverCores: number | null;
  readonly clientCores: number | null;
  readonly points: readonly TimelinePoint[];
  readonly latencies: readonly PhaseLatency[];
}

/** What came of everything that had to be delivered; anything but zeros is a failed run. */
export interface DeliveryCheck {
  readonly expected: number;
  readonly what: string;
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly title: string;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly rows: readonly Row[];
  readonly phases: readonly Phase[];
  /** How often a command failed, by code. */
  readonly errors: Readonly<Record<string, number>>;
  readonly deliveries?: DeliveryCheck;
  /** What a reader must know to judge the figures. */
  readonly notes: readonly string[];
}

export interface BenchmarkReport {
  readonly tool: "synap-benchmark";
  readonly version: string;
  readonly command: string;
  readonly at: string;
  readonly machine: Machine;
  /** Why it did not come to its end, in a sentence. */
  readonly ended?: string;
  readonly results: readonly ScenarioResult[];
}
