/**
 * The same seeded streams of commands to Redis 7 and to this server, and the replies compared byte for byte. A failure
 * prints the seed, and of the commands up to the first difference those that share a key with it.
 *
 *     SYNAP_DIFFERENTIAL_COMMANDS=1000000    a longer run
 *     SYNAP_DIFFERENTIAL_SEED=7              the run that failed
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allRespCommands } from "../../src/commands/resp/all-resp-commands.ts";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { seededRandom } from "../engine.ts";
import { type Comparison, type RandomCommand, RandomCommands } from "./differential/random-commands.ts";
import { type Plain, plainReply, RawConnection, type Words } from "./differential/raw-connection.ts";
import { RedisProcess, redisMissing } from "./differential/redis-process.ts";

const COMMANDS = Number(process.env.SYNAP_DIFFERENTIAL_COMMANDS ?? 20_000);
const SEED = Number(process.env.SYNAP_DIFFERENTIAL_SEED ?? 1);
const VALUE_BYTES_MAX = 1024 * 1024;
const TOLERANCE: Partial<Record<Comparison, number>> = { seconds: 2, milliseconds: 2_000 };

const missing = redisMissing();

let redis: RedisProcess;
let synap: RunningServer;

// skipped: only where there is no Redis 7 to compare with; the name says which.
describe.skipIf(missing !== undefined)(`against Redis 7${missing === undefined ? "" : ` (${missing})`}`, () => {
  beforeAll(async () => {
    redis = await RedisProcess.start("--proto-max-bulk-len", String(VALUE_BYTES_MAX), "--databases", "1");
    const flags = ["--port", "0", "--log-level", "silent", "--set", `kv_store.max_value_bytes=${VALUE_BYTES_MAX}`];
    synap = await startServer(
      configFromFlags("--no-persistence", ...flags, "--set", "kv_store.eviction_policy=lru"),
      silentLogger,
    );
  });

  afterAll(async () => {
    await synap?.stop();
    await redis?.stop();
  });

  it("every name is declared as Redis declares it", async () => {
    const peer = await RawConnection.open(redis.socketPath);
    const known = allRespCommands.filter(({ since }) => since !== undefined);
    const infos = plainReply(await peer.call("command", "info", ...known.map(({ name }) => name)));
    peer.close();
    const declared = known.map(({ name, arity, flags, keys }) => [name, arity, [...flags].sort(), ...keys]);
    if (!Array.isArray(infos)) throw new Error("COMMAND INFO answers with a list");
    expect(declared).toEqual(infos.map(commandInfo));
  });

  it.each([2, 3])(
    "every command answers the same over RESP%i",
    async (version) => {
      const seed = SEED + version * 1000;
      await compare(version, new RandomCommands(seededRandom(seed), Date.now()), seededRandom(seed + 1));
    },
    20_000 + COMMANDS,
  );
});

/** Name, arity, flags, first key, last key and step of an entry of COMMAND INFO. */
function commandInfo(info: Plain): Plain {
  if (!Array.isArray(info) || !Array.isArray(info[2])) return info;
  const [name, arity, flags, ...keys] = info;
  // Flags come as statuses.
  const words = (flags as Plain[]).map((flag) => String(flag).slice(1));
  return [name, arity, words.sort(), ...keys.slice(0, 3)];
}

async function compare(version: number, commands: RandomCommands, random: () => number): Promise<void> {
  if (synap.respUrl === undefined) throw new Error("the server has no RESP");
  const peers = await Promise.all([RawConnection.open(redis.socketPath), RawConnection.open(synap.respUrl)]);
  const [theirs, ours] = peers;
  const sent: Words[] = [];
  try {
    for (const peer of peers) {
      await peer.call("hello", String(version));
      await peer.call("flushall");
    }
    while (sent.length < COMMANDS) {
      const burst: RandomCommand[] = [];
      for (let count = 1 + Math.floor(random() * 60); burst.length < count; ) burst.push(...commands.next());
      const words = burst.map((each) => each.words);
      const [expected, actual] = await Promise.all([theirs.exchange(words), ours.exchange(words)]);
      for (const [index, { comparison }] of burst.entries()) {
        sent.push(words[index]);
        const [a, b] = [expected[index], actual[index]];
        if (!isSame(comparison, a, b)) fail(sent, a, b);
      }
      if (random() < 0.05) await compareScan(theirs, ours, commands.scanOptions());
      await comparePick(theirs, ours);
    }
  } finally {
    for (const peer of peers) peer.close();
  }
}

function isSame(comparison: Comparison, theirs: Buffer, ours: Buffer): boolean {
  if (theirs.equals(ours)) return true;
  const [a, b] = [plainReply(theirs), plainReply(ours)];
  switch (comparison) {
    case "unordered":
      return Array.isArray(a) && Array.isArray(b) && sorted(a).join() === sorted(b).join();
    case "seconds":
    case "milliseconds":
      return (
        typeof a === "number" && typeof b === "number" && a >= 0 && Math.abs(a - b) <= (TOLERANCE[comparison] ?? 0)
      );
    case "time":
      return (
        Array.isArray(a) && Array.isArray(b) && a.length === b.length && Math.abs(Number(a[0]) - Number(b[0])) <= 2
      );
    case "random-key":
      return typeof a === "string" && typeof b === "string";
    case "kind":
      return typeof a === "number" && typeof b === "number";
    default:
      return false;
  }
}

function sorted(list: readonly Plain[]): string[] {
  return list.map((each) => JSON.stringify(each)).sort();
}

/** A whole scan lists the same keys, each at least once; here each exactly once. */
async function compareScan(theirs: RawConnection, ours: RawConnection, options: readonly string[]): Promise<void> {
  const expected = new Set(await scan(theirs, options));
  const actual = await scan(ours, options);
  expect(sorted(actual), `SCAN ${options.join(" ")}, seed ${SEED}`).toEqual(sorted([...expected]));
}

async function scan(peer: RawConnection, options: readonly string[]): Promise<Plain[]> {
  const found: Plain[] = [];
  let cursor = "0";
  do {
    const page = plainReply(await peer.call("scan", cursor, ...options));
    if (!Array.isArray(page) || typeof page[0] !== "string" || !Array.isArray(page[1]))
      throw new Error(`page: ${page}`);
    cursor = page[0];
    found.push(...page[1]);
  } while (cursor !== "0");
  return found;
}

/** What this server draws at random is a key of Redis too. */
async function comparePick(theirs: RawConnection, ours: RawConnection): Promise<void> {
  const picked = plainReply(await ours.call("randomkey"));
  if (typeof picked !== "string") return;
  expect(plainReply(await theirs.call("exists", Buffer.from(picked, "latin1")))).toBe(1);
}

/** So many commands are shown before the one that differs. */
const RECENT = 20;

/** Shows what was sent last, and of what was sent since the last flush that which has a key in common with the last command. */
function fail(sent: readonly Words[], theirs: Buffer, ours: Buffer): never {
  const words = sent.map((each) => each.map((word) => (typeof word === "string" ? word : word.toString("latin1"))));
  const last = words[words.length - 1];
  const flush = words.findLastIndex(([name]) => /^flush/i.test(name));
  const keys = new Set(last.slice(1).filter((word) => !/^-?\d*$/.test(word)));
  const isRelated = (each: readonly string[]): boolean => each.slice(1).some((word) => keys.has(word));
  const related = words.filter((each, at) => at >= words.length - RECENT || (at > flush && isRelated(each)));
  const lines = related.map((each) => `  ${each.map((word) => JSON.stringify(word)).join(" ")}`);
  throw new Error(
    `seed ${SEED}, command ${sent.length}: Redis answers ${JSON.stringify(theirs.toString("latin1"))}, ` +
      `this server ${JSON.stringify(ours.toString("latin1"))}, after\n${lines.join("\n")}`,
  );
}
