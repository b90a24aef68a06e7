/**
 * Put, reserve and delete, as Synap, beanstalkd and RabbitMQ say it on a raw socket. One client drives them all, so that a
 * comparison compares servers.
 */
import { ClientSocket, type Framing, openWebSocket } from "../load/client-socket.ts";
import { frameOf } from "../load/connection.ts";
import { httpReplies } from "../load/http-replies.ts";
import { fieldAt, fieldName, skip } from "../load/message-pack-fields.ts";
import { frameFor, OpenRequest } from "../load/requests.ts";
import { Amqp } from "./amqp-dialect.ts";

export type QueueProtocol = "websocket" | "http" | "beanstalkd" | "rabbitmq";

/** What a reply was the end of. */
export type Step = "put" | "reserve" | "delete";

export interface QueueDialect {
  open(port: number): Promise<ClientSocket>;
  put(socket: ClientSocket): void;
  /** Only sent when there is a message for it. */
  reserve(socket: ClientSocket): void;
  /**
   * Reads a reply; what was reserved is deleted at once.
   * @param done is told of every step that the reply ends
   * @throws if the server refused.
   */
  received(socket: ClientSocket, bytes: Buffer, start: number, end: number, done: (step: Step) => void): void;
}

const QUEUE = "benchmark";
const DEADLINE_SECS = 30;

export function queueDialect(protocol: QueueProtocol, port: number, payloadBytes: number): QueueDialect {
  const payload = "v".repeat(payloadBytes);
  if (protocol === "beanstalkd") return new Beanstalkd(payload);
  if (protocol === "rabbitmq") return new Amqp(QUEUE, payload);
  return protocol === "websocket" ? new SynapWebSocket(payload) : new SynapHttp(payload, port);
}

class SynapWebSocket implements QueueDialect {
  readonly #put: Buffer;
  readonly #reserve: Buffer;
  readonly #delete = new OpenRequest("queue.ack", { queue: QUEUE }, ["message_id", "delivery_id"]);
  readonly #success = fieldName("success");
  readonly #payload = fieldName("payload");
  readonly #message = fieldName("message");
  readonly #messageId = fieldName("message_id");
  readonly #id = fieldName("id");
  readonly #deliveryId = fieldName("delivery_id");

  constructor(payload: string) {
    this.#put = frameFor({ command: "queue.publish", payload: { queue: QUEUE, payload } });
    this.#reserve = frameFor({ command: "queue.consume", payload: { queue: QUEUE, ack_deadline: DEADLINE_SECS } });
  }

  open(port: number): Promise<ClientSocket> {
    return openWebSocket(port);
  }

  put(socket: ClientSocket): void {
    socket.append(this.#put);
  }

  reserve(socket: ClientSocket): void {
    socket.append(this.#reserve);
  }

  received(socket: ClientSocket, bytes: Buffer, start: number, end: number, done: (step: Step) => void): void {
    if (bytes[fieldAt(bytes, start, this.#success)] !== 0xc3) throw new Error(bytes.toString("latin1", start, end));
    const payload = fieldAt(bytes, start, this.#payload);
    const message = fieldAt(bytes, payload, this.#message);
    if (message < 0) {
      done(fieldAt(bytes, payload, this.#messageId) < 0 ? "delete" : "put");
      return;
    }
    const id = fieldAt(bytes, message, this.#id);
    const deliveryId = fieldAt(bytes, message, this.#deliveryId);
    this.#delete.open();
    this.#delete.field(0, bytes, id, skip(bytes, id));
    this.#delete.field(1, bytes, deliveryId, skip(bytes, deliveryId));
    this.#delete.close(socket);
    done("reserve");
  }
}

const ID = Buffer.from('"id":');
const DELIVERY_ID = Buffer.from('"delivery_id":');
const ACKED = Buffer.from('"acked":');
const MESSAGE_ID = Buffer.from('"message_id":');
const COMMA = 0x2c;

class SynapHttp implements QueueDialect {
  readonly #port: number;
  readonly #put: Buffer;
  readonly #reserve: Buffer;

  constructor(payload: string, port: number) {
    this.#port = port;
    this.#put = this.#request("queue.publish", JSON.stringify({ queue: QUEUE, payload }));
    this.#reserve = this.#request("queue.consume", JSON.stringify({ queue: QUEUE, ack_deadline: DEADLINE_SECS }));
  }

  open(port: number): Promise<ClientSocket> {
    return ClientSocket.open(port, httpReplies);
  }

  put(socket: ClientSocket): void {
    socket.append(this.#put);
  }

  reserve(socket: ClientSocket): void {
    socket.append(this.#reserve);
  }

  received(socket: ClientSocket, bytes: Buffer, start: number, end: number, done: (step: Step) => void): void {
    const body = bytes.subarray(start, end);
    const ended = body.includes(ACKED) ? "delete" : body.includes(MESSAGE_ID) ? "put" : undefined;
    if (ended !== undefined) {
      done(ended);
      return;
    }
    const ids = `"message_id":${valueAfter(body, ID)},"delivery_id":${valueAfter(body, DELIVERY_ID)}`;
    socket.append(this.#request("queue.ack", `{"queue":"${QUEUE}",${ids}}`));
    done("reserve");
  }

  #request(command: string, payload: string): Buffer {
    return frameOf("http", Buffer.from(`{"command":"${command}","payload":${payload}}`), this.#port);
  }
}

function valueAfter(body: Buffer, name: Buffer): string {
  const from = body.indexOf(name) + name.length;
  if (from < name.length) throw new Error(`no ${name.toString()} in ${body.toString()}`);
  return body.toString("latin1", from, body.indexOf(COMMA, from));
}

const LINE_END = 0x0a;
const BLANK = 0x20;
const LETTER_I = 0x49;
const LETTER_R = 0x52;
const LETTER_D = 0x44;

class Beanstalkd implements QueueDialect {
  readonly #put: Buffer;
  readonly #reserve = Buffer.from("reserve\r\n");
  readonly #delete = Buffer.from("delete ");
  readonly #lineEnd = Buffer.from("\r\n");

  constructor(payload: string) {
    this.#put = Buffer.from(`put 0 0 ${DEADLINE_SECS} ${payload.length}\r\n${payload}\r\n`);
  }

  open(port: number): Promise<ClientSocket> {
    return ClientSocket.open(port, beanstalkdReplies);
  }

  put(socket: ClientSocket): void {
    socket.append(this.#put);
  }

  reserve(socket: ClientSocket): void {
    socket.append(this.#reserve);
  }

  received(socket: ClientSocket, bytes: Buffer, start: number, end: number, done: (step: Step) => void): void {
    // INSERTED id, RESERVED id bytes, DELETED
    const letter = bytes[start];
    if (letter === LETTER_I || (letter === LETTER_D && bytes[start + 7] !== BLANK)) {
      done(letter === LETTER_I ? "put" : "delete");
      return;
    }
    if (letter !== LETTER_R) throw new Error(`beanstalkd: ${bytes.toString("latin1", start, end)}`);
    const id = start + "RESERVED ".length;
    socket.append(this.#delete);
    socket.appendRange(bytes, id, bytes.indexOf(BLANK, id));
    socket.append(this.#lineEnd);
    done("reserve");
  }
}

/** A line, and behind the line of a reserved job its body. */
const beanstalkdReplies: Framing = (socket, bytes, from, to) => {
  const lineEnd = bytes.indexOf(LINE_END, from);
  if (lineEnd < 0 || lineEnd >= to) return -1;
  let end = lineEnd + 1;
  if (bytes[from] === LETTER_R) {
    const length = bytes.indexOf(BLANK, from + "RESERVED ".length) + 1;
    end += Number(bytes.toString("latin1", length, lineEnd - 1)) + 2;
    if (end > to) return -1;
  }
  socket.onMessage(bytes, from, end);
  return end;
};
