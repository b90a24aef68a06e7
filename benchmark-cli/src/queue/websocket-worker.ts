/** A worker on a WebSocket. It copies the ids that it acknowledges, still encoded, from what was delivered. */

import { askingOf } from "../load/asking.ts";
import type { ClientSocket } from "../load/client-socket.ts";
import {
  arrayLength,
  fieldAt,
  fieldName,
  firstElement,
  numberAt,
  skip,
  textStart,
} from "../load/message-pack-fields.ts";
import { DIGITS, OpenRequest, perform, readDigits } from "../load/requests.ts";
import { requestOf } from "../load/workload.ts";
import { consumeCommand, type Worker, type WorkersCrew } from "./worker.ts";

const SUCCESS = fieldName("success");
const PAYLOAD = fieldName("payload");
const MESSAGE = fieldName("message");
const MESSAGES = fieldName("messages");
const ACKED = fieldName("acked");
const ID = fieldName("id");
const DELIVERY_ID = fieldName("delivery_id");
const PRIORITY = fieldName("priority");
const WEBSOCKET = askingOf("websocket");
const NIL = 0xc0;

/** Gets what it asks for, or what is pushed to it, and acknowledges it. */
export class WebSocketWorker implements Worker {
  readonly socket: ClientSocket;
  readonly #crew: WorkersCrew;
  readonly #consume: Buffer;
  readonly #ack: OpenRequest;
  /** Ids in `#ack`. */
  #collected = 0;

  constructor(socket: ClientSocket, crew: WorkersCrew) {
    this.socket = socket;
    this.#crew = crew;
    const { queue, messagesPerCommand } = crew.config;
    this.#consume = requestOf("websocket", 0, [consumeCommand(crew.config)]);
    const ids = messagesPerCommand === 1 ? ["message_id", "delivery_id"] : ["message_ids"];
    this.#ack = new OpenRequest("queue.ack", { queue }, ids);
    socket.onMessage = (bytes, start, end) => this.#received(bytes, start, end);
  }

  async subscribe(): Promise<void> {
    const { queue, inFlight: prefetch, ackDeadlineSecs: ack_deadline } = this.#crew.config;
    await perform(this.socket, "queue.subscribe", { queue, prefetch, ack_deadline });
  }

  consume(): void {
    this.socket.append(this.#consume);
  }

  #received(bytes: Buffer, start: number, end: number): void {
    const success = fieldAt(bytes, start, SUCCESS);
    if (success < 0) {
      const message = fieldAt(bytes, start, MESSAGE);
      if (message < 0) throw new Error(`neither reply nor delivery: ${bytes.toString("latin1", start, end)}`);
      this.#take(bytes, message);
      return;
    }
    WEBSOCKET.isReply(bytes, start, end);
    const payload = fieldAt(bytes, start, PAYLOAD);
    const acked = fieldAt(bytes, payload, ACKED);
    if (acked >= 0) this.#crew.acknowledged(numberAt(bytes, acked));
    else this.#consumed(bytes, payload);
  }

  #consumed(bytes: Buffer, payload: number): void {
    const crew = this.#crew;
    const one = fieldAt(bytes, payload, MESSAGE);
    let count = 0;
    if (one >= 0) {
      if (bytes[one] !== NIL) {
        this.#take(bytes, one);
        count = 1;
      }
    } else {
      const list = fieldAt(bytes, payload, MESSAGES);
      count = arrayLength(bytes, list);
      let at = firstElement(bytes, list);
      for (let i = 0; i < count; i++) {
        this.#take(bytes, at);
        at = skip(bytes, at);
      }
      this.acknowledgeCollected();
    }
    crew.consumed(this, count);
  }

  /** Counts the message that stands at `at` and acknowledges it, alone or with those to come. */
  #take(bytes: Buffer, at: number): void {
    const { config, ledger } = this.#crew;
    const id = fieldAt(bytes, at, ID);
    const deliveryId = fieldAt(bytes, at, DELIVERY_ID);
    const text = textStart(bytes, fieldAt(bytes, at, PAYLOAD));
    const number = readDigits(bytes, text, DIGITS);
    this.#crew.delivered(bytes, text + DIGITS);
    ledger.add(number, numberAt(bytes, deliveryId), numberAt(bytes, fieldAt(bytes, at, PRIORITY)));
    const ack = this.#ack;
    if (config.messagesPerCommand === 1) {
      ack.open();
      ack.field(0, bytes, id, skip(bytes, id));
      ack.field(1, bytes, deliveryId, skip(bytes, deliveryId));
      ack.close(this.socket);
      return;
    }
    if (this.#collected === 0) {
      ack.open();
      ack.arrayField(0);
    }
    ack.element(bytes, id, skip(bytes, id));
    this.#collected += 1;
    if (config.mode === "subscribe" && this.#collected === config.messagesPerCommand) this.acknowledgeCollected();
    if (config.mode === "subscribe" && ledger.deliveries === config.messages) this.#crew.acknowledgeAll();
  }

  acknowledgeCollected(): void {
    if (this.#collected === 0) return;
    this.#ack.close(this.socket, this.#collected);
    this.#collected = 0;
  }
}
