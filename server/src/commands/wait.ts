/**
 * What a write answers with when there is nothing for it yet: it stages nothing, and is planned again whenever the queue has
 * gained a message, until it answers with something else or the time is over. Then the last answer it gave counts.
 */
export class Wait {
  readonly queueId: number;
  /** How long from now. */
  readonly waitMs: number;
  /** The reply when the time is over. */
  readonly otherwise: unknown;

  constructor(queueId: number, waitMs: number, otherwise: unknown) {
    this.queueId = queueId;
    this.waitMs = waitMs;
    this.otherwise = otherwise;
  }
}
