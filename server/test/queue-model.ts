/**
 * Queues as one would write them on a page: arrays that are searched from end to end. It is given the operations that the
 * store's planning has staged, judges for itself whether they are right, and says what the state must be then.
 */
import type { QueueConfig } from "../src/state/queue.ts";

export type State = "ready" | "delayed" | "pending" | "dead";

export interface ModelMessage {
  readonly id: number;
  readonly queue: number;
  readonly priority: number;
  readonly maxRetries: number;
  state: State;
  retryCount: number;
  expiresAtMs: number;
  /** When it is ready, has to be acknowledged, or died. */
  instantMs: number;
  /** Its delivery's id, or the offset of its death. */
  turn: number;
  reason: string;
}

export interface ModelQueue {
  readonly id: number;
  readonly name: string;
  readonly config: QueueConfig;
  dedup: { readonly id: string; readonly messageId: number; readonly untilMs: number }[];
  retryThrough: number;
}

export class QueueModel {
  queues: ModelQueue[] = [];
  messages: ModelMessage[] = [];
  /** Every message that was ever gone: it must never be seen again. */
  readonly gone = new Set<number>();

  queue(id: number): ModelQueue {
    return defined(this.queues.find((queue) => queue.id === id));
  }

  message(id: number): ModelMessage {
    return defined(this.messages.find((message) => message.id === id));
  }

  inState(queue: number, state: State): ModelMessage[] {
    return this.messages.filter((message) => message.queue === queue && message.state === state);
  }

  /** Ready messages in the order of delivery, without those that have expired where `nowMs` is given. */
  ready(queue: number, nowMs = 0): ModelMessage[] {
    return this.inState(queue, "ready")
      .filter(({ expiresAtMs }) => expiresAtMs === 0 || expiresAtMs > nowMs)
      .sort((a, b) => b.priority - a.priority || a.id - b.id);
  }

  byTurn(queue: number, state: State): ModelMessage[] {
    return this.inState(queue, state).sort((a, b) => a.turn - b.turn);
  }

  remove(condition: (message: ModelMessage) => boolean): void {
    for (const message of this.messages) if (condition(message)) this.gone.add(message.id);
    this.messages = this.messages.filter((message) => !condition(message));
  }

  /** A delivery ends without an acknowledgement. */
  reject(message: ModelMessage, requeue: boolean, delayMs: number | undefined, nowMs: number, offset: number): void {
    const { config } = this.queue(message.queue);
    if (!requeue) this.die(message, "nacked", nowMs, offset);
    else if (isDue(message.expiresAtMs, nowMs)) this.die(message, "expired", nowMs, offset);
    else if (message.retryCount === message.maxRetries) this.die(message, "max_retries", nowMs, offset);
    else {
      let waitMs = config.retryBackoff.initialMs;
      for (let i = 0; i < message.retryCount; i++) waitMs *= config.retryBackoff.factor;
      waitMs = delayMs ?? Math.min(waitMs, config.retryBackoff.maxMs);
      message.retryCount++;
      message.state = waitMs === 0 ? "ready" : "delayed";
      message.instantMs = nowMs + waitMs;
      message.turn = 0;
    }
  }

  die(message: ModelMessage, reason: string, nowMs: number, offset: number): void {
    const { deadLetter } = this.queue(message.queue).config;
    if (!deadLetter.enabled) {
      this.remove(({ id }) => id === message.id);
      return;
    }
    message.state = "dead";
    message.reason = reason;
    message.instantMs = nowMs;
    message.turn = offset;
    const dead = this.byTurn(message.queue, "dead");
    if (deadLetter.maxDepth > 0 && dead.length > deadLetter.maxDepth) this.remove(({ id }) => id === dead[0].id);
  }

  /** What becomes of a message for which something is due. */
  happen(message: ModelMessage, nowMs: number, offset: number): void {
    if (message.state === "pending") this.reject(message, true, undefined, nowMs, offset);
    else if (isDue(message.expiresAtMs, nowMs)) this.die(message, "expired", nowMs, offset);
    else message.state = "ready";
  }

  isDue(message: ModelMessage, nowMs: number): boolean {
    if (message.state === "dead") return false;
    if (message.state === "pending") return message.instantMs <= nowMs;
    return isDue(message.expiresAtMs, nowMs) || (message.state === "delayed" && message.instantMs <= nowMs);
  }

  retry(message: ModelMessage): void {
    Object.assign(message, { state: "ready", retryCount: 0, expiresAtMs: 0, reason: "none", turn: 0 });
  }

  /** A retry of all goes on with up to `count` of the dead letters of then. */
  retrySome(queue: ModelQueue, count: number): void {
    const dead = this.byTurn(queue.id, "dead").filter(({ turn }) => turn < queue.retryThrough);
    for (const message of dead.slice(0, count)) this.retry(message);
  }
}

function isDue(instantMs: number, nowMs: number): boolean {
  return instantMs !== 0 && instantMs <= nowMs;
}

function defined<T>(found: T | undefined): T {
  if (found === undefined) throw new Error("the model knows of no such thing");
  return found;
}
