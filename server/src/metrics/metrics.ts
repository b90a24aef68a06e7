/** The Prometheus page (wire contract, section 6). The HELP lines say what each metric means. */
import Registry from "prom-client/lib/registry.js";
import { processStartedAtMs } from "../runtime/clock.ts";
import type { CommandInstruments } from "./command-instruments.ts";
import { labelled, type Metric, single } from "./families.ts";
import { HistogramText } from "./histogram-text.ts";
import { type MessagingReadings, messagingMetrics } from "./messaging-metrics.ts";
import type { MetricsSources } from "./metrics-sources.ts";
import { replicationMetrics } from "./replication-metrics.ts";
import { GC_KINDS, RuntimeInstruments } from "./runtime-instruments.ts";
import type { StorageInstruments } from "./storage-instruments.ts";

export interface MetricsParts {
  readonly instruments: CommandInstruments;
  readonly sources: MetricsSources;
  readonly storage: StorageInstruments;
  /** `persistence.fsync`, as the label of its histogram. */
  readonly fsync: string;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  /** Of this server, for `synap_build_info`. */
  readonly version: string;
}

export class Metrics {
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #runtime: RuntimeInstruments;
  readonly #histograms: readonly HistogramText[];
  readonly #sources: MetricsSources;
  /** Read once for a page: it looks at every queue. */
  #messaging: MessagingReadings;

  /** Begins to measure the event loop, GC and CPU; `stop` ends that. */
  constructor({ instruments, sources, storage, fsync, clock, version }: MetricsParts) {
    this.#sources = sources;
    this.#messaging = sources.messaging();
    this.contentType = this.#registry.contentType;
    this.#runtime = new RuntimeInstruments(clock);
    this.#histograms = [
      operationDurations(instruments),
      gcPauses(this.#runtime),
      new HistogramText("synap_log_fsync_seconds", "Time of a sync of the log.", storage.syncs, [{ fsync }]),
    ];
    const startedAtSeconds = processStartedAtMs() / 1000;
    for (const metric of [
      ...commandMetrics(instruments),
      ...memoryMetrics(sources),
      ...connectionMetrics(sources),
      ...lossMetrics(sources),
      ...keyMetrics(sources),
      ...logMetrics(sources),
      ...snapshotMetrics(storage),
      ...replyMetrics(sources),
      ...messagingMetrics(() => this.#messaging),
      ...replicationMetrics(sources.replication),
      ...runtimeMetrics(this.#runtime),
      ...processMetrics(startedAtSeconds, version),
    ]) {
      this.#registry.registerMetric(metric);
    }
  }

  /** The whole page, as of now. */
  async render(): Promise<string> {
    this.#messaging = this.#sources.messaging();
    const others = await this.#registry.metrics();
    return [...this.#histograms.map((histogram) => histogram.render()), others].join("\n");
  }

  stop(): void {
    this.#runtime.stop();
  }
}

/** Every command has its series from the start, at zero, so that `rate()` sees the first call and no label is invented. */
function operationDurations({ commands, durations }: CommandInstruments): HistogramText {
  return new HistogramText(
    "synap_operation_duration_seconds",
    "Time to decode the arguments of a command, run it and encode its reply.",
    durations,
    commands.map(({ component, operation }) => ({ component, operation })),
  );
}

function commandMetrics(instruments: CommandInstruments): Metric[] {
  const outcomes = instruments.commands.map(({ component, operation }) => ({
    ok: { component, operation, status: "ok" },
    error: { component, operation, status: "error" },
  }));
  return [
    labelled("counter", "synap_operations_total", "Commands run, by how they ended.", () =>
      outcomes.flatMap(({ ok, error }, index) => [
        { sharedLabels: ok, value: instruments.successes(index) },
        { sharedLabels: error, value: instruments.failures(index) },
      ]),
    ),
  ];
}

function memoryMetrics({ memory, memoryLimitBytes }: MetricsSources): Metric[] {
  return [
    single(
      "gauge",
      "synap_memory_bytes",
      "Bytes of data and buffers that the server accounts for.",
      () => memory().total,
    ),
    labelled("gauge", "synap_memory_component_bytes", "The same, part by part.", () =>
      Object.entries(memory())
        .filter(([component]) => component !== "total")
        .map(([component, value]) => ({ labels: { component }, value })),
    ),
    single("gauge", "synap_memory_limit_bytes", "The configured limit of memory; 0 is none.", memoryLimitBytes),
  ];
}

function connectionMetrics({ connections }: MetricsSources): Metric[] {
  const http = { protocol: "http" };
  const websocket = { protocol: "websocket" };
  const sse = { protocol: "sse" };
  const resp = { protocol: "resp" };
  const replication = { protocol: "replication" };
  return [
    labelled(
      "gauge",
      "synap_connections_active",
      "Open connections; event streams are `sse`, other HTTP ones `http`, links of replicas `replication`.",
      () => {
        const { httpActive, websocketActive, sseActive, respActive, replicaActive } = connections();
        return [
          { sharedLabels: http, value: httpActive - sseActive },
          { sharedLabels: websocket, value: websocketActive },
          { sharedLabels: sse, value: sseActive },
          { sharedLabels: resp, value: respActive },
          { sharedLabels: replication, value: replicaActive },
        ];
      },
    ),
    labelled("counter", "synap_requests_total", "HTTP requests and WebSocket messages received.", () => {
      const { httpRequests, websocketMessages } = connections();
      return [
        { sharedLabels: http, value: httpRequests },
        { sharedLabels: websocket, value: websocketMessages },
      ];
    }),
    single(
      "gauge",
      "synap_outbox_held_connections",
      "Connections whose replies or pushes wait until what they show is durable.",
      () => connections().heldOutboxes,
    ),
    single(
      "gauge",
      "synap_outbox_held_bytes",
      "Bytes of replies and pushes that wait until what they show is durable.",
      () => connections().heldOutboxBytes,
    ),
    single(
      "counter",
      "synap_received_bytes_total",
      "Bytes of request bodies and messages, without protocol headers.",
      () => connections().bytesIn,
    ),
    single(
      "counter",
      "synap_sent_bytes_total",
      "Bytes of replies and pushes, without protocol headers.",
      () => connections().bytesOut,
    ),
  ];
}

/** What clients did not get, and why. */
function lossMetrics({ connections, refusedRequests, access }: MetricsSources): Metric[] {
  return [
    labelled("counter", "synap_requests_refused_total", "Requests refused before a command ran.", () => {
      const { envelope, unknownCommand } = refusedRequests();
      return [
        { labels: { reason: "envelope" }, value: envelope },
        { labels: { reason: "unknown_command" }, value: unknownCommand },
        { labels: { reason: "access" }, value: access().refused },
        { labels: { reason: "rate" }, value: access().tooFast },
      ];
    }),
    single(
      "counter",
      "synap_connections_refused_total",
      "Connections turned away at the connection limit.",
      () => connections().connectionsRefused,
    ),
    single(
      "counter",
      "synap_slow_consumers_cut_off_total",
      "Connections closed because the client did not read.",
      () => connections().slowClientsCutOff,
    ),
    single(
      "counter",
      "synap_flooders_cut_off_total",
      "WebSockets closed because their messages came faster than they could be worked on.",
      () => connections().floodersCutOff,
    ),
    single(
      "counter",
      "synap_replies_abandoned_total",
      "HTTP replies that the peer did not take whole: it left, or sent the next request first.",
      () => connections().repliesAbandoned,
    ),
    single(
      "counter",
      "synap_invalid_messages_total",
      "WebSockets that ended by a message too long, not UTF-8 or in a broken frame.",
      () => connections().invalidMessages,
    ),
    single(
      "counter",
      "synap_silent_clients_cut_off_total",
      "Connections closed because a request did not arrive in time.",
      () => connections().silentClientsCutOff,
    ),
  ];
}

function keyMetrics({ keys }: MetricsSources): Metric[] {
  return [
    single("gauge", "synap_keys", "Keys stored.", () => keys().count),
    single("counter", "synap_key_hits_total", "Reads of a key that was there.", () => keys().hits),
    single("counter", "synap_key_misses_total", "Reads of a key that was not there.", () => keys().misses),
    single("counter", "synap_expirations_total", "Keys removed at their expiry.", () => keys().expired),
    single("counter", "synap_evictions_total", "Keys removed by the memory limit.", () => keys().evicted),
  ];
}

function logMetrics({ log }: MetricsSources): Metric[] {
  return [
    single(
      "gauge",
      "synap_replication_log_size",
      "Bytes of the operation log kept in memory for its readers.",
      () => log().backlogBytes,
    ),
    single("counter", "synap_log_operations_total", "Operations appended to the log.", () => log().operations),
    single("counter", "synap_log_bytes_total", "Bytes of records appended to the log.", () => log().appendedBytes),
    single("gauge", "synap_log_unwritten_bytes", "Bytes of records not written yet.", () => log().unwrittenBytes),
    single(
      "gauge",
      "synap_disk_free_bytes",
      "Room on the disk of the data directory; 0 without one.",
      () => log().diskFreeBytes,
    ),
  ];
}

function snapshotMetrics(storage: StorageInstruments): Metric[] {
  return [
    single("counter", "synap_snapshots_total", "Snapshots taken.", () => storage.snapshotCount),
    single("gauge", "synap_snapshot_seconds", "How long the last one took.", () => storage.snapshotSeconds),
    single("gauge", "synap_snapshot_bytes", "Bytes of the last one.", () => storage.snapshotBytes),
  ];
}

function replyMetrics({ replies }: MetricsSources): Metric[] {
  return [
    single("gauge", "synap_idempotent_replies", "Replies of idempotent writes remembered.", () => replies().count),
    single(
      "counter",
      "synap_idempotent_replays_total",
      "Idempotent writes that had run before and were answered with their first reply.",
      () => replies().replays,
    ),
  ];
}

function runtimeMetrics(runtime: RuntimeInstruments): Metric[] {
  return [
    single(
      "gauge",
      "synap_cpu_usage_percent",
      "CPU time of the process, all threads, in percent of one core, over the last half minute or more.",
      () => runtime.cpuPercent(),
    ),
    labelled(
      "summary",
      "synap_event_loop_delay_seconds",
      "How late the event loop came to a timer, over the last half minute or more; quantile 1 is the worst.",
      () => {
        const { p50, p99, p999, max } = runtime.eventLoopDelay();
        return [
          { labels: { quantile: "0.5" }, value: p50 },
          { labels: { quantile: "0.99" }, value: p99 },
          { labels: { quantile: "0.999" }, value: p999 },
          { labels: { quantile: "1" }, value: max },
        ];
      },
    ),
    single(
      "counter",
      "synap_event_loop_active_seconds_total",
      "Time that the event loop was busy.",
      () => runtime.eventLoopUtilization().active / 1000,
    ),
  ];
}

function gcPauses(runtime: RuntimeInstruments): HistogramText {
  const labels = GC_KINDS.map((kind) => ({ kind }));
  return new HistogramText("synap_gc_pause_seconds", "Pauses of the garbage collector.", runtime.gcPauses, labels);
}

/** The names that every Prometheus client library gives them, so that ready-made dashboards and alerts work. */
function processMetrics(startedAtSeconds: number, version: string): Metric[] {
  const build = [{ labels: { version, node: process.versions.node }, value: 1 }];
  return [
    labelled("gauge", "synap_build_info", "1, with the versions of the server and of Node.js.", () => build),
    single(
      "gauge",
      "process_start_time_seconds",
      "Start of the server, in seconds since the epoch.",
      () => startedAtSeconds,
    ),
    single("counter", "process_cpu_seconds_total", "CPU time of the process, user and system.", () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    }),
    single("gauge", "process_resident_memory_bytes", "Resident memory of the process.", () =>
      process.memoryUsage.rss(),
    ),
    single(
      "gauge",
      "nodejs_heap_size_total_bytes",
      "Size of the JavaScript heap.",
      () => process.memoryUsage().heapTotal,
    ),
    single(
      "gauge",
      "nodejs_heap_size_used_bytes",
      "Part of the JavaScript heap in use.",
      () => process.memoryUsage().heapUsed,
    ),
    single(
      "gauge",
      "nodejs_external_memory_bytes",
      "Memory outside the JavaScript heap that its objects own, array buffers included.",
      () => process.memoryUsage().external,
    ),
  ];
}
