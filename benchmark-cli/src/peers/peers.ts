/** The peers that Synap is compared with: the programs each needs, and the comparison that it is for. */
import type { ScenarioResult } from "../report/result.ts";
import type { Stage } from "../scenarios/stage.ts";
import { missingPrograms } from "../servers/processes.ts";
import { againstBeanstalkd } from "./against-beanstalkd.ts";
import { againstMosquitto, againstNats } from "./against-brokers.ts";
import { againstRabbitmq } from "./against-rabbitmq.ts";
import { againstRedis, againstWebdis } from "./against-redis.ts";
import type { PeerOptions } from "./peer-options.ts";

interface PeerEntry {
  readonly programs: readonly string[];
  readonly compare: (options: PeerOptions, stage: Stage) => Promise<ScenarioResult>;
}

export const PEERS: Readonly<Record<string, PeerEntry>> = {
  redis: { programs: ["redis-server"], compare: againstRedis },
  webdis: { programs: ["redis-server", "webdis"], compare: againstWebdis },
  beanstalkd: { programs: ["beanstalkd"], compare: againstBeanstalkd },
  nats: { programs: ["nats-server"], compare: againstNats },
  rabbitmq: { programs: ["rabbitmq-server"], compare: againstRabbitmq },
  mosquitto: { programs: ["mosquitto"], compare: againstMosquitto },
};

/** @returns a sentence that says why a peer is left out, or undefined. */
export function whyMissing(name: string): string | undefined {
  const missing = missingPrograms(PEERS[name].programs);
  if (missing.length === 0) return undefined;
  return `${name} is skipped: ${missing.join(" and ")} not found here; on Debian or Ubuntu: apt-get install ${missing.join(" ")}`;
}
