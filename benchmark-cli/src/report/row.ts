/** One measured figure beside what was asked for, and how it is shown. */

export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Whether more is better; `least` and `goal` are floors then, else ceilings. Without it the row is not judged. */
  readonly better?: "more" | "less";
  readonly least?: number;
  readonly goal?: number;
  /** The runs that `value` is the median of. */
  readonly runs?: readonly number[];
  readonly note?: string;
}

export function verdict({ value, better, least, goal }: Row): string {
  if (better === undefined) return "";
  const reaches = (bound: number) => (better === "more" ? value >= bound : value <= bound);
  if (goal !== undefined && reaches(goal)) return "goal";
  if (least !== undefined) return reaches(least) ? (goal === undefined ? "yes" : "least") : "NO";
  return goal === undefined ? "" : "NO";
}

export function figure(value: number, unit: string): string {
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return `${value.toLocaleString("en-US", { maximumFractionDigits: digits })} ${unit}`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The rows as a Markdown table. */
export function table(rows: readonly Row[]): string {
  const head = ["what", "measured", "least", "goal", "reached", "note"];
  const lines = rows.map((row) => [
    row.what,
    figure(row.value, row.unit),
    row.least === undefined ? "" : figure(row.least, row.unit),
    row.goal === undefined ? "" : figure(row.goal, row.unit),
    verdict(row),
    row.note ?? "",
  ]);
  return markdown(head, lines);
}

export function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i].length)));
  const print = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [print(head), print(widths.map((width) => "-".repeat(width))), ...lines.map(print)].join("\n");
}
