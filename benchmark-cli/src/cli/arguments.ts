/** Arguments of flags: each is a number or a word within bounds, and what is not says what would be. */
import { InvalidArgumentError, Option } from "commander";

export function whole(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isInteger(value) && value >= min && value <= max) return value;
    const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`It is a whole number ${bounds}.`);
  };
}

export function fraction(min: number, max = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && value >= min && value <= max) return value;
    const bounds = max === Number.POSITIVE_INFINITY ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`It is a number ${bounds}.`);
  };
}

/** A flag with a number and a default. */
export function wholeFlag(flags: string, about: string, preset: number | undefined, min = 1): Option {
  const option = new Option(flags, about).argParser(whole(min));
  return preset === undefined ? option : option.default(preset);
}

export function fractionFlag(flags: string, about: string, preset: number | undefined, min = 0, max?: number): Option {
  const option = new Option(flags, about).argParser(fraction(min, max));
  return preset === undefined ? option : option.default(preset);
}

export function wordFlag(flags: string, about: string, preset: string, words: readonly string[]): Option {
  return new Option(flags, about).choices(words).default(preset);
}
