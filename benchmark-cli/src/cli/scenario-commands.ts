/** The scenarios' commands: their flags, and what a flag that is left out means. */
import type { Command } from "commander";
import type { Protocol } from "../load/connection.ts";
import { ROOM_PUBLISHERS } from "../rooms/room-topology.ts";
import { type KvOptions, runKv } from "../scenarios/kv.ts";
import { HTTP_PUBLISHERS, pipelineOf, publishersOf } from "../scenarios/protocol-options.ts";
import { type PubsubOptions, runPubsub } from "../scenarios/pubsub.ts";
import { QUEUE_WAYS, type QueueOptions, runQueue } from "../scenarios/queue.ts";
import { type ReplicationOptions, runReplication } from "../scenarios/replication.ts";
import { runStream, type StreamOptions } from "../scenarios/stream.ts";
import { FSYNC_POLICIES } from "../servers/synap-process.ts";
import { fractionFlag, wholeFlag, wordFlag } from "./arguments.ts";
import { type Planned, Session, type SessionOptions } from "./session.ts";
import { ofAnyServer, ofSession } from "./session-flags.ts";

export const PROTOCOLS: Readonly<Record<string, Protocol>> = { ws: "websocket", http: "http", resp: "resp" };
const LOOPS = ["closed", "open", "both"];

/** What a command of its own and `all` need to know of a scenario. */
export interface Scenario<Flags extends SessionOptions> {
  /** Gives a command its flags. */
  readonly flags: (command: Command) => Command;
  readonly planned: (flags: Flags) => Planned;
}

function fsyncFlag(preset: "always" | "interval") {
  return wordFlag("--fsync <when>", "when a write is on disk", preset, FSYNC_POLICIES);
}

function protocolFlag(about: string) {
  return wordFlag("--protocol <name>", about, "ws", Object.keys(PROTOCOLS));
}

/** Of a number whose default is another over HTTP, where a connection waits for its reply before it asks again. */
function pipelinedFlag(flags: string, about: string, preset: number, overHttp: number) {
  return wholeFlag(flags, `${about} (${preset}; over http ${overHttp})`, undefined);
}

function publishersFlag(about: string, preset: number) {
  return pipelinedFlag("--publishers <n>", about, preset, HTTP_PUBLISHERS);
}

function roundsFlag() {
  return wholeFlag("--rounds <n>", "repetitions, of which the median counts", 1);
}

const DEFAULT_OPERATIONS = 100_000;

type KvFlags = SessionOptions &
  Omit<KvOptions, "protocol" | "operations" | "duration" | "rate"> & {
    readonly protocol: string;
    readonly operations?: number;
    readonly duration?: number;
    readonly rate?: number;
  };

function plannedKv({ operations = DEFAULT_OPERATIONS, duration, rate, protocol, ...rest }: KvFlags): Planned {
  const options: KvOptions = { ...settings(rest), operations, duration, rate, protocol: PROTOCOLS[protocol] };
  return { name: "kv", run: (stage) => runKv(options, stage) };
}

type OfSession = keyof SessionOptions | "protocol";

/** What is a scenario's own, without the flags of the session, and the protocol, which has another name there. */
function settings<Flags extends SessionOptions>(flags: Flags): Omit<Flags, OfSession> {
  const { protocol: _protocol, ...without } = flags as Flags & { readonly protocol?: string };
  const { url: _url, respPort: _respPort, token: _token, ca: _ca, overwrite: _overwrite, ...rest } = without;
  const { server: _server, json: _json, report: _report, ...own } = rest;
  // The nine names above are taken away.
  return own as Omit<Flags, OfSession>;
}

function kvFlags(command: Command): Command {
  return ofAnyServer(command)
    .addOption(protocolFlag("what the clients speak"))
    .addOption(
      wholeFlag("--operations <n>", `operations of the closed loop (${DEFAULT_OPERATIONS})`, undefined).conflicts(
        "duration",
      ),
    )
    .addOption(fractionFlag("--duration <s>", "seconds of each loop, in place of --operations", undefined, 0.1))
    .addOption(fractionFlag("--read-ratio <r>", "share of gets", 0.8, 0, 1))
    .addOption(wholeFlag("--key-size <n>", "bytes of a key", 20, 12))
    .addOption(wholeFlag("--value-size <n>", "bytes of a value", 100))
    .addOption(wholeFlag("--keys <n>", "keys that operations are spread over", 100_000))
    .addOption(wholeFlag("--connections <n>", "connections", 10))
    .addOption(wholeFlag("--pipeline <n>", "requests of a connection without a reply", 1))
    .addOption(wholeFlag("--batch <n>", "commands of one request", 1))
    .addOption(wordFlag("--loop <name>", "as fast as it goes, at fixed instants, or both", "both", LOOPS))
    .addOption(fractionFlag("--rate <r>", "operations/s of the open loop (a fifth of the closed loop)", undefined, 1))
    .addOption(fractionFlag("--warmup <s>", "seconds before anything counts", 0))
    .addOption(wholeFlag("--seed <n>", "repeats the same operations", 1, 0))
    .addOption(wholeFlag("--clients <n>", "client processes that share the load", 1))
    .addOption(fsyncFlag("interval"))
    .addOption(roundsFlag());
}

export const kvScenario: Scenario<KvFlags> = { flags: kvFlags, planned: plannedKv };

/** Flags whose defaults depend on the protocol. */
interface PublishingFlags {
  readonly protocol: string;
  readonly publishers?: number;
  readonly pipeline?: number;
}

type PublishingOptions = keyof PublishingFlags | "rate";

type QueueFlags = SessionOptions & Omit<QueueOptions, PublishingOptions> & PublishingFlags & { readonly rate?: number };

const QUEUE_PIPELINE = 32;

function plannedQueue({ rate, publishers, pipeline, ...rest }: QueueFlags): Planned {
  const protocol = PROTOCOLS[rest.protocol];
  const options: QueueOptions = {
    protocol,
    ...settings(rest),
    rate,
    publishers: publishersOf(protocol, publishers, 1),
    pipeline: pipelineOf(protocol, pipeline, QUEUE_PIPELINE),
  };
  return { name: "queue", run: (stage) => runQueue(options, stage) };
}

function queueFlags(command: Command): Command {
  return ofAnyServer(command)
    .addOption(protocolFlag("what the clients speak; what is pushed needs a WebSocket, and a batch ws or http"))
    .addOption(publishersFlag("connections that publish", 1))
    .addOption(wholeFlag("--messages <n>", "messages of each closed loop", 50_000))
    .addOption(
      wordFlag("--priority-distribution <name>", "how priorities 0 to 9 are spread", "uniform", ["uniform", "equal"]),
    )
    .addOption(
      wordFlag("--way <name>", "how clients use it: each way that the protocol has, or one", "all", [
        "all",
        ...QUEUE_WAYS,
      ]),
    )
    .addOption(wholeFlag("--workers <n>", "connections that consume", 5))
    .addOption(wholeFlag("--ack-deadline <s>", "seconds a worker has to acknowledge", 30))
    .addOption(wholeFlag("--payload-size <n>", "bytes of a message", 100, 26))
    .addOption(pipelinedFlag("--pipeline <n>", "requests of a connection without a reply", QUEUE_PIPELINE, 1))
    .addOption(wholeFlag("--prefetch <n>", "unacknowledged messages of a subscribed worker", 200))
    .addOption(wholeFlag("--batch <n>", "messages per command where batches are measured", 50, 2))
    .addOption(fractionFlag("--duration <s>", "seconds of the open loop; 0 leaves it out", 3))
    .addOption(fractionFlag("--rate <r>", "messages/s of the open loop (a fifth of the closed loop)", undefined, 1))
    .addOption(fsyncFlag("interval"))
    .addOption(roundsFlag());
}

export const queueScenario: Scenario<QueueFlags> = { flags: queueFlags, planned: plannedQueue };

type StreamFlags = SessionOptions &
  Omit<StreamOptions, "rate" | "replayHistory" | "eventsPerRoom" | "protocol" | "publishers"> &
  Omit<PublishingFlags, "pipeline"> & {
    readonly rate?: number;
    readonly replayHistory: string;
    readonly events?: number;
    readonly eventsPerRoom?: number;
  };

const DEFAULT_EVENTS_PER_ROOM = 1_000;

function plannedStream({ rate, replayHistory, events, eventsPerRoom, publishers, ...rest }: StreamFlags): Planned {
  const protocol = PROTOCOLS[rest.protocol];
  const ofRoom = eventsPerRoom ?? (events === undefined ? DEFAULT_EVENTS_PER_ROOM : Math.ceil(events / rest.rooms));
  const options: StreamOptions = {
    protocol,
    ...settings(rest),
    rate,
    replayHistory: replayHistory === "true",
    eventsPerRoom: ofRoom,
    publishers: publishersOf(protocol, publishers, ROOM_PUBLISHERS),
  };
  return { name: "stream", run: (stage) => runStream(options, stage) };
}

function streamFlags(command: Command): Command {
  return ofAnyServer(command)
    .addOption(protocolFlag("what publishes; subscribers have WebSockets"))
    .addOption(publishersFlag("connections of each process that publishes", ROOM_PUBLISHERS))
    .addOption(wholeFlag("--rooms <n>", "rooms", 100))
    .addOption(
      wholeFlag(
        "--events-per-room <n>",
        `events of each room in the closed loop (${DEFAULT_EVENTS_PER_ROOM})`,
        undefined,
      ),
    )
    .addOption(
      wholeFlag("--events <n>", "events of all rooms together, in its place", undefined).conflicts("eventsPerRoom"),
    )
    .addOption(wholeFlag("--subscribers-per-room <n>", "WebSockets subscribed to each room", 50))
    .addOption(
      wordFlag("--replay-history <yes>", "whether all events are replayed at the end", "true", ["true", "false"]),
    )
    .addOption(wholeFlag("--data-size <n>", "bytes of an event's data", 100, 16))
    .addOption(wholeFlag("--pipeline <n>", "events of a room under way in the closed loop", 4))
    .addOption(wholeFlag("--clients <n>", "client processes", 2))
    .addOption(fractionFlag("--duration <s>", "seconds of the open loop", 5, 0.1))
    .addOption(fractionFlag("--rate <r>", "events/s of the open loop (a fifth of the closed loop)", undefined, 1))
    .addOption(fsyncFlag("interval"))
    .addOption(roundsFlag());
}

export const streamScenario: Scenario<StreamFlags> = { flags: streamFlags, planned: plannedStream };

type PubsubFlags = SessionOptions &
  Omit<PubsubOptions, PublishingOptions> &
  PublishingFlags & { readonly rate?: number };

const PUBSUB_PIPELINE = 64;

function plannedPubsub({ rate, publishers, pipeline, ...rest }: PubsubFlags): Planned {
  const protocol = PROTOCOLS[rest.protocol];
  const options: PubsubOptions = {
    protocol,
    ...settings(rest),
    rate,
    publishers: publishersOf(protocol, publishers, 1),
    pipeline: pipelineOf(protocol, pipeline, PUBSUB_PIPELINE),
  };
  return { name: "pubsub", run: (stage) => runPubsub(options, stage) };
}

function pubsubFlags(command: Command): Command {
  return ofAnyServer(command)
    .addOption(protocolFlag("what publishes; subscribers have WebSockets"))
    .addOption(publishersFlag("connections that publish", 1))
    .addOption(wholeFlag("--topics <n>", "topics", 1_000))
    .addOption(wholeFlag("--messages <n>", "messages of the closed loop", 100_000))
    .addOption(wholeFlag("--subscribers <n>", "subscribers", 5_000))
    .addOption(fractionFlag("--wildcard-ratio <r>", "share of the subscribers that have a wildcard", 0.2, 0, 1))
    .addOption(wholeFlag("--subscribers-per-socket <n>", "subscribers that share a WebSocket", 1))
    .addOption(wholeFlag("--payload-size <n>", "bytes of a message", 100, 26))
    .addOption(
      pipelinedFlag(
        "--pipeline <n>",
        "publishes of a connection without a reply in the closed loop",
        PUBSUB_PIPELINE,
        1,
      ),
    )
    .addOption(wholeFlag("--clients <n>", "client processes that subscribe", 2))
    .addOption(fractionFlag("--duration <s>", "seconds of the open loop", 5, 0.1))
    .addOption(fractionFlag("--rate <r>", "messages/s of the open loop (a fifth of the closed loop)", undefined, 1))
    .addOption(roundsFlag());
}

export const pubsubScenario: Scenario<PubsubFlags> = { flags: pubsubFlags, planned: plannedPubsub };

type ReplicationFlags = SessionOptions & ReplicationOptions;

function plannedReplication(flags: ReplicationFlags): Planned {
  return { name: "replication", run: (stage) => runReplication(settings(flags), stage) };
}

function replicationFlags(command: Command): Command {
  return ofSession(command)
    .addOption(wordFlag("--protocol <name>", "what the clients speak; what is pushed needs a WebSocket", "ws", ["ws"]))
    .addOption(wholeFlag("--replicas <n>", "replicas", 3))
    .addOption(wholeFlag("--write-rate <r>", "writes per second on the master", 10_000))
    .addOption(wholeFlag("--write-batch <n>", "writes per frame", 10))
    .addOption(wholeFlag("--read-rate <r>", "reads per second from all replicas together", 50_000))
    .addOption(wholeFlag("--read-batch <n>", "reads per frame", 100))
    .addOption(wholeFlag("--keys <n>", "keys that both are spread over", 100_000))
    .addOption(fractionFlag("--duration <s>", "seconds", 60, 0.5))
    .addOption(fractionFlag("--warmup <s>", "seconds before anything counts", 1))
    .addOption(wholeFlag("--seed <n>", "repeats the same operations", 1, 0))
    .addOption(fsyncFlag("always"))
    .addOption(roundsFlag());
}

export const replicationScenario: Scenario<ReplicationFlags> = {
  flags: replicationFlags,
  planned: plannedReplication,
};

/** Runs one scenario with the flags of its command. */
export function addScenario<Flags extends SessionOptions>(command: Command, { flags, planned }: Scenario<Flags>): void {
  flags(command).action(async (given: Flags) => {
    const session = new Session(given);
    await session.run([planned(given)]);
  });
}
