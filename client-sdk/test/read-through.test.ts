/** `kv.getOrLoad`: once, in a process and across processes; stale values; loaders that fail, hang or die. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { connect, type StandardSchema, type SynapClient } from "../src/index.ts";
import { failure, until } from "./condition.ts";
import { ServerProcess } from "./server-process.ts";

let server: ServerProcess;
let synap: SynapClient;
let other: SynapClient;

beforeAll(async () => {
  server = await ServerProcess.start();
  synap = await connect(server.url);
  other = await connect(server.url);
});

beforeEach(async () => {
  await synap.kv.flushdb();
});

afterAll(async () => {
  await Promise.all([synap.close(), other.close()]);
  await server.end();
});

it("loads what is not there, and keeps it", async () => {
  let loads = 0;
  const load = (): unknown => {
    loads += 1;
    return { n: loads };
  };
  expect(await synap.kv.getOrLoad("k", load, { ttl: 60 })).toEqual({ n: 1 });
  expect(await other.kv.getOrLoad("k", load, { ttl: 60 })).toEqual({ n: 1 });
  expect(await synap.kv.get("k")).toEqual({ n: 1 });
  const { ttlMs } = await synap.kv.getMeta("k");
  expect(ttlMs).toBeGreaterThan(59_000);
  expect(await synap.kv.exists("lease:k")).toBe(false);
});

it("null is a value, too", async () => {
  let loads = 0;
  for (let i = 0; i < 3; i++) {
    expect(
      await synap.kv.getOrLoad(
        "null",
        () => {
          loads += 1;
          return null;
        },
        { ttl: 60 },
      ),
    ).toBeNull();
  }
  expect(loads).toBe(1);
});

/** Asks for the key a hundred times at once, and says how often it had to load. */
const PROGRAM = `
  const { connect } = await import(process.argv[1]);
  const synap = await connect(process.argv[2]);
  process.stdout.write("ready\\n");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  let loads = 0;
  const load = async () => {
    loads += 1;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { from: process.pid };
  };
  const values = await Promise.all(Array.from({ length: 100 }, () => synap.kv.getOrLoad("herd", load, { ttl: 60 })));
  await synap.close();
  process.stdout.write(JSON.stringify({ loads, values: [...new Set(values.map((value) => value.from))] }));
  process.exit(0);
`;

it("1,000 callers in 10 processes load once", async () => {
  const dist = new URL("../dist/index.js", import.meta.url).href;
  const children = Array.from({ length: 10 }, () => {
    const argv = ["--input-type=module", "-e", PROGRAM, dist, server.url];
    const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    return { child, ended: once(child, "close"), output: () => output };
  });
  await until(() => children.every(({ output }) => output().startsWith("ready\n")));
  for (const { child } of children) child.stdin.write("go\n");
  await Promise.all(children.map(({ ended }) => ended));
  // What the program above prints.
  const results = children.map(
    ({ output }) => JSON.parse(output().slice("ready\n".length)) as { loads: number; values: number[] },
  );
  expect(results.reduce((sum, { loads }) => sum + loads, 0)).toBe(1);
  expect(new Set(results.flatMap(({ values }) => values)).size).toBe(1);
});

it("a loader that throws fails its callers, and the next one loads", async () => {
  const broken = new Error("no database");
  const load = (): never => {
    throw broken;
  };
  const callers = Array.from({ length: 5 }, () => failure(synap.kv.getOrLoad("k", load, { ttl: 60 })));
  expect(new Set(await Promise.all(callers))).toEqual(new Set([broken]));
  expect(await other.kv.getOrLoad("k", () => 2, { ttl: 60 })).toBe(2);
});

it("the lease of a process that died runs out", async () => {
  await synap.kv.set("lease:k", 1, { ttlMs: 150 });
  expect(await synap.kv.getOrLoad("k", () => 1, { ttl: 60 })).toBe(1);
});

it("a loader that takes longer than its lease keeps it", async () => {
  let finish: (value: number) => void = () => {};
  const slow = synap.kv.getOrLoad("slow", () => new Promise<number>((resolve) => (finish = resolve)), {
    ttl: 60,
    leaseMs: 1_000,
  });
  let renewals = 0;
  const leases = other.kv.watch("lease:slow", {
    onEvent: (change) => {
      if (change.type === "watch" && change.event === "set") renewals += 1;
    },
  });
  const waiting = other.kv.getOrLoad("slow", () => 2, { ttl: 60, leaseMs: 1_000 });
  await until(() => renewals >= 4);
  finish(1);
  expect(await slow).toBe(1);
  expect(await waiting).toBe(1);
  await leases.close();
});

it("a stale value is given at once, and loaded anew behind it, once", async () => {
  let loads = 0;
  const load = (): number => {
    loads += 1;
    return loads;
  };
  const options = { ttl: 0.05, staleTtl: 60 };
  expect(await synap.kv.getOrLoad("k", load, options)).toBe(1);
  await until(async () => ((await synap.kv.getMeta("k")).ttlMs ?? 0) <= 60_000);
  const stale = await Promise.all([
    synap.kv.getOrLoad("k", load, { ...options, ttl: 60 }),
    other.kv.getOrLoad("k", load, { ...options, ttl: 60 }),
  ]);
  expect(stale).toEqual([1, 1]);
  await until(async () => (await synap.kv.get("k")) === 2);
  expect(await other.kv.getOrLoad("k", load, options)).toBe(2);
  expect(loads).toBe(2);
});

it("a caller that gives up leaves the others theirs; when all have, the loader is told", async () => {
  const [first, second] = [new AbortController(), new AbortController()];
  let finish: (value: number) => void = () => {};
  const load = (): Promise<number> => new Promise((resolve) => (finish = resolve));
  const one = failure(synap.kv.getOrLoad("k", load, { ttl: 60, signal: first.signal }));
  const two = synap.kv.getOrLoad("k", load, { ttl: 60, signal: second.signal });
  await until(() => synap.kv.exists("lease:k"));
  first.abort(new Error("enough"));
  expect(await one).toMatchObject({ message: "enough" });
  finish(1);
  expect(await two).toBe(1);

  let told: AbortSignal | undefined;
  const third = new AbortController();
  const hanging = failure(
    synap.kv.getOrLoad(
      "l",
      (signal) => {
        told = signal;
        return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
      { ttl: 60, signal: third.signal },
    ),
  );
  await until(() => told !== undefined);
  third.abort(new Error("nobody waits"));
  expect(await hanging).toMatchObject({ message: "nobody waits" });
  expect(told?.aborted).toBe(true);
  await until(async () => !(await synap.kv.exists("lease:l")));
});

it("a loader that hangs is told after its time, its callers get an error, and the next one loads", async () => {
  let told: AbortSignal | undefined;
  const hang = (signal: AbortSignal): Promise<number> => {
    told = signal;
    return new Promise(() => {});
  };
  const hanging = failure(synap.kv.getOrLoad("k", hang, { ttl: 60, loadTimeoutMs: 300 }));
  await until(() => told !== undefined);
  const waiting = failure(other.kv.getOrLoad("k", () => 1, { ttl: 60, loadTimeoutMs: 20 }));
  expect(await waiting).toMatchObject({ code: "TIMEOUT" });
  expect(await hanging).toMatchObject({ code: "TIMEOUT", message: "nothing was loaded within 300 ms" });
  expect(told?.aborted).toBe(true);
  expect(await other.kv.getOrLoad("k", () => 2, { ttl: 60 })).toBe(2);
});

it("a value that cannot be stored is given all the same, and why is told", async () => {
  const errors: unknown[] = [];
  const load = (): unknown => () => "a function has no form";
  const options = { ttl: 60, onStoreError: (error: unknown) => errors.push(error) };
  expect(await synap.kv.getOrLoad("k", load, options)).toBeInstanceOf(Function);
  expect(errors).toMatchObject([{ code: "INVALID_PAYLOAD" }]);
  await until(async () => !(await synap.kv.exists("lease:k")));
});

it("what does not fit its schema any more is loaded anew", async () => {
  const number: StandardSchema<number> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => (typeof value === "number" ? { value } : { issues: [{ message: "no number" }] }),
    },
  };
  await synap.kv.set("k", "old form");
  expect(await synap.kv.getOrLoad("k", () => 7, { ttl: 60, schema: number })).toBe(7);
  expect(await synap.kv.get("k")).toBe(7);
});
