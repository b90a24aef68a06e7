/**
 * A report as one page that needs no network: tables of figures beside what was expected of them, and charts of throughput,
 * latency, CPU and memory as inline SVG.
 */
import { LatencyHistogram } from "../load/latency-histogram.ts";
import { STYLE } from "./html-style.ts";
import type { BenchmarkReport, Phase, ScenarioResult } from "./result.ts";
import { figure, type Row, verdict } from "./row.ts";
import { chart, escapeHtml, type Series } from "./svg-chart.ts";

export function htmlReport(report: BenchmarkReport): string {
  const { command, at, machine, results, ended } = report;
  const warning = ended === undefined ? "" : `<p class="ended">Not complete: ${escapeHtml(ended)}</p>`;
  const body = [
    "<header><h1>Synap benchmark</h1>",
    `<p><code>${escapeHtml(command)}</code></p><p>${escapeHtml(machine.summary)}<br>${escapeHtml(at)}</p>`,
    warning,
    overview(results),
    "</header>",
    ...results.map(scenario),
  ].join("\n");
  return page("Synap benchmark", body);
}

export function page(title: string, body: string): string {
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">`;
  return `<!doctype html>\n<html lang="en"><head>${head}<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>\n<body>${body}</body></html>\n`;
}

type Judged = "met" | "missed" | "";

function judge(row: Row): Judged {
  const reached = verdict(row);
  if (reached === "") return "";
  return reached === "NO" ? "missed" : "met";
}

/** What was expected of a row, in words. */
export function expectation({ better, least, goal, unit }: Row): string {
  if (better === undefined) return "";
  const sign = better === "more" ? "at least" : "at most";
  const parts = [least, goal].filter((bound) => bound !== undefined).map((bound) => figure(bound, unit));
  return `${sign} ${parts.join(", goal ")}`;
}

function overview(results: readonly ScenarioResult[]): string {
  const lines = results.map(({ scenario, title, rows, errors }) => {
    const judged = rows.map(judge);
    const count = (which: Judged) => judged.filter((each) => each === which).length;
    const failed = Object.values(errors).reduce((sum, times) => sum + times, 0);
    const name = `<a href="#${anchor(scenario, title)}">${escapeHtml(title)}</a>`;
    return `<tr><td>${name}</td><td class="met">${count("met")} met</td><td class="missed">${count("missed")} missed</td><td>${failed} errors</td></tr>`;
  });
  return `<table class="overview"><tbody>${lines.join("")}</tbody></table>`;
}

function anchor(scenario: string, title: string): string {
  return `${scenario}-${title}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}

function scenario(result: ScenarioResult): string {
  const { scenario: name, title, settings, rows, phases, errors, deliveries, notes } = result;
  const failed = Object.entries(errors).map(([code, times]) => `${times} x ${code}`);
  const delivered =
    deliveries === undefined ? [] : [`${deliveries.expected.toLocaleString("en-US")} ${deliveries.what}`];
  const remarks = [`errors: ${failed.length === 0 ? "none" : failed.join(", ")}`, ...delivered, ...notes];
  const set = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
  return [
    `<section id="${anchor(name, title)}"><h2>${escapeHtml(title)}</h2>`,
    `<p class="settings">${escapeHtml(set.join(" · "))}</p>`,
    rowTable(rows),
    `<ul>${remarks.map((remark) => `<li>${escapeHtml(remark)}</li>`).join("")}</ul>`,
    `<div class="charts">${percentileChart(phases)}${phases.map(phaseCharts).join("")}</div></section>`,
  ].join("\n");
}

function rowTable(rows: readonly Row[]): string {
  const head = ["what", "measured", "expected", "", "note"].map((title) => `<th>${title}</th>`).join("");
  const lines = rows.map((row) => {
    const judged = judge(row);
    const runs = row.runs === undefined ? "" : ` title="runs: ${row.runs.map((run) => figure(run, "")).join(", ")}"`;
    const cells = [
      `<td>${escapeHtml(row.what)}</td>`,
      `<td class="number"${runs}>${escapeHtml(figure(row.value, row.unit))}</td>`,
      `<td class="number">${escapeHtml(expectation(row))}</td>`,
      `<td class="${judged}">${judged}</td>`,
      `<td class="note">${escapeHtml(row.note ?? "")}</td>`,
    ];
    return `<tr>${cells.join("")}</tr>`;
  });
  return `<table><thead><tr>${head}</tr></thead><tbody>${lines.join("")}</tbody></table>`;
}

const MB = 2 ** 20;

/** More points than pixels say nothing more. */
const POINTS_MAX = 500;

function phaseCharts({ name, unit, points: all }: Phase): string {
  const every = Math.max(1, Math.ceil(all.length / POINTS_MAX));
  const points = all.filter((_, i) => i % every === 0);
  const line = (title: string, of: (point: Phase["points"][number]) => number | null): Series => ({
    name: title,
    points: points.flatMap((point) => {
      const value = of(point);
      return value === null || value < 0 ? [] : [[point.atSecs, value] as const];
    }),
  });
  const cores = (value: number) => `${value.toFixed(2)} cores`;
  const xLabel = "seconds";
  return [
    chart({ title: `${name}: ${unit} per second`, series: [line(unit, ({ perSec }) => perSec)], xLabel, y: perSecond }),
    chart({ title: `${name}: p99 of each quarter second`, series: [line("p99", ({ p99Ms }) => p99Ms)], xLabel, y: ms }),
    chart({
      title: `${name}: CPU`,
      series: [line("server", ({ serverCores }) => serverCores), line("clients", ({ clientCores }) => clientCores)],
      xLabel,
      y: cores,
    }),
    chart({
      title: `${name}: memory of the server`,
      series: [line("RSS", ({ serverRssBytes }) => (serverRssBytes === null ? null : serverRssBytes / MB))],
      xLabel,
      y: (value) => `${value.toFixed(0)} MB`,
    }),
  ].join("");
}

/** Shares at even distances of nines, since the tail is what matters: 0, 90%, 99%, 99.9% ... */
const NINES_MAX = 4;
const STEPS_OF_A_NINE = 10;

function percentileChart(phases: readonly Phase[]): string {
  const series = phases.flatMap((phase) =>
    phase.latencies.map(({ name, counts }): Series => {
      const histogram = LatencyHistogram.of([counts]);
      // No further than the samples tell: past one in so many there is only the largest of them.
      const ninesMax = Math.min(NINES_MAX, Math.log10(Math.max(1, histogram.samples)));
      const steps = Math.floor(ninesMax * STEPS_OF_A_NINE);
      const points = Array.from({ length: steps + 1 }, (_, step) => {
        const nines = step / STEPS_OF_A_NINE;
        return [nines, histogram.percentileMs(1 - 10 ** -nines)] as const;
      });
      return { name: name.startsWith(phase.name) ? name : `${phase.name}, ${name}`, points };
    }),
  );
  const xTicks = ["0", "90%", "99%", "99.9%", "99.99%"].map((label, at) => ({ at, label }));
  // A chart for each line, or their names would not fit.
  return series
    .map((each) =>
      chart({
        title: `Latency by percentile: ${each.name}`,
        series: [{ ...each, name: "ms" }],
        xTicks,
        xLabel: "percentile",
        y: ms,
      }),
    )
    .join("");
}

function perSecond(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

function ms(value: number): string {
  return `${value.toLocaleString("en-US", { maximumSignificantDigits: 3 })} ms`;
}
