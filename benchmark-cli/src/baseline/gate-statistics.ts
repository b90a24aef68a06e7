/**
 * When a ratio counts as worse. A run starts the servers several times, since two starts of the same code differ by more than
 * two slices of one start do; what they differ by is the noise.
 *
 *     change    = measured / baseline - 1
 *     noise     = two standard errors of both medians together
 *     worse     = change > 5% + noise
 */
import { median } from "../report/row.ts";

export const THRESHOLD = 0.05;

/** One gate's figures, by start of the servers: CPU time of ours for a request by that of the bare handler's. */
export interface GateFigures {
  readonly name: string;
  readonly ratios: readonly number[];
}

export interface GateChange {
  readonly name: string;
  readonly baseline: number;
  readonly measured: number;
  /** 0.1 is a tenth more CPU time than the baseline. */
  readonly change: number;
  readonly noise: number;
  readonly isWorse: boolean;
}

/** Name of the gate over all gates, which finds what every command pays and no single gate is sure of. */
export const TOGETHER = "all together";

export function compareGates(baseline: readonly GateFigures[], measured: readonly GateFigures[]): GateChange[] {
  const pairs = measured.flatMap((figures) => {
    const before = baseline.find(({ name }) => name === figures.name);
    return before === undefined ? [] : [{ figures, before }];
  });
  const changes = pairs.map(({ figures, before }) =>
    changeOf(
      figures.name,
      median(before.ratios),
      median(figures.ratios),
      Math.hypot(errorOf(before), errorOf(figures)),
    ),
  );
  if (changes.length === 0) return [];
  const before = togetherOf(pairs.map((pair) => pair.before));
  const now = togetherOf(pairs.map((pair) => pair.figures));
  const error = Math.hypot(errorOf(before), errorOf(now));
  return [...changes, changeOf(TOGETHER, median(before.ratios), median(now.ratios), error)];
}

/** The geometric mean of all gates in each start: what only one gate has by chance hardly moves it. */
function togetherOf(gates: readonly GateFigures[]): GateFigures {
  const starts = Math.min(...gates.map(({ ratios }) => ratios.length));
  const ratios = Array.from({ length: starts }, (_, start) =>
    Math.exp(gates.reduce((sum, each) => sum + Math.log(each.ratios[start]), 0) / gates.length),
  );
  return { name: TOGETHER, ratios };
}

const STANDARD_ERRORS = 2;

function changeOf(name: string, baseline: number, measured: number, error: number): GateChange {
  const change = measured / baseline - 1;
  const noise = STANDARD_ERRORS * error;
  return { name, baseline, measured, change, noise, isWorse: change > THRESHOLD + noise };
}

/** Of a normal distribution: what the median absolute deviation and the median's spread are worth. */
const DEVIATIONS_PER_MAD = 1.4826;
const MEDIAN_SPREAD = 1.2533;
/** With few starts the deviation between them may be small by chance. */
const ERROR_MIN = 0.005;

/** The standard error of the median, as a share of it. */
export function errorOf({ ratios }: GateFigures): number {
  const middle = median(ratios);
  const mad = median(ratios.map((ratio) => Math.abs(ratio - middle)));
  return Math.max(ERROR_MIN, (DEVIATIONS_PER_MAD * MEDIAN_SPREAD * mad) / Math.sqrt(ratios.length) / middle);
}
