/** What a burst of RESP may cost and leave behind, at the dispatcher itself: a clock that runs, buffers that must go. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { Fixture } from "../../test/dispatcher-fixture.ts";
import { requestBytes } from "../../test/protocol/differential/raw-connection.ts";
import { answerOf, respDispatcher, respPeer } from "../../test/resp-fixture.ts";
import { RateLimits } from "../access/rate-limits.ts";
import { allCommands } from "../commands/all.ts";
import { SlowLog } from "../commands/slow-log.ts";
import { Channels } from "../fanout/channels.ts";
import type { RespClient } from "./resp-client.ts";
import {
  type Progress,
  type RespDispatcher,
  type RespDispatcherOptions,
  STOPPED,
  WANTS_BYTES,
  WANTS_TURN,
} from "./resp-dispatcher.ts";

/** A dispatcher whose every look at the clock takes `stepMs`. */
class Resp {
  readonly #fixture = new Fixture();
  readonly dispatch: RespDispatcher;
  readonly bugs: string[] = [];
  /** What clients were written outside of a burst. */
  late = "";
  resumed = 0;

  constructor(stepMs = 0, own: Partial<RespDispatcherOptions> = {}) {
    const { clock } = this.#fixture;
    this.dispatch = respDispatcher(this.#fixture, {
      ...own,
      clock: {
        nowMs: () => clock.nowMs(),
        monotonicMs: () => {
          clock.advance(stepMs);
          return clock.monotonicMs();
        },
      },
      requestBytesMax: 64 * 1024 * 1024,
      reportBug: (command) => `bug-${this.bugs.push(command)}`,
    });
  }

  pass(ms: number): void {
    this.#fixture.pass(ms);
  }

  connect(id = 1): RespClient {
    const peer = respPeer({
      write: (bytes, length) => {
        this.late += Buffer.from(bytes.subarray(0, length)).toString("latin1");
      },
      resume: () => {
        this.resumed++;
      },
    });
    return this.dispatch.connect(id, peer);
  }

  /** One burst: how it ended, how far it came, and what it has answered. */
  burst(client: RespClient, bytes: Uint8Array, start = 0): { progress: Progress; at: number; replies: string } {
    const { dispatch } = this;
    const progress = dispatch.handle(client, bytes, start, bytes.length);
    return { progress, at: dispatch.consumed, replies: answerOf(dispatch) };
  }

  say(client: RespClient, ...words: string[]): string {
    return this.burst(client, requestBytes(words)).replies;
  }
}

it.each([
  ["SET", (i: number) => ["SET", `k${i}`, "v"], () => "+OK\r\n"],
  ["ECHO", (i: number) => ["ECHO", String(i)], (i: number) => `$${String(i).length}\r\n${i}\r\n`],
])("interrupts a group of %s that takes long, and goes on where it was", (_, request, reply) => {
  const resp = new Resp(1);
  const client = resp.connect();
  const numbers = Array.from({ length: 60 }, (__, i) => i);
  const bytes = Buffer.concat(numbers.map((i) => requestBytes(request(i))));
  let replies = "";
  let bursts = 0;
  let at = 0;
  for (let progress: Progress = WANTS_TURN; progress === WANTS_TURN; bursts++) {
    const burst = resp.burst(client, bytes, at);
    progress = burst.progress;
    at = burst.at;
    replies += burst.replies;
    if (bursts > 100) throw new Error("it does not come to an end");
  }
  expect(at).toBe(bytes.length);
  expect(replies).toBe(numbers.map(reply).join(""));
  expect(bursts).toBeGreaterThanOrEqual(10);
});

it("lets go of the bytes of a burst", async () => {
  const resp = new Resp();
  const client = resp.connect();
  // Several words of each kind: the slots, the primed keys and the arguments that are used again.
  const bytesOf = () =>
    new Uint8Array(
      Buffer.concat([
        requestBytes(["SET", "a", "v".repeat(200_000)]),
        requestBytes(["GET", "a"]),
        requestBytes(["GET", "b"]),
        requestBytes(["ECHO", "x"]),
        requestBytes(["NONSENSE", "x"]),
      ]),
    );
  const held = (() => {
    const bytes = bytesOf();
    expect(resp.burst(client, bytes).progress).toBe(WANTS_BYTES);
    return new WeakRef(bytes);
  })();
  // The store remembers the one key that it was last asked for; only the first slot is used again by this.
  resp.say(client, "GET", "z");
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  // What a WeakRef was made of or asked for lives to the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  // Not as a value: a failure would print all of it.
  expect(held.deref() === undefined).toBe(true);
  // And not because all of it could go.
  expect(resp.say(client, "GET", "z")).toBe("$-1\r\n");
});

it.each([
  ["OFF", ""],
  ["SKIP", "+PONG\r\n"],
])("leaves out the late reply of a command that waits after CLIENT REPLY %s", (mode, after) => {
  const resp = new Resp();
  const client = resp.connect();
  resp.say(client, "QCREATE", "q");
  resp.say(client, "CLIENT", "REPLY", mode);
  const burst = resp.burst(client, requestBytes(["QCONSUME", "q", "WAIT", "100"]));
  expect(burst).toMatchObject({ progress: STOPPED, replies: "" });
  resp.pass(200);
  expect({ late: resp.late, resumed: resp.resumed }).toEqual({ late: "", resumed: 1 });
  expect(resp.say(client, "PING")).toBe(after);
  resp.say(client, "CLIENT", "REPLY", "ON");
  resp.say(client, "QCONSUME", "q", "WAIT", "100");
  resp.pass(200);
  expect(resp.late).toBe("$-1\r\n");
});

it("answers a bug in reading a request, and goes on", () => {
  const resp = new Resp();
  const client = resp.connect();
  const decoder = resp.dispatch.table.named("get")?.decoder;
  if (decoder === undefined) throw new Error("GET has no decoder");
  decoder.decode = () => {
    throw new Error("a bug");
  };
  expect(resp.say(client, "GET", "k")).toMatch(/^-\S+ the server failed/);
  expect(resp.bugs).toHaveLength(1);
  expect(resp.say(client, "PING")).toBe("+PONG\r\n");
});

it.each(["SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE"])("refuses too many names for %s at once", (name) => {
  const resp = new Resp();
  const client = resp.connect();
  const names = Array.from({ length: 10_001 }, (_, i) => String(i));
  expect(resp.say(client, name, ...names)).toBe("-ERR a command takes at most 10000 channels or patterns\r\n");
  expect(client.subscriptions?.count ?? 0).toBe(0);
});

it.each(["INFO", "DOCS"])("refuses too many names for COMMAND %s", (name) => {
  const resp = new Resp();
  const client = resp.connect();
  const names = new Array<string>(1001).fill("get");
  expect(resp.say(client, "COMMAND", name, ...names)).toBe("-ERR COMMAND takes at most 1000 names\r\n");
  expect(resp.say(client, "COMMAND", name, ...names.slice(1))).toMatch(name === "INFO" ? /^\*1000\r/ : /^\*2000\r/);
});

it("refuses too many keys for COMMAND GETKEYS", () => {
  const resp = new Resp();
  const client = resp.connect();
  const pairs = new Array<string>(2002).fill("k");
  expect(resp.say(client, "COMMAND", "GETKEYS", "MSET", ...pairs)).toBe(
    "-ERR COMMAND GETKEYS shows at most 1000 keys\r\n",
  );
  expect(resp.say(client, "COMMAND", "GETKEYS", "MSET", ...pairs.slice(2))).toMatch(/^\*1000\r/);
});

it("looks at no subscription for a HELLO that changes nothing", () => {
  const resp = new Resp();
  const client = resp.connect();
  resp.say(client, "HELLO", "3");
  resp.say(client, "SUBSCRIBE", "a", "b");
  const subscribed = vi.spyOn(Channels.prototype, "subscribe");
  for (const hello of [["HELLO"], ["HELLO", "3"], ["HELLO", "3", "SETNAME", "x"]]) resp.say(client, ...hello);
  expect(subscribed).not.toHaveBeenCalled();
  resp.say(client, "HELLO", "2");
  expect(subscribed).toHaveBeenCalledTimes(2);
});

describe("commands of one kind in a row", () => {
  const GETS = Buffer.concat(Array.from({ length: 20 }, (_, i) => requestBytes(["GET", `k${i}`])));

  /** A dispatcher of which is known when it looked at the clock, and what it observed. */
  function timed(thresholdMs = 10) {
    const fixture = new Fixture();
    const { clock } = fixture;
    const slowLog = new SlowLog(thresholdMs, 100);
    const observed: { readonly name: string; readonly durationMs: number; readonly succeeded: boolean }[] = [];
    let looks = 0;
    const dispatch = respDispatcher(fixture, {
      slowLog,
      clock: {
        nowMs: () => clock.nowMs(),
        monotonicMs: () => {
          looks++;
          return clock.monotonicMs();
        },
      },
      observer: {
        observe: (index, durationMs, count, failures) => {
          const { name } = allCommands[index];
          for (let i = 0; i < count; i++) observed.push({ name, durationMs, succeeded: i >= failures });
        },
      },
    });
    const client = dispatch.connect(1, respPeer());
    /** @returns how often it looked at the clock. */
    const run = (bytes: Uint8Array): number => {
      const before = looks;
      observed.length = 0;
      dispatch.handle(client, bytes, 0, bytes.length);
      return looks - before;
    };
    run(requestBytes(["GET", "warm"]));
    /** From here on each look at a key takes so long. */
    const takes = (msOf: (key: string) => number): void => {
      const { keys } = fixture.engine.executor.planner;
      const { peek } = keys;
      keys.peek = (key) => {
        clock.advance(msOf(key.toString()));
        return peek.call(keys, key);
      };
    };
    return { slowLog, observed, run, takes };
  }

  const all = (...words: string[][]): Uint8Array => Buffer.concat(words.map((each) => requestBytes(each)));

  it("are answered in their order, those that are refused too, and counted", () => {
    const resp = new Resp();
    const client = resp.connect();
    resp.say(client, "SET", "text", "x");
    const { commandCount } = client;
    const requests = all(
      ["INCR", "a"],
      ["INCR", "a", "b"],
      ["INCR", "text"],
      ["INCR", "a"],
      ["INCR", ""],
      ["INCR", "a"],
    );
    expect(resp.burst(client, requests).replies.split("\r\n")).toEqual([
      ":1",
      "-ERR wrong number of arguments for 'incr' command",
      "-ERR value is not an integer or out of range",
      ":2",
      expect.stringMatching(/^-ERR /),
      ":3",
      "",
    ]);
    expect(client.commandCount - commandCount).toBe(6);
  });

  it("stop where much is to be written, and go on from there", () => {
    const resp = new Resp();
    const client = resp.connect();
    for (let i = 0; i < 8; i++) resp.say(client, "SET", `k${i}`, String(i).repeat(60_000));
    const requests = all(...Array.from({ length: 8 }, (_, i) => ["GET", `k${i}`]));
    let replies = "";
    let at = 0;
    for (let progress: Progress = WANTS_TURN; progress === WANTS_TURN; ) {
      const burst = resp.burst(client, requests, at);
      progress = burst.progress;
      at = burst.at;
      expect(burst.replies.length).toBeLessThan(350_000);
      replies += burst.replies;
    }
    const expected = Array.from({ length: 8 }, (_, i) => `$60000\r\n${String(i).repeat(60_000)}\r\n`).join("");
    expect(replies === expected).toBe(true);
  });

  it("are not answered while their client wants no replies", () => {
    const resp = new Resp();
    const gets = Array.from({ length: 4 }, () => ["GET", "k"]);
    const [off, on, skip] = ["OFF", "ON", "SKIP"].map((mode) => ["CLIENT", "REPLY", mode]);
    const replies = resp.burst(resp.connect(), all(...gets, off, ...gets, on, ...gets, skip, ...gets)).replies;
    expect(replies).toBe(`${"$-1\r\n".repeat(4)}+OK\r\n${"$-1\r\n".repeat(4 + 3)}`);
  });

  it("are let through one by one where there are rates", () => {
    const unlimited = { requestsPerSec: 0, bytesPerSec: 0 };
    const connection = { requestsPerSec: 3, bytesPerSec: 0 };
    const resp = new Resp(0, {
      rates: new RateLimits({ connection, token: unlimited, address: unlimited, burstSecs: 2 }),
    });
    const replies = resp.burst(resp.connect(), GETS).replies.split("\r\n");
    expect(replies.filter((reply) => reply === "$-1")).toHaveLength(6);
    expect(replies.filter((reply) => reply.startsWith("-RATE_LIMIT_EXCEEDED "))).toHaveLength(14);
  });

  it("are timed a few at a time, and counted one by one", () => {
    const { observed, run } = timed();
    expect(run(GETS)).toBeLessThan(6);
    expect(observed.map(({ name }) => name)).toEqual(Array(20).fill("kv.get"));
  });

  it("are timed apart from others, each kind and each that fails as what it is", () => {
    const { observed, run, takes } = timed();
    run(requestBytes(["SET", "text", "x"]));
    takes((key) => (key === "slow" ? 0.05 : 0.01));
    const words = [
      ["INCR", "a"],
      ["INCR", "text"],
      ["INCR", "b"],
      ["GET", "slow"],
      ["GET", "x"],
      ["INCR", "a", "b"],
      ["GET", "y"],
    ];
    run(Buffer.concat(words.map((each) => requestBytes(each))));
    const rounded = observed.map(({ name, durationMs, succeeded }) => [name, Math.round(durationMs * 1000), succeeded]);
    expect(rounded.filter(([, , succeeded]) => succeeded === false)).toHaveLength(1);
    expect(rounded.map(([name, us]) => [name, us])).toEqual([
      ["kv.incr", 10],
      ["kv.incr", 10],
      ["kv.incr", 10],
      ["kv.get", 30],
      ["kv.get", 30],
      ["kv.get", 10],
    ]);
  });

  it("are timed without what follows them, also where the last of them is refused before it runs", () => {
    const { observed, run, takes } = timed();
    takes((key) => (key === "slow" ? 40 : 0.01));
    const refused = ["INCR", "a", "too", "many"];
    const words = [["INCR", "a"], ["INCR", "b"], refused, ["GET", "slow"]];
    run(Buffer.concat(words.map((each) => requestBytes(each))));
    expect(observed.map(({ name, durationMs }) => [name, Math.round(durationMs * 1000)])).toEqual([
      ["kv.incr", 10],
      ["kv.incr", 10],
      ["kv.get", 40_000],
    ]);
  });

  it("are timed without a connection command that follows them", () => {
    const { observed, run, takes } = timed();
    takes((key) => (key === "slow" ? 40 : 0.01));
    const words = [["MULTI"], ["GET", "slow"], ["GET", "x"]];
    run(Buffer.concat([["GET", "a"], ["GET", "b"], ["GET"], ...words, ["EXEC"]].map((each) => requestBytes(each))));
    expect(observed.map(({ durationMs }) => Math.round(durationMs * 1000))).toEqual([10, 10, 40_000, 10]);
  });

  it.each([
    ["of several keys", (i: number) => ["MGET", `k${i}`, "x"]],
    ["with large requests", (i: number) => ["SET", `k${i}`, "x".repeat(1100)]],
  ])("%s are each timed by themselves", (_, request) => {
    const { run } = timed();
    expect(run(Buffer.concat(Array.from({ length: 20 }, (__, i) => requestBytes(request(i)))))).toBeGreaterThan(20);
  });

  it("that are slow are each timed by themselves from the next one on, and entered in the slow log", () => {
    const { slowLog, observed, run, takes } = timed();
    takes((key) => (key === "k0" ? 20 : 0.2));
    run(GETS.subarray(0, GETS.length >> 1));
    expect(slowLog.latest(10)).toMatchObject([{ command: "kv.get" }]);
    expect(slowLog.latest(1)[0].duration_ms).toBeGreaterThanOrEqual(20);
    run(GETS);
    expect(observed.slice(1).map(({ durationMs }) => Math.round(durationMs * 10))).toEqual(
      Array(observed.length - 1).fill(2),
    );
  });

  it("are each timed by themselves where the slow log wants nearly all", () => {
    const { run } = timed(0);
    expect(run(GETS)).toBeGreaterThan(20);
  });
});
