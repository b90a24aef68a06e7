/**
 * Which topics there are, who subscribes to what, and which topic a message goes to; publisher, subscribers and checker
 * work it out alike. The matcher is the benchmark's own, so that a fault of the server's does not excuse itself.
 *
 *     topic         g7.h23.l1
 *     exact         g7.h23.l1     1 topic
 *     wildcards     g7.h23.*      2 topics
 *                   g7.h23.#      2 topics
 *                   *.h23.l1      one of each hundred topics
 *                   #.h23.l1      the same
 */

export interface TopicPlan {
  readonly topics: number;
  readonly subscribers: number;
  /** The share of subscribers whose pattern has a wildcard. */
  readonly wildcardRatio: number;
  /** Connections that publish. A topic is one connection's, so that its messages have an order. */
  readonly publishers: number;
}

/** The connection that publishes to a topic. */
export function publisherOf(topic: number, { publishers }: TopicPlan): number {
  return topic % publishers;
}

/** Spreads the wildcards over the topics; a prime. */
const STRIDE = 7_919;

export function topicName(topic: number): string {
  return `g${Math.floor(topic / 100)}.h${(topic >> 1) % 50}.l${topic & 1}`;
}

export function isWildcard({ subscribers, wildcardRatio }: TopicPlan, subscriber: number): boolean {
  return subscriber >= subscribers - Math.round(subscribers * wildcardRatio);
}

export function patternOf(plan: TopicPlan, subscriber: number): string {
  if (!isWildcard(plan, subscriber)) return topicName(subscriber % plan.topics);
  const [first, second, third] = topicName((subscriber * STRIDE) % plan.topics).split(".");
  const kind = subscriber % 10;
  if (kind === 0) return `*.${second}.${third}`;
  if (kind === 1) return `#.${second}.${third}`;
  return `${first}.${second}.${kind < 6 ? "*" : "#"}`;
}

/** The topic of a message, spread evenly and without a pattern. */
export function topicOf(message: number, { topics }: TopicPlan): number {
  return (Math.imul(message + 1, 0x9e3779b1) >>> 8) % topics;
}

/** Whether a pattern matches a topic: `*` is one level, `#` any number of them, anywhere (wire contract, pubsub). */
export function matches(pattern: string, topic: string): boolean {
  return matchLevels(pattern.split("."), 0, topic.split("."), 0);
}

function matchLevels(pattern: readonly string[], p: number, topic: readonly string[], t: number): boolean {
  if (p === pattern.length) return t === topic.length;
  if (pattern[p] === "#") {
    for (let rest = t; rest <= topic.length; rest++) if (matchLevels(pattern, p + 1, topic, rest)) return true;
    return false;
  }
  if (t === topic.length) return false;
  return (pattern[p] === "*" || pattern[p] === topic[t]) && matchLevels(pattern, p + 1, topic, t + 1);
}

/** By topic: how many copies of a message to it are delivered. */
export function fanoutOf(plan: TopicPlan): Uint32Array {
  const fanout = new Uint32Array(plan.topics);
  for (let subscriber = 0; subscriber < plan.subscribers; subscriber++) {
    for (const topic of topicsOf(plan, subscriber)) fanout[topic] += 1;
  }
  return fanout;
}

/** The topics that a subscriber's pattern matches. */
export function topicsOf(plan: TopicPlan, subscriber: number): number[] {
  if (!isWildcard(plan, subscriber)) return [subscriber % plan.topics];
  const pattern = patternOf(plan, subscriber);
  const found: number[] = [];
  for (let topic = 0; topic < plan.topics; topic++) if (matches(pattern, topicName(topic))) found.push(topic);
  return found;
}
