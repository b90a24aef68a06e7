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

/** A buffer of its own, with its view and its range. */
const RANGE_BYTES = 300;
/** An object or an array, and one entry of it. */
const OBJECT_BYTES = 64;
const ENTRY_BYTES = 16;

/** About what `retained` of it takes, the objects around the bytes included: many small ranges are more than their bytes. */
export function retainedBytes(given: unknown): number {
  if (given instanceof ByteRange) return RANGE_BYTES + given.length;
  if (typeof given === "string") return ENTRY_BYTES + 2 * given.length;
  if (typeof given !== "object" || given === null) return ENTRY_BYTES;
  let bytes = OBJECT_BYTES;
  for (const each of Object.values(given)) bytes += ENTRY_BYTES + retainedBytes(each);
  return bytes;
}
