/** Flags of a benchmark: its own numbers and words beside those that all of them share, and the page of `--help`. */
import { type ParseArgsConfig, parseArgs } from "node:util";

interface NumberFlag {
  readonly default: number;
  readonly about: string;
  readonly min?: number;
  /** Else it is a whole number. */
  readonly isFraction?: true;
}

interface WordFlag {
  readonly default: string;
  readonly about: string;
  readonly words: readonly string[];
}

export type Flag = NumberFlag | WordFlag;

type ValueOf<F> = F extends NumberFlag ? number : string;

export interface SharedOptions {
  /** Where the figures are saved as JSON. */
  readonly json: string | undefined;
  /** The program of the server under test; the built one of this checkout by default. */
  readonly server: string | undefined;
}

/**
 * @param about one sentence for `--help`
 * @throws if a flag is unknown or its value is not allowed.
 */
export function benchmarkOptions<const Flags extends Readonly<Record<string, Flag>>>(
  about: string,
  flags: Flags,
): SharedOptions & { readonly [Name in keyof Flags]: ValueOf<Flags[Name]> } {
  const options: NonNullable<ParseArgsConfig["options"]> = {
    json: { type: "string" },
    server: { type: "string" },
    help: { type: "boolean" },
  };
  for (const name of Object.keys(flags)) options[name] = { type: "string" };
  const { values } = parseArgs({ options });
  if (values.help === true) {
    console.log(page(about, flags));
    process.exit();
  }
  const read: Record<string, unknown> = { json: values.json, server: values.server };
  for (const [name, flag] of Object.entries(flags)) {
    const text = values[name];
    read[name] = typeof text === "string" ? readFlag(name, flag, text) : flag.default;
  }
  // Every name of `Flags` was just read by its flag.
  return read as ReturnType<typeof benchmarkOptions<Flags>>;
}

function readFlag(name: string, flag: Flag, text: string): number | string {
  if ("words" in flag) {
    if (flag.words.includes(text)) return text;
    throw new Error(`--${name} is one of ${flag.words.join(", ")}, not ${text}`);
  }
  const value = Number(text);
  const min = flag.min ?? 1;
  const isAllowed = flag.isFraction === true ? Number.isFinite(value) : Number.isInteger(value);
  if (text.trim() !== "" && isAllowed && value >= min) return value;
  const kind = flag.isFraction === true ? "number" : "whole number";
  throw new Error(`--${name} needs a ${kind} of at least ${min}, not ${text}`);
}

function page(about: string, flags: Readonly<Record<string, Flag>>): string {
  const lines = Object.entries(flags).map(([name, flag]) => {
    const kind = "words" in flag ? flag.words.join("|") : "N";
    return [`--${name} ${kind}`, `${flag.about} (${flag.default})`];
  });
  lines.push(["--json FILE", "save the figures"], ["--server FILE", "the server's main.js (the built one)"]);
  const width = Math.max(...lines.map(([head]) => head.length));
  return [about, "", ...lines.map(([head, text]) => `  ${head.padEnd(width)}  ${text}`)].join("\n");
}
