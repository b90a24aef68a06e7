/**
 * Scratch memory of a codec: an `OutputBuffer` that is reset with every message and appended to while its arguments are
 * read. A range into it stays right when it grows, because growing copies and never changes the bytes left behind.
 */

export const SCRATCH_BYTES = 64 * 1024;

/**
 * Never reached: what is unpacked is bounded by the message, which has its own limit (an escaped control character is six
 * bytes for one), and each value by its own limit.
 */
export const SCRATCH_BYTES_MAX = Number.MAX_SAFE_INTEGER;
