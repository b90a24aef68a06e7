/** The flags that all benchmarks share. */
import { parseArgs } from "node:util";

export interface Options {
  /** Where the figures are saved as JSON. */
  readonly json: string | undefined;
  /** The program of the server under test; the built one of this checkout by default. */
  readonly server: string | undefined;
  /** How often each measurement is repeated, alternating with its peers; the median counts. */
  readonly rounds: number;
  /** How long one run takes. */
  readonly seconds: number;
  /** How many keys there are. */
  readonly keys: number;
}

export function readOptions(defaults: { rounds?: number; seconds?: number; keys?: number }): Options {
  const { values } = parseArgs({
    options: {
      json: { type: "string" },
      server: { type: "string" },
      rounds: { type: "string", default: String(defaults.rounds ?? 1) },
      seconds: { type: "string", default: String(defaults.seconds ?? 1) },
      keys: { type: "string", default: String(defaults.keys ?? 0) },
    },
  });
  return {
    json: values.json,
    server: values.server,
    rounds: positive("rounds", values.rounds),
    seconds: positive("seconds", values.seconds),
    keys: defaults.keys === undefined ? 0 : positive("keys", values.keys),
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} needs a positive number, not ${text}`);
  return value;
}
