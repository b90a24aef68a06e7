/** CLIENT, COMMAND, INFO and what else tools ask: the same conversations with this server and, where it is installed, with Redis 7. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { type Plain, plainReply, RawConnection } from "./differential/raw-connection.ts";
import { RedisProcess, redisMissing } from "./differential/redis-process.ts";
import { type Line, play } from "./resp-transcript.ts";

const conversations: Readonly<Record<string, readonly Line[]>> = {
  "names of connections": [
    ["a", "CLIENT GETNAME", "$-1"],
    ["a", "CLIENT SETNAME tester", "+OK"],
    ["a", "CLIENT GETNAME", "$6 tester"],
    ["a", "CLIENT SETNAME ''", "+OK"],
    ["a", "CLIENT GETNAME", "$-1"],
    ["a", "CLIENT SETNAME a\nb", "-ERR Client names cannot contain spaces, newlines or special characters."],
    ["a", "CLIENT NONSENSE", "-ERR unknown subcommand 'NONSENSE'. Try CLIENT HELP."],
    ["a", "CLIENT", "-ERR wrong number of arguments for 'client' command"],
    ["a", "CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command"],
  ],
  "connections that are ended": [
    ["a", "CLIENT KILL 127.0.0.1:1", "-ERR No such client"],
    ["a", "CLIENT KILL ID 999999", ":0"],
    ["a", "CLIENT KILL ID x", "-ERR client-id should be greater than 0"],
    ["a", "CLIENT KILL ID 0", "-ERR client-id should be greater than 0"],
    ["a", "CLIENT KILL TYPE nonsense", "-ERR Unknown client type 'nonsense'"],
    ["a", "CLIENT KILL ID 1 SKIPME", "-ERR syntax error"],
    ["a", "CLIENT KILL NONSENSE 1", "-ERR syntax error"],
    ["b", "SUBSCRIBE ch", "(any)"],
    ["a", "CLIENT KILL TYPE pubsub", ":1"],
    ["b", "", "(closed)"],
    ["a", "CLIENT KILL TYPE normal SKIPME no", "(any)", "(closed)"],
  ],
  "connections that want no replies": [
    ["a", "CLIENT REPLY nonsense", "-ERR syntax error"],
    ["a", "CLIENT REPLY SKIP"],
    ["a", "PING"],
    ["a", "ECHO x", "$1 x"],
    ["a", "CLIENT REPLY OFF"],
    ["a", "PING"],
    ["a", "CLIENT REPLY ON", "+OK"],
    ["a", "ECHO y", "$1 y"],
  ],
  "lists of connections that cannot be": [
    ["a", "CLIENT LIST NONSENSE", "-ERR syntax error"],
    ["a", "CLIENT LIST TYPE nonsense", "-ERR Unknown client type 'nonsense'"],
    ["a", "CLIENT LIST ID x", "-ERR Invalid client ID"],
    ["a", "CLIENT LIST TYPE pubsub", "$0 "],
    ["a", "CLIENT GETREDIR", ":-1"],
    ["a", "CLIENT NO-EVICT on", "+OK"],
    ["a", "CLIENT NO-EVICT x", "-ERR syntax error"],
  ],
  "what COMMAND tells": [
    ["a", "COMMAND NONSENSE", "-ERR unknown subcommand 'NONSENSE'. Try COMMAND HELP."],
    ["a", "COMMAND DOCS nonsense", "*0"],
    ["a", "COMMAND INFO nonsense", "*1 $-1"],
    ["a", "COMMAND GETKEYS GET k", "*1 $1 k"],
    ["a", "COMMAND GETKEYS MSET a 1 b 2", "*2 $1 a $1 b"],
    ["a", "COMMAND GETKEYS DEL a b c", "*3 $1 a $1 b $1 c"],
    ["a", "COMMAND GETKEYS OBJECT ENCODING k", "*1 $1 k"],
    ["a", "COMMAND GETKEYS GET", "-ERR wrong number of arguments for 'command|getkeys' command"],
    ["a", "COMMAND GETKEYS GET a b", "-ERR Invalid number of arguments specified for command"],
    ["a", "COMMAND GETKEYS NONSENSE x", "-ERR Invalid command specified"],
    ["a", "COMMAND GETKEYS PING x", "-ERR The command has no key arguments"],
  ],
  replication: [
    ["a", "WAIT 0 10", ":0"],
    ["a", "WAIT x 10", "-ERR value is not an integer or out of range"],
    ["a", "WAIT 1 -1", "-ERR timeout is negative"],
    ["a", "WAIT 1 x", "-ERR timeout is not an integer or out of range"],
    ["a", "INFO nonsense", "$0 "],
  ],
};

// Not of Redis, which bounds a name by its longest request alone.
const LONGEST = "x".repeat(255);
const tooLong = (what: string) => `-ERR ${what} have at most 255 bytes, and this one has 256`;
const ownLimits: Readonly<Record<string, readonly Line[]>> = {
  "names of connections": [
    ["a", `CLIENT SETNAME ${LONGEST}`, "+OK"],
    ["a", `CLIENT SETNAME ${LONGEST}y`, tooLong("Client names")],
    ["a", `HELLO 2 SETNAME ${LONGEST}y`, tooLong("Client names")],
    ["a", "CLIENT GETNAME", `$255 ${LONGEST}`],
    ["a", `HELLO 2 SETNAME h${LONGEST.slice(1)}`, "(any)"],
    ["a", "CLIENT GETNAME", `$255 h${LONGEST.slice(1)}`],
    ["a", `CLIENT SETINFO LIB-NAME ${LONGEST}`, "+OK"],
    ["a", `CLIENT SETINFO LIB-NAME ${LONGEST}y`, tooLong("Values of CLIENT SETINFO")],
    ["a", `CLIENT SETINFO LIB-VER ${LONGEST}y`, tooLong("Values of CLIENT SETINFO")],
  ],
  "words of one command": [
    ["a", `CONFIG GET ${LONGEST}`, "*0"],
    ["a", `CONFIG GET timeout ${LONGEST}y`, "-ERR a pattern has at most 255 bytes"],
    ["a", `CONFIG GET${" timeout".repeat(100)}`, "*2 $7 timeout $1 0"],
    ["a", `CONFIG GET${" timeout".repeat(101)}`, "-ERR CONFIG GET takes at most 100 patterns"],
    ["a", `INFO${" nonsense".repeat(50)}`, "$0 "],
    ["a", `INFO${" nonsense".repeat(51)}`, "-ERR INFO takes at most 50 sections"],
    ["a", `CLIENT LIST ID${" 999999".repeat(1000)}`, "$0 "],
    ["a", `CLIENT LIST ID${" 999999".repeat(1001)}`, "-ERR CLIENT LIST takes at most 1000 ids"],
    ["a", `CLIENT KILL${" ID 999999".repeat(50)}`, ":0"],
    ["a", `CLIENT KILL${" ID 999999".repeat(51)}`, "-ERR CLIENT KILL takes at most 50 filters"],
    ["a", `HELLO 2${" SETNAME x".repeat(9)}`, "(any)"],
    ["a", `HELLO 2${" SETNAME x".repeat(10)}`, "-ERR HELLO takes at most 19 words"],
    ["a", `COMMAND INFO${" nonsense".repeat(1001)}`, "-ERR COMMAND takes at most 1000 names"],
    ["a", `PUBSUB CHANNELS ${LONGEST}`, "*0"],
    ["a", `PUBSUB CHANNELS ${LONGEST}y`, "(any)"],
    ["a", `SCAN 0 MATCH ${LONGEST}y`, "(any)"],
  ],
};

let synap: RunningServer;
let address: string;

beforeAll(async () => {
  synap = await startServer(configFromFlags("--no-persistence", "--port", "0", "--log-level", "silent"), silentLogger);
  address = synap.respUrl ?? "";
});

afterAll(() => synap?.stop());

describe("this server", () => {
  it.each(Object.keys(conversations))("%s", async (name) => {
    await play(address, conversations[name]);
  });

  it.each(Object.keys(ownLimits))("%s, as far as this server goes", async (name) => {
    await play(address, ownLimits[name]);
  });

  async function ask(...words: string[]): Promise<Plain> {
    const connection = await RawConnection.open(address);
    const reply = plainReply(await connection.call(...words));
    connection.close();
    return reply;
  }

  it("shows who is connected", async () => {
    const watcher = await RawConnection.open(address);
    await watcher.call("client", "setname", "watcher");
    await watcher.call("watch", "a", "b");
    const listed = await ask("client", "list");
    expect(listed).toMatch(/^id=\d+ addr=127\.0\.0\.1:\d+ name=watcher age=0 idle=0 flags=N .*watch=2 .*cmd=watch /m);
    watcher.close();
    await vi.waitFor(async () => expect(await ask("client", "list")).not.toContain("watcher"));
  });

  it("tells of what transactions hold, until their connections are gone", async () => {
    const client = await RawConnection.open(address);
    await client.call("watch", "abc");
    await client.call("multi");
    await client.call("set", "k", "x".repeat(10_000));
    expect(await ask("info", "memory")).toMatch(/^synap_transaction_bytes:10\d{3}\r$/m);
    const { payload } = (await (await fetch(`${synap.url}/metrics`)).text()).match(
      /^synap_memory_component_bytes\{component="transactions"\} (?<payload>\d+)$/m,
    )?.groups ?? { payload: "" };
    expect(Number(payload)).toBeGreaterThan(10_000);
    client.close();
    await vi.waitFor(async () => expect(await ask("info", "memory")).toMatch(/^synap_transaction_bytes:0\r$/m));
  });

  it("tells of itself", async () => {
    await ask("set", "k", "v");
    expect(await ask("info")).toMatch(/^# Server\r\nredis_version:7\.0\.15\r\n/);
    expect(await ask("info", "keyspace")).toBe("# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n");
    expect(await ask("monitor")).toMatch(/^-ERR MONITOR is not supported/);
    expect(await ask("role")).toEqual(["master", expect.any(Number), []]);
    expect(await ask("config", "get", "maxmemory*")).toEqual([
      "maxmemory",
      String(2 * 2 ** 30),
      "maxmemory-policy",
      "noeviction",
    ]);
  });

  it("shows what was slow", async () => {
    const flags = ["--port", "0", "--log-level", "silent", "--set", "slowlog.threshold_ms=0"];
    const slow = await startServer(configFromFlags("--no-persistence", ...flags), silentLogger);
    const connection = await RawConnection.open(slow.respUrl ?? "");
    await connection.call("get", "k");
    await connection.call("set", "k", "v");
    const number = expect.any(Number) as number;
    expect(plainReply(await connection.call("slowlog", "get", "2"))).toEqual([
      [number, number, number, ["kv.set"], "127.0.0.1", ""],
      [number, number, number, ["kv.get"], "127.0.0.1", ""],
    ]);
    expect(plainReply(await connection.call("slowlog", "len"))).toBeGreaterThanOrEqual(2);
    expect(plainReply(await connection.call("slowlog", "reset"))).toBe("+OK");
    connection.close();
    await slow.stop();
  });

  it("documents every name", async () => {
    const names = (await ask("command", "list")) as Plain[];
    expect(await ask("command", "count")).toBe(names.length);
    expect(await ask("command")).toHaveLength(names.length);
    expect(await ask("command", "docs")).toHaveLength(2 * names.length);
    expect(await ask("command", "info", "get")).toEqual([
      ["get", 2, ["+readonly", "+fast"], 1, 1, 1, ["+@string", "+@read", "+@fast"], [], [], []],
    ]);
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
    await play(redis.socketPath, conversations[name]);
    expect.hasAssertions();
  });
});
