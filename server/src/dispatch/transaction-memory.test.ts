/** What transactions hold in memory, of connections and client ids together: bounded, and nothing is left of it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fixture } from "../../test/dispatcher-fixture.ts";
import { respDispatcher, respPeer, say } from "../../test/resp-fixture.ts";
import { soaked } from "../../test/soak.ts";
import { Grant } from "../access/grant.ts";
import { parsePermission } from "../access/permission.ts";
import { configFromFlags } from "../config/load.ts";
import { limitsOf } from "../limits.ts";
import type { RespClient } from "./resp-client.ts";

const TOTAL_BYTES = 8192;
const TIMEOUT_MS = 1000;
const LARGE = "x".repeat(2000);
const TOKENS = ["", "shop", "mail"];

/** Clients of both kinds, over one executor. */
class Clients {
  readonly fixture = new Fixture({
    limits: {
      transaction: {
        ...limitsOf(configFromFlags()).transaction,
        totalBytesMax: TOTAL_BYTES,
        timeoutMs: TIMEOUT_MS,
        commandsMax: 4,
        watchedKeysMax: 4,
      },
    },
  });
  readonly dispatch = respDispatcher(this.fixture);
  readonly #open = new Map<number, RespClient>();

  get memory() {
    return this.fixture.engine.executor.transactions.memory;
  }

  /** A connection of a token, made where there is none. */
  connection(id: number, token = ""): RespClient {
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    const client = this.dispatch.connect(id, respPeer());
    if (token !== "") client.granted(grantOf(token));
    this.#open.set(id, client);
    return client;
  }

  say(id: number, ...words: string[]): string {
    return say(this.dispatch, this.connection(id), words);
  }

  close(id: number): void {
    this.connection(id).closed();
    this.#open.delete(id);
  }

  /** Everybody goes, and the time of those who cannot is over. */
  endAll(): void {
    for (const id of [...this.#open.keys()]) this.close(id);
    this.fixture.pass(TIMEOUT_MS);
    const { transactions } = this.fixture.engine.executor;
    while (transactions.forgetOverdue(this.fixture.clock.nowMs(), 1) > 0);
  }
}

function grantOf(token: string): Grant {
  const permission = parsePermission("*");
  if (typeof permission === "string") throw new Error(permission);
  return new Grant(token, [permission]);
}

describe("the memory of transactions", () => {
  it("is one for connections and client ids, and what is past it is refused and does not run", () => {
    const clients = new Clients();
    const { fixture, memory } = clients;
    clients.say(1, "MULTI");
    for (let i = 0; i < 3; i++) expect(clients.say(1, "SET", "k", LARGE)).toBe("+QUEUED\r\n");
    expect(memory.bytes).toBeGreaterThan(3 * LARGE.length);
    fixture.run("transaction.multi", { client_id: "c" });
    const { status, body } = fixture.run("kv.set", { key: "j", value: LARGE, client_id: "c" });
    expect([status, body]).toMatchObject([507, { code: "MEMORY_LIMIT_EXCEEDED" }]);
    expect(body.error).toContain("transaction.max_total_bytes");
    expect(fixture.run("transaction.watch", { client_id: "d", keys: [LARGE] }).body).toMatchObject({
      code: "MEMORY_LIMIT_EXCEEDED",
      details: { limit_bytes: TOTAL_BYTES },
    });
    expect(clients.say(2, "WATCH", "small", LARGE)).toMatch(/^-OOM transactions hold as much as they may together: /);
    expect(clients.connection(2).watched?.count).toBe(0);
    expect(clients.say(1, "SET", "k", LARGE)).toMatch(/^-OOM transactions /);
    expect(clients.say(1, "EXEC")).toMatch(/^-EXECABORT /);
    expect(fixture.run("transaction.exec", { client_id: "c" }).body).toMatchObject({ payload: { aborted: true } });
    expect(memory.bytes).toBe(0);
    expect(clients.say(2, "WATCH", "small", LARGE)).toBe("+OK\r\n");
    expect(clients.say(1, "EXISTS", "k", "j")).toBe(":0\r\n");
  });

  it("counts what is around the bytes: many small words and keys", () => {
    const clients = new Clients();
    const words = Array.from({ length: 200 }, (_, i) => String(i % 10));
    clients.say(1, "MULTI");
    expect(clients.say(1, "MSET", ...words)).toBe("+QUEUED\r\n");
    expect(clients.memory.bytes).toBeGreaterThan(200 * 8 + 500);
    clients.say(1, "DISCARD");
    clients.say(1, "WATCH", "a", "b", "a");
    clients.say(1, "WATCH", "b");
    expect(clients.memory.bytes).toBe(2 * 101);
    const { fixture } = clients;
    fixture.run("transaction.multi", { client_id: "c" });
    const pairs = Array.from({ length: 20 }, (_, i) => ({ key: `${i}`, value: 1 }));
    expect(fixture.run("kv.mset", { pairs, client_id: "c" }).body).toMatchObject({ code: "MEMORY_LIMIT_EXCEEDED" });
  });

  it("is a quarter for one token, over all of its connections", () => {
    const clients = new Clients();
    for (const id of [1, 2]) clients.connection(id, "shop");
    clients.connection(3, "mail");
    const name = "x".repeat(1000);
    expect(clients.say(1, "WATCH", name)).toBe("+OK\r\n");
    expect(clients.say(2, "WATCH", name)).toMatch(/^-OOM transactions of this token hold as much /);
    expect(clients.say(3, "WATCH", name)).toBe("+OK\r\n");
    clients.close(1);
    expect(clients.say(2, "WATCH", name)).toBe("+OK\r\n");
  });

  it("is one for each owner, though their tokens have one name", () => {
    const clients = new Clients();
    const name = "x".repeat(1000);
    const { permissions } = grantOf("shop");
    for (const [id, owner] of [
      [1, "shop of one signer"],
      [2, "shop of another"],
    ] as const) {
      clients.connection(id).granted(new Grant("shop", permissions, Number.POSITIVE_INFINITY, undefined, owner));
      expect(clients.say(id, "WATCH", name)).toBe("+OK\r\n");
      expect(clients.say(id, "WATCH", `${name}2`)).toMatch(/^-OOM transactions of this token hold as much /);
      clients.say(id, "MULTI");
    }
  });

  it("goes with RESET", () => {
    const clients = new Clients();
    clients.say(1, "WATCH", "abc");
    expect(clients.memory.bytes).toBe(103);
    clients.say(1, "RESET");
    expect(clients.memory.bytes).toBe(0);
  });

  it("is empty once everybody is gone, whatever came before", () => {
    const id = fc.integer({ min: 1, max: 4 });
    const key = fc.constantFrom("a", "b", LARGE);
    const client = fc.constantFrom("c", "d");
    const of = <What extends string, Who>(what: What, who: fc.Arbitrary<Who>, word: fc.Arbitrary<string>) =>
      fc.tuple(fc.constant(what), who, word);
    const step = fc.oneof(
      of("say", id, fc.constantFrom("MULTI", "MULTI", "EXEC", "DISCARD", "UNWATCH", "RESET")),
      of("watch", id, key),
      of("set", id, key),
      of("close", id, key),
      of("open", id, fc.constantFrom(...TOKENS)),
      of("run", client, fc.constantFrom("multi", "multi", "multi", "exec", "discard", "unwatch")),
      of("watches", client, key),
      of("sets", client, key),
      of("pass", client, key),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clients = new Clients();
        const { fixture, memory } = clients;
        for (const [what, who, word] of steps) {
          if (what === "say") clients.say(who, word);
          else if (what === "watch") clients.say(who, "WATCH", word, "a");
          else if (what === "set") clients.say(who, "SET", "k", word);
          else if (what === "close") clients.close(who);
          else if (what === "open") clients.connection(who, word);
          else if (what === "run") fixture.run(`transaction.${word}`, { client_id: who });
          else if (what === "watches") fixture.run("transaction.watch", { client_id: who, keys: [word, "a"] });
          else if (what === "sets") fixture.run("kv.set", { key: "k", value: word, client_id: who });
          else {
            fixture.pass(TIMEOUT_MS / 2);
            fixture.engine.executor.transactions.forgetOverdue(fixture.clock.nowMs(), 1);
          }
          expect(memory.bytes).toBeLessThanOrEqual(TOTAL_BYTES);
        }
        clients.endAll();
        expect(memory.bytes).toBe(0);
        // Neither is anything left counted for a token: it may have its quarter again.
        for (const token of TOKENS) expect(memory.holding(token).take(TOTAL_BYTES / 4)).toBeUndefined();
      }),
      { numRuns: soaked(100) },
    );
  });
});
