/**
 * Publish with confirm, get and acknowledge, as RabbitMQ says it: AMQP 0-9-1 on a raw socket. Messages are persistent and the
 * queue durable, as those of the others are.
 *
 *     frame     type (1)  channel (2)  size (4)  payload  0xCE
 *     method    class (2)  method (2)  arguments
 *
 * A confirm may be for all messages so far, so one frame can end several puts. An acknowledgement has no reply: it is done
 * when it is sent.
 */
import { ClientSocket, type Framing } from "../load/client-socket.ts";
import type { QueueDialect, Step } from "./queue-dialects.ts";

const METHOD = 1;
const HEADER = 2;
const BODY = 3;
const FRAME_END = 0xce;
const FRAME_HEAD_BYTES = 7;
const CHANNEL = 1;
const BASIC = 60;
const PUBLISH = 40;
const GET = 70;
const GET_OK = 71;
const ACK = 80;
const PERSISTENT = Buffer.from([0x10, 0, 2]);
const DURABLE = 2;

function short(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

function shortText(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
}

function longText(text: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(text.length);
  return Buffer.concat([head, Buffer.from(text)]);
}

function frame(type: number, channel: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head[0] = type;
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([FRAME_END])]);
}

function method(channel: number, ofClass: number, name: number, ...parts: readonly Buffer[]): Buffer {
  return frame(METHOD, channel, Buffer.concat([short(ofClass), short(name), ...parts]));
}

const EMPTY_TABLE = Buffer.alloc(4);
const NO_BITS = Buffer.from([0]);

/** What a connection and its channel begin with, and the method that answers each. */
function greeting(
  queue: string,
): readonly { readonly send: readonly Buffer[]; readonly until: readonly [number, number] }[] {
  const startOk = method(0, 10, 11, EMPTY_TABLE, shortText("PLAIN"), longText("\0guest\0guest"), shortText("en_US"));
  // One channel, frames of 128 KB, and no heartbeats.
  const tuneOk = method(0, 10, 31, short(CHANNEL), Buffer.from([0, 2, 0, 0]), short(0));
  const declare = [short(0), shortText(queue), Buffer.from([DURABLE]), EMPTY_TABLE];
  return [
    { send: [Buffer.from("AMQP\0\0\x09\x01", "latin1")], until: [10, 10] },
    { send: [startOk], until: [10, 30] },
    { send: [tuneOk, method(0, 10, 40, shortText("/"), shortText(""), NO_BITS)], until: [10, 41] },
    { send: [method(CHANNEL, 20, 10, shortText(""))], until: [20, 11] },
    { send: [method(CHANNEL, 85, 10, NO_BITS)], until: [85, 11] },
    { send: [method(CHANNEL, 50, 10, ...declare)], until: [50, 11] },
  ];
}

/** Messages that a connection has published and that are not confirmed. */
class Confirms {
  /** All up to this one are. */
  #base = 0;
  /** And these, past it. */
  readonly #single = new Set<number>();

  /** @returns how many messages this confirm is the first for. */
  confirmed(tag: number, multiple: boolean): number {
    if (!multiple) {
      this.#single.add(tag);
      return 1;
    }
    let count = tag - this.#base;
    for (const each of this.#single) {
      if (each > tag) continue;
      this.#single.delete(each);
      count -= 1;
    }
    this.#base = tag;
    return count;
  }
}

export class Amqp implements QueueDialect {
  readonly #queue: string;
  readonly #put: Buffer;
  readonly #get: Buffer;
  readonly #ack = method(CHANNEL, BASIC, ACK, Buffer.alloc(8), NO_BITS);
  readonly #confirms = new Map<ClientSocket, Confirms>();

  constructor(queue: string, payload: string) {
    this.#queue = queue;
    const size = Buffer.alloc(8);
    size.writeBigUInt64BE(BigInt(payload.length));
    const header = Buffer.concat([short(BASIC), short(0), size, PERSISTENT]);
    this.#put = Buffer.concat([
      method(CHANNEL, BASIC, PUBLISH, short(0), shortText(""), shortText(queue), NO_BITS),
      frame(HEADER, CHANNEL, header),
      frame(BODY, CHANNEL, Buffer.from(payload)),
    ]);
    this.#get = method(CHANNEL, BASIC, GET, short(0), shortText(queue), NO_BITS);
  }

  async open(port: number): Promise<ClientSocket> {
    const socket = await ClientSocket.open(port, amqpFrames);
    for (const { send, until } of greeting(this.#queue)) {
      await new Promise<void>((resolve, reject) => {
        socket.onMessage = (bytes, start, end) => {
          const [ofClass, name] = methodAt(bytes, start);
          if (ofClass === until[0] && name === until[1]) resolve();
          else reject(new Error(`RabbitMQ: ${bytes.toString("latin1", start, end)}`));
        };
        socket.send(Buffer.concat(send));
      });
    }
    this.#confirms.set(socket, new Confirms());
    return socket;
  }

  put(socket: ClientSocket): void {
    socket.append(this.#put);
  }

  reserve(socket: ClientSocket): void {
    socket.append(this.#get);
  }

  received(socket: ClientSocket, bytes: Buffer, start: number, end: number, done: (step: Step) => void): void {
    // The rest of what was got, behind the method that has its tag.
    if (bytes[start] !== METHOD) return;
    const [ofClass, name] = methodAt(bytes, start);
    const tagAt = start + FRAME_HEAD_BYTES + 4;
    if (ofClass === BASIC && name === ACK) {
      const count = this.#confirms.get(socket)?.confirmed(bytes.readUInt32BE(tagAt + 4), bytes[tagAt + 8] === 1) ?? 0;
      for (let i = 0; i < count; i++) done("put");
    } else if (ofClass === BASIC && name === GET_OK) {
      bytes.copy(this.#ack, FRAME_HEAD_BYTES + 4, tagAt, tagAt + 8);
      socket.append(this.#ack);
      done("reserve");
      done("delete");
    } else {
      throw new Error(`RabbitMQ: ${ofClass}.${name} ${bytes.toString("latin1", start, end)}`);
    }
  }
}

function methodAt(bytes: Buffer, start: number): [ofClass: number, name: number] {
  return [bytes.readUInt16BE(start + FRAME_HEAD_BYTES), bytes.readUInt16BE(start + FRAME_HEAD_BYTES + 2)];
}

const amqpFrames: Framing = (socket, bytes, from, to) => {
  if (to < from + FRAME_HEAD_BYTES) return -1;
  const end = from + FRAME_HEAD_BYTES + bytes.readUInt32BE(from + 3) + 1;
  if (end > to) return -1;
  socket.onMessage(bytes, from, end);
  return end;
};
