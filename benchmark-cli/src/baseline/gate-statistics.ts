/**
 * When a ratio counts as worse. A run starts the servers several times, since two starts of the same code differ by more than
 * two slices of one start do; what they differ by is the noise.
 *
 *     change    = measured / baseline - 1
 *     error     = standard error of both medians together
 *     worse     = change > 5% + 3 errors       of one gate: of so many, one is far off by chance now and then
 *               | change > 5% + 1.5 errors     of all together, which is one comparison and moves little by chance
 *
 * What a few starts of one gate differ by is itself chance, so no gate's error counts as less than the usual one of the run.
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
  if (pairs.length === 0) return [];
  const usualBefore = usualErrorOf(pairs.map((pair) => pair.before));
  const usualNow = usualErrorOf(pairs.map((pair) => pair.figures));
  const changes = pairs.map(({ figures, before }) => {
    const error = Math.hypot(Math.max(errorOf(before), usualBefore), Math.max(errorOf(figures), usualNow));
    return changeOf(figures.name, median(before.ratios), median(figures.ratios), ERRORS_OF_ONE * error);
  });
  const before = togetherOf(pairs.map((pair) => pair.before));
  const now = togetherOf(pairs.map((pair) => pair.figures));
  const error = Math.hypot(Math.max(errorOf(before), ERROR_TOGETHER_MIN), Math.max(errorOf(now), ERROR_TOGETHER_MIN));
  return [...changes, changeOf(TOGETHER, median(before.ratios), median(now.ratios), ERRORS_TOGETHER * error)];
}

/** The geometric mean of all gates in each start: what only one gate has by chance hardly moves it. */
function togetherOf(gates: readonly GateFigures[]): GateFigures {
  const starts = Math.min(...gates.map(({ ratios }) => ratios.length));
  const ratios = Array.from({ length: starts }, (_, start) =>
    Math.exp(gates.reduce((sum, each) => sum + Math.log(each.ratios[start]), 0) / gates.length),
  );
  return { name: TOGETHER, ratios };
}

const ERRORS_OF_ONE = 3;
const ERRORS_TOGETHER = 1.5;
const ERROR_TOGETHER_MIN = 0.01;

function usualErrorOf(gates: readonly GateFigures[]): number {
  return median(gates.map(errorOf));
}

function changeOf(name: string, baseline: number, measured: number, noise: number): GateChange {
  const change = measured / baseline - 1;
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
