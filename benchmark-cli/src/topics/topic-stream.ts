/**
 * A process with one publisher and three subscribers whose wildcards match all that is published. The publisher stays at
 * most a window ahead of the slowest subscriber, so nothing has to be dropped; each must get everything, in order.
 */

import { serve } from "../load/client-process.ts";
import type { ClientSocket } from "../load/client-socket.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { DIGITS, numberedText, readDigits } from "../load/requests.ts";
import { sleep } from "../servers/processes.ts";
import { type TopicDialect, type TopicServer, topicDialect } from "./topic-dialects.ts";

export interface TopicStreamConfig {
  readonly server: TopicServer;
  readonly port: number;
  readonly payloadBytes: number;
  /** Messages per request; 1 where there is no such thing. */
  readonly batch: number;
  /** Messages under way. */
  readonly window: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface TopicStream {
  readonly published: number;
  readonly deliveries: number;
  readonly seconds: number;
}

const PATTERNS = ["bench.#", "bench.*.reading", "*.*.reading"];
/** Requests are encoded once and sent in turn. */
const REQUESTS = 1_000;

serve<TopicStreamConfig>(async (config, benchmark) => {
  const { port, batch, window } = config;
  const dialect = topicDialect(config.server);
  const distinct = REQUESTS * batch;
  const requests = encodeRequests(dialect, config);

  const publisher = await dialect.open(port);
  publisher.onMessage = (bytes, start, end) => {
    dialect.payloadAt(bytes, start, end);
  };
  const received = PATTERNS.map(() => 0);
  let published = 0;
  let isEnding = false;
  const slowest = () => Math.min(received[0], received[1], received[2]);
  const publish = () => {
    const least = slowest();
    // A few at a time, so that requests share a write.
    if (isEnding || published - least > window / 2) return;
    for (; published + batch - least <= window; published += batch) {
      publisher.append(requests[(published / batch) % REQUESTS]);
    }
    publisher.flush();
  };
  const subscribers: ClientSocket[] = [];
  for (const [i, pattern] of PATTERNS.entries()) {
    const socket = await dialect.open(port);
    await dialect.subscribe(socket, pattern);
    socket.onMessage = (bytes, start, end) => {
      const at = dialect.payloadAt(bytes, start, end);
      if (at < 0) return;
      const number = readDigits(bytes, at, DIGITS);
      if (number !== received[i] % distinct) throw new Error(`${pattern} got ${number}, not ${received[i] % distinct}`);
      received[i] += 1;
      publish();
    };
    subscribers.push(socket);
  }

  publish();
  await sleep(config.warmupSeconds * 1_000);
  benchmark.tell("measuring");
  const [publishedBefore, receivedBefore] = [published, total(received)];
  const startMs = monotonicMs();
  await sleep(config.seconds * 1_000);
  const measured: TopicStream = {
    published: published - publishedBefore,
    deliveries: total(received) - receivedBefore,
    seconds: (monotonicMs() - startMs) / 1_000,
  };
  benchmark.tell("measured", measured);
  isEnding = true;
  while (slowest() < published) await sleep(5);
  for (const socket of [publisher, ...subscribers]) socket.close();
  benchmark.tell("done");
});

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Requests whose messages are numbered through. */
function encodeRequests(dialect: TopicDialect, { batch, payloadBytes }: TopicStreamConfig): Buffer[] {
  const rest = numberedText(payloadBytes).slice(DIGITS);
  return Array.from({ length: REQUESTS }, (_, request) => {
    const messages = Array.from({ length: batch }, (_, i) => {
      const number = request * batch + i;
      return { topic: `bench.${number % 100}.reading`, payload: String(number).padStart(DIGITS, "0") + rest };
    });
    return dialect.encode(messages);
  });
}
