/** Writes that run once however often they are sent: single ones, in a batch, and atomic batches. */
import { expect } from "vitest";
import {
  type BatchStep,
  batch,
  type Case,
  type CommandStep,
  earlierField,
  failure,
  OWN_CLIENT,
  refusedBatch,
  run,
  someInteger,
} from "../case.ts";

/** A command of this client that says it is idempotent; `expected` as `run` has it. */
function once(
  requestId: string | number,
  command: string,
  payload: Readonly<Record<string, unknown>>,
  expected: unknown,
): CommandStep {
  const envelope = { client_id: OWN_CLIENT, request_id: requestId, idempotent: true };
  const step = run(command, payload, expected);
  const isFailure = typeof step.expected !== "function" && step.expected.success !== true;
  // A failure of `case.ts` asks for no request id, and a success is compared whole.
  return { ...step, envelope, expected: isFailure ? step.expected : { ...step.expected, request_id: requestId } };
}

const item = (requestId: string | number) => ({ request_id: requestId, idempotent: true });
const atomically = (requestId: string | number) => ({
  atomic: true,
  client_id: OWN_CLIENT,
  request_id: requestId,
  idempotent: true,
});

/** A batch that runs its writes once, and of which each may fail alone. */
const inRows = (requestId: string | number) => ({ client_id: OWN_CLIENT, request_id: requestId, idempotent: true });

/** A batch of this client whose reply carries its request id. */
function identified(
  requestId: string | number,
  commands: BatchStep["batch"],
  results: readonly unknown[],
  envelope: Readonly<Record<string, unknown>> = atomically(requestId),
): BatchStep {
  const step = batch(commands, results, envelope);
  return { ...step, expected: { ...step.expected, request_id: requestId } };
}

const COUNTED: BatchStep["batch"] = [
  ["kv.incr", { key: "n" }],
  ["kv.get", { key: "n" }],
  ["kv.incr", { key: "n" }],
];

/** The second runs each time. */
const EXEMPT: BatchStep["batch"] = [
  ["kv.incr", { key: "n" }],
  ["kv.incr", { key: "n" }, { idempotent: false }],
];

export const idempotentWrites: readonly Case[] = [
  {
    name: "a repeated write gets its first reply again and has run once",
    steps: [
      once("count", "kv.incr", { key: "n" }, { value: 1 }),
      run("kv.incr", { key: "n", amount: 10 }, { value: 11 }),
      once("count", "kv.incr", { key: "n" }, { value: 1 }),
      once("count", "kv.incr", { key: "n", amount: 1 }, { value: 1 }),
      once(7, "kv.incr", { key: "n" }, { value: 12 }),
      once("7", "kv.incr", { key: "n" }, { value: 13 }),
      once(7, "kv.incr", { key: "n" }, { value: 12 }),
      run("kv.get", { key: "n" }, 13),
    ],
  },
  {
    name: "the id of a write that ran is not for another one",
    steps: [
      once("other", "kv.incr", { key: "n" }, { value: 1 }),
      once("other", "kv.incr", { key: "n", amount: 2 }, failure("INVALID_REQUEST", { path: "request_id" })),
      once("other", "kv.decr", { key: "n" }, failure("INVALID_REQUEST", { path: "request_id" })),
      once("other", "kv.incr", { key: "m" }, failure("INVALID_REQUEST", { path: "request_id" })),
      once("other", "kv.incr", { key: "n" }, { value: 1 }),
      run("kv.mget", { keys: ["n", "m"] }, { values: [1, null] }),
    ],
  },
  {
    name: "a repeat of what changed nothing changes nothing, and of what failed is tried again",
    steps: [
      run("kv.set", { key: "a", value: "x" }, { success: true, key: "a", version: someInteger }),
      once("fails", "kv.incr", { key: "a" }, failure("NOT_AN_INTEGER")),
      once(
        "renamenx",
        "key.renamenx",
        { source: "a", destination: "a" },
        { success: false, source: "a", destination: "a" },
      ),
      run("kv.del", { key: "a" }, { deleted: true }),
      once("fails", "kv.incr", { key: "a" }, { value: 1 }),
      once(
        "renamenx",
        "key.renamenx",
        { source: "a", destination: "a" },
        { success: false, source: "a", destination: "a" },
      ),
      once("fails", "kv.incr", { key: "a" }, { value: 1 }),
    ],
  },
  {
    name: "a message that was taken by an idempotent command is shown again and not taken again",
    steps: [
      once("publish", "queue.publish", { queue: "once", payload: { a: 1 } }, { message_id: someInteger, position: 0 }),
      once("publish", "queue.publish", { queue: "once", payload: { a: 1 } }, { message_id: someInteger, position: 0 }),
      {
        command: "queue.consume",
        payload: { queue: "once", wait_ms: 5000 },
        envelope: { client_id: OWN_CLIENT, request_id: "take", idempotent: true },
        expected: (_, earlier) => ({
          success: true,
          request_id: "take",
          payload: {
            message: expect.objectContaining({ id: earlierField(earlier, 0, "message_id"), payload: { a: 1 } }),
          },
        }),
      },
      {
        command: "queue.consume",
        payload: { queue: "once", wait_ms: 5000 },
        envelope: { client_id: OWN_CLIENT, request_id: "take", idempotent: true },
        expected: (_, earlier) => earlier[2],
      },
      {
        command: "queue.consume",
        payload: { queue: "once", wait_ms: 1 },
        envelope: { client_id: OWN_CLIENT, request_id: "nothing", idempotent: true },
        expected: { success: true, request_id: "nothing", payload: { message: null } },
      },
      run("queue.publish", { queue: "once", payload: 2 }, { message_id: someInteger, position: 0 }),
      {
        command: "queue.consume",
        payload: { queue: "once", wait_ms: 1 },
        envelope: { client_id: OWN_CLIENT, request_id: "nothing", idempotent: true },
        expected: { success: true, request_id: "nothing", payload: { message: null } },
      },
      run("queue.delete", { queue: "once" }, { deleted: true }),
    ],
  },
  {
    name: "an atomic batch runs once as a whole",
    steps: [
      identified("whole", COUNTED, [{ value: 1 }, 1, { value: 2 }]),
      identified("whole", COUNTED, [{ value: 1 }, 1, { value: 2 }]),
      refusedBatch(COUNTED.slice(1), failure("INVALID_REQUEST", { path: "request_id" }), atomically("whole")),
      run("kv.get", { key: "n" }, 2),
    ],
  },
  {
    name: "each command of a batch that is not atomic may run once for itself",
    steps: [
      batch(
        [
          ["kv.incr", { key: "n" }, item(1)],
          ["kv.incr", { key: "n" }, item(2)],
          ["kv.incr", { key: "n" }],
          ["kv.incr", { key: "n" }, item(1)],
          ["kv.decr", { key: "n" }, item(2)],
        ],
        [{ value: 1 }, { value: 2 }, { value: 3 }, { value: 1 }, failure("INVALID_REQUEST")],
        { client_id: OWN_CLIENT },
      ),
      batch([["kv.incr", { key: "n" }, { ...item(2), client_id: OWN_CLIENT }]], [{ value: 2 }]),
      refusedBatch(COUNTED, failure("INVALID_REQUEST", { path: "request_id" }), {
        client_id: OWN_CLIENT,
        idempotent: true,
      }),
      refusedBatch([["kv.incr", { key: "n" }, item(3)]], failure("INVALID_REQUEST", { path: "client_id" })),
      refusedBatch([["kv.incr", { key: "n" }, { request_id: 3 }]], failure("INVALID_REQUEST", { path: "request_id" })),
      run("kv.get", { key: "n" }, 3),
    ],
  },
  {
    name: "a batch that is not atomic may run its writes once as a whole, and each may be sent again by its index",
    steps: [
      identified("row", COUNTED, [{ value: 1 }, 1, { value: 2 }], inRows("row")),
      identified("row", COUNTED, [{ value: 1 }, 2, { value: 2 }], inRows("row")),
      batch(
        [
          ["kv.incr", { key: "n" }, { ...item("row"), index: 2 }],
          ["kv.incr", { key: "n" }, { ...item("row"), index: 0 }],
          ["kv.decr", { key: "n" }, { ...item("row"), index: 0 }],
          ["kv.incr", { key: "n" }, { ...item("row"), index: 9 }],
        ],
        [{ value: 2 }, { value: 1 }, failure("INVALID_REQUEST", { path: "request_id" }), { value: 3 }],
        { client_id: OWN_CLIENT },
      ),
      identified("exempt", EXEMPT, [{ value: 4 }, { value: 5 }], inRows("exempt")),
      identified("exempt", EXEMPT, [{ value: 4 }, { value: 6 }], inRows("exempt")),
      refusedBatch(
        [["kv.incr", { key: "n" }, { index: 1 }]],
        failure("INVALID_REQUEST", { path: "request_id" }),
        inRows("x"),
      ),
    ],
  },
  {
    name: "idempotent asks for whose it is and which, and for something that can be remembered",
    steps: [
      {
        command: "kv.incr",
        payload: { key: "n" },
        envelope: { request_id: "r", idempotent: true },
        expected: failure("INVALID_REQUEST", { path: "client_id" }),
      },
      {
        command: "kv.incr",
        payload: { key: "n" },
        envelope: { client_id: OWN_CLIENT, idempotent: true },
        expected: failure("INVALID_REQUEST", { path: "request_id" }),
      },
      once("publish to", "pubsub.publish", { topic: "a", payload: 1 }, failure("INVALID_REQUEST")),
      once("read", "kv.get", { key: "n" }, null),
      run("kv.incr", { key: "n" }, { value: 1 }),
      once("read", "kv.get", { key: "n" }, 1),
    ],
  },
];
