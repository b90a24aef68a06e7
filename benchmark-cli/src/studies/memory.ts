/**
 * Memory of a million keys of 16 bytes with values of 100 bytes, stored through a WebSocket: the process' RSS and the
 * store's own account, beside Redis.
 *
 *     npx tsx benchmark-cli/src/studies/memory.ts [--keys 1000000] [--json FILE]
 */
import { fill } from "../load/load.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import { fillRedis, redisUsedMemory, startRedis } from "../peers/redis-process.ts";
import { Report } from "../report/report.ts";
import { requirePrograms, rssBytes, sleep } from "../servers/processes.ts";
import { startSynap } from "../servers/synap-process.ts";
import { readOptions } from "./options.ts";

const MB = 2 ** 20;
const SETTLE_MS = 2_000;

const options = readOptions({ keys: 1_000_000 });
requirePrograms(["redis-server"]);
const { keys } = options;
const dataBytes = keys * (KEY_BYTES + VALUE_BYTES);
const report = new Report(`Memory of ${keys.toLocaleString("en-US")} keys (without persistence)`);

const synap = await startSynap(options.server, { durability: "memory", args: ["--max-memory", "0"] });
const rssEmpty = rssBytes(synap.child);
const startedMs = performance.now();
await fill(synap.port, { count: keys, valueBytes: VALUE_BYTES });
const fillSecs = (performance.now() - startedMs) / 1_000;
await sleep(SETTLE_MS);
const rssFull = rssBytes(synap.child);
const { total_keys, total_memory_bytes } = (await synap.command("kv.stats")) as Record<string, number>;
if (total_keys !== keys) throw new Error(`stored ${keys} keys, the server has ${total_keys}`);
await synap.stop();

const redis = await startRedis();
const redisEmpty = await redisUsedMemory(redis.port);
await fillRedis(redis.port, keys, VALUE_BYTES);
const redisBytes = (await redisUsedMemory(redis.port)) - redisEmpty;

const perKey = (bytes: number) => (bytes - dataBytes) / keys;
report.add({ what: "keys and values themselves", value: dataBytes / MB, unit: "MB" });
report.add({ what: "the store's account", value: total_memory_bytes / MB, unit: "MB" });
const megabytesMax = (200 * keys) / 1e6;
report.add({ what: "RSS of the process", value: rssFull / MB, unit: "MB", better: "less", goal: megabytesMax });
report.add({ what: "RSS beyond the empty server", value: (rssFull - rssEmpty) / MB, unit: "MB" });
report.add({
  what: "overhead per key, by the account",
  value: perKey(total_memory_bytes),
  unit: "bytes",
  better: "less",
  least: 40,
  goal: 32,
});
report.add({
  what: "overhead per key, by RSS beyond the empty server",
  value: perKey(rssFull - rssEmpty),
  unit: "bytes",
  better: "less",
  goal: 100,
  note: "with the operation log's backlog and all buffers",
});
report.add({ what: "Redis' overhead per key, by used_memory", value: perKey(redisBytes), unit: "bytes" });
report.add({
  what: "stored through one WebSocket in",
  value: fillSecs,
  unit: "s",
  note: "new keys, 1,000 per frame",
});
report.finish(options.json);
process.exit();
