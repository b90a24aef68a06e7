/**
 * Publish, consume and acknowledge on one queue, beside beanstalkd doing put, reserve and delete, with the same client. Twice:
 * each with a log that it syncs once a second, and each with every write on disk before its reply.
 */
import type { QueueProtocol } from "../queue/queue-dialects.ts";
import type { ScenarioResult } from "../report/result.ts";
import type { Row } from "../report/row.ts";
import type { Stage } from "../scenarios/stage.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { stop } from "../servers/processes.ts";
import { NO_SNAPSHOTS } from "../servers/synap-process.ts";
import type { Target } from "../servers/target.ts";
import { compareInTurns } from "./comparison.ts";
import type { PeerOptions } from "./peer-options.ts";
import { startBeanstalkd } from "./peer-processes.ts";
import { queueCycleTurn } from "./queue-cycle-turn.ts";
import type { Peer } from "./redis-process.ts";

/** How often the logs of both are synced, in the words of each; `bounds` are those of targets.md, where it has any. */
const POLICIES = [
  { fsync: "interval", fsyncMs: 1_000, bounds: { least: 1, goal: 2 } },
  { fsync: "always", fsyncMs: 0, bounds: undefined },
] as const;
const DEPTHS = [16, 1];
const CONNECTIONS_MAX = 10;

export async function againstBeanstalkd(options: PeerOptions, stage: Stage): Promise<ScenarioResult> {
  const rows: Row[] = [];
  const notes: string[] = [];
  const connections = Math.min(options.connections, CONNECTIONS_MAX);
  for (const policy of POLICIES) {
    const peer = await startBeanstalkd(policy.fsyncMs);
    const synap = await stage.open({ durability: policy.fsync, args: NO_SNAPSHOTS });
    notes.push(peer.settings);
    for (const inFlight of DEPTHS) {
      const config = { ...options, connections };
      const done = await compareDepth(config, policy, inFlight, peer, synap, stage);
      rows.push(...done.ratios, ...done.rates);
    }
    const { depth, pending } = await synap.command("queue.stats", { queue: "benchmark" });
    if (depth !== 0 || pending !== 0) throw new BenchmarkError(`messages are left: ${depth} ready, ${pending} pending`);
    await synap.stop();
    await stop(peer.child);
  }
  return {
    scenario: "beanstalkd",
    title: `Synap beside beanstalkd: publish, consume and acknowledge on one queue, ${connections} connections`,
    settings: { ...options, connections },
    rows,
    phases: [],
    errors: {},
    notes,
  };
}

function compareDepth(
  options: PeerOptions,
  { fsync, fsyncMs, bounds }: (typeof POLICIES)[number],
  inFlight: number,
  peer: Peer,
  synap: Target,
  stage: Stage,
): ReturnType<typeof compareInTurns> {
  const own = (protocol: QueueProtocol) => ({
    name: `Synap, fsync ${fsync}, ${protocol}, ${inFlight} in flight`,
    run: () => queueCycleTurn(protocol, inFlight, options, synap),
  });
  const judged = bounds === undefined ? {} : { bounds };
  return compareInTurns(
    stage,
    {
      unit: "messages/s",
      peer: {
        name: `beanstalkd -f ${fsyncMs}, ${inFlight} in flight`,
        run: () => queueCycleTurn("beanstalkd", inFlight, options, peer),
      },
      // HTTP has one request of a connection under way.
      own: [{ ...own("websocket"), ...judged }, ...(inFlight === 1 ? [own("http")] : [])],
    },
    options.rounds,
  );
}
