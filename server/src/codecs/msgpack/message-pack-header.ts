/** Writes the first bytes of MessagePack values, each in the smallest form. */
import { INT64_MAX } from "../decimal.ts";
import type { OutputBuffer } from "../output-buffer.ts";
import {
  ARRAY16,
  BIN8,
  FIXARRAY,
  FIXMAP,
  FIXSTR,
  FLOAT32,
  FLOAT64,
  INT8,
  INT16,
  INT32,
  INT64,
  MAP16,
  STR8,
  UINT8,
  UINT16,
  UINT32,
  UINT64,
} from "./message-pack-format.ts";

/** No header and no number is longer. */
const HEADER_BYTES_MAX = 9;

/** Also makes room for the string itself. */
export function writeStringHeader(out: OutputBuffer, lengthBytes: number): void {
  out.ensure(lengthBytes + HEADER_BYTES_MAX);
  if (lengthBytes < 32) out.bytes[out.length++] = FIXSTR | lengthBytes;
  else if (lengthBytes < 0x100) writeUint(out, STR8, lengthBytes, 1);
  else if (lengthBytes < 0x10000) writeUint(out, STR8 + 1, lengthBytes, 2);
  else writeUint(out, STR8 + 2, lengthBytes, 4);
}

export function writeBinaryHeader(out: OutputBuffer, lengthBytes: number): void {
  out.ensure(lengthBytes + HEADER_BYTES_MAX);
  if (lengthBytes < 0x100) writeUint(out, BIN8, lengthBytes, 1);
  else if (lengthBytes < 0x10000) writeUint(out, BIN8 + 1, lengthBytes, 2);
  else writeUint(out, BIN8 + 2, lengthBytes, 4);
}

export function writeArrayHeader(out: OutputBuffer, count: number): void {
  writeContainerHeader(out, FIXARRAY, ARRAY16, count);
}

export function writeMapHeader(out: OutputBuffer, count: number): void {
  writeContainerHeader(out, FIXMAP, MAP16, count);
}

function writeContainerHeader(out: OutputBuffer, fixed: number, wide: number, count: number): void {
  out.ensure(HEADER_BYTES_MAX);
  if (count < 16) out.bytes[out.length++] = fixed | count;
  else if (count < 0x10000) writeUint(out, wide, count, 2);
  else writeUint(out, wide + 1, count, 4);
}

/** Writes an integer; a `number` must be a safe one, a `bigint` from -2^63 to 2^64 - 1. */
export function writeInteger(out: OutputBuffer, value: number | bigint): void {
  out.ensure(HEADER_BYTES_MAX);
  if (typeof value === "bigint") {
    const high = Number(BigInt.asUintN(32, value >> 32n));
    writeWide(out, value > INT64_MAX ? UINT64 : INT64, high, Number(BigInt.asUintN(32, value)));
  } else if (value >= 0) {
    if (value < 0x80) out.bytes[out.length++] = value;
    else if (value < 0x100) writeUint(out, UINT8, value, 1);
    else if (value < 0x10000) writeUint(out, UINT16, value, 2);
    else if (value < 0x1_0000_0000) writeUint(out, UINT32, value, 4);
    else writeSafe(out, UINT64, value);
  } else if (value >= -0x20) out.bytes[out.length++] = value;
  else if (value >= -0x80) writeUint(out, INT8, value, 1);
  else if (value >= -0x8000) writeUint(out, INT16, value, 2);
  else if (value >= -0x8000_0000) writeUint(out, INT32, value, 4);
  else writeSafe(out, INT64, value);
}

function writeSafe(out: OutputBuffer, format: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  writeWide(out, format, high, value - high * 0x1_0000_0000);
}

/** Writes the low `count` bytes of a number, the highest first. There is room for it. */
function writeUint(out: OutputBuffer, format: number, value: number, count: number): void {
  const to = out.bytes;
  let at = out.length;
  to[at++] = format;
  if (count === 4) {
    to[at++] = value >>> 24;
    to[at++] = value >>> 16;
  }
  if (count >= 2) to[at++] = value >>> 8;
  to[at++] = value;
  out.length = at;
}

function writeWide(out: OutputBuffer, format: number, high: number, low: number): void {
  writeUint(out, format, high, 4);
  const to = out.bytes;
  const at = out.length;
  to[at] = low >>> 24;
  to[at + 1] = low >>> 16;
  to[at + 2] = low >>> 8;
  to[at + 3] = low;
  out.length = at + 4;
}

const floatBytes = new DataView(new ArrayBuffer(8));

/** Writes a float, in four bytes where that loses nothing. */
export function writeFloat(out: OutputBuffer, value: number): void {
  out.ensure(HEADER_BYTES_MAX);
  const isShort = Object.is(Math.fround(value), value);
  if (isShort) floatBytes.setFloat32(0, value);
  else floatBytes.setFloat64(0, value);
  out.bytes[out.length++] = isShort ? FLOAT32 : FLOAT64;
  const length = isShort ? 4 : 8;
  for (let i = 0; i < length; i++) out.bytes[out.length++] = floatBytes.getUint8(i);
}
