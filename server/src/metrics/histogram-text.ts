/**
 * A `DurationHistogram` in the text format, in cumulative form. With a line for every bucket of every command it is most of
 * the page, and the registry, which formats the labels of each line anew, took 12 ms of the loop for the first page. Here
 * all but the number is written once:
 *
 *     synap_gc_pause_seconds_bucket{kind="major",le="0.001"} 17
 *     |-------- written by the constructor -----------------|
 */
import type { DurationHistogram } from "./duration-histogram.ts";

export class HistogramText {
  readonly #durations: DurationHistogram;
  readonly #head: string;
  readonly #seriesCount: number;
  /** Of each series its buckets, then sum and count. */
  readonly #lineStarts: readonly string[];

  /** @param labels of the series, in their order; names and values of ours, with nothing in them to escape. */
  constructor(
    name: string,
    help: string,
    durations: DurationHistogram,
    labels: readonly Readonly<Record<string, string>>[],
  ) {
    this.#durations = durations;
    this.#head = `# HELP ${name} ${help}\n# TYPE ${name} histogram\n`;
    this.#seriesCount = labels.length;
    const bounds = [...durations.boundsSeconds.map(String), "+Inf"];
    this.#lineStarts = labels.flatMap((series) => {
      const text = Object.entries(series)
        .map(([label, value]) => `${label}="${value}"`)
        .join(",");
      return [
        ...bounds.map((bound) => `${name}_bucket{${text},le="${bound}"} `),
        `${name}_sum{${text}} `,
        `${name}_count{${text}} `,
      ];
    });
  }

  render(): string {
    const durations = this.#durations;
    const starts = this.#lineStarts;
    let text = this.#head;
    let line = 0;
    for (let series = 0; series < this.#seriesCount; series++) {
      let count = 0;
      for (let bucket = 0; bucket <= durations.boundsSeconds.length; bucket++) {
        count += durations.bucketCount(series, bucket);
        text += `${starts[line++]}${count}\n`;
      }
      text += `${starts[line++]}${durations.sumSeconds(series)}\n${starts[line++]}${count}\n`;
    }
    return text;
  }
}
