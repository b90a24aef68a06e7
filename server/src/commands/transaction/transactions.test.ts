import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dump, Engine, type EngineOptions, emptyState, type Plain } from "../../../test/engine.ts";
import { configFromFlags } from "../../config/load.ts";
import { limitsOf } from "../../limits.ts";
import { copyRange, rangeOf } from "../../structures/byte-range.ts";
import { allCommands } from "../all.ts";
import type { Command } from "../command.ts";
import { CommandError } from "../errors.ts";
import type { TransactionLimits } from "./transactions.ts";

const ME = rangeOf("me");
const DEFAULTS = limitsOf(configFromFlags()).transaction;

function commandNamed(name: string): Command {
  const command = allCommands.find((each) => each.name === name);
  if (command === undefined) throw new Error(`no command ${name}`);
  return command;
}

/** An engine whose commands can be run in transactions. */
class TransactionEngine extends Engine {
  constructor(limits: Partial<TransactionLimits> = {}, options: EngineOptions = {}) {
    super({ ...options, limits: { ...options.limits, transaction: { ...DEFAULTS, ...limits } } });
  }

  get transactions() {
    return this.executor.transactions;
  }

  begin(): void {
    this.executor.at(this.nowMs);
    expect(this.transactions.multi(ME, this.nowMs)).toBeUndefined();
  }

  queue(name: string, payload: Readonly<Record<string, Plain>>): CommandError | undefined {
    return this.transactions.queue(ME, commandNamed(name), this.argumentsFor(name, payload), this.nowMs);
  }

  exec(): Plain {
    this.executor.at(this.nowMs);
    return this.run("transaction.exec", { client_id: "me" });
  }
}

const done = (payload: unknown) => ({ success: true, payload });

describe("a transaction", () => {
  it("is one record, and its commands see each other", () => {
    const engine = new TransactionEngine();
    engine.run("kv.set", { key: "before", value: 1 });
    engine.begin();
    engine.queue("kv.set", { key: "k", value: "a" });
    engine.queue("kv.append", { key: "k", value: "b" });
    engine.queue("kv.append", { key: "k", value: "c" });
    engine.queue("kv.del", { key: "before" });
    expect(engine.exec()).toMatchObject({
      success: true,
      results: [
        done({ success: true, key: "k", version: 2 }),
        done({ length: 2 }),
        done({ length: 3 }),
        done({ deleted: true }),
      ],
    });
    expect(engine.operations(2).map(({ firstOffset, keys }) => [firstOffset, keys])).toEqual([
      [2, ["k", "k", "k", "before"]],
    ]);
    expect(engine.log.nextOffset).toBe(6);
    expect(engine.state.appliedOffset).toBe(5);
    engine.begin();
    expect(engine.exec()).toEqual({ success: true, results: [] });
    expect(engine.log.nextOffset).toBe(6);
  });

  it("leaves nothing of a command that fails, however far it came", () => {
    const engine = new TransactionEngine({}, { memoryBytesMax: 2 * 2 ** 20, limits: { valueBytesMax: 2 ** 22 } });
    engine.begin();
    engine.queue("kv.set", { key: "k", value: "abc" });
    engine.queue("kv.incr", { key: "k" });
    // The first pair finds room, the second does not.
    engine.queue("kv.mset", {
      pairs: [
        { key: "small", value: 1 },
        { key: "large", value: "x".repeat(2 ** 21) },
      ],
    });
    engine.queue("kv.append", { key: "k", value: "d" });
    expect(engine.exec()).toMatchObject({
      results: [
        { success: true },
        { success: false, code: "NOT_AN_INTEGER" },
        { success: false, code: "MEMORY_LIMIT_EXCEEDED" },
        { success: true, payload: { length: 4 } },
      ],
    });
    expect(engine.run("kv.mget", { keys: ["k", "small", "large"] })).toEqual({ values: ["abcd", null, null] });
    expect(engine.operations(1)).toHaveLength(1);
  });

  it("tells subscribers and those who wait once it is whole", () => {
    const engine = new TransactionEngine();
    const seen: unknown[] = [];
    engine.fanout.committed = (record, length, firstOffset) => {
      seen.push({ bytes: length, recordBytes: record.length >= length, firstOffset, size: engine.store.size });
    };
    engine.begin();
    engine.queue("queue.publish", { queue: "q", payload: 1 });
    engine.queue("kv.set", { key: "k", value: 1 });
    engine.exec();
    expect(seen).toEqual([{ bytes: expect.any(Number), recordBytes: true, firstOffset: 1, size: 1 }]);
  });

  it("aborts where a watched key has changed or expired, and not where it was expired before", () => {
    const engine = new TransactionEngine();
    const { transactions } = engine;
    const outcome = (key: string, between: () => void): Plain => {
      engine.executor.at(engine.nowMs);
      transactions.watch(ME, [rangeOf(key)], engine.nowMs);
      between();
      engine.begin();
      engine.queue("kv.set", { key: "other", value: 1 });
      return engine.exec();
    };
    const aborted = { aborted: true, message: "a watched key has changed" };
    engine.run("kv.set", { key: "k", value: 1, ttl_ms: 10 });
    expect(outcome("k", () => {})).toMatchObject({ success: true });
    expect(outcome("k", () => (engine.nowMs += 10))).toEqual(aborted);
    expect(outcome("k", () => {})).toMatchObject({ success: true });
    expect(outcome("k", () => engine.run("kv.set", { key: "k", value: 1 }))).toEqual(aborted);
    expect(outcome("k", () => engine.run("kv.set", { key: "k2", value: 1 }))).toMatchObject({ success: true });
    expect(outcome("k", () => engine.run("kv.flushall"))).toEqual(aborted);
  });

  it("is forgotten when its client says nothing for long", () => {
    const engine = new TransactionEngine({ timeoutMs: 1000 });
    const { transactions } = engine;
    engine.begin();
    transactions.watch(rangeOf("another"), [rangeOf("k")], engine.nowMs + 500);
    expect(transactions.forgetOverdue(engine.nowMs + 999, 10)).toBe(0);
    expect(transactions.forgetOverdue(engine.nowMs + 1000, 10)).toBe(1);
    expect(transactions.isOpen(ME)).toBe(false);
    expect(transactions.count).toBe(1);
    expect(transactions.forgetOverdue(engine.nowMs + 1500, 10)).toBe(1);
    expect(engine.exec()).toBeInstanceOf(CommandError);
  });

  it("gives one token a quarter of the places, and gives back what has ended", () => {
    const limits = { transactionsMax: 8, commandsMax: 2, watchedKeysMax: 2, bytesMax: 100, resultBytesMax: 10 };
    const { transactions, nowMs } = new TransactionEngine(limits);
    const begin = (client: string, owner: string) => transactions.multi(rangeOf(client), nowMs, owner);
    for (const client of ["a1", "a2"]) expect(begin(client, "a")).toBeUndefined();
    expect(begin("a3", "a")).toMatchObject({ details: { transactions_of_token_max: 2 } });
    expect(begin("b1", "b")).toBeUndefined();
    for (const client of ["1", "2", "3"]) expect(begin(client, "")).toBeUndefined();
    transactions.discard(rangeOf("a1"));
    expect(begin("a3", "a")).toBeUndefined();
    expect(transactions.forgetOverdue(Number.MAX_SAFE_INTEGER, 100)).toBe(6);
    for (const client of ["a1", "a2"]) expect(begin(client, "a")).toBeUndefined();
  });

  it("holds no more than it may", () => {
    const limits = { transactionsMax: 2, commandsMax: 2, watchedKeysMax: 2, bytesMax: 100, resultBytesMax: 10 };
    const engine = new TransactionEngine(limits);
    const { transactions, nowMs } = engine;
    const keys = (...names: string[]) => names.map((name) => rangeOf(name));
    expect(transactions.watch(ME, keys("a", "b"), nowMs)).toBeUndefined();
    expect(transactions.watch(ME, keys("c"), nowMs)).toMatchObject({ code: "INVALID_REQUEST" });
    engine.begin();
    expect(engine.queue("kv.set", { key: "k", value: "v" })).toBeUndefined();
    expect(engine.queue("kv.set", { key: "k", value: "x".repeat(100) })).toMatchObject({ code: "INVALID_REQUEST" });
    expect(engine.exec()).toEqual({ aborted: true, message: "a command could not be queued" });
    engine.begin();
    for (let i = 0; i < 2; i++) expect(engine.queue("kv.getset", { key: "k", value: "xxxxxx" })).toBeUndefined();
    expect(engine.queue("kv.del", { key: "k" })).toMatchObject({ details: { commands_max: 2 } });
    engine.run("transaction.discard", { client_id: "me" });
    engine.begin();
    engine.queue("kv.set", { key: "k", value: "123456" });
    engine.queue("kv.getset", { key: "k", value: "12345678901" });
    expect(engine.exec()).toMatchObject({ results: [{ success: true }, { success: true }] });
    engine.begin();
    engine.queue("kv.getset", { key: "k", value: "lost" });
    expect(engine.exec()).toMatchObject({ results: [{ success: false, code: "PAYLOAD_TOO_LARGE" }] });
    expect(engine.run("kv.get", { key: "k" })).toBe("12345678901");
    for (const name of ["one", "two"]) expect(transactions.multi(rangeOf(name), nowMs)).toBeUndefined();
    expect(transactions.multi(rangeOf("three"), nowMs)).toMatchObject({ details: { transactions_max: 2 } });
  });

  it("refuses what would make its record too large", () => {
    const engine = new TransactionEngine({ bytesMax: 2 ** 27 });
    const pairs = (i: number) => Array.from({ length: 500 }, (_, j) => ({ key: `${i % 2}:${j}`, value: i }));
    engine.begin();
    for (let i = 0; i < 202; i++) engine.queue("kv.mset", { pairs: pairs(i) });
    const { results } = engine.exec() as { results: { success: boolean; code?: string }[] };
    expect(results.map(({ code }) => code ?? "ok")).toEqual([
      ...Array<string>(200).fill("ok"),
      "PAYLOAD_TOO_LARGE",
      "PAYLOAD_TOO_LARGE",
    ]);
    expect(engine.run("kv.get", { key: "1:0" })).toBe(199);
    expect(engine.log.nextOffset).toBe(100_001);
  });

  it("begins nothing more once it has had its time", () => {
    const engine = new TransactionEngine();
    const { planner } = engine.executor;
    const { put } = planner;
    planner.put = (...args) => {
      engine.nowMs += 100;
      return put.apply(planner, args);
    };
    engine.begin();
    for (const key of ["a", "b", "c"]) engine.queue("kv.set", { key, value: 1 });
    engine.queue("kv.get", { key: "a" });
    const { results } = engine.exec() as { results: { code?: string; error?: string }[] };
    expect(results.map(({ code }) => code ?? "ok")).toEqual(["ok", "ok", "PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE"]);
    expect(results[2].error).toContain("200 ms");
    expect(engine.run("kv.mget", { keys: ["a", "b", "c"] })).toEqual({ values: [1, 1, null] });
  });

  it("keeps arguments in memory of its own", () => {
    const engine = new TransactionEngine();
    const client = copyRange(ME);
    engine.begin();
    const args = engine.argumentsFor("kv.mset", { pairs: [{ key: "k", value: "v" }] });
    const [{ key, value }] = args.pairs as { key: typeof ME; value: typeof ME }[];
    engine.transactions.queue(client, commandNamed("kv.mset"), args, engine.nowMs);
    for (const { bytes } of [key, value, client]) bytes.fill(0x21);
    engine.exec();
    expect(engine.run("kv.get", { key: "k" })).toBe("v");
  });

  it("leaves what the same commands leave one by one, and a log that replays to it", () => {
    const key = fc.constantFrom("a", "b", "c");
    const command = fc.oneof(
      fc.tuple(fc.constant("kv.set"), fc.record({ key, value: fc.oneof(fc.integer(), fc.string()) })),
      fc.tuple(fc.constant("kv.incr"), fc.record({ key })),
      fc.tuple(fc.constant("kv.append"), fc.record({ key, value: fc.string() })),
      fc.tuple(fc.constant("kv.setrange"), fc.record({ key, offset: fc.nat(5), value: fc.string() })),
      fc.tuple(fc.constant("kv.del"), fc.record({ key })),
      fc.tuple(fc.constant("kv.expire"), fc.record({ key, ttl: fc.integer({ min: 1, max: 9 }) })),
      fc.tuple(fc.constant("key.rename"), fc.record({ source: key, destination: key })),
      fc.tuple(fc.constant("kv.flushall"), fc.constant({})),
      fc.tuple(fc.constant("queue.publish"), fc.record({ queue: key, payload: fc.string() })),
      fc.tuple(fc.constant("queue.consume"), fc.record({ queue: key })),
      fc.tuple(fc.constant("stream.publish"), fc.record({ room: key, event: key, data: fc.string() })),
    );
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 120, size: "max" }),
        fc.integer({ min: 1, max: 8 }),
        (commands, size) => {
          const [together, apart] = [new TransactionEngine(), new TransactionEngine()];
          for (let first = 0; first < commands.length; first += size) {
            together.begin();
            const part = commands.slice(first, first + size);
            for (const [name, payload] of part) together.queue(name, payload);
            const { results } = together.exec() as { results: { success: boolean; payload: Plain; code?: string }[] };
            for (const [index, [name, payload]] of part.entries()) {
              const result = apart.run(name, payload);
              if (result instanceof CommandError) expect(results[index]).toMatchObject({ code: result.code });
              else expect(results[index]).toEqual({ success: true, payload: result });
            }
            together.nowMs += 2000;
            apart.nowMs += 2000;
          }
          expect(dump(together.store)).toEqual(dump(apart.store));
          const replica = emptyState();
          if (together.log.nextOffset > 1) {
            together.log.read(1, ({ operations, firstOffset }) => {
              replica.apply(operations, operations.length, firstOffset);
              return true;
            });
          }
          expect(dump(replica.keys)).toEqual(dump(together.store));
          expect(replica.appliedOffset).toBe(together.state.appliedOffset);
          expect(replica.queues.queues().map(({ name, depth, pending }) => [name, depth, pending])).toEqual(
            together.state.queues.queues().map(({ name, depth, pending }) => [name, depth, pending]),
          );
        },
      ),
      { numRuns: 5 },
    );
  });
});
