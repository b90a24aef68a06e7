/**
 * Finds single fields in encoded MessagePack without decoding the rest, so that a client that gets a million pushes is
 * not what a benchmark measures. Knows the types that the server writes; another one throws.
 */
import { pack } from "msgpackr";

/** A field's name as it stands in a map, to be made once. */
export function fieldName(name: string): Buffer {
  return pack(name);
}

/**
 * Where the value of a field begins in the map that begins at `map`, or -1 if the map has no such field.
 * @param name from `fieldName`
 */
export function fieldAt(bytes: Buffer, map: number, name: Buffer): number {
  const tag = bytes[map];
  let at = map + 1;
  let fields = tag & 0x0f;
  if (tag === 0xde) {
    fields = (bytes[at] << 8) | bytes[at + 1];
    at += 2;
  } else if (tag >> 4 !== 8) {
    throw new Error(`no map but 0x${tag.toString(16)}`);
  }
  for (; fields > 0; fields--) {
    const value = skip(bytes, at);
    if (value - at === name.length && isName(bytes, at, name)) return value;
    at = skip(bytes, value);
  }
  return -1;
}

function isName(bytes: Buffer, at: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
  return true;
}

/** How many elements the array at `at` has. */
export function arrayLength(bytes: Buffer, at: number): number {
  const tag = bytes[at];
  if (tag >> 4 === 9) return tag & 0x0f;
  if (tag === 0xdc) return bytes.readUInt16BE(at + 1);
  if (tag === 0xdd) return bytes.readUInt32BE(at + 1);
  throw new Error(`no array but 0x${tag.toString(16)}`);
}

/** Where the first element of the array at `at` begins. */
export function firstElement(bytes: Buffer, at: number): number {
  return at + (bytes[at] === 0xdd ? 5 : bytes[at] === 0xdc ? 3 : 1);
}

/** The number at `at`. */
export function numberAt(bytes: Buffer, at: number): number {
  const tag = bytes[at];
  if (tag < 0x80) return tag;
  switch (tag) {
    case 0xcc:
      return bytes[at + 1];
    case 0xcd:
      return bytes.readUInt16BE(at + 1);
    case 0xce:
      return bytes.readUInt32BE(at + 1);
    case 0xcf:
    case 0xd3:
      return bytes.readInt32BE(at + 1) * 2 ** 32 + bytes.readUInt32BE(at + 5);
    case 0xcb:
      return bytes.readDoubleBE(at + 1);
    default:
      throw new Error(`no number but 0x${tag.toString(16)}`);
  }
}

/** Where the bytes of the text or binary value at `at` begin. */
export function textStart(bytes: Buffer, at: number): number {
  const tag = bytes[at];
  if (tag >> 5 === 5) return at + 1;
  if (tag === 0xd9 || tag === 0xc4) return at + 2;
  if (tag === 0xda || tag === 0xc5) return at + 3;
  if (tag === 0xdb || tag === 0xc6) return at + 5;
  throw new Error(`no text but 0x${tag.toString(16)}`);
}

/** Where what follows the value at `at` begins. */
export function skip(bytes: Buffer, at: number): number {
  const tag = bytes[at];
  if (tag < 0x80 || tag >= 0xe0) return at + 1;
  if (tag >= 0xa0 && tag < 0xc0) return at + 1 + (tag & 0x1f);
  if (tag < 0x90) return skipMany(bytes, at + 1, (tag & 0x0f) * 2);
  if (tag < 0xa0) return skipMany(bytes, at + 1, tag & 0x0f);
  switch (tag) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return at + 1;
    case 0xcc:
    case 0xd0:
      return at + 2;
    case 0xcd:
    case 0xd1:
      return at + 3;
    case 0xce:
    case 0xd2:
    case 0xca:
      return at + 5;
    case 0xcf:
    case 0xd3:
    case 0xcb:
      return at + 9;
    case 0xd9:
    case 0xc4:
      return at + 2 + bytes[at + 1];
    case 0xda:
    case 0xc5:
      return at + 3 + bytes.readUInt16BE(at + 1);
    case 0xdb:
    case 0xc6:
      return at + 5 + bytes.readUInt32BE(at + 1);
    case 0xdc:
      return skipMany(bytes, at + 3, bytes.readUInt16BE(at + 1));
    case 0xdd:
      return skipMany(bytes, at + 5, bytes.readUInt32BE(at + 1));
    case 0xde:
      return skipMany(bytes, at + 3, bytes.readUInt16BE(at + 1) * 2);
    case 0xdf:
      return skipMany(bytes, at + 5, bytes.readUInt32BE(at + 1) * 2);
    default:
      throw new Error(`a value of type 0x${tag.toString(16)}`);
  }
}

function skipMany(bytes: Buffer, first: number, count: number): number {
  let at = first;
  for (let i = 0; i < count; i++) at = skip(bytes, at);
  return at;
}
