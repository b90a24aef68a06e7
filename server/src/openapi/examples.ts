/** One payload per command, as a person would send it. A command that is not here gets one of its required arguments. */
import type { ArgumentShape, FieldShape } from "../commands/argument-shape.ts";
import type { Command } from "../commands/command.ts";

export type Payload = Readonly<Record<string, unknown>>;

/** Where the required arguments alone would not be accepted or would not say much. */
export const WRITTEN_EXAMPLES: Readonly<Record<string, Payload>> = {
  "kv.set": { key: "user:1", value: { name: "Ada", visits: 3 }, ttl: 3600 },
  "kv.get": { key: "user:1" },
  "kv.del": { keys: ["user:1", "user:2"] },
  "kv.exists": { key: "user:1" },
  "kv.incr": { key: "visits", amount: 5 },
  "kv.decr": { key: "stock", amount: 1, min: 0 },
  "kv.incrbyfloat": { key: "balance", amount: 0.25 },
  "kv.mset": {
    pairs: [
      { key: "user:1", value: "Ada" },
      { key: "user:2", value: "Grace", ttl: 60 },
    ],
  },
  "kv.msetnx": { pairs: [{ key: "user:1", value: "Ada" }] },
  "kv.mget": { keys: ["user:1", "user:2"] },
  "kv.mdel": { keys: ["user:1", "user:2"] },
  "kv.cas": { key: "leader", value: "node-2", expect: "node-1" },
  "kv.getex": { key: "session:1", ttl: 60 },
  "kv.getrange": { key: "log", start: -100, end: -1 },
  "kv.append": { key: "log", value: "one more line\n" },
  "kv.setrange": { key: "log", offset: 4, value: "edit" },
  "kv.expire": { key: "user:1", ttl: 60 },
  "kv.scan": { prefix: "user:", limit: 100 },
  "kv.keys": { pattern: "user:*" },
  "key.rename": { source: "user:1", destination: "user:one" },
  "key.renamenx": { source: "user:1", destination: "user:one" },
  "key.copy": { source: "user:1", destination: "user:one" },
  "queue.create": { name: "jobs", config: { max_depth: 100_000, ack_deadline_secs: 30, default_max_retries: 5 } },
  "queue.publish": { queue: "jobs", payload: { send: "welcome", to: "ada" }, priority: 7, dedup_id: "welcome-ada" },
  "queue.publish_batch": { queue: "jobs", messages: [{ payload: 1 }, { payload: 2, delay_ms: 5000 }] },
  "queue.consume": { queue: "jobs", count: 10 },
  "queue.ack": { queue: "jobs", message_id: 17, delivery_id: 21 },
  "queue.nack": { queue: "jobs", message_id: 17, delivery_id: 21, delay_ms: 5000 },
  "queue.extend": { queue: "jobs", message_id: 17, delivery_id: 21, ack_deadline: 120 },
  "queue.peek": { queue: "jobs", count: 10 },
  "queue.dead.list": { queue: "jobs", limit: 100 },
  "queue.dead.retry": { queue: "jobs", all: true },
  "queue.subscribe": { queue: "jobs", prefetch: 20 },
  "queue.unsubscribe": { queue: "jobs" },
  "admin.slowlog.get": { limit: 10 },
  "admin.tokens.create": { name: "app", allow: ["kv:write:app:", "queue:write:*"], expires: "30d" },
  "admin.tokens.revoke": { name: "app" },
  auth: { token: "synap_ExampleExampleExampleExampleExampleExample0" },
};

export function examplePayload(command: Command): Payload {
  return WRITTEN_EXAMPLES[command.name] ?? requiredOf(command.shape);
}

function requiredOf(shape: ArgumentShape): Payload {
  return Object.fromEntries(
    shape.fields.filter(({ required }) => required).map((field) => [field.name, example(field)]),
  );
}

function example(field: FieldShape): unknown {
  switch (field.kind) {
    case "integer":
    case "int64":
      return Math.min(Math.max(1, field.minimum), field.maximum);
    case "boolean":
      return true;
    case "array":
      return field.item === undefined ? [] : [example(field.item)];
    case "object":
      return field.object === undefined ? {} : requiredOf(field.object);
    case "text":
      return field.words?.[0] ?? field.name;
    case "key":
      return field.name === "key" ? "user:1" : field.name.slice(0, field.bytesMax);
    default:
      return "any value";
  }
}
