/** What a fuzzer does to bytes: seeded, so that what it finds can be found again. */

/** Draws from [0, 1). */
export type Chance = () => number;

export function pick<T>(random: Chance, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)];
}

/** Numbers and marks that readers stumble over. */
const WORDS = [
  "0",
  "-1",
  "9007199254740993",
  "9223372036854775807",
  "-9223372036854775809",
  "1e309",
  "NaN",
  "null",
  "{}",
  "[]",
  '""',
  '"\\ud800"',
  "\\u0000",
  "\r\n",
  "*1\r\n",
  "$-1\r\n",
  "$9999999999\r\n",
  "\0",
  "\xff\xfe",
  "\xc0\x80",
  "\xdf",
  "\xdd\xff\xff\xff\xff",
  "\xc6\xff\xff\xff\xff",
  "[".repeat(200),
  '{"a":'.repeat(50),
  "*",
  "#",
  ".",
  "__proto__",
  "constructor",
  "toString",
].map((word) => Buffer.from(word, "latin1"));

/** One to four changes of a message; `others` lend their parts. */
export function mutated(random: Chance, message: Buffer, others: readonly Buffer[]): Buffer {
  let bytes = message;
  for (let left = 1 + Math.floor(random() * 4); left > 0; left--) bytes = changed(random, bytes, others);
  return bytes;
}

function changed(random: Chance, bytes: Buffer, others: readonly Buffer[]): Buffer {
  const at = Math.floor(random() * (bytes.length + 1));
  const end = Math.min(bytes.length, at + Math.floor(random() * 8));
  switch (Math.floor(random() * 6)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at] ^= 1 << Math.floor(random() * 8);
      return flipped;
    }
    case 1:
      return bytes.subarray(0, at);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), pick(random, WORDS), bytes.subarray(end)]);
    case 4: {
      const other = pick(random, others);
      const from = Math.floor(random() * other.length);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + 40), bytes.subarray(end)]);
    }
    default:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
  }
}
