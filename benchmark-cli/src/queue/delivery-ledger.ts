/**
 * Holds what a queue delivered against what was published: each message once, and in the order of the contract, which is
 * priority, then publish order. Deliveries reach a benchmark over several connections, so the order that counts is that
 * of their delivery ids.
 */
import { type PriorityDistribution, priorityOf } from "./message-plan.ts";

export class DeliveryLedger {
  readonly #messages: number;
  readonly #distribution: PriorityDistribution;
  readonly #times: Uint8Array;
  /** By position of arrival. */
  readonly #numbers: Uint32Array;
  readonly #deliveryIds: Float64Array;
  #deliveries = 0;
  #unknown = 0;
  #wrongPriority = 0;

  /** @param messages how many were published, numbered from 0 in publish order */
  constructor(messages: number, distribution: PriorityDistribution) {
    this.#messages = messages;
    this.#distribution = distribution;
    this.#times = new Uint8Array(messages);
    this.#numbers = new Uint32Array(messages);
    this.#deliveryIds = new Float64Array(messages);
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  add(message: number, deliveryId: number, priority: number): void {
    if (!(message < this.#messages)) {
      this.#unknown += 1;
      return;
    }
    if (priority !== priorityOf(message, this.#distribution)) this.#wrongPriority += 1;
    if (this.#times[message] < 255) this.#times[message] += 1;
    // A repeat is counted above; it has no place of its own in the order.
    if (this.#times[message] > 1) return;
    this.#numbers[this.#deliveries] = message;
    this.#deliveryIds[this.#deliveries] = deliveryId;
    this.#deliveries += 1;
  }

  /** One sentence for each kind of thing that is wrong; nothing when all is well. Call it when all has been delivered. */
  problems(): string[] {
    const times = this.#times;
    const found = [
      [times.reduce((missing, count) => missing + (count === 0 ? 1 : 0), 0), "messages were never delivered"],
      [times.reduce((repeated, count) => repeated + (count > 1 ? 1 : 0), 0), "messages were delivered more than once"],
      [this.#unknown, "deliveries were of messages that nobody published"],
      [this.#wrongPriority, "deliveries had another priority than was published"],
      [this.#outOfOrder(), "deliveries were out of order"],
    ] as const;
    return found.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  }

  #outOfOrder(): number {
    const ids = this.#deliveryIds;
    const order = Uint32Array.from({ length: this.#deliveries }, (_, position) => position);
    order.sort((a, b) => ids[a] - ids[b]);
    let wrong = 0;
    for (let i = 1; i < order.length; i++) {
      const before = this.#numbers[order[i - 1]];
      const after = this.#numbers[order[i]];
      const drop = priorityOf(before, this.#distribution) - priorityOf(after, this.#distribution);
      const sameId = ids[order[i - 1]] === ids[order[i]];
      if (sameId || drop < 0 || (drop === 0 && before > after)) wrong += 1;
    }
    return wrong;
  }
}
