/** Publishing to topics and hearing of them, as Synap, NATS and MQTT say it on a raw socket. */
import { ask, ClientSocket, type Framing, openWebSocket } from "../load/client-socket.ts";
import { fieldAt, fieldName, textStart } from "../load/message-pack-fields.ts";
import { frameFor, perform } from "../load/requests.ts";

export type TopicServer = "synap" | "nats" | "mosquitto";

export interface TopicMessage {
  readonly topic: string;
  readonly payload: string;
}

export interface TopicDialect {
  open(port: number): Promise<ClientSocket>;
  /** @param pattern `*` is one level, `#` at the end any number */
  subscribe(socket: ClientSocket, pattern: string): Promise<void>;
  /** What publishes these messages together. */
  encode(messages: readonly TopicMessage[]): Buffer;
  /**
   * Where the payload of what a server sent begins, or -1 where it is a reply.
   * @throws if the server refused.
   */
  payloadAt(bytes: Buffer, start: number, end: number): number;
}

export function topicDialect(server: TopicServer): TopicDialect {
  if (server === "mosquitto") return new Mqtt();
  return server === "nats" ? new Nats() : new SynapTopics();
}

const TRUE = 0xc3;

class SynapTopics implements TopicDialect {
  readonly #success = fieldName("success");
  readonly #data = fieldName("data");

  open(port: number): Promise<ClientSocket> {
    return openWebSocket(port);
  }

  async subscribe(socket: ClientSocket, pattern: string): Promise<void> {
    await perform(socket, "pubsub.subscribe", { topics: [pattern] });
  }

  encode(messages: readonly TopicMessage[]): Buffer {
    return frameFor(...messages.map((message) => ({ command: "pubsub.publish", payload: message })));
  }

  payloadAt(bytes: Buffer, start: number, end: number): number {
    const data = fieldAt(bytes, start, this.#data);
    if (data >= 0) return textStart(bytes, data);
    if (bytes[fieldAt(bytes, start, this.#success)] !== TRUE) throw new Error(bytes.toString("latin1", start, end));
    return -1;
  }
}

const LINE_END = 0x0a;
const BLANK = 0x20;
const LETTER_M = 0x4d;

class Nats implements TopicDialect {
  async open(port: number): Promise<ClientSocket> {
    const socket = await ClientSocket.open(port, natsMessages);
    await this.#pong(socket, 'CONNECT {"verbose":false,"pedantic":false}\r\n');
    return socket;
  }

  async subscribe(socket: ClientSocket, pattern: string): Promise<void> {
    await this.#pong(socket, `SUB ${pattern.replace(/#$/, ">")} 1\r\n`);
  }

  encode(messages: readonly TopicMessage[]): Buffer {
    const text = messages.map(({ topic, payload }) => `PUB ${topic} ${payload.length}\r\n${payload}\r\n`);
    return Buffer.from(text.join(""));
  }

  payloadAt(bytes: Buffer, start: number, end: number): number {
    if (bytes[start] === LETTER_M) return bytes.indexOf(LINE_END, start) + 1;
    const text = bytes.toString("latin1", start, end);
    if (text.startsWith("-ERR")) throw new Error(`nats: ${text}`);
    return -1;
  }

  /** Sends a line and waits until the server has acted on it. */
  #pong(socket: ClientSocket, line: string): Promise<void> {
    return new Promise((resolve) => {
      const { onMessage } = socket;
      socket.onMessage = (bytes, start, end) => {
        if (!bytes.toString("latin1", start, end).startsWith("PONG")) return;
        socket.onMessage = onMessage;
        resolve();
      };
      socket.send(Buffer.from(`${line}PING\r\n`));
    });
  }
}

const PONG = Buffer.from("PONG\r\n");
const PING_LINE = "PING\r\n";

/** A line, and behind `MSG subject sid bytes` its payload. */
const natsMessages: Framing = (socket, bytes, from, to) => {
  const lineEnd = bytes.indexOf(LINE_END, from);
  if (lineEnd < 0 || lineEnd >= to) return -1;
  let end = lineEnd + 1;
  if (bytes[from] === LETTER_M) {
    let length = 0;
    for (let i = bytes.lastIndexOf(BLANK, lineEnd) + 1; i < lineEnd - 1; i++) length = length * 10 + bytes[i] - 0x30;
    end += length + 2;
    if (end > to) return -1;
  } else if (bytes.toString("latin1", from, end) === PING_LINE) {
    socket.append(PONG);
    return end;
  }
  socket.onMessage(bytes, from, end);
  return end;
};

/** Packets of MQTT 3.1.1: a type with flags, then the length of the rest in groups of seven bits. */
const CONNECT = 0x10;
const SUBSCRIBE = 0x82;
const PUBLISH = 0x30;
const PACKET_TYPE = 0xf0;
const CLEAN_SESSION = 0x02;
const KEEP_ALIVE_SECS = 0;

class Mqtt implements TopicDialect {
  async open(port: number): Promise<ClientSocket> {
    const socket = await ClientSocket.open(port, mqttPackets);
    const head = Buffer.concat([mqttText("MQTT"), Buffer.from([4, CLEAN_SESSION, 0, KEEP_ALIVE_SECS])]);
    await ask(socket, mqttPacket(CONNECT, Buffer.concat([head, mqttText("")])));
    return socket;
  }

  async subscribe(socket: ClientSocket, pattern: string): Promise<void> {
    const filter = pattern.replaceAll("*", "+").replaceAll(".", "/");
    const packetId = Buffer.from([0, 1]);
    await ask(socket, mqttPacket(SUBSCRIBE, Buffer.concat([packetId, mqttText(filter), Buffer.from([0])])));
  }

  encode(messages: readonly TopicMessage[]): Buffer {
    const packets = messages.map(({ topic, payload }) =>
      mqttPacket(PUBLISH, Buffer.concat([mqttText(topic.replaceAll(".", "/")), Buffer.from(payload)])),
    );
    return Buffer.concat(packets);
  }

  payloadAt(bytes: Buffer, start: number): number {
    if ((bytes[start] & PACKET_TYPE) !== PUBLISH) return -1;
    let at = start + 1;
    while ((bytes[at] & 0x80) !== 0) at += 1;
    return at + 3 + bytes.readUInt16BE(at + 1);
  }
}

function mqttText(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function mqttPacket(type: number, rest: Buffer): Buffer {
  const length: number[] = [];
  let left = rest.length;
  do {
    length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>= 7;
  } while (left > 0);
  return Buffer.concat([Buffer.from([type, ...length]), rest]);
}

const mqttPackets: Framing = (socket, bytes, from, to) => {
  let at = from + 1;
  let length = 0;
  for (let shift = 0; ; shift += 7, at += 1) {
    if (at >= to) return -1;
    length |= (bytes[at] & 0x7f) << shift;
    if ((bytes[at] & 0x80) === 0) break;
  }
  const end = at + 1 + length;
  if (end > to) return -1;
  socket.onMessage(bytes, from, end);
  return end;
};
