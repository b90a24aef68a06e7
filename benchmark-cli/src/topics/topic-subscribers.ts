/** A process that holds every so manieth subscriber of a plan, each with a WebSocket of its own. */

import { serve } from "../load/client-process.ts";
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { fieldAt, fieldName, numberAt, textStart } from "../load/message-pack-fields.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { ProgressTeller } from "../load/progress-teller.ts";
import { DIGITS, INSTANT_DIGITS, perform, readDigits } from "../load/requests.ts";
import { doneOrStalled } from "../load/stall-watch.ts";
import { sleep } from "../servers/processes.ts";
import { patternOf, type TopicPlan } from "./topic-plan.ts";
import { perTopic, TopicReceipts } from "./topic-receipts.ts";

export interface TopicSubscribersConfig {
  readonly port: number;
  readonly plan: TopicPlan;
  /** Subscribers that share a WebSocket; they follow each other in the plan. */
  readonly perSocket: number;
  /** This process holds the WebSockets `client`, `client + clients`, ... */
  readonly client: number;
  readonly clients: number;
}

/** Comes with `go`: these messages will be published. */
export interface TopicRun {
  readonly first: number;
  readonly count: number;
}

/** Comes with `done`. */
export interface TopicRunResult {
  readonly endMs: number;
  readonly deliveries: number;
  readonly delivery: LatencyCounts;
  readonly problems: readonly string[];
}

const OPENING = 50;
/** What is delivered once too often comes within this time. */
const SETTLE_MS = 100;
const DATA = fieldName("data");
const SUBSCRIPTION_ID = fieldName("subscription_id");

interface Subscribed {
  readonly subscription_id: number;
}

serve<TopicSubscribersConfig>(async ({ port, plan, perSocket, client, clients }, benchmark) => {
  const latencies = new LatencyHistogram();
  const teller = new ProgressTeller(benchmark);
  const receipts: TopicReceipts[] = [];
  let missing = 0;
  let finish: () => void = () => undefined;
  const received = (own: ReadonlyMap<number, TopicReceipts>, bytes: Buffer, start: number, end: number) => {
    const data = fieldAt(bytes, start, DATA);
    if (data < 0) throw new Error(`not a message: ${bytes.toString("latin1", start, end)}`);
    const subscriber = own.get(numberAt(bytes, fieldAt(bytes, start, SUBSCRIPTION_ID)));
    if (subscriber === undefined) throw new Error(`nobody's message: ${bytes.toString("latin1", start, end)}`);
    const text = textStart(bytes, data);
    subscriber.add(readDigits(bytes, text, DIGITS));
    teller.add(monotonicMs() - readDigits(bytes, text + DIGITS, INSTANT_DIGITS) / 1_000, latencies);
    missing -= 1;
    if (missing === 0) finish();
  };
  const open = async (first: number) => {
    const socket = await openWebSocket(port);
    const own = await subscribe(socket, plan, first, Math.min(first + perSocket, plan.subscribers));
    receipts.push(...own.values());
    socket.onMessage = (bytes, start, end) => received(own, bytes, start, end);
  };
  let opening: Promise<void>[] = [];
  for (let first = client * perSocket; first < plan.subscribers; first += clients * perSocket) {
    opening.push(open(first));
    if (opening.length < OPENING) continue;
    await Promise.all(opening);
    opening = [];
  }
  await Promise.all(opening);
  benchmark.tell("ready");

  for (;;) {
    const { first, count } = await benchmark.until<TopicRun>("go");
    const published = perTopic(plan, first, count);
    latencies.clear();
    for (const own of receipts) missing += own.expect(published);
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    benchmark.tell("going");
    if (missing > 0) await doneOrStalled(finished, () => latencies.samples);
    const endMs = monotonicMs();
    await sleep(SETTLE_MS);
    const problems = receipts.map((own) => own.problem()).filter((problem) => problem !== undefined);
    const result: TopicRunResult = { endMs, deliveries: latencies.samples, delivery: latencies.export(), problems };
    benchmark.tell("done", result);
  }
});

/** By subscription id. */
async function subscribe(
  socket: ClientSocket,
  plan: TopicPlan,
  first: number,
  end: number,
): Promise<Map<number, TopicReceipts>> {
  const own = new Map<number, TopicReceipts>();
  for (let subscriber = first; subscriber < end; subscriber++) {
    const pattern = patternOf(plan, subscriber);
    // The contract's reply.
    const { subscription_id } = (await perform(socket, "pubsub.subscribe", { topics: [pattern] })) as Subscribed;
    if (own.has(subscription_id))
      throw new Error(`two on one socket want ${pattern}: take fewer subscribers per socket`);
    own.set(subscription_id, new TopicReceipts(plan, subscriber));
  }
  return own;
}
