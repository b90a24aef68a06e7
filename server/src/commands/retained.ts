/** Arguments and results that must outlive the command: their ranges point into memory that is used again. */
import { Value } from "../state/value.ts";
import { ByteRange, copyRange } from "../structures/byte-range.ts";

/** The same, through and through, in memory of its own. Takes what commands take and answer with. */
export function retained(given: unknown): unknown {
  if (given instanceof Value) return given.copy();
  if (given instanceof ByteRange) return copyRange(given);
  if (Array.isArray(given)) return given.map(retained);
  if (typeof given !== "object" || given === null) return given;
  return Object.fromEntries(Object.entries(given).map(([name, each]) => [name, retained(each)]));
}

/** The bytes of all ranges in what a command takes or answers with. */
export function rangeBytes(given: unknown): number {
  if (given instanceof ByteRange) return given.length;
  if (typeof given !== "object" || given === null) return 0;
  let bytes = 0;
  for (const each of Object.values(given)) bytes += rangeBytes(each);
  return bytes;
}
