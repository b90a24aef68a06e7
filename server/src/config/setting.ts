/**
 * The kinds a configuration key can be of. A setting is data: default, bounds, unit and description are declared once,
 * and reading, the error text, `--help` and the configuration page all come from the declaration.
 *
 * Values arrive as YAML values or as text (environment, command line); both are read by the same `read`.
 * Plain objects and not TypeBox: most input is text, and loading TypeBox costs more time than the whole start may.
 */

/** Where Synap listens, and where its clients and replicas look. */
export const DEFAULT_PORT = 15500;

export interface Setting<T> {
  readonly default: T;
  readonly description: string;
  /** Completes the sentence "allowed is ..." and is the column of the configuration page. */
  readonly allowed: string;
  readonly unit: string | undefined;
  /** Other names of the key in its section. */
  readonly aliases: readonly string[];
  /** Shown as `[redacted]` wherever the configuration is printed. */
  readonly secret: boolean;
  /** What may be printed of a text that is not allowed; all of it where this is absent. */
  readonly shown?: ((raw: string) => string) | undefined;
  /** The value, or undefined when `raw` is not allowed. */
  read(raw: unknown): T | undefined;
  /** As a person would write it in the file. */
  show(value: T): string | number | boolean | readonly string[];
}

interface Description {
  readonly description: string;
  readonly aliases?: readonly string[];
  readonly secret?: boolean;
}

interface Bounds extends Description {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What 0 means, where 0 is below `min` and has a meaning of its own. */
  readonly zero?: string;
}

const common = ({ description, aliases = [], secret = false }: Description) => ({ description, aliases, secret });

function inBounds(value: number, { min, max, zero }: Bounds): boolean {
  return (value >= min && value <= max) || (zero !== undefined && value === 0);
}

function orZero({ zero }: Bounds): string {
  return zero === undefined ? "" : `, or 0 for ${zero}`;
}

/** A whole number; `unit` is what is counted: "s", "ms", or a plural noun. */
export function whole(unit: string | undefined, bounds: Bounds): Setting<number> {
  return {
    ...common(bounds),
    default: bounds.default,
    unit,
    allowed: `an integer from ${bounds.min} to ${bounds.max}${orZero(bounds)}`,
    read(raw) {
      const value = typeof raw === "string" && /^-?\d{1,15}$/.test(raw.trim()) ? Number(raw) : raw;
      return Number.isSafeInteger(value) && typeof value === "number" && inBounds(value, bounds) ? value : undefined;
    },
    show: (value) => value,
  };
}

/** The port of a listener that is there unless its usual port is taken: `auto`, 0 for none, or the port it must have. */
export function optionalPort(usual: number, options: Description): Setting<number | "auto"> {
  const port = whole(undefined, { ...options, default: usual, min: 0, max: 65_535 });
  return {
    ...common(options),
    default: "auto",
    unit: undefined,
    allowed: `auto (${usual} unless it is taken), 0 for none, or a port from 1 to 65535`,
    read: (raw) => (raw === "auto" ? raw : port.read(raw)),
    show: (value) => value,
  };
}

/** A size in bytes, also written with a binary unit: 512mb is 512 * 2^20. */
export function bytes(bounds: Bounds): Setting<number> {
  return {
    ...common(bounds),
    default: bounds.default,
    unit: "bytes",
    allowed: `a size from ${showBytes(bounds.min)} to ${showBytes(bounds.max)}${orZero(bounds)}`,
    read(raw) {
      const value = typeof raw === "number" ? raw : readBytes(raw);
      return value !== undefined && Number.isSafeInteger(value) && inBounds(value, bounds) ? value : undefined;
    },
    show: showBytes,
  };
}

export function flag(options: Description & { readonly default: boolean }): Setting<boolean> {
  return {
    ...common(options),
    default: options.default,
    unit: undefined,
    allowed: "true or false",
    read: (raw) => (raw === true || raw === "true" ? true : raw === false || raw === "false" ? false : undefined),
    show: (value) => value,
  };
}

/** One of a few words. */
export function choice<const T extends string>(
  words: readonly T[],
  options: Description & { readonly default: NoInfer<T> },
): Setting<T> {
  return {
    ...common(options),
    default: options.default,
    unit: undefined,
    allowed: `one of ${words.join(", ")}`,
    read: (raw) => words.find((word) => word === raw),
    show: (value) => value,
  };
}

/** A string that matches `pattern`, which `allowed` says in words. */
export function text(
  pattern: RegExp,
  options: Description & {
    readonly default: string;
    readonly allowed: string;
    readonly shown?: (raw: string) => string;
  },
): Setting<string> {
  return {
    ...common(options),
    shown: options.shown,
    default: options.default,
    unit: undefined,
    allowed: options.allowed,
    read: (raw) => (typeof raw === "string" && pattern.test(raw) ? raw : undefined),
    show: (value) => value,
  };
}

/** The path of a file or a directory. Empty, where that is the default, for none. */
export function path(options: Description & { readonly default?: string }): Setting<string> {
  const { default: usual = "" } = options;
  return text(usual === "" ? /^[^\0]{0,4096}$/ : /^[^\0]{1,4096}$/, { ...options, default: usual, allowed: "a path" });
}

/** A list of strings that match `pattern`: a YAML list, or text with commas. Its order is kept. */
export function list(
  pattern: RegExp,
  options: Description & { readonly default: readonly string[]; readonly allowed: string },
): Setting<readonly string[]> {
  return {
    ...common(options),
    default: Object.freeze([...options.default]),
    unit: undefined,
    allowed: `a list (in text: separated by commas) of ${options.allowed}`,
    read(raw) {
      const items: unknown = typeof raw === "string" ? splitAtCommas(raw) : raw;
      if (!Array.isArray(items)) return undefined;
      const matching = items.filter((item): item is string => typeof item === "string" && pattern.test(item));
      return matching.length === items.length ? Object.freeze(matching) : undefined;
    },
    show: (value) => value,
  };
}

function splitAtCommas(value: string): string[] {
  return value.trim() === "" ? [] : value.split(",").map((item) => item.trim());
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 2 ** 10,
  mb: 2 ** 20,
  gb: 2 ** 30,
  tb: 2 ** 40,
};

function readBytes(raw: unknown): number | undefined {
  if (typeof raw !== "string") return undefined;
  const match = /^(\d{1,15}(?:\.\d{1,3})?)\s*([kmgt]?b?)$/i.exec(raw.trim());
  if (match === null) return undefined;
  const letters = match[2].toLowerCase();
  const unit = /^[kmgt]$/.test(letters) ? `${letters}b` : letters;
  return Number(match[1]) * UNIT_BYTES[unit];
}

/** The largest unit that says it exactly: 2147483648 is "2gb", 1000 is "1000". */
export function showBytes(value: number): string | number {
  for (const unit of ["tb", "gb", "mb", "kb"]) {
    if (value !== 0 && value % UNIT_BYTES[unit] === 0) return `${value / UNIT_BYTES[unit]}${unit}`;
  }
  return value;
}
