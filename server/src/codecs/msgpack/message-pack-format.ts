/**
 * The first bytes of MessagePack's formats (github.com/msgpack/msgpack/blob/master/spec.md), and reading its numbers.
 *
 *     00-7f  positive fixint      c4-c6  bin 8, 16, 32       cf      uint 64
 *     80-8f  fixmap               c7-c9  ext 8, 16, 32       d0-d3   int 8, 16, 32, 64
 *     90-9f  fixarray             ca cb  float 32, 64        d4-d8   fixext 1, 2, 4, 8, 16
 *     a0-bf  fixstr               cc-ce  uint 8, 16, 32      d9-db   str 8, 16, 32
 *     c0     nil                  c1     never used          dc dd   array 16, 32
 *     c2 c3  false, true                                     de df   map 16, 32
 *                                                            e0-ff   negative fixint
 */
export const FIXMAP = 0x80;
export const FIXARRAY = 0x90;
export const FIXSTR = 0xa0;
export const NIL = 0xc0;
export const FALSE = 0xc2;
export const TRUE = 0xc3;
export const BIN8 = 0xc4;
export const BIN16 = 0xc5;
export const BIN32 = 0xc6;
export const EXT8 = 0xc7;
export const EXT32 = 0xc9;
export const FLOAT32 = 0xca;
export const FLOAT64 = 0xcb;
export const UINT8 = 0xcc;
export const UINT16 = 0xcd;
export const UINT32 = 0xce;
export const UINT64 = 0xcf;
export const INT8 = 0xd0;
export const INT16 = 0xd1;
export const INT32 = 0xd2;
export const INT64 = 0xd3;
export const FIXEXT1 = 0xd4;
export const FIXEXT16 = 0xd8;
export const STR8 = 0xd9;
export const STR16 = 0xda;
export const STR32 = 0xdb;
export const ARRAY16 = 0xdc;
export const ARRAY32 = 0xdd;
export const MAP16 = 0xde;
export const MAP32 = 0xdf;
export const NEGATIVE_FIXINT = 0xe0;

export function isInteger(format: number): boolean {
  return format < FIXMAP || format >= NEGATIVE_FIXINT || (format >= UINT8 && format <= INT64);
}

export function isFloat(format: number): boolean {
  return format === FLOAT32 || format === FLOAT64;
}

export function isString(format: number): boolean {
  return (format & 0xe0) === FIXSTR || (format >= STR8 && format <= STR32);
}

export function isBinary(format: number): boolean {
  return format >= BIN8 && format <= BIN32;
}

export function isMap(format: number): boolean {
  return (format & 0xf0) === FIXMAP || format === MAP16 || format === MAP32;
}

export function isArray(format: number): boolean {
  return (format & 0xf0) === FIXARRAY || format === ARRAY16 || format === ARRAY32;
}

/** Bytes of a number after its first byte. */
export function numberLength(format: number): number {
  switch (format) {
    case UINT8:
    case INT8:
      return 1;
    case UINT16:
    case INT16:
      return 2;
    case UINT32:
    case INT32:
    case FLOAT32:
      return 4;
    case UINT64:
    case INT64:
    case FLOAT64:
      return 8;
    default:
      return 0;
  }
}

export function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

/**
 * How long the string, binary, array or map at `at` is, in its own unit. The format must be one of these; a header takes
 * `headerLength` bytes.
 */
export function readLength(bytes: Uint8Array, at: number): number {
  const format = bytes[at];
  if (format < FIXSTR) return format & 0x0f;
  if (format < NIL) return format & 0x1f;
  switch (format) {
    case BIN8:
    case STR8:
      return bytes[at + 1];
    case BIN16:
    case STR16:
    case ARRAY16:
    case MAP16:
      return readUint16(bytes, at + 1);
    default:
      return readUint32(bytes, at + 1);
  }
}

export function headerLength(format: number): number {
  if (format < NIL) return 1;
  switch (format) {
    case BIN8:
    case STR8:
      return 2;
    case BIN16:
    case STR16:
    case ARRAY16:
    case MAP16:
      return 3;
    default:
      return 5;
  }
}

/** The integer at `at`; a `number` where that is exact. */
export function readInteger(bytes: Uint8Array, at: number): number | bigint {
  const format = bytes[at];
  if (format < FIXMAP) return format;
  if (format >= NEGATIVE_FIXINT) return format - 0x100;
  switch (format) {
    case UINT8:
      return bytes[at + 1];
    case UINT16:
      return readUint16(bytes, at + 1);
    case UINT32:
      return readUint32(bytes, at + 1);
    case INT8:
      return (bytes[at + 1] << 24) >> 24;
    case INT16:
      return (readUint16(bytes, at + 1) << 16) >> 16;
    case INT32:
      return readUint32(bytes, at + 1) | 0;
    default:
      return readWideInteger(bytes, at);
  }
}

function readWideInteger(bytes: Uint8Array, at: number): number | bigint {
  const unsigned = readUint32(bytes, at + 1);
  const high = bytes[at] === INT64 ? unsigned | 0 : unsigned;
  const low = readUint32(bytes, at + 5);
  const value = high * 0x1_0000_0000 + low;
  // Rounding never leads back into the safe range.
  if (Number.isSafeInteger(value)) return value;
  return (BigInt(high) << 32n) | BigInt(low);
}

const floatBytes = new DataView(new ArrayBuffer(8));

export function readFloat(bytes: Uint8Array, at: number): number {
  const length = numberLength(bytes[at]);
  for (let i = 0; i < length; i++) floatBytes.setUint8(i, bytes[at + 1 + i]);
  return length === 4 ? floatBytes.getFloat32(0) : floatBytes.getFloat64(0);
}
