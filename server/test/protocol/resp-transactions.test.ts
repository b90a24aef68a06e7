/** MULTI, EXEC, DISCARD, WATCH and UNWATCH: the same conversations with this server and, where it is installed, with Redis 7. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { RedisProcess, redisMissing } from "./differential/redis-process.ts";
import { type Line, play, TranscriptClient } from "./resp-transcript.ts";

const NO_VALUES = "*0";
const QUEUED = "+QUEUED";
const ABORT = "-EXECABORT Transaction discarded because of previous errors.";
const NOT_AN_INTEGER = "-ERR value is not an integer or out of range";

const conversations: Readonly<Record<string, readonly Line[]>> = {
  "commands are queued and run together": [
    ["a", "MULTI", "+OK"],
    ["a", "SET k 1", QUEUED],
    ["a", "INCR k", QUEUED],
    ["a", "GET k", QUEUED],
    ["b", "GET k", "$-1"],
    ["a", "EXEC", "*3 +OK :2 $1 2"],
    ["b", "GET k", "$1 2"],
    ["a", "MULTI", "+OK"],
    ["a", "EXEC", NO_VALUES],
  ],
  "a command that fails when it runs fails alone": [
    ["a", "MULTI", "+OK"],
    ["a", "SET k abc", QUEUED],
    ["a", "INCR k", QUEUED],
    ["a", "SET k2 5 EX nan", QUEUED],
    ["a", "MSET m1 1 m2 2", QUEUED],
    ["a", "EXEC", `*4 +OK ${NOT_AN_INTEGER} ${NOT_AN_INTEGER} +OK`],
    ["a", "MGET k k2 m1 m2", "*4 $3 abc $-1 $1 1 $1 2"],
  ],
  "what is wrong when it is queued makes EXEC refuse everything": [
    ["a", "MULTI", "+OK"],
    ["a", "SET k 1", QUEUED],
    ["a", "GET", "-ERR wrong number of arguments for 'get' command"],
    ["a", "EXEC", ABORT],
    ["a", "GET k", "$-1"],
    ["a", "MULTI", "+OK"],
    ["a", "NONSENSE x", "-ERR unknown command 'NONSENSE', with args beginning with: 'x' "],
    ["a", "SET k 1", QUEUED],
    ["a", "EXEC", ABORT],
    ["a", "MULTI", "+OK"],
    ["a", "OBJECT NONSENSE x", "-ERR unknown subcommand 'NONSENSE'. Try OBJECT HELP."],
    ["a", "DISCARD", "+OK"],
    ["a", "EXEC", "-ERR EXEC without MULTI"],
    ["a", "GET k", "$-1"],
  ],
  "transactions do not nest": [
    ["a", "MULTI", "+OK"],
    ["a", "MULTI", "-ERR MULTI calls can not be nested"],
    ["a", "WATCH k", "-ERR WATCH inside MULTI is not allowed"],
    ["a", "SET k 1", QUEUED],
    ["a", "EXEC", "*1 +OK"],
    ["a", "EXEC", "-ERR EXEC without MULTI"],
    ["a", "DISCARD", "-ERR DISCARD without MULTI"],
    ["a", "MULTI x", "-ERR wrong number of arguments for 'multi' command"],
    ["a", "EXEC", "-ERR EXEC without MULTI"],
  ],
  "DISCARD and RESET drop what is queued": [
    ["a", "MULTI", "+OK"],
    ["a", "SET k 1", QUEUED],
    ["a", "DISCARD", "+OK"],
    ["a", "GET k", "$-1"],
    ["a", "MULTI", "+OK"],
    ["a", "SET k 1", QUEUED],
    ["a", "RESET", "+RESET"],
    ["a", "EXEC", "-ERR EXEC without MULTI"],
    ["a", "GET k", "$-1"],
  ],
  "WATCH: a key that was written, removed, given a deadline or made anew": [
    ["a", "SET k 1", "+OK"],
    ["a", "WATCH k", "+OK"],
    ["b", "SET k 1", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "SET k 2", QUEUED],
    ["a", "EXEC", "*-1"],
    ["a", "WATCH k", "+OK"],
    ["b", "DEL k", ":1"],
    ["b", "SET k 1", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "EXEC", "*-1"],
    ["a", "WATCH k", "+OK"],
    ["b", "EXPIRE k 100", ":1"],
    ["a", "MULTI", "+OK"],
    ["a", "EXEC", "*-1"],
    ["a", "WATCH other k", "+OK"],
    ["b", "FLUSHALL", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "EXEC", "*-1"],
    ["a", "WATCH other", "+OK"],
    ["b", "SET other 1", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "EXEC", "*-1"],
  ],
  "WATCH: a key that is as it was": [
    ["a", "SET k 1", "+OK"],
    ["a", "WATCH k missing", "+OK"],
    ["b", "GET k", "$1 1"],
    ["b", "SET other 1", "+OK"],
    ["b", "DEL missing", ":0"],
    ["a", "MULTI", "+OK"],
    ["a", "INCR k", QUEUED],
    ["a", "EXEC", "*1 :2"],
    ["a", "WATCH k", "+OK"],
    ["a", "UNWATCH", "+OK"],
    ["b", "SET k 5", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "INCR k", QUEUED],
    ["a", "EXEC", "*1 :6"],
    ["a", "WATCH k", "+OK"],
    ["b", "SET k 7", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "DISCARD", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "EXEC", NO_VALUES],
  ],
  "WATCH: a key watched again is held against what it was at first": [
    ["a", "WATCH k", "+OK"],
    ["b", "SET k 1", "+OK"],
    ["a", "WATCH other k k", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "EXEC", "*-1"],
  ],
  "WATCH: one's own write counts, and UNWATCH in the transaction comes too late": [
    ["a", "WATCH k", "+OK"],
    ["a", "SET k 1", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "UNWATCH", QUEUED],
    ["a", "EXEC", "*-1"],
  ],
  "a null list in RESP3": [
    ["a", "HELLO 3", "(any)"],
    ["a", "WATCH k", "+OK"],
    ["b", "SET k 1", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "GET k", QUEUED],
    ["a", "EXEC", "_"],
    ["a", "MULTI", "+OK"],
    ["a", "GET missing", QUEUED],
    ["a", "HELLO 2", QUEUED],
    ["a", "GET missing", QUEUED],
    ["a", "EXEC", "(any)"],
    ["a", "GET missing", "$-1"],
  ],
  "SELECT, PING, ECHO and FLUSHALL in a transaction": [
    ["a", "SET k 1", "+OK"],
    ["a", "MULTI", "+OK"],
    ["a", "SELECT 0", QUEUED],
    ["a", "PING", QUEUED],
    ["a", "ECHO x", QUEUED],
    ["a", "SET k2 1", QUEUED],
    ["a", "FLUSHALL", QUEUED],
    ["a", "EXISTS k k2", QUEUED],
    ["a", "SET k 3", QUEUED],
    ["a", "DBSIZE", QUEUED],
    ["a", "EXEC", "*8 +OK +PONG $1 x +OK +OK :0 +OK :1"],
    ["a", "GET k", "$1 3"],
  ],
  "keys that a transaction makes, changes and removes": [
    ["a", "MULTI", "+OK"],
    ["a", "SET k abc", QUEUED],
    ["a", "APPEND k def", QUEUED],
    ["a", "SETRANGE k 1 XX", QUEUED],
    ["a", "EXPIRE k 100", QUEUED],
    ["a", "RENAME k k2", QUEUED],
    ["a", "GET k", QUEUED],
    ["a", "TTL k2", QUEUED],
    ["a", "GETDEL k2", QUEUED],
    ["a", "EXISTS k2", QUEUED],
    ["a", "EXEC", "*9 +OK :6 :6 :1 +OK $-1 :100 $6 aXXdef :0"],
  ],
};

let synap: RunningServer;

beforeAll(async () => {
  synap = await startServer(configFromFlags("--no-persistence", "--port", "0", "--log-level", "silent"), silentLogger);
});

afterAll(() => synap?.stop());

describe("this server", () => {
  it.each(Object.keys(conversations))("%s", async (name) => {
    await play(synap.respUrl ?? "", [["a", "FLUSHALL", "+OK"], ...conversations[name]]);
  });

  it("answers each command whose reply finds no room with an error, and does not run it", async () => {
    const small = await startServer(
      configFromFlags(
        "--no-persistence",
        "--port",
        "0",
        "--set",
        "protocol.max_reply_bytes=64kb",
        "--log-level",
        "silent",
      ),
      silentLogger,
    );
    const value = "x".repeat(100_000);
    const gets = 10;
    const tooLarge = "-ERR the reply would be over its limit: ask for less at once";
    const found = `$${value.length} ${value}`;
    try {
      await play(small.respUrl ?? "", [
        ["a", `SET k ${value}`, "+OK"],
        ["a", "MULTI", "+OK"],
        ...Array.from({ length: gets }, (): Line => ["a", "GET k", QUEUED]),
        ["a", "GETSET k new", QUEUED],
        ["a", "SET after 1", QUEUED],
        ["a", "EXEC", `*12 ${[...Array(3).fill(found), ...Array(gets - 2).fill(tooLarge)].join(" ")} +OK`],
        ["a", "GET k", found],
        ["a", "GET after", "$1 1"],
      ]);
    } finally {
      await small.stop();
    }
  });

  it("keeps room for every answer, however much connection commands say", async () => {
    const flags = ["--port", "0", "--set", "protocol.max_reply_bytes=64kb", "--set", "transaction.max_commands=700"];
    const small = await startServer(
      configFromFlags("--no-persistence", ...flags, "--log-level", "silent"),
      silentLogger,
    );
    const client = await TranscriptClient.open(small.respUrl ?? "");
    // A transaction has 200 ms, which a busy machine needs for less than this one.
    const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now());
    const long = `ECHO ${"x".repeat(2000)}`;
    const requests = ["MULTI", "SET k 1", ...Array<string>(690).fill(long), "CLIENT SETNAME me", "INCR k", "EXEC"];
    try {
      for (const request of requests) client.say(request.split(" "));
      for (let i = 0; i < requests.length - 1; i++) await client.frame();
      const executed = await client.frame();
      expect(executed.slice(0, 20)).toMatch(/^\*693\r\n\+OK\r\n\$/);
      expect(executed.slice(-150)).toMatch(
        /-ERR the reply would be over its limit: ask for less at once\r\n\+OK\r\n-ERR .*\r\n$/,
      );
      client.say(["GET", "k"]);
      expect(await client.frame()).toBe("$1\r\n1\r\n");
    } finally {
      clock.mockRestore();
      client.close();
      await small.stop();
    }
  });

  it("begins nothing more once the transaction has had its time", async () => {
    const late = "-ERR the transaction has taken over 200 ms, so this command did not run: send smaller ones";
    let readings = 0;
    const clock = vi.spyOn(performance, "now").mockImplementation(() => 1e9 + 90 * readings++);
    try {
      await play(synap.respUrl ?? "", [
        ["a", "FLUSHALL", "+OK"],
        ["a", "MULTI", "+OK"],
        ...["k1", "k2", "k3", "k4"].map((key): Line => ["a", `SET ${key} 1`, QUEUED]),
        ["a", "EXEC", `*4 +OK ${late} ${late} ${late}`],
        ["a", "MGET k1 k2", "*2 $1 1 $-1"],
      ]);
    } finally {
      clock.mockRestore();
    }
  });

  it("queues no more than it may hold", async () => {
    const flags = ["--port", "0", "--set", "transaction.max_commands=2", "--set", "transaction.max_watched_keys=2"];
    const small = await startServer(configFromFlags("--no-persistence", ...flags), silentLogger);
    try {
      await play(small.respUrl ?? "", [
        ["a", "MULTI", "+OK"],
        ["a", "SET k 1", QUEUED],
        ["a", "SET k 2", QUEUED],
        ["a", "SET k 3", "-ERR a transaction holds at most 2 commands and 16777216 bytes"],
        ["a", "EXEC", ABORT],
        ["a", "WATCH a b", "+OK"],
        ["a", "WATCH c", "-ERR a connection watches at most 2 keys of 16777216 bytes together"],
      ]);
    } finally {
      await small.stop();
    }
  });
});

const missing = redisMissing();

// skipped: only where there is no Redis 7 to compare with; the name says which.
describe.skipIf(missing !== undefined)(`Redis 7${missing === undefined ? "" : ` (${missing})`}`, () => {
  let redis: RedisProcess;

  beforeAll(async () => {
    redis = await RedisProcess.start();
  });

  afterAll(() => redis?.stop());

  it.each(Object.keys(conversations))("%s", async (name) => {
    await play(redis.socketPath, [["a", "FLUSHALL", "+OK"], ...conversations[name]]);
    expect.hasAssertions();
  });
});
