/** SUBSCRIBE, PUBLISH and keyspace notifications: the same conversations with this server and, where it is installed, with Redis 7. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { RedisProcess, redisMissing } from "./differential/redis-process.ts";
import { type Line, play } from "./resp-transcript.ts";

const refused = (name: string) =>
  `-ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;

const conversations: Readonly<Record<string, readonly Line[]>> = {
  "a message reaches those who are subscribed to its channel": [
    [
      "a",
      "SUBSCRIBE ch1 ch2 ch1",
      "*3 $9 subscribe $3 ch1 :1",
      "*3 $9 subscribe $3 ch2 :2",
      "*3 $9 subscribe $3 ch1 :2",
    ],
    ["b", "PUBLISH ch1 hello", ":1"],
    ["b", "PUBLISH nobody hello", ":0"],
    ["a", "", "*3 $7 message $3 ch1 $5 hello"],
    ["c", "SUBSCRIBE ch1", "*3 $9 subscribe $3 ch1 :1"],
    ["b", "PUBLISH ch1 ''", ":2"],
    ["a", "", "*3 $7 message $3 ch1 $0 "],
    ["c", "", "*3 $7 message $3 ch1 $0 "],
    ["a", "UNSUBSCRIBE ch1", "*3 $11 unsubscribe $3 ch1 :1"],
    ["b", "PUBLISH ch1 x", ":1"],
    ["a", "UNSUBSCRIBE ch2 nope", "*3 $11 unsubscribe $3 ch2 :0", "*3 $11 unsubscribe $4 nope :0"],
    ["a", "UNSUBSCRIBE", "*3 $11 unsubscribe $-1 :0"],
    ["a", "PUNSUBSCRIBE", "*3 $12 punsubscribe $-1 :0"],
    ["a", "GET k", "$-1"],
  ],
  "channels are any bytes": [
    ["a", "SUBSCRIBE ''", "*3 $9 subscribe $0  :1"],
    ["a", "SUBSCRIBE .a..*.#.", "*3 $9 subscribe $8 .a..*.#. :2"],
    ["b", "PUBLISH '' x", ":1"],
    ["b", "PUBLISH .a..*.#. y", ":1"],
    ["a", "", "*3 $7 message $0  $1 x", "*3 $7 message $8 .a..*.#. $1 y"],
  ],
  "patterns are globs": [
    ["a", "PSUBSCRIBE n?ws.* h[ae]llo", "*3 $10 psubscribe $6 n?ws.* :1", "*3 $10 psubscribe $8 h[ae]llo :2"],
    ["a", "SUBSCRIBE news.eu", "*3 $9 subscribe $7 news.eu :3"],
    ["b", "PUBLISH news.eu 1", ":2"],
    ["a", "", "*3 $7 message $7 news.eu $1 1", "*4 $8 pmessage $6 n?ws.* $7 news.eu $1 1"],
    ["b", "PUBLISH hallo 2", ":1"],
    ["b", "PUBLISH hillo 2", ":0"],
    ["b", "PUBLISH NEWS.eu 2", ":0"],
    ["a", "", "*4 $8 pmessage $8 h[ae]llo $5 hallo $1 2"],
    ["a", "PUNSUBSCRIBE n?ws.*", "*3 $12 punsubscribe $6 n?ws.* :2"],
    ["b", "PUBLISH news.eu 3", ":1"],
    ["a", "", "*3 $7 message $7 news.eu $1 3"],
    ["a", "PUNSUBSCRIBE", "*3 $12 punsubscribe $8 h[ae]llo :1"],
    ["a", "UNSUBSCRIBE", "*3 $11 unsubscribe $7 news.eu :0"],
  ],
  "a subscriber of RESP2 may say little": [
    ["a", "SUBSCRIBE ch", "*3 $9 subscribe $2 ch :1"],
    ["a", "GET k", refused("get")],
    ["a", "OBJECT ENCODING k", refused("object|encoding")],
    ["a", "MULTI", refused("multi")],
    ["a", "GET", "-ERR wrong number of arguments for 'get' command"],
    ["a", "PING", "*2 $4 pong $0 "],
    ["a", "PING x", "*2 $4 pong $1 x"],
    ["a", "PING x y", "-ERR wrong number of arguments for 'ping' command"],
    ["a", "PSUBSCRIBE c*", "*3 $10 psubscribe $2 c* :2"],
    ["a", "RESET", "+RESET"],
    ["b", "PUBLISH ch x", ":0"],
    ["a", "PING", "+PONG"],
    ["a", "SUBSCRIBE ch", "*3 $9 subscribe $2 ch :1"],
    ["a", "QUIT", "+OK", "(closed)"],
  ],
  "a subscriber of RESP3 goes on as before": [
    ["a", "HELLO 3", "(any)"],
    ["a", "SUBSCRIBE ch", ">3 $9 subscribe $2 ch :1"],
    ["a", "PSUBSCRIBE c*", ">3 $10 psubscribe $2 c* :2"],
    ["a", "SET k 1", "+OK"],
    ["a", "PING", "+PONG"],
    ["b", "PUBLISH ch hello", ":2"],
    ["a", "", ">3 $7 message $2 ch $5 hello", ">4 $8 pmessage $2 c* $2 ch $5 hello"],
    ["a", "MULTI", "+OK"],
    ["a", "INCR k", "+QUEUED"],
    ["a", "EXEC", "*1 :2"],
    ["a", "UNSUBSCRIBE", ">3 $11 unsubscribe $2 ch :1"],
    ["a", "UNSUBSCRIBE", ">3 $11 unsubscribe _ :1"],
  ],
  "a subscriber that changes its protocol": [
    ["a", "HELLO 3", "(any)"],
    ["a", "SUBSCRIBE ch", ">3 $9 subscribe $2 ch :1"],
    ["a", "HELLO 2", "(any)"],
    ["b", "PUBLISH ch x", ":1"],
    ["a", "", "*3 $7 message $2 ch $1 x"],
    ["a", "GET k", refused("get")],
    ["a", "UNSUBSCRIBE ch", "*3 $11 unsubscribe $2 ch :0"],
    ["a", "GET k", "$-1"],
  ],
  "PUBSUB tells of channels": [
    ["a", "SUBSCRIBE news.eu sport", "(any)", "(any)"],
    ["b", "SUBSCRIBE sport", "(any)"],
    ["b", "PSUBSCRIBE n* x*", "(any)", "(any)"],
    ["c", "PSUBSCRIBE n*", "(any)"],
    ["d", "PUBSUB CHANNELS n*", "*1 $7 news.eu"],
    ["d", "PUBSUB CHANNELS nope", "*0"],
    ["d", "PUBSUB NUMSUB sport nope news.eu", "*6 $5 sport :2 $4 nope :0 $7 news.eu :1"],
    ["d", "PUBSUB NUMSUB", "*0"],
    ["d", "PUBSUB NUMPAT", ":2"],
    ["d", "PUBSUB SHARDCHANNELS", "*0"],
    ["d", "PUBSUB SHARDNUMSUB", "*0"],
    ["d", "PUBSUB SHARDNUMSUB a", "*2 $1 a :0"],
    ["d", "PUBSUB NONSENSE", "-ERR unknown subcommand 'NONSENSE'. Try PUBSUB HELP."],
    ["d", "PUBSUB", "-ERR wrong number of arguments for 'pubsub' command"],
    ["d", "PUBLISH ch", "-ERR wrong number of arguments for 'publish' command"],
    ["d", "SUBSCRIBE", "-ERR wrong number of arguments for 'subscribe' command"],
  ],
  "PUBLISH and SUBSCRIBE in a transaction": [
    ["b", "SUBSCRIBE ch", "*3 $9 subscribe $2 ch :1"],
    ["a", "MULTI", "+OK"],
    ["a", "PUBLISH ch hello", "+QUEUED"],
    ["a", "SET k 1", "+QUEUED"],
    ["a", "EXEC", "*2 :1 +OK"],
    ["b", "", "*3 $7 message $2 ch $5 hello"],
    ["a", "MULTI", "+OK"],
    ["a", "SUBSCRIBE ch2", "+QUEUED"],
    ["a", "EXEC", "*1 *3 $9 subscribe $3 ch2 :1"],
    ["a", "GET k", refused("get")],
  ],
  "keyspace notifications": [
    ["a", "SUBSCRIBE __keyspace@0__:k __keyevent@0__:expired __keyevent@0__:del", "(any)", "(any)", "(any)"],
    ["b", "SET k 1", "+OK"],
    ["b", "CONFIG SET notify-keyspace-events KEA", "+OK"],
    ["b", "CONFIG GET notify-keyspace-events", "*2 $22 notify-keyspace-events $3 AKE"],
    ["b", "SET k 1", "+OK"],
    ["a", "", "*3 $7 message $16 __keyspace@0__:k $3 set"],
    ["b", "INCR k", ":2"],
    ["b", "DECRBY k 1", ":1"],
    ["b", "APPEND k 1", ":2"],
    ["b", "SETRANGE k 1 x", ":2"],
    ["b", "EXPIRE k 100", ":1"],
    ["b", "PERSIST k", ":1"],
    ["b", "GETSET k 1", "$2 1x"],
    ["b", "INCRBYFLOAT k 0.5", "$3 1.5"],
    ["b", "MSET k 1 k2 2", "+OK"],
    ["b", "SET k 1 EX 100", "+OK"],
    ["b", "GETEX k PERSIST", "$1 1"],
    [
      "a",
      "",
      ..."incrby incrby append setrange expire persist set incrbyfloat set set expire persist"
        .split(" ")
        .map((event) => `*3 $7 message $16 __keyspace@0__:k $${event.length} ${event}`),
    ],
    ["b", "RENAME k k3", "+OK"],
    ["b", "COPY k3 k", ":1"],
    ["b", "GETDEL k", "$1 1"],
    [
      "a",
      "",
      "*3 $7 message $16 __keyspace@0__:k $11 rename_from",
      "*3 $7 message $16 __keyspace@0__:k $7 copy_to",
      "*3 $7 message $16 __keyspace@0__:k $3 del",
      "*3 $7 message $18 __keyevent@0__:del $1 k",
    ],
    ["b", "RENAME k3 k", "+OK"],
    ["b", "EXPIRE k -1", ":1"],
    [
      "a",
      "",
      "*3 $7 message $16 __keyspace@0__:k $9 rename_to",
      "*3 $7 message $16 __keyspace@0__:k $3 del",
      "*3 $7 message $18 __keyevent@0__:del $1 k",
    ],
    ["b", "SET k 1 PX 1", "+OK"],
    [
      "a",
      "",
      "*3 $7 message $16 __keyspace@0__:k $3 set",
      "*3 $7 message $16 __keyspace@0__:k $6 expire",
      "*3 $7 message $16 __keyspace@0__:k $7 expired",
      "*3 $7 message $22 __keyevent@0__:expired $1 k",
    ],
    ["b", "MULTI", "+OK"],
    ["b", "INCR k", "+QUEUED"],
    ["b", "APPEND k 1", "+QUEUED"],
    ["b", "DEL k", "+QUEUED"],
    ["b", "EXEC", "*3 :1 :2 :1"],
    [
      "a",
      "",
      "*3 $7 message $16 __keyspace@0__:k $6 incrby",
      "*3 $7 message $16 __keyspace@0__:k $6 append",
      "*3 $7 message $16 __keyspace@0__:k $3 del",
      "*3 $7 message $18 __keyevent@0__:del $1 k",
    ],
    ["b", "CONFIG SET notify-keyspace-events Kg", "+OK"],
    ["b", "CONFIG GET notify-keyspace-events", "*2 $22 notify-keyspace-events $2 gK"],
    ["b", "SET k 1", "+OK"],
    ["b", "DEL k", ":1"],
    ["a", "", "*3 $7 message $16 __keyspace@0__:k $3 del"],
    ["b", "CONFIG SET notify-keyspace-events ''", "+OK"],
    ["b", "SET k 1", "+OK"],
    ["b", "PUBLISH __keyspace@0__:k end", ":1"],
    ["a", "", "*3 $7 message $16 __keyspace@0__:k $3 end"],
  ],
  "what CONFIG SET cannot set": [
    [
      "a",
      "CONFIG SET notify-keyspace-events Kq",
      "-ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    ],
    ["a", "CONFIG SET nonsense 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'"],
    [
      "a",
      "CONFIG SET databases 2",
      "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config",
    ],
    [
      "a",
      "CONFIG SET notify-keyspace-events K notify-keyspace-events E",
      "-ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - duplicate parameter",
    ],
    ["a", "CONFIG SET save", "-ERR wrong number of arguments for 'config|set' command"],
    ["a", "CONFIG SET notify-keyspace-events K save", "-ERR syntax error"],
    ["a", "CONFIG GET nonsense", "*0"],
    ["a", "CONFIG NONSENSE", "-ERR unknown subcommand 'NONSENSE'. Try CONFIG HELP."],
  ],
};

let synap: RunningServer;

beforeAll(async () => {
  synap = await startServer(configFromFlags("--no-persistence", "--port", "0", "--log-level", "silent"), silentLogger);
});

afterAll(() => synap?.stop());

describe("this server", () => {
  it.each(Object.keys(conversations))("%s", async (name) => {
    await play(synap.respUrl ?? "", [["z", "FLUSHALL", "+OK"], ...conversations[name]]);
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
    await play(redis.socketPath, [["z", "FLUSHALL", "+OK"], ...conversations[name]]);
    expect.hasAssertions();
  });
});
