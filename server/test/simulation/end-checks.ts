/** When all has come to rest: what every node holds, what is in the queues, and what ran how often. */
import { type ClientRequest, counterOf, QUEUES } from "./client-request.ts";
import { run } from "./direct-command.ts";
import { Finding } from "./finding.ts";
import { stretchesOf } from "./log-history.ts";
import { tokenOf } from "./message-account.ts";
import type { Engine } from "./simulated-node.ts";
import type { Simulation } from "./simulation.ts";

/** Longer than any deadline or delay of a message. */
const QUIET_MS = 5000;
const PAGE = 500;

export async function checkEnd(simulation: Simulation): Promise<void> {
  const { accounts, cluster } = simulation;
  for (const node of cluster.nodes) accounts.compare(node);
  const { master } = cluster;
  const engine = master.engine;
  if (engine === undefined) throw new Finding("no rest", "the master is down in the end");
  checkOnce(simulation, engine);
  await simulation.until("no message is pending or delayed", QUIET_MS, () => isQuiet(engine));
  checkMessages(simulation, engine);
}

function isQuiet(engine: Engine): boolean {
  return QUEUES.every((queue) => {
    const stats = run(engine, "queue.stats", { queue });
    return stats.pending === undefined || (stats.pending === 0 && stats.delayed === 0);
  });
}

/** Whether the effects of a request are somewhere, though not in this log: it was left behind. */
function isLeftBehind({ accounts }: Simulation, token: string): boolean {
  return accounts.history.epochs.some((epoch) => epoch.countWithToken(token, Number.POSITIVE_INFINITY) > 0);
}

/** Anything that was shown may be gone. */
function mayMissSome({ accounts, cluster, scenario }: Simulation, { log, state }: Engine): boolean {
  const path = accounts.pathOf(cluster.master, log);
  return scenario.fsync !== "always" || accounts.hasLeftBehind(path, state.appliedOffset);
}

function checkMessages(simulation: Simulation, engine: Engine): void {
  const found = new Map<string, number>();
  for (const queue of QUEUES) {
    for (const payload of payloadsIn(engine, queue)) {
      const token = tokenOf(payload);
      found.set(token, (found.get(token) ?? 0) + 1);
    }
  }
  simulation.messages.checkEnd(found, {
    isInLog: (token) => countIn(simulation, engine, token) > 0,
    isLeftBehind: (token) => isLeftBehind(simulation, token),
    mayReturn: mayMissSome(simulation, engine),
  });
}

function payloadsIn(engine: Engine, queue: string): string[] {
  const payloads: string[] = [];
  const { messages } = run(engine, "queue.peek", { queue, count: PAGE });
  const dead = run(engine, "queue.dead.list", { queue, limit: PAGE });
  for (const list of [messages, dead.messages]) {
    if (!Array.isArray(list)) continue;
    for (const each of list as { payload: string }[]) payloads.push(each.payload);
  }
  return payloads;
}

/** How many records of the master's log have the token. */
function countIn({ accounts, cluster }: Simulation, { log, state }: Engine, token: string): number {
  const path = accounts.pathOf(cluster.master, log);
  return stretchesOf(path, state.appliedOffset).reduce(
    (sum, { epoch, end }) => sum + epoch.countWithToken(token, end),
    0,
  );
}

/** No request ran twice, and those that were answered ran, unless a promotion has left them behind. */
function checkOnce(simulation: Simulation, engine: Engine): void {
  const counted = new Map<number, { asked: number; answered: number }>();
  for (const [id, { clientId, request }] of simulation.requests) {
    const isAnswered = simulation.succeeded.has(id);
    if (request.token !== undefined) checkToken(simulation, engine, request, isAnswered);
    if (request.command !== "kv.incr" || request.payload.key !== counterOf(clientId)) continue;
    const count = counted.get(clientId) ?? { asked: 0, answered: 0 };
    count.asked++;
    if (isAnswered) count.answered++;
    counted.set(clientId, count);
  }
  if (wasFlushed(simulation)) return;
  const mayMiss = mayMissSome(simulation, engine);
  for (const [clientId, { asked, answered }] of counted) {
    const { value } = run(engine, "kv.get", { key: counterOf(clientId), meta: true });
    const count = Number(value ?? 0);
    if (count > asked) throw new Finding("ran more than once", `${count} increments of ${asked} of client ${clientId}`);
    if (count < answered && !mayMiss) {
      throw new Finding("acknowledged write lost", `${count} increments of ${answered} answered to client ${clientId}`);
    }
  }
}

function wasFlushed({ requests }: Simulation): boolean {
  return [...requests.values()].some(({ request }) => request.command === "kv.flushdb");
}

function checkToken(simulation: Simulation, engine: Engine, request: ClientRequest, isAnswered: boolean): void {
  const { token = "", command, id } = request;
  const count = countIn(simulation, engine, token);
  if (count > 1) throw new Finding("ran more than once", `${command} ${id} with ${token} is in ${count} records`);
  const isNoWrite = command === "kv.cas" || command === "kv.set";
  if (count === 0 && isAnswered && !isNoWrite && !isLeftBehind(simulation, token)) {
    throw new Finding("acknowledged write lost", `${command} ${id} with ${token} was answered and is in no log`);
  }
}
