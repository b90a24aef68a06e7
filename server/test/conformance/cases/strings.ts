/** Parts of strings and counters: append, getrange, setrange, strlen, getset, incr, decr. */
import { type Case, failure, run, type Step, someInteger } from "../case.ts";

const stored = (key: string) => ({ success: true, key, version: someInteger });
const set = (key: string, value: unknown, more: Record<string, unknown> = {}): Step =>
  run("kv.set", { key, value, ...more }, stored(key));

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

export const strings: readonly Case[] = [
  {
    name: "kv.append joins texts, bytes and the decimals of integers",
    steps: [
      run("kv.append", { key: "t", value: "ab" }, { length: 2 }),
      run("kv.append", { key: "t", value: "ž" }, { length: 4 }),
      run("kv.append", { key: "t", value: "" }, { length: 4 }),
      run("kv.append", { key: "t", value: 42 }, { length: 6 }),
      run("kv.get", { key: "t" }, "abž42"),
      run("key.type", { key: "t" }, { key: "t", type: "text" }),
      set("i", 12),
      run("kv.append", { key: "i", value: "3" }, { length: 3 }),
      run("kv.get", { key: "i" }, "123"),
      run("kv.incr", { key: "i" }, { value: 124 }),
      run("kv.append", { key: "b", value: new Uint8Array([0xff]) }, { length: 1 }),
      run("kv.append", { key: "b", value: "a" }, { length: 2 }),
      run("kv.get", { key: "b" }, new Uint8Array([0xff, 0x61])),
      run("key.type", { key: "b" }, { key: "b", type: "bytes" }),
      run("kv.append", { key: "e", value: "" }, { length: 0 }),
      run("kv.get", { key: "e" }, ""),
    ],
  },
  {
    name: "a JSON number is cut and joined as its text",
    steps: [
      set("n", 1.5),
      run("kv.append", { key: "n", value: 2.5 }, { length: 6 }),
      run("kv.get", { key: "n" }, "1.52.5"),
      set("n", -1.5),
      run("kv.setrange", { key: "n", offset: 0, value: "+" }, { length: 4 }),
      run("kv.get", { key: "n" }, "+1.5"),
    ],
  },
  {
    name: "the text of other JSON values is not cut or joined",
    steps: [
      set("j", { a: 1 }),
      run("kv.append", { key: "j", value: "x" }, failure("WRONG_TYPE")),
      run("kv.append", { key: "t", value: [1] }, failure("WRONG_TYPE")),
      run("kv.append", { key: "t", value: null }, failure("WRONG_TYPE")),
      run("kv.setrange", { key: "j", offset: 0, value: "x" }, failure("WRONG_TYPE")),
      run("kv.setrange", { key: "t", offset: 0, value: true }, failure("WRONG_TYPE")),
      run("kv.incr", { key: "j" }, failure("WRONG_TYPE")),
      run("kv.get", { key: "j" }, { a: 1 }),
      run("kv.exists", { key: "t" }, { exists: false }),
    ],
  },
  {
    name: "kv.setrange overwrites, and fills with zeros up to its offset",
    steps: [
      run("kv.setrange", { key: "t", offset: 0, value: "hello" }, { length: 5 }),
      run("kv.setrange", { key: "t", offset: 1, value: "a" }, { length: 5 }),
      run("kv.setrange", { key: "t", offset: 5, value: " w" }, { length: 7 }),
      run("kv.get", { key: "t" }, "hallo w"),
      run("kv.setrange", { key: "t", offset: 9, value: "z" }, { length: 10 }),
      run("kv.get", { key: "t" }, "hallo w\0\0z"),
      run("kv.setrange", { key: "n", offset: 2, value: "x" }, { length: 3 }),
      run("kv.get", { key: "n" }, "\0\0x"),
      run("kv.setrange", { key: "none", offset: 5, value: "" }, { length: 0 }),
      run("kv.exists", { key: "none" }, { exists: false }),
      set("i", -100),
      run("kv.setrange", { key: "i", offset: 1, value: 9 }, { length: 4 }),
      run("kv.get", { key: "i" }, "-900"),
      set("u", "ž"),
      run("kv.setrange", { key: "u", offset: 1, value: "a" }, { length: 2 }),
      run("kv.get", { key: "u" }, new Uint8Array([0xc5, 0x61])),
      run("key.type", { key: "u" }, { key: "u", type: "bytes" }),
      run("kv.setrange", { key: "t", offset: -1, value: "x" }, failure("INVALID_PAYLOAD", { path: "offset" })),
      run("kv.setrange", { key: "t", offset: 2 ** 32, value: "x" }, failure("INVALID_PAYLOAD", { path: "offset" })),
    ],
  },
  {
    name: "kv.getrange takes both ends inclusive, negative ones from the end",
    steps: [
      set("t", "hello"),
      ...(
        [
          [0, 1, "he"],
          [0, -1, "hello"],
          [-3, -2, "ll"],
          [-100, 100, "hello"],
          [3, 1, ""],
          [5, 9, ""],
          [0, -6, "h"],
          [-100, -99, "h"],
          [-99, -100, ""],
          [MIN, MAX, "hello"],
          [MAX, MIN, ""],
          [4, 4, "o"],
        ] as const
      ).map(([start, end, part]) => run("kv.getrange", { key: "t", start, end }, part)),
      run("kv.getrange", { key: "none", start: 0, end: -1 }, null),
      set("i", -1234),
      run("kv.getrange", { key: "i", start: 0, end: 1 }, "-1"),
      set("u", "žz"),
      run("kv.getrange", { key: "u", start: 1, end: 2 }, new Uint8Array([0xbe, 0x7a])),
      run("kv.getrange", { key: "u", start: 0, end: 1 }, "ž"),
      set("j", [1, 2]),
      run("kv.getrange", { key: "j", start: 1, end: 3 }, "1,2"),
      run("kv.getrange", { key: "t", start: 0 }, failure("INVALID_PAYLOAD", { path: "end" })),
      run("kv.getrange", { key: "t", start: 0.5, end: 1 }, failure("INVALID_PAYLOAD", { path: "start" })),
    ],
  },
  {
    name: "kv.strlen counts bytes, 0 for a missing key",
    steps: [
      run("kv.strlen", { key: "none" }, { length: 0 }),
      set("u", "ž🐎"),
      run("kv.strlen", { key: "u" }, { length: 6 }),
    ],
  },
  {
    name: "kv.getset answers with the value before and takes the expiry away",
    steps: [
      run("kv.getset", { key: "k", value: 1 }, null),
      run("kv.expire", { key: "k", ttl: 100 }, { result: true }),
      run("kv.getset", { key: "k", value: "two" }, 1),
      run("kv.ttl", { key: "k" }, { ttl: null, ttl_ms: null }),
      run("kv.get", { key: "k" }, "two"),
    ],
  },
];

export const counters: readonly Case[] = [
  {
    name: "kv.incr and kv.decr count from 0 by 1 or by an amount",
    steps: [
      run("kv.incr", { key: "n" }, { value: 1 }),
      run("kv.incr", { key: "n", amount: 9 }, { value: 10 }),
      run("kv.decr", { key: "n" }, { value: 9 }),
      run("kv.decr", { key: "n", amount: 10 }, { value: -1 }),
      run("kv.incr", { key: "n", amount: -5 }, { value: -6 }),
      run("kv.decr", { key: "n", amount: -6 }, { value: 0 }),
      run("kv.incr", { key: "n", amount: 0 }, { value: 0 }),
      run("kv.get", { key: "n" }, 0),
      run("key.type", { key: "n" }, { key: "n", type: "integer" }),
      run("kv.decr", { key: "m" }, { value: -1 }),
    ],
  },
  {
    name: "decimal text and bytes are counted on, and leave an integer",
    steps: [
      set("t", "41"),
      run("kv.incr", { key: "t" }, { value: 42 }),
      run("key.type", { key: "t" }, { key: "t", type: "integer" }),
      set("b", new Uint8Array([0x2d, 0x37])),
      run("kv.incr", { key: "b" }, { value: -6 }),
      ...["", "x", "1.5", " 1", "+1", "01", "-0", "9223372036854775808", "1e3"].flatMap((text): Step[] => [
        set("n", text),
        run("kv.incr", { key: "n" }, failure("NOT_AN_INTEGER")),
        run("kv.get", { key: "n" }, text),
      ]),
      set("f", 1.5),
      run("kv.incr", { key: "f" }, failure("NOT_AN_INTEGER")),
    ],
  },
  {
    name: "counters keep every digit to the ends of 64 bits, and refuse to go past them",
    steps: [
      set("n", MAX - 1n),
      run("kv.incr", { key: "n" }, { value: MAX }),
      run("kv.incr", { key: "n" }, failure("OVERFLOW")),
      run("kv.get", { key: "n" }, MAX),
      run("kv.decr", { key: "n", amount: MAX }, { value: 0 }),
      run("kv.decr", { key: "n", amount: MAX }, { value: -MAX }),
      run("kv.decr", { key: "n" }, { value: MIN }),
      run("kv.decr", { key: "n" }, failure("OVERFLOW")),
      run("kv.decr", { key: "n", amount: MIN }, { value: 0 }),
      run("kv.decr", { key: "n", amount: MIN }, failure("OVERFLOW")),
      run("kv.incr", { key: "n", amount: 2n ** 53n + 1n }, { value: 2n ** 53n + 1n }),
      run("kv.incr", { key: "n", amount: 2n ** 63n }, failure("INVALID_PAYLOAD", { path: "amount" })),
      run("kv.incr", { key: "n", amount: 1.5 }, failure("INVALID_PAYLOAD", { path: "amount" })),
      run("kv.incr", { key: "n", amount: "1" }, failure("INVALID_PAYLOAD", { path: "amount" })),
    ],
  },
  {
    name: "past min or max a counter stays as it is and says so",
    steps: [
      run("kv.incr", { key: "n", amount: 5, max: 5 }, { value: 5 }),
      run("kv.incr", { key: "n", max: 5 }, { value: 5, limited: true }),
      run("kv.decr", { key: "n", amount: 6, min: 0 }, { value: 5, limited: true }),
      run("kv.decr", { key: "n", amount: 5, min: 0 }, { value: 0 }),
      run("kv.incr", { key: "n", amount: MAX, max: MAX }, { value: MAX }),
      run("kv.incr", { key: "new", amount: 2, max: 1 }, { value: 0, limited: true }),
      run("kv.exists", { key: "new" }, { exists: false }),
    ],
  },
  {
    name: "the ttl of a counter counts only when it makes the key",
    steps: [
      run("kv.incr", { key: "n", ttl: 100 }, { value: 1 }),
      run("kv.persist", { key: "n" }, { result: true }),
      run("kv.incr", { key: "n", ttl: 100 }, { value: 2 }),
      run("kv.ttl", { key: "n" }, { ttl: null, ttl_ms: null }),
      run("kv.incr", { key: "z", ttl: 0 }, { value: 1 }),
      run("kv.ttl", { key: "z" }, { ttl: null, ttl_ms: null }),
      run("kv.incr", { key: "n", ttl: -1 }, failure("INVALID_PAYLOAD", { path: "ttl" })),
    ],
  },
  {
    name: "kv.incrbyfloat adds exactly, and answers with a number",
    steps: [
      run("kv.incrbyfloat", { key: "f", amount: 0.1 }, { value: 0.1 }),
      run("kv.incrbyfloat", { key: "f", amount: 0.2 }, { value: 0.3 }),
      run("kv.get", { key: "f" }, 0.3),
      run("kv.incrbyfloat", { key: "f", amount: "0.7" }, { value: 1 }),
      run("key.type", { key: "f" }, { key: "f", type: "integer" }),
      run("kv.incrbyfloat", { key: "f", amount: -5 }, { value: -4 }),
      set("t", "10.50", { ttl: 100 }),
      run("kv.incrbyfloat", { key: "t", amount: 0.1 }, { value: 10.6 }),
      run("kv.get", { key: "t" }, "10.6"),
      run("kv.incrbyfloat", { key: "t", amount: new Uint8Array([0x35, 0x65, 0x33]) }, { value: 5010.6 }),
      run("kv.ttl", { key: "t" }, { ttl: someInteger, ttl_ms: someInteger }),
      // 2^1329 has no other digits in 64 bits, and no double is as large.
      set("t", (2n ** 1329n).toString()),
      run("kv.incrbyfloat", { key: "t", amount: 1 }, { value: (2n ** 1329n).toString() }),
      run("kv.incrbyfloat", { key: "new", amount: (2n ** 1329n).toString() }, { value: (2n ** 1329n).toString() }),
    ],
  },
  {
    name: "kv.incrbyfloat refuses what is no number, and sums without end",
    steps: [
      ...["", "a", " 1", "1 ", "0x10", "1,5", "nan"].flatMap((text): Step[] => [
        set("t", text),
        run("kv.incrbyfloat", { key: "t", amount: 1 }, failure("NOT_A_NUMBER")),
        run("kv.incrbyfloat", { key: "n", amount: text }, failure("INVALID_PAYLOAD", { path: "amount" })),
      ]),
      ...[{ a: 1 }, [1], true, null].flatMap((json): Step[] => [
        set("j", json),
        run("kv.incrbyfloat", { key: "j", amount: 1 }, failure("WRONG_TYPE")),
        run("kv.incrbyfloat", { key: "n", amount: json }, failure("INVALID_PAYLOAD", { path: "amount" })),
      ]),
      run("kv.incrbyfloat", { key: "n", amount: "inf" }, failure("OVERFLOW")),
      run("kv.incrbyfloat", { key: "n", amount: "1e4933" }, failure("INVALID_PAYLOAD", { path: "amount" })),
      run("kv.exists", { key: "n" }, { exists: false }),
    ],
  },
];
