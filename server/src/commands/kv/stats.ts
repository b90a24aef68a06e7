/** kv.stats. */
import { WHOLE } from "../access-rule.ts";
import { readCommand } from "../command.ts";
import { Fraction, Integer, Struct } from "../schema.ts";

export const kvStats = readCommand({
  name: "kv.stats",
  access: "read",
  guard: WHOLE,
  summary: "Answers how many keys there are, what they take, and what was done with them on this node.",
  arguments: Struct({}),
  reply: Struct({
    total_keys: Integer(),
    total_memory_bytes: Integer({ description: "Bytes of keys, values and their index." }),
    operations: Struct({
      gets: Integer(),
      sets: Integer(),
      dels: Integer(),
      hits: Integer(),
      misses: Integer(),
    }),
    hit_rate: Fraction({ description: "hits / (hits + misses), 0 before the first read." }),
    expired: Integer(),
    evicted: Integer(),
  }),
  read(_args, { keys, counters, node }) {
    const { gets, sets, dels, hits, misses } = counters;
    const { expired, evicted } = node.removals();
    return {
      total_keys: keys.size,
      total_memory_bytes: node.memory().keys,
      operations: { gets, sets, dels, hits, misses },
      hit_rate: hits + misses === 0 ? 0 : hits / (hits + misses),
      expired,
      evicted,
    };
  },
});
