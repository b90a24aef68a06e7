/**
 * Publish, consume and acknowledge on one queue, beside RabbitMQ with a durable queue and persistent messages: publish with
 * confirm, get, acknowledge (which RabbitMQ does not answer). Its confirm of a persistent message says that it is on disk.
 */
import type { ScenarioResult } from "../report/result.ts";
import type { Stage } from "../scenarios/stage.ts";
import { stop } from "../servers/processes.ts";
import { NO_SNAPSHOTS } from "../servers/synap-process.ts";
import { compareInTurns } from "./comparison.ts";
import type { PeerOptions } from "./peer-options.ts";
import { startRabbitmq } from "./peer-processes.ts";
import { queueCycleTurn } from "./queue-cycle-turn.ts";

const CONNECTIONS_MAX = 10;
const IN_FLIGHT = 16;

export async function againstRabbitmq(options: PeerOptions, stage: Stage): Promise<ScenarioResult> {
  const connections = Math.min(options.connections, CONNECTIONS_MAX);
  const config = { ...options, connections };
  const peer = await startRabbitmq();
  const synap = await stage.open({ durability: "always", args: NO_SNAPSHOTS });
  const { ratios, rates } = await compareInTurns(
    stage,
    {
      unit: "messages/s",
      peer: { name: "RabbitMQ", run: () => queueCycleTurn("rabbitmq", IN_FLIGHT, config, peer) },
      own: [{ name: "Synap, fsync always", run: () => queueCycleTurn("websocket", IN_FLIGHT, config, synap) }],
    },
    options.rounds,
  );
  await synap.stop();
  await stop(peer.child);
  return {
    scenario: "rabbitmq",
    title: `Synap beside RabbitMQ: publish, consume and acknowledge on one queue, ${connections} connections`,
    settings: { ...config, inFlight: IN_FLIGHT },
    rows: [...ratios, ...rates],
    phases: [],
    errors: {},
    notes: [peer.settings],
  };
}
