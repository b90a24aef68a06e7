import type { BenchmarkReport } from "./result.ts";
export function htmlReport(report: BenchmarkReport): string {
  return JSON.stringify(report);
}
