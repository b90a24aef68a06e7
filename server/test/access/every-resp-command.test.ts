/** Every name that a Redis client can say, without a token, with one that ended, and with one for something else. */
import { describe, expect, it } from "vitest";
import { anonymousGrant, Grant } from "../../src/access/grant.ts";
import type { RespClient } from "../../src/dispatch/resp-client.ts";
import type { RespDispatcher } from "../../src/dispatch/resp-dispatcher.ts";
import type { RespEntry } from "../../src/dispatch/resp-table.ts";
import { Fixture } from "../dispatcher-fixture.ts";
import { requestBytes } from "../protocol/differential/raw-connection.ts";
import { respDispatcher, respPeer } from "../resp-fixture.ts";

class Resp {
  readonly fixture = new Fixture();
  readonly dispatch: RespDispatcher;

  constructor() {
    Object.assign(this.fixture.engine.node, { info: () => ({ server: { pid: 1 } }) });
    this.dispatch = respDispatcher(this.fixture);
  }

  connect(grant?: Grant): RespClient {
    const client = this.dispatch.connect(1, respPeer());
    if (grant !== undefined) client.grant = grant;
    return client;
  }

  say(client: RespClient, words: readonly string[]): string {
    const bytes = requestBytes(words);
    this.dispatch.handle(client, bytes, 0, bytes.length);
    const { out } = this.dispatch.runner;
    return Buffer.from(out.bytes.subarray(0, out.length)).toString("latin1");
  }
}

const entries: RespEntry[] = new Resp().dispatch.table.entries.flatMap((entry) => [
  entry,
  ...(entry.subcommands?.entries ?? []),
]);

/** As few words as it takes, all of them a name under a prefix. */
function wordsOf({ description: { name, arity } }: RespEntry, word: string): string[] {
  const own = name.toUpperCase().split("|");
  return [...own, ...Array<string>(Math.max(0, Math.abs(arity) - own.length)).fill(word)];
}

const OPEN_TO_ALL = ["auth", "hello", "quit", "reset"];
/** What a token for something else may say too: it tells of nothing that is not its own, and changes nothing but the connection. */
const KNOWN =
  /^(?:ping|echo|select|time|multi|exec|discard|unwatch|unsubscribe|punsubscribe|info|monitor|command.*|client|client\|(?:id|getname|setname|setinfo|info|reply|getredir)|config|.*\|help|object|memory|pubsub|slowlog|qlist|slist|qunsubscribe|sunsubscribe|pubsub\|(?:num|shardnum)sub|replicaof|slaveof)$/;

describe.each(entries.map((entry) => [entry.description.name, entry] as const))("%s", (name, entry) => {
  it("says nothing to whoever has no token, or one that ended", () => {
    const resp = new Resp();
    resp.fixture.engine.access.turnOn();
    const revoked = new Grant("old", [{ subsystem: "*", level: "admin", prefix: "" }]);
    revoked.end = "revoked";
    const expired = new Grant("old", [{ subsystem: "*", level: "admin", prefix: "" }], 0);
    for (const grant of [undefined, revoked, expired]) {
      const reply = resp.say(resp.connect(grant), wordsOf(entry, "in.x"));
      const isOpen = OPEN_TO_ALL.includes(name);
      // A container by itself is no command: that it wants another word is told before anything else, as in Redis.
      const isContainer = entry.subcommands !== undefined && entry.run === undefined && entry.command === undefined;
      if (!isOpen && !isContainer) expect(reply).toMatch(/^-NOAUTH /);
    }
    expect(resp.fixture.engine.log.nextOffset).toBe(1);
  });

  it("does nothing for a token that is for something else", () => {
    const resp = new Resp();
    resp.fixture.engine.access.turnOn();
    const grant = new Grant("other", [
      { subsystem: "kv", level: "admin", prefix: "other." },
      { subsystem: "queue", level: "admin", prefix: "other." },
      { subsystem: "stream", level: "admin", prefix: "other." },
      { subsystem: "pubsub", level: "admin", prefix: "other." },
    ]);
    const client = resp.connect(grant);
    const reply = resp.say(client, wordsOf(entry, "in.x"));
    if (!OPEN_TO_ALL.includes(name) && !KNOWN.test(name)) expect(reply).toMatch(/^-/);
    expect(resp.fixture.engine.log.nextOffset).toBe(1);
    expect(client.subscriptions?.count ?? 0).toBe(0);
    expect(client.watched).toBeUndefined();
  });
});

describe("a subscriber", () => {
  const answer = (words: string[], ...permissions: { subsystem: "kv" | "pubsub"; prefix: string }[]) => {
    const resp = new Resp();
    const all = permissions.map((each) => ({ ...each, level: "read" as const }));
    return resp
      .say(resp.connect(new Grant("s", all)), words)
      .split(" ")[0]
      .slice(0, 7);
  };
  const pubsub = { subsystem: "pubsub", prefix: "" } as const;
  const news = { subsystem: "pubsub", prefix: "news." } as const;
  const keys = { subsystem: "kv", prefix: "app:" } as const;
  const allKeys = { subsystem: "kv", prefix: "" } as const;

  it.each([
    [["SUBSCRIBE", "news.a"], [news], true],
    [["SUBSCRIBE", "news"], [news], true],
    [["SUBSCRIBE", "news.a", "other"], [news], false],
    [["PSUBSCRIBE", "news.*"], [news], true],
    [["PSUBSCRIBE", "new*"], [news], false],
    [["PSUBSCRIBE", "news*"], [news], false],
    [["PSUBSCRIBE", "news"], [news], true],
    [["PUBSUB", "CHANNELS", "news*"], [news], false],
    [["PUBSUB", "CHANNELS", "news.*"], [news], true],
    [["PSUBSCRIBE", "*"], [news], false],
    [["SUBSCRIBE", "__keyspace@0__:app:1"], [pubsub], false],
    [["SUBSCRIBE", "__keyspace@0__:app:1"], [pubsub, keys], true],
    [["SUBSCRIBE", "__keyspace@0__:other"], [pubsub, keys], false],
    [["PSUBSCRIBE", "__keyspace@0__:app:*"], [pubsub, keys], true],
    [["PSUBSCRIBE", "__keyspace@0__:*"], [pubsub, keys], false],
    [["PSUBSCRIBE", "__key*"], [pubsub, keys], false],
    [["PSUBSCRIBE", "*"], [pubsub], false],
    [["PSUBSCRIBE", "*"], [pubsub, allKeys], true],
    [["PSUBSCRIBE", "a*"], [pubsub], true],
    [["SUBSCRIBE", "__keyevent@0__:set"], [pubsub, keys], false],
    [["SUBSCRIBE", "__keyevent@0__:set"], [pubsub, allKeys], true],
    [["WATCH", "app:1"], [keys], true],
    [["WATCH", "app:1", "b"], [keys], false],
  ] as const)("%j with %j: %s", (words, permissions, isPermitted) => {
    const reply = answer([...words], ...permissions);
    if (isPermitted) expect(reply).not.toMatch(/^-/);
    else expect(reply).toBe("-NOPERM");
  });
});

it("who has not logged in is told of no command that there is none, and of none how many words it has", () => {
  const resp = new Resp();
  const stranger = resp.connect(anonymousGrant());
  for (const words of [["NOSUCH"], ["GET"], ["CLIENT", "NOSUCH"], ["SET", "k"]]) {
    expect(resp.say(stranger, words)).toBe("-NOAUTH Authentication required.\r\n");
  }
  expect(resp.say(stranger, ["AUTH"])).toMatch(/^-ERR wrong number/);
});

it("a scan shows the keys of a token's prefix and no others, and neither does its cursor", () => {
  const resp = new Resp();
  const all = resp.connect();
  for (let i = 0; i < 300; i++) {
    resp.say(all, ["SET", `app:${i}`, "v"]);
    resp.say(all, ["SET", `aaa:${i}`, "v"]);
    resp.say(all, ["SET", `zzz:${i}`, "v"]);
  }
  const client = resp.connect(new Grant("app", [{ subsystem: "kv", level: "read", prefix: "app:" }]));
  const seen = new Set<string>();
  let cursor = "0";
  do {
    const lines = resp
      .say(client, ["SCAN", cursor, "COUNT", "7"])
      .split("\r\n")
      .filter((line) => !/^[*$]/.test(line));
    const [next, ...keys] = lines;
    for (const key of keys) if (key !== "") seen.add(key);
    cursor = next;
  } while (cursor !== "0");
  expect(seen.size).toBe(300);
  expect([...seen].every((key) => key.startsWith("app:"))).toBe(true);
  expect(resp.say(client, ["SCAN", "0", "MATCH", "zzz:*"])).toMatch(/^-NOPERM /);
  expect(resp.say(client, ["KEYS", "*"])).toMatch(/^-(?:ERR|NOPERM)/);
});
