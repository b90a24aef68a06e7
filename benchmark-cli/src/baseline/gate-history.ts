/** The gates over time, as a page. */
import { page } from "../report/html-report.ts";
import { median } from "../report/row.ts";
import { chart } from "../report/svg-chart.ts";
import type { GateRecord } from "./baseline-file.ts";

/** @param kept the oldest first */
export function gateHistory(kept: readonly GateRecord[]): string {
  const names = kept[kept.length - 1].gates.map(({ name }) => name);
  const labels = kept.map(({ at }, i) => ({
    at: i,
    label: kept.length > 8 ? `${i + 1}` : at.slice(5, 16).replace("T", " "),
  }));
  const charts = names.map((name) =>
    chart({
      title: name,
      series: [
        {
          name: "CPU time of a request by the bare handler's",
          points: kept.flatMap(({ gates }, i) => {
            const found = gates.find((gate) => gate.name === name);
            return found === undefined ? [] : [[i, median(found.ratios)] as const];
          }),
        },
      ],
      xTicks: labels,
      xLabel: "results, the oldest first",
      y: (value) => `${value.toFixed(2)} x`,
    }),
  );
  const first = kept[0].at;
  const last = kept[kept.length - 1].at;
  const head = `<header><h1>Gates over time</h1><p>${kept.length} results, from ${first} to ${last}</p></header>`;
  return page("Gates over time", `${head}<div class="charts">${charts.join("")}</div>`);
}
