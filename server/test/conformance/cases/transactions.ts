/** transaction.*: what is queued, what runs together, and what is refused. */
import { expect } from "vitest";
import { batch, type Case, failure, run, type Step, someInteger } from "../case.ts";

const ME = { client_id: "me" };
const DONE = { success: true };
const someText = expect.any(String) as string;
export const QUEUED = { success: true, queued: true };

const mine = (command: string, payload: Readonly<Record<string, unknown>>, expected: unknown = QUEUED): Step =>
  run(command, { ...payload, ...ME }, expected);
const set = (key: string, value: unknown): Step =>
  run("kv.set", { key, value }, { success: true, key, version: someInteger });
const done = (payload: unknown) => ({ success: true, payload });
const begin = run("transaction.multi", ME, DONE);
const exec = (results: readonly unknown[]): Step => run("transaction.exec", ME, { success: true, results });
const aborted = (message: string): Step => run("transaction.exec", ME, { aborted: true, message });

export const transactions: readonly Case[] = [
  {
    name: "a transaction queues writes and runs them together",
    steps: [
      begin,
      mine("kv.set", { key: "k", value: "a" }),
      mine("kv.append", { key: "k", value: "b" }),
      mine("kv.getset", { key: "k", value: [1, { deep: true }] }),
      mine("kv.mset", { pairs: [{ key: "k2", value: 1 }] }),
      run("kv.get", { key: "k", ...ME }, null),
      run("kv.set", { key: "k3", value: 1, client_id: "another" }, { success: true, key: "k3", version: someInteger }),
      exec([
        done({ success: true, key: "k", version: someInteger }),
        done({ length: 2 }),
        done("ab"),
        done({ success: true, count: 1 }),
      ]),
      run("kv.mget", { keys: ["k", "k2", "k3"] }, { values: [[1, { deep: true }], 1, 1] }),
      mine("kv.set", { key: "k", value: 1 }, { success: true, key: "k", version: someInteger }),
    ],
  },
  {
    name: "a command of a transaction that fails leaves nothing, the others commit",
    steps: [
      begin,
      mine("kv.set", { key: "k", value: "abc" }),
      mine("kv.incr", { key: "k" }),
      mine("kv.append", { key: "k", value: "d" }),
      exec([done({ success: true, key: "k", version: someInteger }), failure("NOT_AN_INTEGER"), done({ length: 4 })]),
      run("kv.get", { key: "k" }, "abcd"),
    ],
  },
  {
    name: "a transaction of queues, rooms and topics",
    steps: [
      begin,
      mine("queue.publish", { queue: "tq", payload: "m" }),
      mine("queue.consume", { queue: "tq" }),
      mine("stream.create", { room: "tr" }),
      mine("stream.publish", { room: "tr", event: "e", data: 1 }),
      mine("pubsub.publish", { topic: "t", payload: 1 }),
      mine("kv.flushall", {}),
      {
        command: "transaction.exec",
        payload: ME,
        expected: {
          success: true,
          payload: {
            success: true,
            results: [
              done({ message_id: someInteger, position: 0 }),
              done({
                message: {
                  id: someInteger,
                  delivery_id: someInteger,
                  payload: "m",
                  priority: 5,
                  retry_count: 0,
                  max_retries: 3,
                  headers: {},
                  published_at_ms: someInteger,
                  deadline_at_ms: someInteger,
                },
              }),
              done({ success: true, room: "tr" }),
              done({ event_id: someText, offset: 0, room: "tr", subscribers_notified: 0 }),
              done({ message_id: someText, topic: "t", subscribers_matched: 0 }),
              done({ flushed: someInteger }),
            ],
          },
        },
      },
      run("queue.delete", { queue: "tq" }, { deleted: true }),
      run("stream.delete", { room: "tr" }, { deleted: true }),
    ],
  },
  {
    name: "watched keys",
    steps: [
      set("k", 1),
      run("transaction.watch", { ...ME, keys: ["k", "missing"] }, DONE),
      set("k", 1),
      begin,
      mine("kv.set", { key: "k", value: 2 }),
      aborted("a watched key has changed"),
      run("kv.get", { key: "k" }, 1),
      run("transaction.watch", { ...ME, keys: ["k", "missing"] }, DONE),
      begin,
      mine("kv.set", { key: "k", value: 3 }),
      exec([done({ success: true, key: "k", version: someInteger })]),
      run("transaction.watch", { ...ME, keys: ["missing"] }, DONE),
      set("missing", 1),
      run("transaction.unwatch", ME, DONE),
      begin,
      exec([]),
    ],
  },
  {
    name: "a transaction that was discarded, or never begun",
    steps: [
      run("transaction.exec", ME, failure("INVALID_REQUEST")),
      run("transaction.discard", ME, failure("INVALID_REQUEST")),
      run("transaction.unwatch", ME, DONE),
      begin,
      run("transaction.multi", ME, failure("INVALID_REQUEST")),
      run("transaction.watch", { ...ME, keys: ["k"] }, failure("INVALID_REQUEST")),
      mine("kv.set", { key: "k", value: 1 }),
      run("transaction.discard", ME, DONE),
      run("kv.get", { key: "k" }, null),
      run("transaction.exec", ME, failure("INVALID_REQUEST")),
      run("transaction.multi", {}, failure("INVALID_PAYLOAD", { path: "client_id" })),
      run("transaction.watch", { ...ME, keys: [] }, failure("INVALID_PAYLOAD", { path: "keys" })),
    ],
  },
  {
    name: "a command that cannot be queued spoils the transaction",
    steps: [
      begin,
      mine("kv.set", { key: "k", value: 1 }),
      mine("queue.consume", { queue: "q", wait_ms: 10 }, failure("INVALID_REQUEST")),
      aborted("a command could not be queued"),
      run("kv.get", { key: "k" }, null),
    ],
  },
  {
    name: "the client_id of the envelope counts too, and one that is no string is nobody's",
    steps: [
      begin,
      { command: "kv.set", payload: { key: "k", value: 1 }, envelope: ME, expected: done(QUEUED) },
      run("kv.set", { key: "k2", value: 1, client_id: 7 }, { success: true, key: "k2", version: someInteger }),
      exec([done({ success: true, key: "k", version: someInteger })]),
    ],
  },
  {
    name: "transactions in batches",
    steps: [
      batch(
        [
          ["transaction.multi", ME],
          ["kv.set", { key: "k", value: 1, ...ME }],
          ["kv.get", { key: "k" }],
          ["transaction.exec", ME],
        ],
        [DONE, QUEUED, null, { success: true, results: [done({ success: true, key: "k", version: someInteger })] }],
      ),
      begin,
      {
        batch: [["kv.set", { key: "k", value: 2, ...ME }]],
        envelope: { atomic: true },
        expected: failure("INVALID_REQUEST", { index: 0 }),
      },
      run("transaction.discard", ME, DONE),
      run("kv.get", { key: "k" }, 1),
    ],
  },
];
