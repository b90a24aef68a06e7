import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { allCommands } from "../src/commands/all.ts";
import { CommandInstruments } from "../src/metrics/command-instruments.ts";
import { Metrics } from "../src/metrics/metrics.ts";
import { StorageInstruments } from "../src/metrics/storage-instruments.ts";
import { ManualClock } from "../src/runtime/clock.ts";
import { emptySources } from "./metrics-fixture.ts";
import { type PageFamily, readPrometheusPage } from "./prometheus-page.ts";

/** On the page by name, with the labels their series will have. A name leaves this list when it has series. */
const LATER: Readonly<Record<string, { readonly labels: readonly string[]; readonly reason: string }>> = {};

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource: { readonly uid: string };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
}

interface Dashboard {
  readonly schemaVersion: number;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly query: unknown }[];
  };
}

const dashboard: Dashboard = JSON.parse(
  readFileSync(new URL("../../grafana/synap-dashboard.json", import.meta.url), "utf8"),
);
const charts = dashboard.panels.filter(({ type }) => type !== "row");
const queries = charts.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const));

const metrics = new Metrics({
  instruments: new CommandInstruments(allCommands),
  sources: emptySources,
  storage: new StorageInstruments(),
  fsync: "always",
  clock: new ManualClock(),
  version: "1.2.3",
});
afterAll(() => metrics.stop());
const page = readPrometheusPage(await metrics.render());

/** Each metric of a query: its name, and the selector and range behind it. */
function metricsOf(query: string) {
  return [...query.matchAll(/\b((?:synap|process|nodejs)_[a-z0-9_]+)(?:\{([^}]*)\})?(\[[^\]]+\])?/g)].map(
    ([, name, selector = "", range]) => ({ name, selector, isRange: range !== undefined }),
  );
}

function familyOf(name: string): PageFamily | undefined {
  return page.get(name) ?? page.get(name.replace(/_(?:bucket|sum|count)$/, ""));
}

function labelsOf(name: string): string[] {
  const samples = familyOf(name)?.samples.filter((sample) => sample.name === name) ?? [];
  return ["instance", "job", ...samples.flatMap(({ labels }) => Object.keys(labels)), ...(LATER[name]?.labels ?? [])];
}

describe("the dashboard", () => {
  it("is one that Grafana reads", () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    expect(dashboard.title).toBe("Synap");
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    expect(dashboard.templating.list[0]).toMatchObject({ name: "datasource", type: "datasource", query: "prometheus" });
    for (const { title, description, targets = [] } of charts) {
      expect(description, title).toMatch(/\.$/);
      expect(targets.length, title).toBeGreaterThan(0);
      expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
      for (const { datasource } of targets) expect(datasource.uid, title).toBe("$".concat("{datasource}"));
    }
  });

  it("has panels that lie beside each other, within its 24 columns", () => {
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x},${y}`), title).toBe(false);
          taken.add(`${x},${y}`);
        }
      }
    }
  });

  it("has the four panels of the specification, and an operator's", () => {
    const titles = charts.map(({ title }) => title);
    expect(titles).toEqual(
      expect.arrayContaining(["Operations per second", "p95 latency", "Queue depth", "Replication lag"]),
    );
    expect(titles).toEqual(
      expect.arrayContaining([
        "Memory against its limit",
        "Connections",
        "Event-loop delay",
        "Evictions and expirations",
        "GC pauses",
        "Errors by operation",
        "Hit rate",
        "CPU",
      ]),
    );
    expect(titles).toEqual(
      expect.arrayContaining([
        "Pending messages",
        "Oldest message",
        "Dead letters",
        "Consumers",
        "Pushes",
        "Fan-out",
        "Subscriptions",
        "Rooms",
        "Slow consumers",
      ]),
    );
    for (const { expr } of charts.find(({ title }) => title === "p95 latency")?.targets ?? []) {
      expect(expr).toMatch(
        /^histogram_quantile\(0\.95, sum by \(le(?:, \w+)*\) \(rate\(synap_operation_duration_seconds_bucket\{/,
      );
    }
  });
});

describe("a query of the dashboard", () => {
  it.each(queries)("%s: %s", (_title, query) => {
    const metricsInIt = metricsOf(query);
    expect(metricsInIt.length).toBeGreaterThan(0);
    for (const { name, selector, isRange } of metricsInIt) {
      const family = familyOf(name);
      expect(family, `${name} is not on the page`).toBeDefined();
      // A counter is only good for its rate, a gauge or summary only for its value.
      expect(isRange, name).toBe(family?.type === "counter" || family?.type === "histogram");
      expect(name.endsWith("_bucket"), name).toBe(query.startsWith("histogram_quantile"));
      const selected = [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label);
      const grouped = [...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels]) => labels.split(/,\s*/));
      expect(labelsOf(name)).toEqual(expect.arrayContaining([...selected, ...grouped]));
    }
    let depth = 0;
    for (const letter of query) {
      if (letter === "(") depth++;
      if (letter === ")") depth--;
      expect(depth).toBeGreaterThanOrEqual(0);
    }
    expect(depth).toBe(0);
  });

  it("has series, or is known to come later", () => {
    const empty = queries
      .flatMap(([, query]) => metricsOf(query))
      .filter(({ name }) => familyOf(name)?.samples.length === 0)
      .map(({ name }) => name);
    expect([...new Set(empty)].sort()).toEqual(Object.keys(LATER).sort());
  });
});
