/** Batches: in order, with mixed outcomes, at their limit; and atomic ones, all or nothing. */
import { atomic, type BatchStep, batch, type Case, failure, raw, refusedBatch, run, someInteger } from "../case.ts";
import { msgpackMap } from "../format.ts";

const stored = (key: string) => ({ success: true, key, version: someInteger });
/** As many commands as the server under test takes in one batch. */
const COMMANDS_MAX = 50;
const increments = (count: number): BatchStep["batch"] =>
  Array.from({ length: count }, () => ["kv.incr", { key: "n" }] as const);
const counted = (count: number) => Array.from({ length: count }, (_, index) => ({ value: index + 1 }));

export const batches: readonly Case[] = [
  {
    name: "a batch runs in order, and one command's error stops no other",
    steps: [
      batch(
        [
          ["kv.set", { key: "a", value: "x" }],
          ["kv.get", { key: "a" }],
          ["kv.incr", { key: "a" }],
          ["kv.append", { key: "a", value: "y" }],
          ["kv.nothing", {}],
          ["kv.get", { ky: "a" }],
          ["kv.get", { key: "a" }],
          ["kv.del", { key: "a" }],
          ["kv.get", { key: "a" }],
          ["kv.dbsize"],
        ],
        [
          stored("a"),
          "x",
          failure("NOT_AN_INTEGER"),
          { length: 2 },
          failure("INVALID_COMMAND"),
          failure("INVALID_PAYLOAD", { path: "ky", did_you_mean: "key" }),
          "xy",
          { deleted: true },
          null,
          { size: 0 },
        ],
      ),
    ],
  },
  {
    name: "a batch at its limit runs, one command more is refused whole",
    steps: [
      batch(increments(COMMANDS_MAX), counted(COMMANDS_MAX)),
      refusedBatch(increments(COMMANDS_MAX + 1), failure("INVALID_REQUEST", { limit: COMMANDS_MAX })),
      run("kv.get", { key: "n" }, COMMANDS_MAX),
    ],
  },
  {
    name: "an empty batch has no results",
    steps: [batch([], []), atomic([], [])],
  },
  {
    name: "a flush and admin commands may stand in a batch that is not atomic",
    steps: [
      batch(
        [["kv.set", { key: "a", value: 1 }], ["kv.flushall"], ["kv.get", { key: "a" }], ["admin.slowlog.reset"]],
        [stored("a"), { flushed: 1 }, null, { removed: someInteger }],
      ),
    ],
  },
  {
    name: "a batch inside a batch is refused",
    steps: [
      raw(
        {
          json: '{"type":"batch","commands":[{"commands":[{"command":"kv.dbsize"}]}]}',
          msgpack: msgpackMap([
            ["type", "batch"],
            ["commands", [{ commands: [{ command: "kv.dbsize" }] }]],
          ]),
        },
        failure("INVALID_REQUEST", { path: "commands" }),
      ),
    ],
  },
  {
    name: "what is no list of commands is refused whole",
    steps: [
      raw(
        { json: '{"commands":{}}', msgpack: msgpackMap([["commands", {}]]) },
        failure("INVALID_REQUEST", { path: "commands" }),
      ),
      raw(
        { json: '{"commands":["kv.dbsize"]}', msgpack: msgpackMap([["commands", ["kv.dbsize"]]]) },
        failure("INVALID_REQUEST", { path: "commands" }),
      ),
      raw(
        {
          json: '{"command":"kv.dbsize","commands":[]}',
          msgpack: msgpackMap([
            ["command", "kv.dbsize"],
            ["commands", []],
          ]),
        },
        failure("INVALID_REQUEST", { path: "command" }),
      ),
      raw(
        {
          json: '{"commands":[],"atomic":1}',
          msgpack: msgpackMap([
            ["commands", []],
            ["atomic", 1],
          ]),
        },
        failure("INVALID_REQUEST", { path: "atomic" }),
      ),
    ],
  },
  {
    name: "what says that it is a batch must have commands",
    steps: [
      raw(
        { json: '{"type":"batch"}', msgpack: msgpackMap([["type", "batch"]]) },
        failure("INVALID_REQUEST", { path: "commands" }),
      ),
      raw(
        {
          json: '{"type":"batch","commands":null}',
          msgpack: msgpackMap([
            ["type", "batch"],
            ["commands", null],
          ]),
        },
        failure("INVALID_REQUEST", { path: "commands" }),
      ),
      raw(
        {
          json: '{"command":"kv.dbsize","atomic":true}',
          msgpack: msgpackMap([
            ["command", "kv.dbsize"],
            ["atomic", true],
          ]),
        },
        failure("INVALID_REQUEST", { path: "atomic" }),
      ),
      raw(
        {
          json: '{"type":"command","command":"kv.dbsize","atomic":false}',
          msgpack: msgpackMap([
            ["type", "command"],
            ["command", "kv.dbsize"],
            ["atomic", false],
          ]),
        },
        { success: true, payload: { size: 0 } },
      ),
    ],
  },
];

export const atomicBatches: readonly Case[] = [
  {
    name: "each command of an atomic batch sees those before it",
    steps: [
      run("kv.set", { key: "old", value: "x" }, stored("old")),
      atomic(
        [
          ["kv.set", { key: "a", value: 1 }],
          ["kv.get", { key: "a" }],
          ["kv.incr", { key: "a" }],
          ["kv.incr", { key: "a" }],
          ["kv.get", { key: "a", meta: true }],
          ["kv.dbsize"],
          ["kv.scan", { values: true }],
          ["kv.del", { key: "old" }],
          ["kv.scan"],
          ["kv.set", { key: "old", value: "y", nx: true }],
          ["kv.append", { key: "old", value: "z" }],
          ["kv.keys", { pattern: "o*" }],
          ["kv.expire", { key: "old", ttl: 0 }],
          ["kv.exists", { key: "old" }],
          ["key.rename", { source: "a", destination: "b" }],
          ["kv.mget", { keys: ["a", "b", "old"] }],
        ],
        [
          stored("a"),
          1,
          { value: 2 },
          { value: 3 },
          { found: true, value: 3, ttl_ms: null, version: someInteger, type: "integer", bytes: 1 },
          { size: 2 },
          { keys: ["a", "old"], values: [3, "x"], cursor: null, has_more: false, count: 2 },
          { deleted: true },
          { keys: ["a"], cursor: null, has_more: false, count: 1 },
          stored("old"),
          { length: 2 },
          { keys: ["old"] },
          { result: true },
          { exists: false },
          { success: true, source: "a", destination: "b" },
          { values: [null, 3, null] },
        ],
      ),
      run("kv.scan", { values: true }, { keys: ["b"], values: [3], cursor: null, has_more: false, count: 1 }),
    ],
  },
  {
    name: "an error in an atomic batch undoes all of it and names the command by its index",
    steps: [
      run(
        "kv.mset",
        {
          pairs: [
            { key: "a", value: "x" },
            { key: "n", value: 1 },
          ],
        },
        { success: true, count: 2 },
      ),
      refusedBatch(
        [
          ["kv.incr", { key: "n" }],
          ["kv.del", { key: "a" }],
          ["kv.set", { key: "b", value: 1 }],
          ["kv.incr", { key: "b" }],
          ["kv.append", { key: "b", value: {} }],
          ["kv.set", { key: "late", value: 1 }],
        ],
        failure("WRONG_TYPE", { index: 4 }),
        { atomic: true, request_id: "r" },
      ),
      refusedBatch(
        [
          ["kv.incr", { key: "n" }],
          ["kv.inc", { key: "n" }],
        ],
        failure("INVALID_COMMAND", { index: 1 }),
        { atomic: true },
      ),
      refusedBatch(
        [
          ["kv.incr", { key: "n" }],
          ["kv.incr", { key: 1 }],
        ],
        failure("INVALID_PAYLOAD", { index: 1, path: "key" }),
        { atomic: true },
      ),
      refusedBatch([["key.rename", { source: "none", destination: "a" }]], failure("KEY_NOT_FOUND", { index: 0 }), {
        atomic: true,
      }),
      run("kv.scan", { values: true }, { keys: ["a", "n"], values: ["x", 1], cursor: null, has_more: false, count: 2 }),
    ],
  },
  {
    name: "a condition that is not met is an answer, not an error: the others take effect",
    steps: [
      atomic(
        [
          ["kv.set", { key: "a", value: 1 }],
          ["kv.set", { key: "a", value: 2, nx: true }],
          ["kv.cas", { key: "a", value: 3, expect: 9 }],
          ["kv.incr", { key: "a" }],
        ],
        [
          stored("a"),
          { success: false, reason: "exists" },
          { success: false, version: someInteger, current: 1 },
          { value: 2 },
        ],
      ),
      run("kv.get", { key: "a" }, 2),
    ],
  },
  {
    name: "a flush or an admin command has no place in an atomic batch",
    steps: ["kv.flushall", "kv.flushdb", "admin.info", "admin.slowlog.reset"].map((name) =>
      refusedBatch([["kv.set", { key: "a", value: 1 }], [name]], failure("INVALID_REQUEST", { index: 1 }), {
        atomic: true,
      }),
    ),
  },
  {
    name: "the versions of an atomic batch are those that the keys then have",
    steps: [
      atomic(
        [
          ["kv.set", { key: "a", value: 1 }],
          ["kv.set", { key: "b", value: 1 }],
          ["kv.cas", { key: "a", value: 2, expect: 1 }],
        ],
        [stored("a"), stored("b"), { success: true, version: someInteger }],
      ),
      {
        command: "kv.set",
        payload: (earlier) => ({ key: "a", value: 3, if_version: versionOf(earlier[0], 2) }),
        expected: { success: true, payload: stored("a") },
      },
      {
        command: "kv.set",
        payload: (earlier) => ({ key: "b", value: 3, if_version: versionOf(earlier[0], 1) }),
        expected: { success: true, payload: stored("b") },
      },
    ],
  },
];

/** The version in the result at `index` of a batch's reply. */
function versionOf(reply: Readonly<Record<string, unknown>>, index: number): number {
  // The step before has checked its shape.
  const results = reply.results as readonly { readonly payload: { readonly version: number } }[];
  return results[index].payload.version;
}
