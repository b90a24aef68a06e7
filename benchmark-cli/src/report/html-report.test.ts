import { describe, expect, it } from "vitest";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import { htmlReport } from "./html-report.ts";
import type { BenchmarkReport, Phase } from "./result.ts";

const MACHINE = { summary: "2 x a machine", cpus: 2, model: "a machine", node: "v20", memoryBytes: 1 };

function phase(): Phase {
  const histogram = new LatencyHistogram();
  for (let i = 1; i <= 1_000; i++) histogram.add(i / 100);
  const point = { perSec: 1_000, p99Ms: 9.9, serverCores: 0.5, clientCores: 0.4, serverRssBytes: 100 * 2 ** 20 };
  return {
    name: "closed loop",
    unit: "operations",
    done: 1_000,
    seconds: 1,
    serverCores: 0.5,
    clientCores: 0.4,
    points: [0.25, 0.5, 0.75, 1].map((atSecs) => ({ ...point, atSecs })),
    latencies: [{ name: "all", latency: histogram.latency(), counts: histogram.export() }],
  };
}

function report(): BenchmarkReport {
  return {
    tool: "synap-benchmark",
    version: "0",
    command: "synap-benchmark kv",
    at: "2026-01-01T00:00:00Z",
    machine: MACHINE,
    results: [
      {
        scenario: "kv",
        title: "Keys <b>&",
        settings: { keys: 5 },
        rows: [
          { what: "rate", value: 60_000, unit: "operations/s", better: "more", goal: 50_000 },
          { what: "p95", value: 3, unit: "ms", better: "less", goal: 1 },
          { what: "p50", value: 1, unit: "ms" },
        ],
        phases: [phase()],
        errors: { WRONG_TYPE: 3 },
        notes: [],
      },
    ],
  };
}

describe("the page of a report", () => {
  const html = htmlReport(report());

  it("shows each expectation with met or missed", () => {
    expect(html).toMatch(
      /60,000 operations\/s<\/td><td class="number">at least 50,000 operations\/s<\/td><td class="met">met/,
    );
    expect(html).toMatch(/3 ms<\/td><td class="number">at most 1 ms<\/td><td class="missed">missed/);
    expect(html).toContain('<td class="met">1 met</td><td class="missed">1 missed</td><td>3 errors</td>');
  });

  it("draws throughput, p99, CPU, memory and percentiles", () => {
    for (const title of [
      "operations per second",
      "p99 of each",
      "CPU",
      "memory of the server",
      "Latency by percentile",
    ]) {
      expect(html).toContain(title);
    }
    expect(html.match(/<svg/g)).toHaveLength(5);
    expect(html).not.toContain("NaN");
  });

  it("needs no network and runs nothing that a name brings along", () => {
    expect(html).not.toMatch(/(src|href)="(?!#)/);
    expect(html).toContain("Keys &lt;b&gt;&amp;");
    expect(html).not.toContain("Keys <b>");
  });

  it("says when a run did not come to its end", () => {
    expect(htmlReport({ ...report(), ended: "broken off" })).toContain("Not complete: broken off");
  });
});
