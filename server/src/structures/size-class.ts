/**
 * Size classes of the slab allocator: steps of 8 bytes up to 256, then eight steps to each doubling, so that above 256
 * bytes at most an eighth of a slot is wasted.
 *
 *     8, 16, 24 ... 256 | 288, 320 ... 512 | 576, 640 ... 1024 | ... | 294912 ... 524288
 */
const STEP_BYTES = 8;
const STEPPED_BYTES_MAX = 256;
const STEPPED_CLASSES = STEPPED_BYTES_MAX / STEP_BYTES;

/** The largest object that shares a span with others. */
export const CLASS_BYTES_MAX = 2 ** 19;
export const CLASS_COUNT = STEPPED_CLASSES + 8 * 11;

/** The smallest class that holds `bytes`, from 1 to `CLASS_BYTES_MAX`. */
export function sizeClassOf(bytes: number): number {
  if (bytes <= STEPPED_BYTES_MAX) return (bytes - 1) >> 3;
  const doubling = 31 - Math.clz32(bytes - 1);
  return STEPPED_CLASSES + (doubling - 8) * 8 + ((bytes - 1) >> (doubling - 3)) - 8;
}

/** Bytes of a slot of a class. */
export function sizeClassBytes(sizeClass: number): number {
  if (sizeClass < STEPPED_CLASSES) return (sizeClass + 1) * STEP_BYTES;
  const step = sizeClass - STEPPED_CLASSES;
  return (9 + (step & 7)) << (5 + (step >> 3));
}
