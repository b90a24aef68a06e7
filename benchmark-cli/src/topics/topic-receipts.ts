/** What one subscriber got of what was published: everything its pattern matches, once, in the order of each connection that published, and no more. */
import { publisherOf, type TopicPlan, topicOf, topicsOf } from "./topic-plan.ts";

export class TopicReceipts {
  readonly #plan: TopicPlan;
  readonly #subscriber: number;
  /** By topic, whether its messages are for this subscriber. */
  readonly #wanted: Uint8Array;
  /** By connection that publishes: the last of its messages. */
  readonly #last: Float64Array;
  #received = 0;
  #expected = 0;
  #wrong = 0;

  constructor(plan: TopicPlan, subscriber: number) {
    this.#plan = plan;
    this.#subscriber = subscriber;
    this.#last = new Float64Array(plan.publishers).fill(-1);
    this.#wanted = new Uint8Array(plan.topics);
    for (const topic of topicsOf(plan, subscriber)) this.#wanted[topic] = 1;
  }

  /**
   * These messages will be published.
   * @param perTopic how many of them go to each topic
   * @returns how many of them are for this subscriber
   */
  expect(perTopic: Uint32Array): number {
    const wanted = this.#wanted.reduce((sum, isWanted, topic) => sum + isWanted * perTopic[topic], 0);
    this.#expected += wanted;
    return wanted;
  }

  add(message: number): void {
    this.#received += 1;
    const topic = topicOf(message, this.#plan);
    const publisher = publisherOf(topic, this.#plan);
    if (message <= this.#last[publisher] || this.#wanted[topic] !== 1) this.#wrong += 1;
    this.#last[publisher] = message;
  }

  /** One sentence, or nothing when all is well. */
  problem(): string | undefined {
    if (this.#received === this.#expected && this.#wrong === 0) return undefined;
    const counts = `got ${this.#received} messages of ${this.#expected}`;
    return `subscriber ${this.#subscriber} ${counts}, ${this.#wrong} of them not for it, twice or out of order`;
  }
}

/** How many of the messages `first .. first + count` go to each topic. */
export function perTopic(plan: TopicPlan, first: number, count: number): Uint32Array {
  const counts = new Uint32Array(plan.topics);
  for (let message = first; message < first + count; message++) counts[topicOf(message, plan)] += 1;
  return counts;
}
