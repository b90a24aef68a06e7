/**
 * The table of docs/redis.md, "Values": what one protocol stores, as the other reads and changes it. And what Redis answers to
 * commands with edges, for machines that have no Redis to compare with.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { type Plain, plainReply, RawConnection, type Words } from "./differential/raw-connection.ts";

let server: RunningServer;
let redis: RawConnection;

beforeAll(async () => {
  server = await startServer(configFromFlags("--no-persistence", "--port", "0", "--log-level", "silent"), silentLogger);
  if (server.respUrl === undefined) throw new Error("the server has no RESP");
  redis = await RawConnection.open(server.respUrl);
});

afterAll(async () => {
  redis.close();
  await server.stop();
});

beforeEach(() => call("flushall"));

async function call(...words: Words): Promise<Plain> {
  return plainReply(await redis.call(...words));
}

async function http(command: string, payload: unknown): Promise<unknown> {
  const response = await fetch(`${server.url}/api/v1/command`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ command, payload }),
  });
  const { payload: answer } = (await response.json()) as { readonly payload: unknown }; // As the contract has it.
  return answer;
}

const WRONG_TYPE = "-WRONGTYPE Operation against a key holding the wrong kind of value";

describe("a value of JSON, read by a Redis client", () => {
  it.each([
    ["text", "text"],
    [12, "12"],
    [-7, "-7"],
    [1.5, "1.5"],
    [true, "true"],
    [null, "null"],
    [[1, "a"], '[1,"a"]'],
    [{ a: { b: 1 } }, '{"a":{"b":1}}'],
    [{ $bytes: "/wA=" }, "\u00ff\u0000"],
  ])("%j is %j", async (value, expected) => {
    await http("kv.set", { key: "k", value });
    expect(await call("get", "k")).toBe(expected);
    expect(await call("mget", "k", "none")).toEqual([expected, null]);
    expect(await call("strlen", "k")).toBe(expected.length);
    expect(await call("getrange", "k", "1", "-2")).toBe(expected.slice(1, -1));
    expect(await call("type", "k")).toBe("+string");
    expect(await call("getset", "k", "after")).toBe(expected);
    expect(await http("kv.get", { key: "k" })).toBe("after");
  });

  it.each([true, null, [1], { a: 1 }])("%j is no string to change in parts", async (value) => {
    await http("kv.set", { key: "k", value });
    for (const words of [
      ["append", "k", "x"],
      ["setrange", "k", "0", "x"],
      ["incr", "k"],
      ["incrbyfloat", "k", "1"],
    ]) {
      expect(await call(...words)).toBe(WRONG_TYPE);
    }
    expect(await http("kv.get", { key: "k" })).toEqual(value);
  });

  it("a number is one to add to, and to append to", async () => {
    await http("kv.set", { key: "k", value: 1.5 });
    expect(await call("incr", "k")).toBe("-ERR value is not an integer or out of range");
    expect(await call("incrbyfloat", "k", "0.25")).toBe("1.75");
    expect(await http("kv.get", { key: "k" })).toBe(1.75);
    expect(await call("append", "k", "5")).toBe(5);
    expect(await http("kv.get", { key: "k" })).toBe("1.755");
  });
});

describe("a value of a Redis client, read as JSON", () => {
  it.each([
    [["set", "k", "text"], "text"],
    [["set", "k", "12"], "12"],
    [["incrby", "k", "12"], 12],
    [["incrbyfloat", "k", "12.5"], 12.5],
    [["set", "k", "\u00ff"], { $bytes: "/w==" }],
    [["append", "k", '{"a":1}'], '{"a":1}'],
  ] as const)("%j is %j", async (words, expected) => {
    await call(...words);
    expect(await http("kv.get", { key: "k" })).toEqual(expected);
  });

  it("a key that is no UTF-8 is a key", async () => {
    await call("set", "\u00ff", "1");
    expect(await http("kv.keys", { pattern: "*" })).toEqual({ keys: [{ $bytes: "/w==" }] });
    expect(await call("keys", "*")).toEqual(["\u00ff"]);
  });
});

describe("as Redis answers", () => {
  const syntaxError = "-ERR syntax error";
  const noInteger = "-ERR value is not an integer or out of range";
  const badExpiry = (name: string) => `-ERR invalid expire time in '${name}' command`;
  const incompatible = "-ERR NX and XX, GT or LT options at the same time are not compatible";

  it.each([
    ["set k v nx get", "12"],
    ["set k v xx keepttl", "+OK"],
    ["set k v ex 5 ex 6", "+OK"],
    ["set k v ex 5 px 6", syntaxError],
    ["set k v nx xx", syntaxError],
    ["set k v ex", syntaxError],
    ["set k v ex a nx xx", syntaxError],
    ["set k v ex a", noInteger],
    ["set k v ex 0", badExpiry("set")],
    ["set k v pxat -1", badExpiry("set")],
    ["setex k 9223372036854775807 v", badExpiry("setex")],
    ["getex k ex 9223372036854775808", noInteger],
    ["expire k a bad", "-ERR Unsupported option bad"],
    ["expire k a nx gt", incompatible],
    ["expire k 1 gt lt", "-ERR GT and LT options at the same time are not compatible"],
    ["expire k 9223372036854776", badExpiry("expire")],
    ["expire k -9223372036854775808", badExpiry("expire")],
    ["pexpire k -9223372036854775808", 1],
    ["decrby k -9223372036854775808", "-ERR decrement would overflow"],
    ["incrby k 9223372036854775807", "-ERR increment or decrement would overflow"],
    ["incrbyfloat k a", "-ERR value is not a valid float"],
    ["incrbyfloat k -inf", "-ERR increment would produce NaN or Infinity"],
    ["incrbyfloat k 5000.1", "5012.10000000000000009"],
    ["setrange k -1 v", "-ERR offset is out of range"],
    ["setrange k 9223372036854775807 v", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"],
    ["getrange k 0 -9223372036854775808", "1"],
    ["getrange none 0 -1", ""],
    ["rename none k", "-ERR no such key"],
    ["copy none k", 0],
    ["copy k k", "-ERR source and destination objects are the same"],
    ["copy k l db a bad", noInteger],
    ["scan a", "-ERR invalid cursor"],
    ["scan 0 count 0", syntaxError],
    ["scan 0 count a bad", noInteger],
    ["scan 0 type list", ["0", []]],
    ["scan 0 match k count 10", ["0", ["k"]]],
    ["exists k k none", 2],
    ["object encoding k", "int"],
    ["object encoding none", null],
    ["object bad k", "-ERR unknown subcommand 'bad'. Try OBJECT HELP."],
    ["flushall sync async", syntaxError],
    ["mset k v l", "-ERR wrong number of arguments for 'mset' command"],
    ["object encoding", "-ERR wrong number of arguments for 'object|encoding' command"],
  ])("%s", async (line, expected) => {
    await call("set", "k", "12");
    expect(await call(...line.split(" "))).toEqual(expected);
  });
});

describe("limits that Redis does not have", () => {
  it.each([
    [["set", "", "x"], "-ERR key may not be empty"],
    [["get", "k".repeat(65_536)], "-ERR key may have at most 65535 bytes"],
    [["del", ...Array.from({ length: 501 }, () => "k")], "-ERR keys may have at most 500 items"],
    [["mget", ...Array.from({ length: 2_001 }, () => "k")], "-ERR keys may have at most 2000 items"],
    [["keys", "a".repeat(256)], "-ERR pattern may have at most 255 bytes"],
    [["set", "k", "v", "EX", "3155760001"], "-ERR invalid expire time in 'set' command"],
    [["scan", "12345"], "-ERR the cursor is unknown or forgotten: begin the scan again"],
    [["scan", "0", "type", "txt"], "-ERR syntax error"],
    [["copy", "a", "b", "db", "1"], "-ERR DB index is out of range"],
  ])("%.60j", async (words, expected) => expect(await call(...words)).toBe(expected));

  it.each([
    [["get", "k".repeat(65_535)], null],
    [["del", ...Array.from({ length: 500 }, () => "k")], 0],
    [["keys", "a".repeat(255)], []],
    [["set", "k", "v", "EX", "3155760000"], "+OK"],
  ])("not yet: %.60j", async (words, expected) => expect(await call(...words)).toEqual(expected));
});
