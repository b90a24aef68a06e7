/**
 * The client and the registry of the server say the same. A command that is added, removed or changed on one side fails here
 * until the other side has it: `npm run generate -w client-sdk`, and a method.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate, type Registry, registryOf } from "../scripts/generate.ts";
import { ERROR_CLASSES } from "../src/errors.ts";
import { COMMANDS, type CommandName } from "../src/generated/command-map.ts";
import { connect, type SynapClient } from "../src/index.ts";
import { OPAQUE_FIELDS } from "../src/naming.ts";
import { MessageProxy } from "./message-proxy.ts";
import { ServerProcess } from "./server-process.ts";

let server: ServerProcess;
let registry: Registry;

beforeAll(async () => {
  server = await ServerProcess.start();
  registry = await registryOf(server.url);
});

afterAll(() => server.end());

describe("the generated files", () => {
  it("are those of the server's registry", () => {
    for (const [path, text] of Object.entries(generate(registry))) {
      expect(readFileSync(new URL(`../src/generated/${path}`, import.meta.url), "utf8")).toBe(text);
    }
  });

  it("would differ if a command changed", () => {
    const changed = structuredClone(registry);
    changed.commands[0].summary += " And more.";
    expect(generate(changed)["command-map.ts"]).not.toBe(generate(registry)["command-map.ts"]);
    expect(generate({ ...registry, commands: registry.commands.slice(1) })["shapes.ts"]).not.toBe(
      generate(registry)["shapes.ts"],
    );
  });
});

describe("errors", () => {
  it("have a class for each code of the server", () => {
    expect(Object.keys(ERROR_CLASSES).sort()).toEqual([...(registry.schemas.ErrorCode.enum ?? [])].sort());
  });
});

describe("fields of replies", () => {
  const valueFields = new Set<string>();
  const otherFields = new Set<string>();

  function visit(schema: unknown): void {
    if (typeof schema !== "object" || schema === null) return;
    if (Array.isArray(schema)) {
      for (const each of schema) visit(each);
      return;
    }
    const { properties, items, anyOf } = schema as Record<string, unknown>;
    for (const [name, field] of Object.entries((properties ?? {}) as Record<string, unknown>)) {
      const text = JSON.stringify(field);
      const isData = text.includes("/schemas/Value") && !text.includes('"properties"');
      (isData ? valueFields : otherFields).add(name);
      visit(field);
    }
    visit(items);
    visit(anyOf);
  }

  it("that are the application's are passed through as they are, and no others", () => {
    for (const { name } of registry.commands) {
      if (!/^(?:admin|transaction)\./.test(name)) visit(registry.schemas[schemaName(name)]);
    }
    expect([...valueFields].filter((name) => !OPAQUE_FIELDS.has(name))).toEqual([]);
    // kv.incr answers an integer in `value`, which needs no passing through and is not hurt by it.
    expect([...otherFields].filter((name) => OPAQUE_FIELDS.has(name) && name !== "value")).toEqual([]);
  });
});

function schemaName(command: string): string {
  return `${command.replaceAll(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase())}Reply`;
}

/**
 * What each command is called by. A command that is not here, or not in the registry, does not compile. There is no call for
 * `auth`: the client logs in when it connects, with what `token` gives it.
 */
const CALLS: Readonly<Record<Exclude<CommandName, "auth">, (synap: SynapClient) => unknown>> = {
  "kv.set": ({ kv }) => kv.set("k", 1, { ttl: 60 }),
  "kv.get": ({ kv }) => kv.get("k"),
  "kv.del": ({ kv }) => kv.del(["k", "l"]),
  "kv.exists": ({ kv }) => kv.exists("k"),
  "kv.incr": ({ kv }) => kv.incr("n", 2, { max: 10 }),
  "kv.decr": ({ kv }) => kv.decr("n"),
  "kv.incrbyfloat": ({ kv }) => kv.incrByFloat("f", 0.5),
  "kv.mset": ({ kv }) => kv.mset([{ key: "k", value: 1 }]),
  "kv.msetnx": ({ kv }) => kv.msetnx([{ key: "k2", value: 1, ttl: 9 }]),
  "kv.mget": ({ kv }) => kv.mget(["k", "l"]),
  "kv.mdel": ({ kv }) => kv.mdel(["l"]),
  "kv.cas": ({ kv }) => kv.cas("k", 2, { expect: 1 }),
  "kv.getset": ({ kv }) => kv.getset("k", 1),
  "kv.getdel": ({ kv }) => kv.getdel("k2"),
  "kv.getex": ({ kv }) => kv.getex("k", { ttlMs: 60_000 }),
  "kv.getrange": ({ kv }) => kv.getrange("k", 0, -1),
  "kv.append": ({ kv }) => kv.append("t", "text"),
  "kv.setrange": ({ kv }) => kv.setrange("t", 1, "o"),
  "kv.strlen": ({ kv }) => kv.strlen("t"),
  "kv.touch": ({ kv }) => kv.touch(["t"]),
  "kv.expire": ({ kv }) => kv.expire("t", { ttl: 60 }),
  "kv.ttl": ({ kv }) => kv.ttl("t"),
  "kv.expiretime": ({ kv }) => kv.expiretime("t"),
  "kv.time": ({ kv }) => kv.time(),
  "kv.persist": ({ kv }) => kv.persist("t"),
  "kv.scan": ({ kv }) => kv.scan({ prefix: "t", limit: 5 }),
  "kv.keys": ({ kv }) => kv.keys("t*"),
  "kv.dbsize": ({ kv }) => kv.dbsize(),
  "kv.flushdb": ({ kv }) => kv.flushdb(),
  "kv.flushall": ({ kv }) => kv.flushall(),
  "kv.stats": ({ kv }) => kv.stats(),
  "kv.watch": ({ kv }) => kv.watch("t*", { mode: "notify" }).ready,
  "kv.unwatch": ({ kv }) => endOfTwo(kv.watch("a*"), kv.watch("b*")),
  "key.type": ({ key }) => key.type("k"),
  "key.exists": ({ key }) => key.exists("k"),
  "key.rename": async ({ kv, key }) => {
    await kv.set("k", 1);
    await key.rename("k", "k3");
  },
  "key.renamenx": ({ key }) => key.renamenx("k3", "k4"),
  "key.copy": ({ key }) => key.copy("k4", "k5", { replace: true }),
  "key.randomkey": ({ key }) => key.randomkey(),
  "key.object": ({ key }) => key.object("k4"),
  "queue.create": ({ queue }) => queue.create("q", { maxDepth: 10, retryBackoffMs: { initial: 5 } }),
  "queue.publish": ({ queue }) => queue.publish("q", 1, { delayMs: 1, maxRetries: 2 }),
  "queue.publish_batch": ({ queue }) => queue.publishBatch("q", [{ payload: 1, dedupId: "x" }]),
  "queue.consume": ({ queue }) => queue.consume("q", { waitMs: 1_000, ackDeadline: 5 }),
  "queue.ack": ({ queue }) => queue.ackMany("q", [1]),
  "queue.nack": ({ queue }) => queue.nack("q", 1, { delayMs: 1 }),
  "queue.extend": ({ queue }) => queue.extend("q", { id: 1, deliveryId: 2 }, 5),
  "queue.peek": ({ queue }) => queue.peek("q"),
  "queue.stats": ({ queue }) => queue.stats("q"),
  "queue.list": ({ queue }) => queue.list({ limit: 5 }),
  "queue.purge": ({ queue }) => queue.purge("q"),
  "queue.delete": ({ queue }) => queue.delete("nobody"),
  "queue.dead.list": ({ queue }) => queue.dead.list("q", { limit: 5 }),
  "queue.dead.retry": ({ queue }) => queue.dead.retry("q", "all"),
  "queue.dead.purge": ({ queue }) => queue.dead.purge("q"),
  "queue.subscribe": ({ queue }) => queue.subscribe("q", { prefetch: 2, ackDeadline: 5 }).ready,
  "queue.unsubscribe": async ({ queue }) => {
    await Promise.all([queue.create("q6"), queue.create("q7")]);
    await endOfTwo(queue.subscribe("q6"), queue.subscribe("q7"));
  },
  "stream.create": ({ stream }) => stream.create("r", { maxEvents: 5 }),
  "stream.get_or_create": ({ stream }) => stream.getOrCreate("r", { retentionSecs: 60 }),
  "stream.publish": ({ stream }) => stream.publish("r", "e", 1, { dedupId: "y" }),
  "stream.publish_batch": ({ stream }) => stream.publishBatch("r", [{ event: "e", data: 1 }]),
  "stream.consume": ({ stream }) => stream.consume("r", { fromOffset: -2 }),
  "stream.history": ({ stream }) => stream.history("r", { toOffset: 1 }),
  "stream.subscribe": ({ stream }) => stream.subscribe("r", { fromOffset: 0 }).ready,
  "stream.unsubscribe": async ({ stream }) => {
    await Promise.all([stream.getOrCreate("r2"), stream.getOrCreate("r3")]);
    await endOfTwo(stream.subscribe("r2"), stream.subscribe("r3"));
  },
  "stream.list": ({ stream }) => stream.list(),
  "stream.delete": ({ stream }) => stream.delete("nobody"),
  "stream.stats": ({ stream }) => stream.stats("r"),
  "pubsub.publish": ({ pubsub }) => pubsub.publish("a.b", 1, { headers: { h: 1 } }),
  "pubsub.subscribe": ({ pubsub }) => pubsub.subscribe(["a.*", "b.#"]).ready,
  "pubsub.unsubscribe": ({ pubsub }) => endOfTwo(pubsub.subscribe("c"), pubsub.subscribe("d")),
  "pubsub.topics": ({ pubsub }) => pubsub.topics({ limit: 5 }),
  "pubsub.info": ({ pubsub }) => pubsub.info("a.*"),
  "pubsub.stats": ({ pubsub }) => pubsub.stats(),
  "pubsub.channels": ({ pubsub }) => pubsub.channels("a*"),
  "pubsub.numsub": ({ pubsub }) => pubsub.numsub(["a"]),
  "transaction.multi": ({ transaction }) => transaction.multi("t1"),
  "transaction.exec": ({ transaction }) => transaction.exec("t1"),
  "transaction.discard": ({ transaction }) => transaction.discard("t1"),
  "transaction.watch": ({ transaction }) => transaction.watch("t2", ["k"]),
  "transaction.unwatch": ({ transaction }) => transaction.unwatch("t2"),
  "admin.info": ({ admin }) => admin.info(),
  "admin.config": ({ admin }) => admin.config(),
  "admin.config.set": ({ admin }) => admin.setConfig("pubsub.notify_keyspace_events", ""),
  "admin.clients": ({ admin }) => admin.clients(5),
  "admin.slowlog.get": ({ admin }) => admin.slowlog.get(5),
  "admin.slowlog.reset": ({ admin }) => admin.slowlog.reset(),
  "admin.snapshot": ({ admin }) => admin.snapshot(),
  "admin.promote": ({ admin }) => admin.promote(),
  "admin.wait": ({ admin }) => admin.wait(0),
  "admin.tokens.create": ({ admin }) => admin.tokens.create("drift", ["kv:read:*"], { expires: "1h" }),
  "admin.tokens.list": ({ admin }) => admin.tokens.list(),
  "admin.tokens.revoke": ({ admin }) => admin.tokens.revoke("drift"),
  "admin.commands": ({ admin }) => admin.commands(),
};

/** Ends the first of two, so that the connection stays and the server is told. */
async function endOfTwo(
  first: { readonly ready: Promise<void>; close(): Promise<void> },
  second: { readonly ready: Promise<void> },
): Promise<void> {
  await Promise.all([first.ready, second.ready]);
  await first.close();
}

/** Refusals that say that the payload was right and the state is not. */
const ABOUT_STATE = /^(?:STALE_DELIVERY|MESSAGE_NOT_FOUND|INVALID_REQUEST)$/;

describe("methods", () => {
  it("send each command of the registry, and the server takes what they send", async () => {
    const proxy = await MessageProxy.start(server.url);
    const synap = await connect(proxy.url, { format: "json" });
    try {
      for (const [command, call] of Object.entries(CALLS)) {
        const from = proxy.requests.length;
        try {
          await call(synap);
        } catch (error) {
          expect(String((error as { code?: unknown }).code), `${command}: ${error}`).toMatch(ABOUT_STATE);
        }
        expect(proxy.requests.slice(from).map((request) => request.command)).toContain(command);
      }
    } finally {
      await synap.close();
      await proxy.end();
    }
  });

  it("are for these commands", () => {
    const called = [...Object.keys(CALLS), "auth"].sort();
    expect(called).toEqual(registry.commands.map(({ name }) => name).sort());
    expect(Object.keys(COMMANDS).sort()).toEqual(called);
  });
});
