/**
 * Holds what a queue delivered against what was published: each message once, and in the order of the contract, which is
 * priority, then publish order. Deliveries reach a benchmark over several connections, so the order that counts is that
 * of their delivery ids.
 */
import { type Lanes, laneOf, ONE_LANE, PRIORITIES, type PriorityDistribution, priorityOf } from "./message-plan.ts";

export class DeliveryLedger {
  readonly #messages: number;
  readonly #distribution: PriorityDistribution;
  readonly #lanes: Lanes;
  readonly #times: Uint8Array;
  /** By position of arrival. */
  readonly #numbers: Uint32Array;
  readonly #deliveryIds: Float64Array;
  #deliveries = 0;
  #unknown = 0;
  #wrongPriority = 0;

  /** @param messages how many were published, numbered from 0 in the publish order of each lane */
  constructor(messages: number, distribution: PriorityDistribution, lanes = ONE_LANE) {
    this.#lanes = lanes;
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
    /** By lane and priority: the message that was delivered last. */
    const last = new Map<number, number>();
    let wrong = 0;
    for (let i = 0; i < order.length; i++) {
      const message = this.#numbers[order[i]];
      const priority = priorityOf(message, this.#distribution);
      const row = laneOf(message, this.#lanes) * PRIORITIES + priority;
      const isEarly = message < (last.get(row) ?? 0);
      last.set(row, message);
      const sameId = i > 0 && ids[order[i - 1]] === ids[order[i]];
      const isLate = i > 0 && priorityOf(this.#numbers[order[i - 1]], this.#distribution) < priority;
      if (sameId || isLate || isEarly) wrong += 1;
    }
    return wrong;
  }
}
