/**
 * One publisher and three subscribers with wildcards that match everything, beside nats-server and beside mosquitto (QoS 0).
 * The same client drives all; it stays at most a window of messages ahead of the slowest subscriber, and every subscriber
 * must get everything, in order.
 */
import type { ChildProcess } from "node:child_process";
import { ClientProcess, CpuWatch } from "../load/client-process.ts";
import type { ScenarioResult } from "../report/result.ts";
import type { Stage } from "../scenarios/stage.ts";
import { stop } from "../servers/processes.ts";
import type { TopicServer } from "../topics/topic-dialects.ts";
import type { TopicStream, TopicStreamConfig } from "../topics/topic-stream.ts";
import { type Bounds, compareInTurns, type TurnResult } from "./comparison.ts";
import { type PeerOptions, WARMUP_SECS } from "./peer-options.ts";
import { startMosquitto, startNats } from "./peer-processes.ts";
import type { Peer } from "./redis-process.ts";

const WINDOW = 2_000;
/** Messages of one frame in the second measurement of Synap. */
const BATCH = 20;

export function againstNats(options: PeerOptions, stage: Stage): Promise<ScenarioResult> {
  const bounds = { least: 0.5, goal: 1 };
  return againstBroker({ server: "nats", name: "nats-server", start: startNats, bounds }, options, stage);
}

export function againstMosquitto(options: PeerOptions, stage: Stage): Promise<ScenarioResult> {
  return againstBroker({ server: "mosquitto", name: "mosquitto, QoS 0", start: startMosquitto }, options, stage);
}

interface Broker {
  readonly server: TopicServer;
  readonly name: string;
  readonly start: () => Promise<Peer>;
  /** Of targets.md, where it has any. */
  readonly bounds?: Bounds;
}

async function againstBroker(broker: Broker, options: PeerOptions, stage: Stage): Promise<ScenarioResult> {
  const peer = await broker.start();
  const synap = await stage.open({ durability: "memory" });
  const judged = broker.bounds === undefined ? {} : { bounds: broker.bounds };
  const { ratios, rates } = await compareInTurns(
    stage,
    {
      unit: "deliveries/s",
      peer: { name: broker.name, run: () => stream(broker.server, 1, options, peer) },
      own: [
        { name: "Synap", ...judged, run: () => stream("synap", 1, options, synap) },
        { name: `Synap, ${BATCH} per frame`, run: () => stream("synap", BATCH, options, synap) },
      ],
    },
    options.rounds,
  );
  await synap.stop();
  await stop(peer.child);
  return {
    scenario: broker.server,
    title: `Synap beside ${broker.name}: 1 publisher, 3 matching wildcard subscribers`,
    settings: { ...options, connections: 4 },
    rows: [...ratios, ...rates],
    phases: [],
    errors: {},
    notes: [peer.settings],
  };
}

async function stream(
  server: TopicServer,
  batch: number,
  { payloadSize: payloadBytes, duration: seconds }: PeerOptions,
  { child, port }: { readonly child: ChildProcess | undefined; readonly port: number },
): Promise<TurnResult> {
  const config: TopicStreamConfig = {
    ...{ server, port, batch, payloadBytes, seconds },
    window: WINDOW,
    warmupSeconds: WARMUP_SECS,
  };
  const client = new ClientProcess(new URL("../topics/topic-stream.ts", import.meta.url), config);
  await client.until("measuring");
  const cpu = new CpuWatch(child, [client]);
  const measured = await client.until<TopicStream>("measured");
  const turn: TurnResult = {
    perSec: measured.deliveries / measured.seconds,
    perCpuSec: measured.deliveries / cpu.serverSecs,
    cpu: cpu.cores(measured.seconds),
  };
  await client.until("done");
  await client.stop();
  return turn;
}
