/**
 * What one more of everything costs in memory: real numbers of each are loaded into a fresh server, and both its own account
 * and the RSS of the process are read before and after. The RSS also has what surrounds them, such as buffers and the log's
 * backlog, so it is never below the account.
 */
import { openWebSocket } from "../load/client-socket.ts";
import { openIdle } from "../load/idle-socket.ts";
import { fill } from "../load/load.ts";
import { readComponents } from "../load/metrics-page.ts";
import { perform } from "../load/requests.ts";
import { drawValue, KEY_BYTES } from "../load/workload.ts";
import type { ScenarioResult } from "../report/result.ts";
import type { Row } from "../report/row.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { sleep } from "../servers/processes.ts";
import type { Target } from "../servers/target.ts";
import type { Stage } from "./stage.ts";

export interface MemoryOptions {
  readonly keys: number;
  readonly messages: number;
  readonly rooms: number;
  readonly events: number;
  readonly subscriptions: number;
  readonly connections: number;
  /** Bytes of a value, a message and an event. */
  readonly payloadSize: number;
}

interface Part {
  readonly name: string;
  readonly count: (options: MemoryOptions) => number;
  /** Of the server's account (`synap_memory_component_bytes`); undefined where it keeps none. */
  readonly component: string | undefined;
  /** Bytes of one that are the caller's own. */
  readonly content: (options: MemoryOptions) => number;
  readonly load: (target: Target, options: MemoryOptions) => Promise<void>;
  readonly accountMax?: number;
  readonly rssMax?: number;
}

/** How long a process is left alone before its memory is read. */
const SETTLE_MS = 2_000;
const BATCH = 200;
const OPENING = 50;
const QUEUE = "memory";
const EVENT_ROOMS = 100;
const TOPICS_PER_COMMAND = 100;
const TOPICS_PER_CONNECTION = 5_000;

/** Ceilings are those of targets.md, for what is beside the content. */
const PARTS: readonly Part[] = [
  {
    name: "key",
    count: ({ keys }) => keys,
    component: "keys",
    content: ({ payloadSize }) => KEY_BYTES + payloadSize,
    load: (target, { keys, payloadSize }) => fill(target.port, { count: keys, valueBytes: payloadSize }),
    accountMax: 40,
    rssMax: 100,
  },
  {
    name: "queued message",
    count: ({ messages }) => messages,
    component: "queues",
    content: ({ payloadSize }) => payloadSize,
    load: loadMessages,
    accountMax: 150,
  },
  {
    name: "empty room",
    count: ({ rooms }) => rooms,
    component: "rooms",
    content: () => 0,
    load: loadRooms,
    accountMax: 1_024,
  },
  {
    name: "event of a room",
    count: ({ events }) => events,
    component: "rooms",
    content: ({ payloadSize }) => payloadSize,
    load: loadEvents,
  },
  {
    name: "subscription",
    count: ({ subscriptions }) => subscriptions,
    component: "subscriptions",
    content: () => 0,
    load: loadSubscriptions,
    accountMax: 200,
  },
  {
    name: "idle WebSocket",
    count: ({ connections }) => connections,
    component: undefined,
    content: () => 0,
    load: loadConnections,
    rssMax: 10_000,
  },
];

export async function runMemory(options: MemoryOptions, stage: Stage): Promise<ScenarioResult> {
  const rows: Row[] = [];
  for (const part of PARTS) {
    if (part.count(options) === 0) continue;
    const measured = await measure(part, options, stage);
    rows.push(...measured);
    stage.line(`  ${measured.map(({ what, value, unit }) => `${what}: ${value.toFixed(1)} ${unit}`).join("; ")}`);
  }
  return {
    scenario: "memory",
    title: "Memory of one more, beside its content (without persistence)",
    settings: { ...options },
    rows,
    phases: [],
    errors: {},
    notes: ["the kernel's buffers of a socket are in neither figure"],
  };
}

async function measure(part: Part, options: MemoryOptions, stage: Stage): Promise<Row[]> {
  const { name, component, accountMax, rssMax } = part;
  const target = await stage.open({ durability: "memory", args: ["--max-memory", "0"] });
  await sleep(SETTLE_MS);
  const before = await read(target);
  await part.load(target, options);
  await sleep(SETTLE_MS);
  const after = await read(target);
  await target.stop();
  const count = part.count(options);
  const beside = (bytes: number) => bytes / count - part.content(options);
  const ceiling = (max: number | undefined) => (max === undefined ? {} : { better: "less" as const, goal: max });
  const note = `of ${count.toLocaleString("en-US")}`;
  const rss: Row = {
    what: `${name}, by RSS`,
    value: beside(after.rssBytes - before.rssBytes),
    unit: "bytes",
    note,
    ...ceiling(rssMax),
  };
  if (component === undefined) return [rss];
  const grown = (after.components[component] ?? 0) - (before.components[component] ?? 0);
  const account = { what: `${name}, by account`, value: beside(grown), unit: "bytes", note, ...ceiling(accountMax) };
  return [account, rss];
}

interface Reading {
  readonly rssBytes: number;
  readonly components: Readonly<Record<string, number>>;
}

async function read(target: Target): Promise<Reading> {
  const usage = await target.usage();
  if (usage === undefined) throw new BenchmarkError("the server ended while its memory was measured");
  return { rssBytes: usage.rssBytes, components: await readComponents(target.port) };
}

async function loadMessages({ port }: Target, { messages, payloadSize }: MemoryOptions): Promise<void> {
  const socket = await openWebSocket(port);
  await perform(socket, "queue.create", { name: QUEUE, config: { max_depth: 0 } });
  for (let sent = 0; sent < messages; sent += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, messages - sent) }, () => ({ payload: drawValue(payloadSize) }));
    await perform(socket, "queue.publish_batch", { queue: QUEUE, messages: batch });
  }
  socket.close();
}

async function loadRooms({ port }: Target, { rooms }: MemoryOptions): Promise<void> {
  const socket = await openWebSocket(port);
  for (let room = 0; room < rooms; room++) await perform(socket, "stream.create", { room: `room-${room}` });
  socket.close();
}

async function loadEvents({ port }: Target, { events, payloadSize }: MemoryOptions): Promise<void> {
  const socket = await openWebSocket(port);
  for (let room = 0; room < EVENT_ROOMS; room++) {
    await perform(socket, "stream.create", { room: `room-${room}`, max_events: events });
  }
  for (let sent = 0, turn = 0; sent < events; sent += BATCH, turn++) {
    const count = Math.min(BATCH, events - sent);
    const batch = Array.from({ length: count }, () => ({ event: "reading", data: drawValue(payloadSize) }));
    await perform(socket, "stream.publish_batch", { room: `room-${turn % EVENT_ROOMS}`, events: batch });
  }
  socket.close();
}

/** The connections stay open, and are closed by the server's end. */
async function loadSubscriptions({ port }: Target, { subscriptions }: MemoryOptions): Promise<void> {
  for (let first = 0; first < subscriptions; first += TOPICS_PER_CONNECTION) {
    const socket = await openWebSocket(port);
    socket.mayBeClosed();
    const end = Math.min(first + TOPICS_PER_CONNECTION, subscriptions);
    for (let topic = first; topic < end; topic += TOPICS_PER_COMMAND) {
      const count = Math.min(TOPICS_PER_COMMAND, end - topic);
      await perform(socket, "pubsub.subscribe", {
        topics: Array.from({ length: count }, (_, i) => topicName(topic + i)),
      });
    }
  }
}

/** Half of them share a topic with others, as subscribers do. */
function topicName(topic: number): string {
  return `sensors.${Math.floor(topic / 2)}.value`;
}

async function loadConnections({ port }: Target, { connections }: MemoryOptions): Promise<void> {
  for (let first = 0; first < connections; first += OPENING) {
    const count = Math.min(OPENING, connections - first);
    await Promise.all(Array.from({ length: count }, () => openIdle(port)));
  }
}
