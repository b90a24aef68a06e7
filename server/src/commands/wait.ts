/** What a command answers with when it has no answer yet; then its reply comes late (dispatch/waits.ts). */
export abstract class Wait {
  /** How long from now. */
  readonly waitMs: number;

  constructor(waitMs: number) {
    this.waitMs = waitMs;
  }

  /** The reply when the time is over, as it is then. */
  abstract get otherwise(): unknown;
}

/**
 * For a message of a queue. The write has staged nothing, and is planned again whenever the queue has gained a message, until
 * it answers with something else or the time is over. Then the last answer it gave counts.
 */
export class QueueWait extends Wait {
  readonly queueId: number;
  readonly otherwise: unknown;

  constructor(queueId: number, waitMs: number, otherwise: unknown) {
    super(waitMs);
    this.queueId = queueId;
    this.otherwise = otherwise;
  }
}

/** For something that this node will come to know, and that is the answer as it comes. */
export class AnswerWait extends Wait {
  /** Begins to wait: `answer` is called once, later. Returns what ends that before. */
  readonly begin: (answer: (result: unknown) => void) => () => void;
  readonly #otherwise: () => unknown;

  constructor(waitMs: number, begin: AnswerWait["begin"], otherwise: () => unknown) {
    super(waitMs);
    this.begin = begin;
    this.#otherwise = otherwise;
  }

  get otherwise(): unknown {
    return this.#otherwise();
  }
}
