/** The value types: what each value becomes in the store and how it comes back (design, "Value types"). */
import { expect } from "vitest";
import { type Case, failure, raw, run, type Step, someInteger } from "../case.ts";
import { bytesObject, msgpackMap } from "../format.ts";

/** Value, its type in the store, its length there. Sent and read in every combination, and across them. */
export const VALUE_TABLE: readonly (readonly [what: string, value: unknown, type: string, bytes: number])[] = [
  ["a text", "hello", "text", 5],
  ["an empty text", "", "text", 0],
  ["a text beyond ASCII", "žluťoučký 🐎 \u2028", "text", 22],
  ["a text of what JSON escapes", 'quote " backslash \\ slash / \b\f\n\r\t', "text", 33],
  ["a text with NUL bytes", "a\0b\0", "text", 4],
  ["a text that looks like a number", "42", "text", 2],
  ["a text that looks like JSON", '{"a":1}', "text", 7],
  ["a text that names the prototype", "__proto__", "text", 9],
  ["zero", 0, "integer", 1],
  ["a negative integer", -42, "integer", 3],
  ["the largest safe integer", Number.MAX_SAFE_INTEGER, "integer", 16],
  ["one past the largest safe integer", 2n ** 53n, "integer", 16],
  ["one below the smallest safe integer", -(2n ** 53n) - 1n, "integer", 17],
  ["the largest integer", 2n ** 63n - 1n, "integer", 19],
  ["the smallest integer", -(2n ** 63n), "integer", 20],
  ["an integer past 64 bits signed", 2n ** 63n, "json", 19],
  ["the largest integer of 64 bits unsigned", 2n ** 64n - 1n, "json", 20],
  ["a fraction", 1.5, "json", 3],
  ["a small fraction", -0.001, "json", 6],
  ["true", true, "json", 4],
  ["false", false, "json", 5],
  ["null", null, "json", 4],
  ["an empty list", [], "json", 2],
  ["an empty object", {}, "json", 2],
  ["a list", [1, "two", [3.5, null], { four: false }], "json", 35],
  ["an object", { name: "Ada", tags: ["x", "y"], nested: { deep: { deeper: -1 } } }, "json", 63],
  ["an object with big integers", { low: -(2n ** 63n), high: 2n ** 63n - 1n, past: 2n ** 64n - 1n }, "json", 83],
  ["an object with a field __proto__", JSON.parse('{"__proto__":{"admin":true}}'), "json", 28],
  ["an object with an empty name", { "": "" }, "json", 7],
  ["an object that would be bytes but for another field", { $bytes: "AAEC", other: 1 }, "json", 27],
  ["bytes that are no UTF-8", new Uint8Array([0, 0xff, 0xfe, 0x80]), "bytes", 4],
  ["bytes that are UTF-8", new Uint8Array([0x68, 0x69]), "bytes", 2],
  ["no bytes", new Uint8Array(0), "bytes", 0],
];

const valueCases: Case[] = VALUE_TABLE.map(([what, value, type, bytes]) => ({
  name: `a value comes back: ${what}`,
  steps: [
    run("kv.set", { key: "v", value }, { success: true, key: "v", version: someInteger }),
    run("kv.get", { key: "v" }, value),
    run("kv.get", { key: "v", meta: true }, { found: true, value, ttl_ms: null, version: someInteger, type, bytes }),
    run("key.type", { key: "v" }, { key: "v", type }),
    run("kv.strlen", { key: "v" }, { length: bytes }),
    run("kv.mget", { keys: ["v", "none"] }, { values: [value, null] }),
    run("kv.scan", { values: true }, { keys: ["v"], values: [value], cursor: null, has_more: false, count: 1 }),
    run("kv.getset", { key: "v", value: "new" }, value),
  ],
}));

const setJson = (text: string): string => `{"command":"kv.set","payload":{"key":"v","value":${text}}}`;
const SET = { success: true, payload: { success: true, key: "v", version: someInteger } };
const setMsgpack = (value: Buffer): Buffer =>
  msgpackMap([
    ["command", "kv.set"],
    [
      "payload",
      msgpackMap([
        ["key", "v"],
        ["value", value],
      ]),
    ],
  ]);

/** Sets by a JSON text; whoever asks for the range of it all gets the stored text. */
function storedAs(text: string, type: string, stored: string): Step[] {
  return [
    raw({ json: setJson(text) }, SET),
    {
      command: "key.type",
      payload: { key: "v" },
      expected: ({ name }) => ofJson(name, { key: "v", type }, { key: "v", type: "none" }),
    },
    {
      command: "kv.getrange",
      payload: { key: "v", start: 0, end: -1 },
      expected: ({ name }) => ofJson(name, stored, null),
    },
    run("kv.del", { key: "v" }, { deleted: expectBoolean }),
  ];
}

/** The raw step is for JSON only, so over MessagePack there is nothing. */
function ofJson(format: string, there: unknown, absent: unknown) {
  return { success: true, payload: format === "json" ? there : absent };
}

const expectBoolean = expect.any(Boolean) as boolean;

export const values: readonly Case[] = [
  ...valueCases,
  {
    name: "JSON text is stored and comes back as it was written, not rewritten",
    steps: [
      ...storedAs(
        '{ "a" : 1.0e2 , "b":[ ] ,\n"a2":"\\u0041\\/"}',
        "json",
        '{ "a" : 1.0e2 , "b":[ ] ,\n"a2":"\\u0041\\/"}',
      ),
      ...storedAs("1.0", "json", "1.0"),
      ...storedAs("-0", "json", "-0"),
      ...storedAs("1E5", "json", "1E5"),
      ...storedAs("9223372036854775808", "json", "9223372036854775808"),
      ...storedAs(" 12 ", "integer", "12"),
      ...storedAs('"\\u0041\\ud83d\\udc0e\\n"', "text", "A🐎\n"),
      ...storedAs('{"$bytes":"aGk="}', "bytes", "hi"),
      ...storedAs(' { "$bytes" : "aGk=" } ', "bytes", "hi"),
      ...storedAs('{"x":{"$bytes":"aGk="}}', "json", '{"x":{"$bytes":"aGk="}}'),
    ],
  },
  {
    name: "a float of MessagePack that is whole is an integer, and digits past 64 bits signed are kept",
    steps: [
      raw({ msgpack: setMsgpack(Buffer.from("cb4014000000000000", "hex")) }, SET),
      raw({ json: setJson("5") }, SET),
      run("key.type", { key: "v" }, { key: "v", type: "integer" }),
      run("kv.incr", { key: "v" }, { value: 6 }),
    ],
  },
  {
    name: "bytes inside a value stay bytes for those who can say so",
    steps: [
      run(
        "kv.set",
        { key: "v", value: { inner: new Uint8Array([0xff, 1]), list: [new Uint8Array([104, 105])] } },
        SET.payload,
      ),
      {
        command: "kv.get",
        payload: { key: "v" },
        expected: ({ name }) => {
          const [inner, item] = [new Uint8Array([0xff, 1]), new Uint8Array([104, 105])];
          const asObjects = { inner: bytesObject(inner), list: [bytesObject(item)] };
          return { success: true, payload: name === "json" ? asObjects : { inner, list: [item] } };
        },
      },
      run("key.type", { key: "v" }, { key: "v", type: "json" }),
    ],
  },
  {
    name: "a value that MessagePack can say and the store cannot keep is refused",
    steps: [
      ["cb7ff8000000000000", "NaN"],
      ["cb7ff0000000000000", "Infinity"],
      ["81a161cbfff0000000000000", "-Infinity inside a map"],
      ["8101a161", "a name that is no string"],
      ["d40100", "an extension"],
      ["d6ff00000000", "a timestamp"],
      ["91d40100", "an extension inside a list"],
    ].map(([hex]) =>
      raw({ msgpack: setMsgpack(Buffer.from(hex, "hex")) }, failure("INVALID_PAYLOAD", { path: "value" })),
    ),
  },
  {
    name: "a value at its limit is stored, one byte more is refused",
    steps: [
      run("kv.set", { key: "v", value: "x".repeat(65_536) }, SET.payload),
      run("kv.strlen", { key: "v" }, { length: 65_536 }),
      run(
        "kv.set",
        { key: "v", value: "x".repeat(65_537) },
        failure("PAYLOAD_TOO_LARGE", { path: "value", limit_bytes: 65_536 }),
      ),
      run("kv.set", { key: "v", value: new Uint8Array(65_537) }, failure("PAYLOAD_TOO_LARGE", { path: "value" })),
      run("kv.set", { key: "v", value: ["x".repeat(65_533)] }, failure("PAYLOAD_TOO_LARGE", { path: "value" })),
      run("kv.append", { key: "v", value: "y" }, failure("PAYLOAD_TOO_LARGE", { path: "value", bytes: 65_537 })),
      run("kv.setrange", { key: "v", offset: 65_535, value: "yz" }, failure("PAYLOAD_TOO_LARGE")),
      run("kv.setrange", { key: "w", offset: 2 ** 32 - 1, value: "y" }, failure("PAYLOAD_TOO_LARGE")),
      run("kv.strlen", { key: "v" }, { length: 65_536 }),
    ],
  },
  {
    name: "keys are any text of 1 to 65,535 bytes",
    steps: [
      ...'__proto__|constructor|a\0b|\0|ž🐎|with "quotes" and \\|k'
        .split("|")
        .flatMap((key): Step[] => [
          run("kv.set", { key, value: key }, { success: true, key, version: someInteger }),
          run("kv.get", { key }, key),
          run("key.exists", { key }, { key, exists: true }),
          run("kv.scan", { prefix: key }, { keys: [key], cursor: null, has_more: false, count: 1 }),
          run("kv.del", { key }, { deleted: true }),
        ]),
      run(
        "kv.set",
        { key: "k".repeat(65_535), value: 1 },
        { success: true, key: "k".repeat(65_535), version: someInteger },
      ),
      run("kv.get", { key: "k".repeat(65_535) }, 1),
      run("kv.get", { key: "k".repeat(65_534) }, null),
      run(
        "kv.set",
        { key: "k".repeat(65_536), value: 1 },
        failure("PAYLOAD_TOO_LARGE", { path: "key", limit_bytes: 65_535 }),
      ),
      run("kv.get", { key: "ž".repeat(32_768) }, failure("PAYLOAD_TOO_LARGE", { path: "key" })),
      run("kv.set", { key: "", value: 1 }, failure("INVALID_PAYLOAD", { path: "key" })),
      run("kv.mget", { keys: ["a", ""] }, failure("INVALID_PAYLOAD", { path: "keys[1]" })),
    ],
  },
];
