/**
 * Prometheus with the configuration and the rules of grafana/, beside a master and a replica under load: every query of the
 * dashboard has to return a number. It needs `prometheus` and `promtool`, which Debian has in the package `prometheus`.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { freePort } from "../src/transports/free-port.ts";
import { type ServerProcess, ServerProcesses } from "./integration/server-process.ts";

const grafana = fileURLToPath(new URL("../../grafana", import.meta.url));
const isThere = ["prometheus", "promtool"].every((name) => spawnSync(name, ["--version"]).status === 0);

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
}

const dashboard: Dashboard = JSON.parse(readFileSync(join(grafana, "synap-dashboard.json"), "utf8"));
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => [title, expr] as const),
);
const rules = [...readFileSync(join(grafana, "alerts.yml"), "utf8").matchAll(/- alert: (\w+)/g)].map(
  ([, name]) => name,
);

if (!isThere) {
  // skipped: Prometheus is not installed; `apt-get install prometheus` has both of its programs
  describe.skip("Prometheus is not installed: apt-get install prometheus", () => it("is needed here", () => {}));
}

describe.runIf(isThere)("promtool finds nothing wrong", () => {
  it.each([
    ["the configuration", ["check", "config", "prometheus.yml"]],
    ["the rules", ["check", "rules", "alerts.yml"]],
    ["when the alerts fire", ["test", "rules", "alerts.test.yml"]],
  ])("with %s", (_, args) => {
    const { status, stdout, stderr } = spawnSync("promtool", args, { cwd: grafana, encoding: "utf8" });
    expect(status, stdout + stderr).toBe(0);
  });
});

describe.runIf(isThere)("Prometheus beside a server under load", () => {
  const directory = mkdtempSync(join(tmpdir(), "synap-prometheus-"));
  const processes = new ServerProcesses();
  let prometheus: ChildProcess | undefined;
  let url: string;
  let isOver = false;
  let load: Promise<unknown>;

  beforeAll(async () => {
    const master = await processes.start("master", "--resp-port", "0", "--max-memory", "64mb");
    const replica = await processes.start("replica", "--resp-port", "0", "--replica-of", master.url);
    load = makeLoad(master, () => isOver);
    const port = await freePort("127.0.0.1");
    url = `http://127.0.0.1:${port}`;
    // The committed one, with these servers in the place of its own, and in a hurry.
    const config = readFileSync(join(grafana, "prometheus.yml"), "utf8")
      .replace(/targets: .*/, `targets: ["127.0.0.1:${master.port}", "127.0.0.1:${replica.port}"]`)
      .replace(/(scrape|evaluation)_interval: \w+/g, "$1_interval: 250ms");
    writeFileSync(join(directory, "prometheus.yml"), config);
    copyFileSync(join(grafana, "alerts.yml"), join(directory, "alerts.yml"));
    const flags = [
      "--config.file=prometheus.yml",
      "--storage.tsdb.path=data",
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    prometheus = spawn("prometheus", flags, { cwd: directory, stdio: "ignore" });
    await vi.waitFor(async () => expect((await fetch(`${url}/-/ready`)).status).toBe(200), { timeout: 15_000 });
  }, 30_000);

  afterAll(async () => {
    isOver = true;
    await load;
    prometheus?.kill("SIGKILL");
    await processes.end();
    rmSync(directory, { recursive: true, maxRetries: 5 });
  });

  it("sees both nodes", async () => {
    await vi.waitFor(async () => expect(await valuesOf(url, "up")).toEqual([1, 1]), { timeout: 10_000 });
  });

  it("has loaded the rules, and can evaluate each", async () => {
    await vi.waitFor(
      async () => {
        const { data } = (await (await fetch(`${url}/api/v1/rules`)).json()) as RulesAnswer;
        expect(data.groups[0].rules.map(({ name, health }) => [name, health])).toEqual(
          rules.map((name) => [name, "ok"]),
        );
      },
      { timeout: 10_000 },
    );
  });

  it.each(queries)("has data for %s: %s", async (_, query) => {
    const asked = query.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "2s");
    await vi.waitFor(async () => expect((await valuesOf(url, asked)).some(Number.isFinite)).toBe(true), {
      timeout: 15_000,
      interval: 100,
    });
  });
});

interface RulesAnswer {
  readonly data: { readonly groups: readonly { readonly rules: readonly { name: string; health: string }[] }[] };
}

interface QueryAnswer {
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

async function valuesOf(url: string, query: string): Promise<number[]> {
  const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`);
  expect(answer.status, query).toBe(200);
  const { data } = (await answer.json()) as QueryAnswer;
  return data.result.map(({ value }) => Number(value[1]));
}

/** Of everything a little, errors and dead letters among it. */
async function makeLoad(master: ServerProcess, isOver: () => boolean): Promise<void> {
  await master.run("queue.create", { name: "jobs", config: { default_max_retries: 0 } });
  await master.run("stream.create", { room: "room" });
  const subscriber = await master.connect();
  for (const [command, payload] of [
    ["stream.subscribe", { room: "room" }],
    ["pubsub.subscribe", { topics: ["news.#"] }],
    ["kv.watch", { prefix: "watched" }],
  ]) {
    subscriber.socket.send(JSON.stringify({ command, payload }));
  }
  for (let i = 0; !isOver(); i++) {
    // Of rates there are to be some, which need not be as high as they can be.
    await delay(10);
    await master.send({
      type: "batch",
      commands: [
        { command: "kv.set", payload: { key: `key ${i}`, value: "x".repeat(100), ttl_ms: 100 } },
        { command: "kv.get", payload: { key: `key ${i}` } },
        { command: "kv.get", payload: { key: "missing" } },
        { command: "kv.incr", payload: { key: "watched" } },
        { command: "kv.incr", payload: {} },
        { command: "queue.publish", payload: { queue: "jobs", payload: i } },
        { command: "stream.publish", payload: { room: "room", event: "e", data: i } },
        { command: "pubsub.publish", payload: { topic: "news.now", payload: i } },
      ],
    });
    const taken = (await master.run("queue.consume", { queue: "jobs" })) as { message: { id: string } | null };
    if (taken.message !== null) {
      await master.ask("queue.nack", { queue: "jobs", message_id: taken.message.id, requeue: i % 2 === 0 });
    }
  }
  subscriber.close();
}
