/** A worker over HTTP or RESP: it asks for messages and acknowledges them; nothing can be pushed to it. */

import { askingOf } from "../load/asking.ts";
import type { ClientSocket } from "../load/client-socket.ts";
import { PacedLane, UNMEASURED } from "../load/paced-lane.ts";
import { DIGITS } from "../load/requests.ts";
import { type RespValue, respValue } from "../load/resp-replies.ts";
import { requestOf } from "../load/workload.ts";
import { consumeCommand, type Worker, type WorkersCrew } from "./worker.ts";

export type AskingProtocol = "http" | "resp";

interface Taken {
  readonly id: number;
  readonly delivery_id: number;
  readonly priority: number;
  readonly payload: string;
}

/** What a reply said: messages that were consumed, or how many were acknowledged. */
type Answer = { readonly messages: readonly Taken[] } | { readonly acked: number };

/** Nothing is timed: a worker that asks is measured by its rate. */
const NO_LATENCIES = { add: () => undefined };

export class AskingWorker implements Worker {
  readonly socket: ClientSocket;
  readonly #protocol: AskingProtocol;
  readonly #port: number;
  readonly #crew: WorkersCrew;
  readonly #lane: PacedLane;
  readonly #consume: Buffer;

  constructor(socket: ClientSocket, crew: WorkersCrew, protocol: AskingProtocol, port: number) {
    this.socket = socket;
    this.#protocol = protocol;
    this.#port = port;
    this.#crew = crew;
    this.#lane = new PacedLane(socket, NO_LATENCIES, askingOf(protocol));
    this.#lane.onReply = (bytes, start, end) => this.#answered(ANSWERS[protocol](bytes, start, end));
    this.#consume = requestOf(protocol, port, [consumeCommand(crew.config)]);
  }

  consume(): void {
    this.#lane.send(this.#consume, UNMEASURED);
  }

  async subscribe(): Promise<void> {
    throw new Error(`what is pushed needs a WebSocket, not ${this.#protocol}`);
  }

  /** Every reply's messages are acknowledged at once. */
  acknowledgeCollected(): void {}

  #answered(answer: Answer): void {
    const crew = this.#crew;
    if ("acked" in answer) {
      crew.acknowledged(answer.acked);
      return;
    }
    for (const { payload, delivery_id, priority } of answer.messages) {
      const text = Buffer.from(payload, "latin1");
      crew.delivered(text, DIGITS);
      crew.ledger.add(Number(payload.slice(0, DIGITS)), delivery_id, priority);
    }
    if (answer.messages.length > 0) this.#acknowledge(answer.messages);
    crew.consumed(this, answer.messages.length);
  }

  #acknowledge(taken: readonly Taken[]): void {
    const { queue, messagesPerCommand } = this.#crew.config;
    const [{ id, delivery_id }] = taken;
    const ids =
      messagesPerCommand === 1 ? { message_id: id, delivery_id } : { message_ids: taken.map((one) => one.id) };
    const command = { command: "queue.ack", payload: { queue, ...ids } };
    this.#lane.send(requestOf(this.#protocol, this.#port, [command]), UNMEASURED);
  }
}

const ANSWERS: Readonly<Record<AskingProtocol, (bytes: Buffer, start: number, end: number) => Answer>> = {
  http: (bytes, start, end) => {
    // The contract's replies of queue.ack and queue.consume, without and with a count.
    const { payload } = JSON.parse(bytes.toString("utf8", start, end)) as {
      readonly payload: { readonly acked?: number; readonly message?: Taken | null; readonly messages?: Taken[] };
    };
    if (payload.acked !== undefined) return { acked: payload.acked };
    return { messages: payload.messages ?? (payload.message ? [payload.message] : []) };
  },
  resp: (bytes, start) => {
    const value = respValue(bytes, start);
    if (typeof value === "number") return { acked: value };
    return { messages: value === null ? [] : [messageOf(value)] };
  },
};

/** Of names and values in turn, which is a map of RESP2. */
function messageOf(value: RespValue): Taken {
  if (!Array.isArray(value)) throw new Error(`no message but ${JSON.stringify(value)}`);
  const fields = new Map<unknown, unknown>();
  for (let i = 0; i + 1 < value.length; i += 2) fields.set(value[i], value[i + 1]);
  return {
    id: Number(fields.get("id")),
    delivery_id: Number(fields.get("delivery_id")),
    priority: Number(fields.get("priority")),
    payload: String(fields.get("payload")),
  };
}
