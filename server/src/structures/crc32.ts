/**
 * CRC-32 (IEEE 802.3, as in zlib and PNG) of a range of bytes.
 *
 * Records of the log are mostly shorter than 256 bytes, and a call into zlib costs more than their bytes do: up to there
 * eight tables take eight bytes a step; what is longer goes to zlib, which takes about 1 GB/s.
 */
import { crc32 as zlibCrc32 } from "node:zlib";

const SHORT_BYTES_MAX = 256;
const TABLES = makeTables();

/** @returns an unsigned 32-bit integer. */
export function crc32(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > SHORT_BYTES_MAX) return zlibCrc32(bytes.subarray(start, end));
  let crc = -1;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const low = crc ^ (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    crc =
      TABLES[0x700 | (low & 0xff)] ^
      TABLES[0x600 | ((low >>> 8) & 0xff)] ^
      TABLES[0x500 | ((low >>> 16) & 0xff)] ^
      TABLES[0x400 | (low >>> 24)] ^
      TABLES[0x300 | bytes[at + 4]] ^
      TABLES[0x200 | bytes[at + 5]] ^
      TABLES[0x100 | bytes[at + 6]] ^
      TABLES[bytes[at + 7]];
  }
  for (; at < end; at++) crc = TABLES[(crc ^ bytes[at]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Table k, at k * 256, says what a byte does to the sum when k more bytes come after it. */
function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) tables[at] = tables[tables[at - 256] & 0xff] ^ (tables[at - 256] >>> 8);
  return tables;
}
