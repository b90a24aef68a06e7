/** Requests for raw WebSockets: some made once and sent often, some finished with what a reply just brought. */
import { unpack } from "msgpackr";
import { ask, type ClientSocket } from "./client-socket.ts";
import { fieldName } from "./message-pack-fields.ts";
import { type Command, requestOf } from "./workload.ts";

/** One command, or several as a batch, as a WebSocket frame of MessagePack. */
export function frameFor(...commands: readonly Command[]): Buffer {
  return requestOf("websocket", 0, commands);
}

/** A payload of `bytes` characters that begins with a number of ten digits, to be set in the encoded frame. */
export function numberedText(bytes: number): string {
  return "0".repeat(DIGITS).padEnd(bytes, "v");
}

export const DIGITS = 10;
/** Microseconds since the machine's start. */
export const INSTANT_DIGITS = 16;

/** A request whose payload begins with the places of a number and of an instant, and where they are. */
export interface NumberedFrame {
  readonly frame: Buffer;
  readonly at: number;
}

/** @param encode makes the request of a payload */
export function numberedFrame(payloadBytes: number, encode: (payload: string) => Buffer): NumberedFrame {
  const places = "0".repeat(DIGITS + INSTANT_DIGITS);
  const frame = encode(places.padEnd(payloadBytes, "v"));
  // Nothing else in a request has so many zeros in a row.
  return { frame, at: frame.indexOf(places) };
}

/** Writes `value` as decimal digits. */
export function writeDigits(bytes: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const tenth = Math.floor(rest / 10);
    bytes[i] = 0x30 + (rest - tenth * 10);
    rest = tenth;
  }
}

export function readDigits(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) value = value * 10 + bytes[i] - 0x30;
  return value;
}

const HEAD_BYTES = 8;
const BODY_BYTES_MAX = 65_535;
const ARRAY_16 = 0xdc;

/**
 * A command whose last fields are copied, still encoded, from a reply: the ids of an acknowledgement. One at a time:
 * `open`, the fields in order, `close`.
 */
export class OpenRequest {
  /** The frame's head is put right before the body, whose length is known at the end. */
  readonly #frame = Buffer.alloc(HEAD_BYTES + BODY_BYTES_MAX);
  readonly #prefixEnd: number;
  readonly #names: readonly Buffer[];
  #end = 0;
  #countAt = 0;

  /** @param open the names of the last fields, in order */
  constructor(command: string, payload: object, open: readonly string[]) {
    const request = frameFor({
      command,
      payload: { ...payload, ...Object.fromEntries(open.map((name) => [name, null])) },
    });
    this.#names = open.map(fieldName);
    const openBytes = this.#names.reduce((bytes, name) => bytes + name.length + 1, 0);
    const headBytes = request.length < 6 + 126 ? 6 : 8;
    this.#prefixEnd = HEAD_BYTES + request.copy(this.#frame, HEAD_BYTES, headBytes, request.length - openBytes);
  }

  open(): void {
    this.#end = this.#prefixEnd;
  }

  field(index: number, bytes: Buffer, start: number, end: number): void {
    this.#name(index);
    this.element(bytes, start, end);
  }

  /** A field whose value is the array of the elements that follow; `close` is told how many. */
  arrayField(index: number): void {
    this.#name(index);
    this.#frame[this.#end] = ARRAY_16;
    this.#countAt = this.#end + 1;
    this.#end += 3;
  }

  element(bytes: Buffer, start: number, end: number): void {
    bytes.copy(this.#frame, this.#end, start, end);
    this.#end += end - start;
  }

  /** Puts the request behind what the socket is to send. */
  close(socket: ClientSocket, elements = 0): void {
    const frame = this.#frame;
    if (elements > 0) frame.writeUInt16BE(elements, this.#countAt);
    const length = this.#end - HEAD_BYTES;
    let start = 0;
    if (length < 126) {
      start = HEAD_BYTES - 6;
      frame[start + 1] = 0x80 | length;
    } else {
      frame[1] = 0x80 | 126;
      frame.writeUInt16BE(length, 2);
    }
    frame[start] = 0x82;
    frame.fill(0, HEAD_BYTES - 4, HEAD_BYTES);
    socket.appendRange(frame, start, this.#end);
  }

  #name(index: number): void {
    const name = this.#names[index];
    this.#end += name.copy(this.#frame, this.#end);
  }
}

/** The contract's envelope (section 2). */
interface Reply {
  readonly success: boolean;
  readonly payload: Record<string, unknown>;
  readonly error?: string;
  readonly code?: string;
}

/** Runs one command on a socket that has none under way, for what is set up before a measurement. */
export function perform(socket: ClientSocket, command: string, payload: object): Promise<unknown> {
  return performFrame(socket, frameFor({ command, payload }), command);
}

/** The same with a frame that is made once and sent often. @throws if the server refused it */
export async function performFrame(socket: ClientSocket, frame: Buffer, command: string): Promise<unknown> {
  // A reply that is none has no success in it.
  const reply = unpack(await ask(socket, frame)) as Reply;
  if (!reply.success) throw new Error(`${command} failed: ${JSON.stringify(reply)}`);
  return reply.payload;
}

/** The same, for whom a refusal is an answer. */
export async function tryPerform(socket: ClientSocket, command: string, payload: object): Promise<Reply> {
  // As above.
  return unpack(await ask(socket, frameFor({ command, payload }))) as Reply;
}
