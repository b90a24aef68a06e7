/**
 * What values mean on the wire, in either form. The rules are those of JSON.stringify where it has one that loses nothing
 * (undefined fields are left out, `toJSON` is honoured), and an error where it would write something else than was given
 * (NaN, Map, Set, half of a surrogate pair, which UTF-8 has not). Bytes and 64-bit integers have forms of their own.
 */
import { CannotEncodeError } from "../errors.ts";

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
/** By code points: a whole pair is none of these. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether a field with this value is written at all. */
export function isWritten(value: unknown): boolean {
  return value !== undefined && typeof value !== "function" && typeof value !== "symbol";
}

export function bytesOf(value: object): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return undefined;
}

/** An object that has neither a form of its own nor `toJSON`: its fields are what is written. */
export function checkObject(value: object): void {
  if (value instanceof Map || value instanceof Set) {
    const name = value instanceof Map ? "Map" : "Set";
    const instead = value instanceof Map ? "Object.fromEntries(map)" : "[...set]";
    throw new CannotEncodeError(`a ${name} has no form on the wire: give ${instead}`);
  }
  if (ArrayBuffer.isView(value)) {
    throw new CannotEncodeError("of typed arrays only Uint8Array has a form on the wire");
  }
}

export function checkNumber(value: number): void {
  if (!Number.isFinite(value)) throw new CannotEncodeError(`${value} has no form on the wire`);
}

export function checkBigint(value: bigint): void {
  if (value < INT64_MIN || value > INT64_MAX) throw new CannotEncodeError(`${value} does not fit 64 bits`);
}

/** Of a string that may have other characters than those of ASCII. */
export function checkText(text: string): void {
  if (LONE_SURROGATE.test(text)) {
    throw new CannotEncodeError(
      "a string with half of a surrogate pair has no form on the wire: it was cut inside a character",
    );
  }
}

export function tooDeep(): CannotEncodeError {
  return new CannotEncodeError("a value is nested more than 128 levels deep, or contains itself");
}

export function noForm(value: unknown): CannotEncodeError {
  return new CannotEncodeError(`a value of type ${typeof value} has no form on the wire`);
}

interface WithToJson {
  toJSON(): unknown;
}

export function hasToJson(value: object): value is WithToJson {
  return typeof (value as { toJSON?: unknown }).toJSON === "function";
}
