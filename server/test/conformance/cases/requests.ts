/** Envelopes and payloads that are right, odd or broken (wire contract, sections 2 and 3). */
import { type Case, failure, raw, run, type Step, someInteger } from "../case.ts";
import { json, msgpack, msgpackMap } from "../format.ts";

const stored = (key: string) => ({ success: true, key, version: someInteger });

/** The same message in both formats. */
const both = (message: unknown): { json: string; msgpack: Buffer } => ({
  json: json.encode(message).toString(),
  msgpack: msgpack.encode(message),
});

const DBSIZE = { success: true, payload: { size: 0 } };
/** A payload field with `depth` lists around nothing. */
const nestedJson = (depth: number): string =>
  `{"command":"kv.set","payload":{"key":"deep","value":${"[".repeat(depth)}${"]".repeat(depth)}}}`;
const nestedMsgpack = (depth: number): Buffer =>
  msgpackMap([
    ["command", "kv.set"],
    [
      "payload",
      msgpackMap([
        ["key", "deep"],
        ["value", Buffer.concat([Buffer.alloc(depth - 1, 0x91), Buffer.from([0x90])])],
      ]),
    ],
  ]);

const echo = (requestId: unknown): Step => ({
  command: "kv.dbsize",
  payload: {},
  envelope: { request_id: requestId },
  expected: { ...DBSIZE, request_id: requestId },
});

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

export const requests: readonly Case[] = [
  {
    name: "a request id comes back as it was, in success and failure",
    steps: [
      run("kv.dbsize", {}, { size: 0 }),
      ...["r1", "", 'ž " \\ \n', 0, 7, -7, Number.MAX_SAFE_INTEGER, 2n ** 63n - 1n, -(2n ** 63n)].map(echo),
      {
        command: "kv.get",
        payload: { ky: 1 },
        envelope: { request_id: "failing" },
        expected: failure("INVALID_PAYLOAD", { path: "ky" }),
      },
      { command: "kv.none", payload: {}, envelope: { request_id: 9 }, expected: failure("INVALID_COMMAND") },
      {
        batch: [["kv.dbsize"]],
        envelope: { request_id: "batch" },
        expected: { type: "batch_response", success: true, request_id: "batch", results: [DBSIZE] },
      },
      {
        batch: [["kv.dbsize"]],
        envelope: { request_id: 3, atomic: true },
        expected: { type: "batch_response", success: true, request_id: 3, results: [DBSIZE] },
      },
    ],
  },
  {
    name: "a request id that is neither text nor integer, or too long, is refused",
    steps: [1.5, true, {}, ["a"], "x".repeat(300)].map((requestId) => ({
      command: "kv.dbsize",
      payload: {},
      envelope: { request_id: requestId },
      expected: failure("INVALID_REQUEST", { path: "request_id" }),
    })),
  },
  {
    name: "null and an absent payload are an empty one; type and version are ignored; fields come in any order",
    steps: [
      raw(both({ command: "kv.dbsize" }), DBSIZE),
      raw(both({ command: "kv.dbsize", payload: null, request_id: null }), DBSIZE),
      raw(both({ type: "request", version: "1.0", command: "kv.dbsize", payload: {} }), DBSIZE),
      raw(both({ payload: { key: "a" }, version: { any: [1] }, command: "kv.exists" }), {
        success: true,
        payload: { exists: false },
      }),
      raw({ json: ' \t\r\n{ "command" : "kv.dbsize" , "payload" : { } } \n' }, DBSIZE),
      raw({ json: '{"\\u0063ommand":"kv.\\u0064bsize","payload":{}}' }, DBSIZE),
      raw({ msgpack: hex("de0001 d907 636f6d6d616e64 d909 6b762e646273697a65") }, DBSIZE),
    ],
  },
  {
    name: "an envelope of the wrong shape is refused",
    steps: [
      raw(both({}), failure("INVALID_REQUEST")),
      raw(both({ payload: {} }), failure("INVALID_REQUEST")),
      raw(both({ command: null }), failure("INVALID_REQUEST")),
      raw(both({ command: 7 }), failure("INVALID_REQUEST", { path: "command" })),
      raw(both({ command: ["kv.get"] }), failure("INVALID_REQUEST", { path: "command" })),
      raw(both({ command: "kv.dbsize", payload: [] }), failure("INVALID_REQUEST", { path: "payload" })),
      raw(both({ command: "kv.dbsize", payload: "x" }), failure("INVALID_REQUEST", { path: "payload" })),
      raw(both({ command: "kv.dbsize", comand: 1 }), failure("INVALID_REQUEST", { path: "comand" })),
      raw(both({ command: "kv.dbsize", __proto__x: 1 }), failure("INVALID_REQUEST", { path: "__proto__x" })),
      raw({ json: '{"command":"kv.dbsize","__proto__":{}}' }, failure("INVALID_REQUEST", { path: "__proto__" })),
      raw(both({ command: "kv.dbsize", idempotent: "yes" }), failure("INVALID_REQUEST", { path: "idempotent" })),
      raw(both({ command: "kv.dbsize", client_id: 5 }), failure("INVALID_REQUEST", { path: "client_id" })),
      ...[[], "text", 5, null, true].map((message) => raw(both(message), failure("INVALID_REQUEST"))),
    ],
  },
  {
    name: "a name that is there twice is refused, at every level that has arguments",
    steps: [
      raw(
        {
          json: '{"command":"kv.dbsize","command":"kv.dbsize"}',
          msgpack: msgpackMap([
            ["command", "kv.dbsize"],
            ["command", "kv.dbsize"],
          ]),
        },
        failure("INVALID_REQUEST", { path: "command" }),
      ),
      raw(
        {
          json: '{"command":"kv.get","payload":{"key":"a","k\\u0065y":"b"}}',
          msgpack: msgpackMap([
            ["command", "kv.get"],
            [
              "payload",
              msgpackMap([
                ["key", "a"],
                ["key", "b"],
              ]),
            ],
          ]),
        },
        failure("INVALID_PAYLOAD", { path: "key" }),
      ),
      raw(
        {
          json: '{"command":"kv.mset","payload":{"pairs":[{"key":"a","value":1,"key":"b"}]}}',
          msgpack: msgpackMap([
            ["command", "kv.mset"],
            [
              "payload",
              msgpackMap([
                [
                  "pairs",
                  Buffer.concat([
                    hex("91"),
                    msgpackMap([
                      ["key", "a"],
                      ["value", 1],
                      ["key", "b"],
                    ]),
                  ]),
                ],
              ]),
            ],
          ]),
        },
        failure("INVALID_PAYLOAD", { path: "pairs[0].key" }),
      ),
      raw(
        { json: '{"commands":[{"command":"kv.dbsize","command":"kv.dbsize"}]}' },
        failure("INVALID_REQUEST", { path: "command" }),
      ),
      run("kv.dbsize", {}, { size: 0 }),
    ],
  },
  {
    name: "an unknown command is told its nearest names",
    steps: [
      run("kv.gett", {}, failure("INVALID_COMMAND", { nearest: ["kv.get", "kv.set", "kv.mget"] })),
      run("get", { key: "a" }, failure("INVALID_COMMAND", { nearest: ["kv.get"] })),
      run("", {}, failure("INVALID_COMMAND")),
      run("__proto__", {}, failure("INVALID_COMMAND", { nearest: [] })),
      run("constructor", {}, failure("INVALID_COMMAND", { nearest: [] })),
      run("x".repeat(100_000), {}, failure("INVALID_COMMAND", { nearest: [] })),
      run("kv.lock", { pattern: "*" }, failure("INVALID_COMMAND")),
    ],
  },
  {
    name: "unknown, missing and mistyped arguments are named",
    steps: [
      run("kv.set", { key: "a", value: 1, tll: 5 }, failure("INVALID_PAYLOAD", { path: "tll", did_you_mean: "ttl" })),
      run("kv.set", { key: "a", value: 1, "": 5 }, failure("INVALID_PAYLOAD", { path: "" })),
      run("kv.dbsize", { anything: 1 }, failure("INVALID_PAYLOAD", { path: "anything" })),
      run("kv.set", { value: 1 }, failure("INVALID_PAYLOAD", { path: "key" })),
      run("kv.set", { key: "a" }, failure("INVALID_PAYLOAD", { path: "value" })),
      run("kv.set", { key: null, value: 1 }, failure("INVALID_PAYLOAD", { path: "key" })),
      run("kv.set", { key: 5, value: 1 }, failure("INVALID_PAYLOAD", { path: "key" })),
      run("kv.set", { key: ["a"], value: 1 }, failure("INVALID_PAYLOAD", { path: "key" })),
      run("kv.set", { key: "a", value: 1, nx: 1 }, failure("INVALID_PAYLOAD", { path: "nx" })),
      run("kv.set", { key: "a", value: 1, nx: "true" }, failure("INVALID_PAYLOAD", { path: "nx" })),
      run("kv.mget", { keys: ["a", 5] }, failure("INVALID_PAYLOAD", { path: "keys[1]" })),
      run("kv.mget", { keys: { 0: "a" } }, failure("INVALID_PAYLOAD", { path: "keys" })),
      run(
        "kv.mset",
        { pairs: [{ key: "a", value: 1, ttl: -1 }] },
        failure("INVALID_PAYLOAD", { path: "pairs[0].ttl" }),
      ),
      raw(
        { json: '{"command":"kv.set","payload":{"key":"a","value":1,"__proto__":{"nx":true}}}' },
        failure("INVALID_PAYLOAD", { path: "__proto__" }),
      ),
      raw(
        {
          msgpack: msgpackMap([
            ["command", "kv.get"],
            ["payload", msgpackMap([[1, "a"]])],
          ]),
        },
        failure("INVALID_PAYLOAD"),
      ),
      raw(
        {
          msgpack: msgpackMap([
            ["command", "kv.get"],
            ["payload", msgpackMap([["key", hex("c40161")]])],
          ]),
        },
        failure("INVALID_PAYLOAD", { path: "key" }),
      ),
      run("kv.dbsize", {}, { size: 0 }),
    ],
  },
  {
    name: "null for an argument that may be left out is leaving it out",
    steps: [
      run(
        "kv.set",
        { key: "a", value: 1, ttl: null, ttl_ms: null, nx: null, if_version: null, get: null },
        stored("a"),
      ),
      run("kv.incr", { key: "a", amount: null, min: null }, { value: 2 }),
      run("kv.scan", { limit: null, prefix: null }, { keys: ["a"], cursor: null, has_more: false, count: 1 }),
    ],
  },
  {
    name: "what clients of the original send without meaning is ignored, where the contract says so",
    steps: [
      run("kv.set", { key: "a", value: 1 }, stored("a")),
      run("kv.get", { key: "a", type: "string" }, 1),
      run("kv.get", { key: "a", type: { any: [1] } }, 1),
      run("kv.get", { key: "a", client_id: "c" }, 1),
      run("kv.set", { key: "a", value: 2, client_id: "c" }, stored("a")),
      run("kv.set", { key: "a", value: 3, type: "string" }, failure("INVALID_PAYLOAD", { path: "type" })),
      {
        command: "kv.get",
        payload: { key: "a" },
        envelope: { client_id: "c", idempotent: false },
        expected: { success: true, payload: 2 },
      },
    ],
  },
  {
    name: "what is not JSON is refused",
    steps: [
      "{",
      '{"command":"kv.dbsize"',
      '{"command":"kv.dbsize"}}',
      '{"command":"kv.dbsize"} {}',
      '{"command":"kv.dbsize"}x',
      '{"command":"kv.dbsize",}',
      '{"command" "kv.dbsize"}',
      "{'command':'kv.dbsize'}",
      '{command:"kv.dbsize"}',
      '{"command":"kv.dbsize","payload":{"a":01}}',
      '{"command":"kv.dbsize","payload":{"a":1.}}',
      '{"command":"kv.dbsize","payload":{"a":.5}}',
      '{"command":"kv.dbsize","payload":{"a":+1}}',
      '{"command":"kv.dbsize","payload":{"a":1e}}',
      '{"command":"kv.dbsize","payload":{"a":NaN}}',
      '{"command":"kv.dbsize","payload":{"a":Infinity}}',
      '{"command":"kv.dbsize","payload":{"a":[1,]}}',
      '{"command":"kv.dbsize","payload":{"a":"\t"}}',
      '{"command":"kv.dbsize","payload":{"a":"\\x41"}}',
      '{"command":"kv.dbsize","payload":{"a":"\\u12"}}',
      '{"command":"kv.dbsize","payload":{"a":"\0"}}',
      '{"command":"kv.dbsize"}\0',
      '/* */{"command":"kv.dbsize"}',
      '\ufeff{"command":"kv.dbsize"}',
      "nul",
      '{"command":"kv.dbsize","payload":{"a":tru}}',
      "]",
      "\x01",
    ].map((text) => raw({ json: text }, failure("INVALID_REQUEST"))),
  },
  {
    name: "a lone surrogate is no text",
    steps: [
      raw({ json: '{"command":"kv.get","payload":{"key":"\\ud800"}}' }, failure("INVALID_REQUEST")),
      raw({ json: '{"command":"kv.get","payload":{"key":"\\udc00\\ud800"}}' }, failure("INVALID_REQUEST")),
      raw({ json: '{"command":"kv.set","payload":{"key":"a","value":"\\ud83d"}}' }, failure("INVALID_REQUEST")),
      raw(
        { json: '{"command":"kv.set","payload":{"key":"a","value":"\\ud83d\\udc0e"}}' },
        { success: true, payload: stored("a") },
      ),
    ],
  },
  {
    name: "what is not MessagePack is refused",
    steps: [
      "",
      "c1",
      "81",
      "81a7636f6d6d616e64",
      "81a7636f6d6d616e64a96b762e6462",
      "81a7636f6d6d616e64a96b762e646273697a6500",
      "81a7636f6d6d616e64a96b762e646273697a65c0",
      "dfffffffff",
      "ddffffffff",
      "82a7636f6d6d616e64a96b762e646273697a65a77061796c6f6164dfffffffff",
      "82a7636f6d6d616e64a96b762e646273697a65a77061796c6f616481a161c6ffffffff",
      "82a7636f6d6d616e64a96b762e646273697a65a77061796c6f616481a161dbffffffff",
      "82a7636f6d6d616e64a96b762e646273697a65a77061796c6f616481a161c1",
      "81d9ff41",
    ].map((message) => raw({ msgpack: hex(message) }, failure("INVALID_REQUEST"))),
  },
  {
    name: "text that is no UTF-8 is refused",
    skip: {
      "websocket-text": "a text frame that is no UTF-8 ends the connection (RFC 6455, 8.1); endpoint.test.ts has that",
    },
    steps: ["ff", "c0af", "eda080", "f4908080", "c5"].map((bytes) => {
      const broken = hex(bytes);
      return raw(
        {
          json: Buffer.concat([Buffer.from('{"command":"kv.get","payload":{"key":"'), broken, Buffer.from('"}}')]),
          msgpack: msgpackMap([
            ["command", "kv.get"],
            ["payload", msgpackMap([["key", Buffer.concat([Buffer.from([0xa0 | broken.length]), broken])]])],
          ]),
        },
        failure("INVALID_REQUEST"),
      );
    }),
  },
  {
    name: "a message may nest to its limit and no deeper",
    steps: [
      raw({ json: nestedJson(126), msgpack: nestedMsgpack(126) }, { success: true, payload: stored("deep") }),
      run("kv.strlen", { key: "deep" }, { length: 252 }),
      raw({ json: nestedJson(127), msgpack: nestedMsgpack(127) }, failure("INVALID_REQUEST")),
      raw({ json: nestedJson(60_000), msgpack: nestedMsgpack(100_000) }, failure("INVALID_REQUEST")),
      raw({ json: "[".repeat(200_000), msgpack: Buffer.alloc(200_000, 0x91) }, failure("INVALID_REQUEST")),
      raw({ json: '{"payload":'.repeat(10_000) }, failure("INVALID_REQUEST")),
      run("kv.strlen", { key: "deep" }, { length: 252 }),
    ],
  },
];
