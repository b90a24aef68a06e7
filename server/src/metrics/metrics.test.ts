import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { emptySources } from "../../test/metrics-fixture.ts";
import { type PageFamily, readPrometheusPage } from "../../test/prometheus-page.ts";
import { allCommands } from "../commands/all.ts";
import { systemClock } from "../runtime/clock.ts";
import { CommandInstruments } from "./command-instruments.ts";
import { capped, OTHER_QUEUES } from "./messaging-metrics.ts";
import { Metrics } from "./metrics.ts";
import type { MetricsSources } from "./metrics-sources.ts";
import { StorageInstruments } from "./storage-instruments.ts";

const sources: MetricsSources = {
  memory: () => ({ total: 900, keys: 600, log: 300 }),
  memoryLimitBytes: () => 2 ** 31,
  refusedRequests: () => ({ envelope: 3, unknownCommand: 2 }),
  access: () => ({ refused: 91, tooFast: 92 }),
  connections: () => ({
    httpActive: 3,
    websocketActive: 4,
    sseActive: 2,
    respActive: 5,
    replicaActive: 1,
    httpRequests: 50,
    websocketMessages: 60,
    heldOutboxes: 9,
    heldOutboxBytes: 1200,
    bytesIn: 700,
    bytesOut: 800,
    slowClientsCutOff: 1,
    floodersCutOff: 8,
    silentClientsCutOff: 2,
    repliesAbandoned: 7,
    invalidMessages: 6,
    connectionsRefused: 5,
  }),
  keys: () => ({ count: 10, expired: 11, evicted: 12, hits: 13, misses: 14 }),
  log: () => ({ backlogBytes: 4096, operations: 20, appendedBytes: 21, unwrittenBytes: 22, diskFreeBytes: 23 }),
  replies: () => ({ count: 7, replays: 3 }),
  messaging: () => ({
    queues: [
      { name: "tasks", depth: 31, pending: 32, dead: 33, consumers: 34, oldestAgeSecs: 35.5 },
      { name: OTHER_QUEUES, depth: 41, pending: 42, dead: 43, consumers: 44, oldestAgeSecs: 45 },
    ],
    rooms: { count: 51, bytes: 52 },
    subscribers: { queue: 61, room: 62, topic: 63, watch: 64 },
    waiting: 71,
    pushes: 72,
    pushBytes: 73,
    topicMessagesPublished: 74,
    topicMessagesDelivered: 75,
    roomGaps: 76,
  }),
  replication: emptySources.replication,
};

const started: Metrics[] = [];
afterEach(() => {
  for (const metrics of started.splice(0)) metrics.stop();
});

function start() {
  const instruments = new CommandInstruments(allCommands);
  const metrics = new Metrics({
    instruments,
    sources,
    storage: new StorageInstruments(),
    fsync: "always",
    clock: systemClock,
    version: '1.2.3"\\',
  });
  started.push(metrics);
  const read = async () => readPrometheusPage(await metrics.render());
  return { instruments, metrics, read };
}

/** The values of a family's samples, by their labels' values joined; the suffix of the name first where there is one. */
function valuesOf(family: PageFamily | undefined): Record<string, number> {
  const values: Record<string, number> = {};
  for (const { name, labels, value } of family?.samples ?? []) {
    const key = [name.slice(family?.name.length), ...Object.values(labels)].filter((part) => part !== "").join(" ");
    expect(key in values).toBe(false);
    values[key] = value;
  }
  return values;
}

const indexOf = (name: string) => allCommands.findIndex((command) => command.name === name);

describe("the metrics page", () => {
  it("has the names of the contract with their labels", async () => {
    const page = await start().read();
    const labelsOf = (name: string) => Object.keys(page.get(name)?.samples[0]?.labels ?? {});
    expect(labelsOf("synap_operation_duration_seconds")).toEqual(["component", "operation", "le"]);
    expect(labelsOf("synap_operations_total")).toEqual(["component", "operation", "status"]);
    expect(labelsOf("synap_memory_component_bytes")).toEqual(["component"]);
    expect(labelsOf("synap_connections_active")).toEqual(["protocol"]);
    const types = [...page.values()].map(({ name, type }) => [name, type]);
    expect(types).toEqual(
      expect.arrayContaining([
        ["synap_operation_duration_seconds", "histogram"],
        ["synap_operations_total", "counter"],
        ["synap_memory_bytes", "gauge"],
        ["synap_cpu_usage_percent", "gauge"],
        ["synap_connections_active", "gauge"],
        ["synap_replication_log_size", "gauge"],
      ]),
    );
  });

  it("shows each replica, and this node beside its master", async () => {
    const page = await start().read();
    const of = (name: string) => valuesOf(page.get(`synap_${name}`));
    expect(of("replication_lag_ms")).toEqual({ "http://10.0.0.6:15500": 82 });
    expect(of("replication_lag_operations")).toEqual({ "http://10.0.0.6:15500": 83 });
    expect(of("replica_in_sync")).toEqual({ "http://10.0.0.6:15500": 1 });
    expect(of("replication_syncs_total")).toEqual({ partial: 86, full: 87 });
    const single = ["is_replica", "replication_epoch", "replica_link_up", "replica_lag_ms", "replica_lag_operations"];
    expect(single.map((name) => Object.values(of(name)))).toEqual([[1], [81], [1], [84], [85]]);
    const counters = ["replication_links_refused_total", "replication_published_dropped_total", "replica_links_total"];
    expect(counters.map((name) => Object.values(of(name)))).toEqual([[88], [89], [90]]);
  });

  it("follows the naming rules of Prometheus", async () => {
    for (const { name, type, help } of (await start().read()).values()) {
      expect(help).toMatch(/\.$/);
      expect(name).toMatch(/^(synap|process|nodejs)_[a-z0-9_]+$/);
      expect(name.endsWith("_total")).toBe(type === "counter");
    }
  });

  it("shows every command at zero before its first call", async () => {
    const page = await start().read();
    const operations = page.get("synap_operations_total");
    expect(operations?.samples).toHaveLength(2 * allCommands.length);
    expect(valuesOf(operations)).toMatchObject({ "kv set ok": 0, "kv set error": 0, "admin slowlog.get ok": 0 });
    expect(page.get("synap_operation_duration_seconds")?.samples).toHaveLength(22 * allCommands.length);
  });

  it("counts what was observed, by command and outcome, in cumulative buckets", async () => {
    const { instruments, read } = start();
    const set = indexOf("kv.set");
    instruments.observe(set, 0.01, 1, 0); // On the bound of 10 us.
    instruments.observe(set, 0.4, 1, 0);
    instruments.observe(set, 60_000, 1, 1);
    instruments.observe(indexOf("kv.get"), 3, 8, 2);
    const page = await read();
    expect(valuesOf(page.get("synap_operations_total"))).toMatchObject({
      "kv set ok": 2,
      "kv set error": 1,
      "kv get ok": 6,
      "kv get error": 2,
    });
    const durations = valuesOf(page.get("synap_operation_duration_seconds"));
    expect(durations).toMatchObject({
      "_bucket kv set 0.00001": 1,
      "_bucket kv set 0.00025": 1,
      "_bucket kv set 0.0005": 2,
      "_bucket kv set 10": 2,
      "_bucket kv set +Inf": 3,
      "_count kv set": 3,
      "_bucket kv get 0.0025": 0,
      "_bucket kv get 0.005": 8,
    });
    expect(durations["_sum kv set"]).toBeCloseTo(60.00041, 9);
  });

  it("writes bounds as decimals that a query can name", async () => {
    const bounds = (await start().read())
      .get("synap_operation_duration_seconds")
      ?.samples.filter(({ name, labels }) => name.endsWith("_bucket") && labels.operation === "get")
      .map(({ labels }) => labels.le);
    expect(bounds?.at(0)).toBe("0.00001");
    expect(bounds?.at(-2)).toBe("10");
    expect(bounds?.at(-1)).toBe("+Inf");
  });

  it("reads the server's own figures when it is asked", async () => {
    const page = await start().read();
    const all = Object.fromEntries([...page].map(([name, family]) => [name, valuesOf(family)]));
    expect(all).toMatchObject({
      synap_memory_bytes: { "": 900 },
      synap_memory_component_bytes: { keys: 600, log: 300 },
      synap_memory_limit_bytes: { "": 2 ** 31 },
      synap_connections_active: { http: 1, sse: 2, websocket: 4 },
      synap_requests_total: { http: 50, websocket: 60 },
      synap_requests_refused_total: { envelope: 3, unknown_command: 2 },
      synap_received_bytes_total: { "": 700 },
      synap_outbox_held_connections: { "": 9 },
      synap_outbox_held_bytes: { "": 1200 },
      synap_sent_bytes_total: { "": 800 },
      synap_slow_consumers_cut_off_total: { "": 1 },
      synap_flooders_cut_off_total: { "": 8 },
      synap_silent_clients_cut_off_total: { "": 2 },
      synap_replies_abandoned_total: { "": 7 },
      synap_invalid_messages_total: { "": 6 },
      synap_connections_refused_total: { "": 5 },
      synap_keys: { "": 10 },
      synap_expirations_total: { "": 11 },
      synap_evictions_total: { "": 12 },
      synap_key_hits_total: { "": 13 },
      synap_key_misses_total: { "": 14 },
      synap_replication_log_size: { "": 4096 },
      synap_log_operations_total: { "": 20 },
      synap_idempotent_replies: { "": 7 },
      synap_idempotent_replays_total: { "": 3 },
      synap_queue_depth: { tasks: 31, _other: 41 },
      synap_queue_pending_messages: { tasks: 32, _other: 42 },
      synap_queue_dead_messages: { tasks: 33, _other: 43 },
      synap_queue_consumers: { tasks: 34, _other: 44 },
      synap_queue_oldest_message_age_seconds: { tasks: 35.5, _other: 45 },
      synap_rooms: { "": 51 },
      synap_room_bytes: { "": 52 },
      synap_subscriptions: { queue: 61, room: 62, topic: 63, watch: 64 },
      synap_waiting_consumers: { "": 71 },
      synap_fanout_pushes_total: { "": 72 },
      synap_fanout_bytes_total: { "": 73 },
      synap_pubsub_messages_published_total: { "": 74 },
      synap_pubsub_messages_delivered_total: { "": 75 },
      synap_room_gaps_total: { "": 76 },
    });
    expect(all.synap_memory_component_bytes).not.toHaveProperty("total");
    expect(page.get("synap_build_info")?.samples[0].labels).toEqual({
      version: '1.2.3"\\',
      node: process.versions.node,
    });
  });
});

describe("queues on the page", () => {
  const queue = (name: string, depth: number) => ({
    name,
    depth,
    pending: 1,
    dead: 2,
    consumers: 3,
    oldestAgeSecs: depth,
  });

  it("have series of their own up to the cap", () => {
    const queues = [queue("a", 1), queue("b", 2)];
    expect(capped(queues, 2, (each) => each)).toEqual(queues);
  });

  it("are summed up from one past it, but for the age, which is the oldest", () => {
    const queues = [queue("a", 1), queue("b", 9), queue("c", 4)];
    const other = { name: OTHER_QUEUES, depth: 13, pending: 2, dead: 4, consumers: 6, oldestAgeSecs: 9 };
    expect(capped(queues, 1, (each) => each)).toEqual([queues[0], other]);
  });
});

describe("the runtime's metrics", () => {
  it("show a stall of the event loop", async () => {
    const { read } = start();
    await vi.waitFor(async () => {
      block(60);
      const page = await read();
      const delay = valuesOf(page.get("synap_event_loop_delay_seconds"));
      expect(delay["1"]).toBeGreaterThan(0.03);
      expect(delay["1"]).toBeLessThan(5);
      expect(delay["0.5"]).toBeLessThanOrEqual(delay["1"]);
    });
  });

  it("show garbage collections by kind", async () => {
    const { read } = start();
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    await vi.waitFor(async () => {
      collect();
      const pauses = valuesOf((await read()).get("synap_gc_pause_seconds"));
      expect(pauses["_count major"]).toBeGreaterThan(0);
      expect(pauses["_sum major"]).toBeGreaterThan(0);
    });
  });

  it("show CPU and memory of the process", async () => {
    const { read } = start();
    const untilMs = systemClock.monotonicMs() + 30;
    while (systemClock.monotonicMs() < untilMs);
    const page = await read();
    const only = (name: string) => page.get(name)?.samples[0].value ?? Number.NaN;
    expect(only("synap_cpu_usage_percent")).toBeGreaterThan(1);
    expect(only("synap_event_loop_active_seconds_total")).toBeGreaterThan(0);
    expect(only("process_resident_memory_bytes")).toBeGreaterThan(2 ** 24);
    expect(only("nodejs_heap_size_used_bytes")).toBeLessThanOrEqual(only("nodejs_heap_size_total_bytes"));
    expect(only("process_start_time_seconds") * 1000).toBeLessThanOrEqual(systemClock.nowMs());
  });
});

/** Holds this thread for so long, without using the CPU. */
function block(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}
