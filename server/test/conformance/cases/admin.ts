/** The admin commands, and kv.stats. */
import { expect } from "vitest";
import { allCommands } from "../../../src/commands/all.ts";
import { batch, type Case, failure, run, someInteger } from "../case.ts";

const someObject = expect.any(Object) as object;
/** A matcher stands for what it matches. */
const having = (fields: Record<string, unknown>) => expect.objectContaining(fields) as unknown;

export const admin: readonly Case[] = [
  {
    name: "admin.config.set changes what may change while the server runs",
    steps: [
      run(
        "admin.config.set",
        { key: "pubsub.notify_keyspace_events", value: "Kg$lshzxet" },
        { key: "pubsub.notify_keyspace_events", value: "g$lshzxetK" },
      ),
      run(
        "admin.config.set",
        { key: "pubsub.notify_keyspace_events", value: "" },
        { key: "pubsub.notify_keyspace_events", value: "" },
      ),
      run(
        "admin.config.set",
        { key: "pubsub.notify_keyspace_events", value: "q" },
        failure("INVALID_PAYLOAD", { path: "value" }),
      ),
      run("admin.config.set", { key: "server.port", value: "1" }, failure("INVALID_PAYLOAD", { path: "key" })),
    ],
  },
  {
    name: "kv.stats counts what was done",
    steps: [
      run(
        "kv.mset",
        {
          pairs: [
            { key: "a", value: 1 },
            { key: "b", value: 2 },
          ],
        },
        { success: true, count: 2 },
      ),
      run("kv.stats", {}, having({ total_keys: 2, total_memory_bytes: someInteger, hit_rate: expect.any(Number) })),
      run("kv.get", { key: "a" }, 1),
      run("kv.get", { key: "none" }, null),
      run("kv.del", { key: "a" }, { deleted: true }),
      {
        command: "kv.stats",
        payload: {},
        expected: (_, earlier) => {
          // Its shape was checked against the schema of the reply.
          const { operations: before } = earlier[1].payload as { operations: Record<string, number> };
          const operations = {
            gets: before.gets + 2,
            sets: before.sets,
            dels: before.dels + 1,
            hits: before.hits + 1,
            misses: before.misses + 1,
          };
          return { success: true, payload: having({ total_keys: 1, operations }) };
        },
      },
    ],
  },
  {
    name: "admin.info tells of the server in sections",
    steps: [
      run("kv.set", { key: "a", value: 1, ttl: 100 }, { success: true, key: "a", version: someInteger }),
      run(
        "admin.info",
        {},
        having({
          server: having({ version: expect.stringMatching(/^\d+\.\d+\.\d+/), uptime_secs: someInteger }),
          memory: having({ used_bytes: someInteger, limit_bytes: someInteger }),
          persistence: someObject,
          replication: having({ role: "master", epoch: 1, offset: someInteger }),
          clients: someObject,
          keyspace: having({ keys: 1, expiring: 1 }),
        }),
      ),
    ],
  },
  {
    name: "admin.config shows the effective configuration",
    steps: [
      run("admin.config", {}, having({ server: having({ port: 0 }), kv_store: having({ max_keys_reply: 20 }) })),
      run("admin.config", { section: "server" }, failure("INVALID_PAYLOAD", { path: "section" })),
    ],
  },
  {
    name: "admin.clients lists the connections",
    steps: [
      run("admin.clients", {}, { clients: expect.any(Array), count: someInteger }),
      run("admin.clients", { limit: 1 }, { clients: expect.any(Array), count: someInteger }),
      run("admin.clients", { limit: 0 }, failure("INVALID_PAYLOAD", { path: "limit" })),
    ],
  },
  {
    name: "admin.slowlog.get answers with the newest first, and admin.slowlog.reset forgets them",
    steps: [
      run("admin.slowlog.reset", {}, { removed: someInteger }),
      run("kv.dbsize", {}, { size: 0 }),
      run("kv.get", { key: "a" }, null),
      run(
        "admin.slowlog.get",
        { limit: 2 },
        {
          entries: ["kv.get", "kv.dbsize"].map((command) => ({
            id: someInteger,
            timestamp: someInteger,
            duration_ms: expect.any(Number),
            command,
            client_id: someInteger,
            client_address: expect.any(String),
          })),
          // With the reset itself, which is entered when it has run.
          length: 3,
        },
      ),
      run("admin.slowlog.get", {}, having({ length: 4 })),
      run("admin.slowlog.get", { limit: 0 }, failure("INVALID_PAYLOAD", { path: "limit" })),
    ],
  },
  {
    name: "admin.snapshot is for servers that keep data on disk",
    steps: [
      run("admin.snapshot", {}, failure("INVALID_REQUEST")),
      run("admin.snapshot", { now: true }, failure("INVALID_PAYLOAD", { path: "now" })),
    ],
  },
  {
    name: "admin.promote is for replicas",
    steps: [
      {
        command: "admin.promote",
        payload: {},
        envelope: { request_id: 1 },
        expected: failure("INVALID_REQUEST"),
      },
    ],
  },
  {
    name: "admin.wait answers at once with none where none is asked for, and late with none where there are no replicas",
    steps: [
      run("admin.wait", { replicas: 0 }, { replicas: 0 }),
      {
        command: "admin.wait",
        payload: { replicas: 1, timeout_ms: 1 },
        envelope: { request_id: 7 },
        expected: { success: true, request_id: 7, payload: { replicas: 0 } },
      },
      run("admin.wait", { replicas: 101 }, failure("INVALID_PAYLOAD", { path: "replicas" })),
      run("admin.wait", { replicas: 1, timeout_ms: -1 }, failure("INVALID_PAYLOAD", { path: "timeout_ms" })),
      batch([["admin.wait", { replicas: 1 }]], [failure("INVALID_REQUEST")]),
    ],
  },
  {
    name: "tokens of a server that keeps nothing on disk are refused, and there are none",
    steps: [
      {
        command: "admin.tokens.create",
        payload: { name: "app", allow: ["kv:read:*"] },
        envelope: { request_id: 1 },
        expected: failure("INVALID_REQUEST"),
      },
      {
        command: "admin.tokens.create",
        payload: { name: "app", allow: ["kv:read:*"], expires: "soon" },
        envelope: { request_id: 2 },
        expected: failure("INVALID_PAYLOAD", { path: "expires" }),
      },
      {
        command: "admin.tokens.revoke",
        payload: { name: "app" },
        envelope: { request_id: 3 },
        expected: failure("INVALID_REQUEST"),
      },
      run("admin.tokens.list", {}, { tokens: [], count: 0 }),
    ],
  },
  {
    name: "auth is taken with any token where nobody has to log in",
    skip: { "http-json": "HTTP sends its token with each request", "http-msgpack": "as http-json" },
    steps: [
      run("auth", { token: "any" }, { success: true, name: "", allow: ["*:admin:*"], expires_at: null }),
      run("auth", {}, failure("INVALID_PAYLOAD", { path: "token" })),
    ],
  },
  {
    name: "admin.commands lists the registry, each with the schema of its payload",
    steps: [
      run(
        "admin.commands",
        {},
        {
          commands: allCommands.map(({ name, access, atomic, summary }) => ({
            name,
            access,
            atomic,
            summary,
            arguments: having({ type: "object" }),
          })),
          count: allCommands.length,
        },
      ),
    ],
  },
];
