/**
 * What two kinds of turns differ by that were taken in pairs: turns that follow each other meet nearly the same machine, so the median
 * of the ratios of the pairs says more than the ratio of two medians. The range in which it lies with 95 % is that of the sign test: it
 * follows from the order of the ratios alone, however they are spread.
 */
export interface RatioRange {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** 1.96 standard deviations of how many of n ratios are above their median, which are half the root of n. */
const REACH = 0.98;

export function ratioRange(turns: readonly number[], others: readonly number[]): RatioRange {
  const ratios = sorted(turns.map((value, pair) => value / others[pair]));
  const middle = ratios.length / 2;
  const reach = REACH * Math.sqrt(ratios.length);
  const at = (rank: number) => ratios[Math.max(0, Math.min(ratios.length - 1, Math.round(rank)))];
  return { median: at(middle), least: at(middle - reach), most: at(middle + reach) };
}

export function median(values: readonly number[]): number {
  return sorted(values)[values.length >> 1];
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}
