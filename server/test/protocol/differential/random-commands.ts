/**
 * Random command streams for the comparison with Redis: every name of the mapping, right and wrong, with the values and
 * numbers that have edges. What docs/redis.md lists as different is left out here, and only that.
 */
import type { Words } from "./raw-connection.ts";

/** How two replies are compared. */
export type Comparison =
  | "exact"
  /** Lists whose order means nothing. */
  | "unordered"
  /** Numbers that differ by what passes between two servers: at most 2 s or 2,000 ms. */
  | "seconds"
  | "milliseconds"
  /** A list of seconds and microseconds. */
  | "time"
  /** A key that exists, or null in both. */
  | "random-key"
  /** Null, an error or an integer in both. */
  | "kind";

export interface RandomCommand {
  readonly words: Words;
  readonly comparison: Comparison;
}

const INT64_MAX = "9223372036854775807";
const INT64_MIN = "-9223372036854775808";

const INTEGERS = [
  ...["0", "1", "-1", "2", "5", "-7", "10", "100", "-100", "4294967296", "2147483647", "9007199254740993"],
  ...["-9007199254740993", INT64_MAX, INT64_MIN, "9223372036854775806", "-9223372036854775807"],
];
const NO_INTEGERS = [
  ...["", " ", "a", "1a", " 1", "1 ", "+1", "-0", "00", "01", "-", "--1", "1.0", "1e3", "0b1"],
  ...["9223372036854775808", "-9223372036854775809", "99999999999999999999999", "\u0000", "1\u0000", "\u00ff"],
];
const FLOATS = [
  ...["0", "1", "-1", "0.1", "0.2", "-0.3", "3.14159", "1e3", "1E-3", "5.0e3", ".5", "5.", "+2.5", "-.25", "1e-18"],
  ...["1e17", "123456789.987654321", "100.1", "257.33", "65537.123456789", "0.000000000000000001", "1e300", "-0"],
  ...["18446744073709551615", "9007199254740993", "0.00000000000000000499999", "1e15", "33554432.1", "-5000.1"],
];
const NO_FLOATS = ["", "a", "1a", " 1", "1 ", "e5", ".", "1e", "--1", "nan", "1,5", "inf", "-inf", "infinity"];
/**
 * Instants that have passed, and what is no time. Short times to live are not here: they would end while this runs; nor are
 * those that only Redis can keep.
 */
const ODD_TIMES = [
  ...["0", "-1", "-100", "1.5", "a", "", "01", "99999999999999999999", INT64_MIN, "-9223372036854775"],
  ...["-9223372036854776"],
];
/** Too large for Redis too, in this unit. */
const HUGE_TIMES: Readonly<Record<string, readonly string[]>> = {
  EX: [INT64_MAX, "9223372036854776", "9223372036854775"],
  EXAT: [INT64_MAX, "9223372036854776"],
  PX: [INT64_MAX],
  PXAT: [],
};

export class RandomCommands {
  readonly #random: () => number;
  /** Counts times given out: each is asked for once, so that no comparison of two depends on the milliseconds between. */
  #times = 0;
  readonly #nowSecs: number;

  /** @param random draws from [0, 1). */
  constructor(random: () => number, nowMs: number) {
    this.#random = random;
    this.#nowSecs = Math.floor(nowMs / 1000);
  }

  /** One command, or a few that belong together. */
  next(): RandomCommand[] {
    if (this.#chance(0.01)) return [this.#wrongArity()];
    if (this.#chance(0.005)) return [exact(this.#pick(["nonsense", "GETT", "se", "object|encoding"]), this.#small())];
    return this.#chance(0.03) ? this.#transaction() : this.#pick(this.#families)();
  }

  /** Errors of a command that is queued end it, errors of one that runs do not; a watched key that has changed ends it too. */
  #transaction(): RandomCommand[] {
    const commands: RandomCommand[] = [];
    if (this.#chance(0.4)) {
      // Keys that are there: one that is missing, set and removed again has changed only for Redis.
      const keys = [this.#key(), this.#key()];
      commands.push(...keys.map((key) => exact("set", key, this.#value())), exact("watch", ...keys));
    }
    if (this.#chance(0.2)) commands.push(exact("unwatch"));
    if (this.#chance(0.3)) commands.push(...this.#pick(this.#families)());
    commands.push(exact(this.#cased("multi")));
    for (let count = this.#below(6); count > 0; count--) commands.push(...this.#queued());
    commands.push(this.#chance(0.1) ? exact("discard") : exact(this.#cased("exec")));
    return commands;
  }

  #queued(): RandomCommand[] {
    if (this.#chance(0.05))
      return [this.#pick([exact("watch", "k1"), exact("multi"), exact("nonsense"), exact("get")])];
    const commands = this.#pick(this.#families)();
    return commands.every(({ comparison }) => comparison === "exact") ? commands : [];
  }

  readonly #families: readonly (() => RandomCommand[])[] = [
    () => [this.#read()],
    () => [this.#read()],
    () => [this.#set()],
    () => [this.#set()],
    () => [this.#wholeValue()],
    () => [this.#partOfValue()],
    () => [this.#number()],
    () => [this.#number()],
    () => [this.#several()],
    () => [this.#twoKeys()],
    () => [this.#expiry()],
    () => [this.#expiry()],
    () => [this.#timeLeft()],
    () => [this.#listing()],
    () => this.#getex(),
    () => this.#longAgo(),
    () => [this.#connection()],
    () => [this.#object()],
  ];

  #read(): RandomCommand {
    return exact(this.#cased(this.#pick(["get", "get", "strlen", "type", "exists", "touch", "persist"])), this.#key());
  }

  #set(): RandomCommand {
    const words: string[] = [this.#cased("set"), this.#key(), this.#value()];
    while (this.#chance(0.4)) words.push(...this.#setOption());
    return exact(...words);
  }

  #setOption(): string[] {
    const word = this.#cased(this.#pick(["NX", "XX", "GET", "KEEPTTL", "EX", "PX", "EXAT", "PXAT", "PERSIST", "bad"]));
    return isTimed(word) && !this.#chance(0.05) ? [word, this.#time(word.toUpperCase())] : [word];
  }

  /** Numbers are read only where the key is there, so it is set first. */
  #getex(): RandomCommand[] {
    const key = this.#key();
    const words: string[] = [this.#cased("getex"), key];
    while (this.#chance(0.5)) {
      const word = this.#cased(this.#pick(["EX", "PX", "EXAT", "PXAT", "PERSIST", "KEEPTTL", "NX"]));
      words.push(word);
      if (isTimed(word) && !this.#chance(0.05)) words.push(this.#time(word.toUpperCase()));
    }
    const expiry = this.#chance(0.5) ? ["EX", String(1000 + this.#below(1_000_000))] : [];
    const ttl: RandomCommand = { words: ["ttl", key], comparison: "seconds" };
    return words.length === 2 ? [exact(...words)] : [exact("set", key, this.#value(), ...expiry), exact(...words), ttl];
  }

  /** What is gone as soon as it is set; what removes it makes DBSIZE the same, which counts it for a while. */
  #longAgo(): RandomCommand[] {
    const key = this.#key();
    const option = this.#pick(["EXAT", "PXAT"]);
    const read = exact(this.#pick(["get", "exists", "ttl", "strlen", "type"]), key);
    const name = this.#pick(["expireat", "pexpireat", "getex", "set", "set"]);
    const words =
      name === "set" ? [name, key, "v", option, "1"] : name === "getex" ? [name, key, option, "1"] : [name, key, "1"];
    return [exact(...words), read, exact("del", key)];
  }

  #wholeValue(): RandomCommand {
    const key = this.#key();
    switch (this.#pick(["setnx", "setex", "psetex", "getset", "getdel"])) {
      case "setnx":
        return exact(this.#cased("setnx"), key, this.#value());
      case "setex":
        return exact(this.#cased("setex"), key, this.#time("EX"), this.#value());
      case "psetex":
        return exact(this.#cased("psetex"), key, this.#time("PX"), this.#value());
      case "getset":
        return exact(this.#cased("getset"), key, this.#value());
      default:
        return exact(this.#cased("getdel"), key);
    }
  }

  #partOfValue(): RandomCommand {
    const key = this.#key();
    const name = this.#pick(["append", "getrange", "getrange", "substr", "setrange"]);
    if (name === "append") return exact(this.#cased(name), key, this.#value());
    if (name === "setrange") {
      // Past 2^53 an offset is named as too large here, whatever it is.
      const offset = this.#pick(["0", "1", "5", "20", "-1", "1048576", "1048570", "9999999999", "a", "", INT64_MIN]);
      const value = offset === "1048570" ? this.#pick(["", "overlong"]) : this.#value();
      return exact(this.#cased(name), key, offset, value);
    }
    return exact(this.#cased(name), key, this.#integer(), this.#integer());
  }

  #number(): RandomCommand {
    const key = this.#chance(0.7) ? `n${this.#below(4)}` : this.#key();
    const name = this.#pick(["incr", "decr", "incrby", "decrby", "incrbyfloat", "incrbyfloat", "set", "set"]);
    if (name === "incrbyfloat")
      return exact(this.#cased(name), key, this.#pick(this.#chance(0.9) ? FLOATS : NO_FLOATS));
    if (name === "set") return exact(name, key, this.#chance(0.5) ? this.#integer() : this.#pick(FLOATS));
    return name.endsWith("by") ? exact(this.#cased(name), key, this.#integer()) : exact(this.#cased(name), key);
  }

  #several(): RandomCommand {
    const name = this.#pick(["mget", "mset", "msetnx", "del", "unlink", "exists", "touch"]);
    const words: string[] = [this.#cased(name)];
    const withValues = name === "mset" || name === "msetnx";
    for (let count = 1 + this.#below(withValues ? 3 : 5); count > 0; count--) {
      words.push(this.#key());
      if (withValues) words.push(this.#value());
    }
    if (withValues && this.#chance(0.05)) words.pop();
    return exact(...words);
  }

  #twoKeys(): RandomCommand {
    const name = this.#pick(["rename", "renamenx", "copy", "copy"]);
    const words: string[] = [this.#cased(name), this.#key(), this.#key()];
    while (name === "copy" && this.#chance(0.5)) {
      words.push(this.#cased(this.#pick(["REPLACE", "REPLACE", "DB", "bad"])));
      if (this.#chance(0.3)) words.push(this.#pick(["0", "1", "-1", "16", "a"]));
    }
    return exact(...words);
  }

  #expiry(): RandomCommand {
    const name = this.#pick(["expire", "pexpire", "expireat", "pexpireat"]);
    const unit = { expire: "EX", pexpire: "PX", expireat: "EXAT", pexpireat: "PXAT" }[name];
    const words: string[] = [this.#cased(name), this.#key(), this.#time(unit ?? "EX")];
    while (this.#chance(0.4))
      words.push(this.#cased(this.#pick(["NX", "XX", "GT", "LT", "NX", "XX", "GT", "LT", "bad"])));
    return exact(...words);
  }

  #timeLeft(): RandomCommand {
    const [name, comparison] = this.#pick([
      ["ttl", "seconds"],
      ["pttl", "milliseconds"],
      ["expiretime", "seconds"],
      ["pexpiretime", "milliseconds"],
    ] as const);
    return { words: [this.#cased(name), this.#key()], comparison };
  }

  #listing(): RandomCommand {
    const name = this.#pick(["keys", "keys", "scan", "scan", "dbsize", "randomkey", "flush", "time"]);
    if (name === "time") return { words: [this.#cased(name)], comparison: "time" };
    if (name === "keys") return { words: [this.#cased(name), this.#pattern()], comparison: "unordered" };
    if (name === "randomkey") return { words: [this.#cased(name)], comparison: "random-key" };
    if (name === "flush") {
      if (!this.#chance(0.1)) return exact("dbsize");
      return exact(
        this.#pick(["flushdb", "flushall"]),
        ...this.#pick([[], ["async"], ["SYNC"], ["bad"], ["sync", "async"]]),
      );
    }
    if (name === "dbsize") return exact(this.#cased(name));
    return this.#badScan();
  }

  /** What fails before any key is looked at; scans that list keys are compared by `scanAll`. */
  #badScan(): RandomCommand {
    const options = [["count", "0"], ["count", "a"], ["count"], ["match"], ["bad"], ["count", "-5", "bad"], ["type"]];
    const cursor = this.#pick(["0", "0", "a", " 1", "1a"]);
    const valid = this.#pick([[], ["match", "a*"], ["count", "5"], ["MATCH", "*", "TYPE", "string"]]);
    return exact(this.#cased("scan"), cursor, ...valid, ...this.#pick(options));
  }

  /** The words after SCAN's cursor, for a scan from the first page to the last. */
  scanOptions(): string[] {
    const words: string[] = [];
    if (this.#chance(0.5)) words.push(this.#cased("match"), this.#pattern());
    if (this.#chance(0.7)) words.push(this.#cased("count"), this.#pick(["1", "3", "10", "1000", INT64_MAX]));
    if (this.#chance(0.3)) words.push(this.#cased("type"), this.#pick(["string", "list", "hash", "STRING"]));
    return words;
  }

  /** Keys of their own, which no command has changed in parts: Redis remembers that of a value, and shows it. */
  #object(): RandomCommand {
    const key = `e${this.#below(4)}`;
    const name = this.#pick([
      "encoding",
      "encoding",
      "refcount",
      "idletime",
      "freq",
      "usage",
      "set",
      "set",
      "incrby",
      "del",
    ]);
    if (name === "set") {
      const value = this.#pick(["", "a", "12", "-5", "01", "9223372036854775807", "9223372036854775808"]);
      return exact("set", key, this.#chance(0.5) ? value : "x".repeat(this.#pick([20, 43, 44, 45, 200])));
    }
    if (name === "incrby") return exact(name, key, "1");
    if (name === "del") return exact(name, key);
    if (name === "usage") {
      const samples = this.#pick([
        [],
        ["samples", "0"],
        ["SAMPLES", "5"],
        ["samples", "a"],
        ["samples", "-1"],
        ["bad"],
      ]);
      return { words: [this.#cased("memory"), "usage", key, ...samples], comparison: "kind" };
    }
    const comparison = name === "refcount" ? "kind" : name === "idletime" ? "seconds" : "exact";
    return { words: [this.#cased("object"), this.#cased(name), key], comparison };
  }

  #wrongArity(): RandomCommand {
    const names = [
      ...[
        "get",
        "set",
        "setnx",
        "setex",
        "psetex",
        "getset",
        "getdel",
        "getex",
        "mget",
        "mset",
        "msetnx",
        "append",
        "strlen",
      ],
      ...[
        "getrange",
        "setrange",
        "substr",
        "incr",
        "decr",
        "incrby",
        "decrby",
        "incrbyfloat",
        "del",
        "unlink",
        "exists",
      ],
      ...[
        "type",
        "rename",
        "renamenx",
        "copy",
        "randomkey",
        "expire",
        "pexpire",
        "expireat",
        "pexpireat",
        "ttl",
        "pttl",
      ],
      ...["expiretime", "pexpiretime", "persist", "keys", "scan", "dbsize", "touch", "object", "memory"],
    ];
    const name = this.#pick(names);
    if (name === "object")
      return exact(
        name,
        ...this.#pick([[], ["encoding"], ["freq", "a", "b"], ["bad", "a"], ["bad"], ["help"], ["Help", "a"]]),
      );
    if (name === "memory") return exact(name, ...this.#pick([[], ["usage"], ["bad"]]));
    const always = ["get", "strlen", "getdel", "incr", "decr", "type", "ttl", "persist", "keys", "dbsize", "randomkey"];
    return exact(this.#cased(name), ...(always.includes(name) ? ["a", "b", "c"] : name === "set" ? ["a"] : []));
  }

  #connection(): RandomCommand {
    const name = this.#pick(["ping", "echo", "select", "client"]);
    if (name === "client") return exact("client", this.#pick(["getname", "nonsense"]));
    const words = { ping: [[], ["a"], ["\u0000\u00ff"], ["a", "b"]], echo: [[""], ["a"], [], ["a", "b"]] }[name];
    return exact(this.#cased(name), ...this.#pick(words ?? [["0"], ["1"], ["-1"], ["a"], [""], []]));
  }

  #key(): string {
    const draw = this.#random();
    if (draw < 0.9) return `k${this.#below(12)}`;
    if (draw < 0.95)
      return this.#pick(["a", "ab", "abc", "a*c", "[x]", "\u0000", "\u00ff\u00fe", "\r\n", "x".repeat(300)]);
    return `key:${this.#below(40)}`;
  }

  #value(): string {
    const draw = this.#random();
    if (draw < 0.35) return this.#integer();
    if (draw < 0.5) return this.#pick(FLOATS);
    if (draw < 0.8)
      return this.#pick(["", "a", "hello", "hello world", '{"json":true}', "null", "\u00c5\u00be", "x".repeat(50)]);
    return this.#bytes(this.#below(70));
  }

  #bytes(count: number): string {
    return Array.from({ length: count }, () => String.fromCharCode(this.#below(256))).join("");
  }

  #integer(): string {
    const draw = this.#random();
    if (draw < 0.4) return this.#pick(INTEGERS);
    if (draw < 0.5) return this.#pick(NO_INTEGERS);
    return String(this.#below(40) - 20);
  }

  /** For an option or command of this kind. */
  #time(unit: string): string {
    if (this.#chance(0.25)) return this.#pick([...ODD_TIMES, ...(HUGE_TIMES[unit] ?? [])]);
    const secs = 1000 + ((++this.#times * 7919) % 1_000_003) * 100;
    const from = unit.endsWith("AT") ? this.#nowSecs : 0;
    return String((from + secs) * (unit.startsWith("P") ? 1000 : 1));
  }

  #pattern(): string {
    return this.#pick([
      "*",
      "k*",
      "k?",
      "k[0-3]",
      "k[^0-3]",
      "[a-k]*",
      "key:*",
      "a\\*c",
      "\\[x\\]",
      "*:1*",
      "",
      "a*c",
      "?",
      "k1?",
      "[",
      "k[1",
    ]);
  }

  /** The word in a random mix of cases. */
  #cased(word: string): string {
    if (this.#chance(0.7)) return word;
    return [...word].map((letter) => (this.#chance(0.5) ? letter.toUpperCase() : letter.toLowerCase())).join("");
  }

  #small(): string {
    return `k${this.#below(3)}`;
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)];
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }
}

function isTimed(word: string): boolean {
  return /^p?x$|^p?xat$|^ex(?:at)?$/i.test(word);
}

function exact(...words: string[]): RandomCommand {
  return { words, comparison: "exact" };
}
