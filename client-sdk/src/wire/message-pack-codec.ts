/**
 * MessagePack frames. A command is written by hand, once, as the item of a batch that it most often becomes:
 *
 *     82 "command" name "payload" {...}                                        a read
 *     84 "command" name "payload" {...} "request_id" n "idempotent" true       a numbered write
 *                                      '- plainEnd                      '- end
 *
 * A frame is a head, which says whose the numbers are if there are any, and the items, copied; items that were written one
 * after the other are copied in one piece. A frame with a single command is the item with one more field, so nothing is
 * encoded twice.
 */
import { ProtocolError } from "../errors.ts";
import type { Frame } from "../transport/socket.ts";
import type { Codec, Message } from "./codec.ts";
import { MessagePackReader } from "./message-pack-reader.ts";
import { MessagePackWriter } from "./message-pack-writer.ts";
import type { Request } from "./request.ts";

const FIXMAP = 0x80;

export class MessagePackCodec implements Codec {
  readonly #writer = new MessagePackWriter();
  /** Heads and tails of frames; apart from the commands, which stay where they are. */
  readonly #envelope = new MessagePackWriter();
  readonly #reader = new MessagePackReader();
  /** `"command" name "payload"` by name. */
  readonly #prefixes = new Map<string, Uint8Array>();
  /** `"client_id" id` */
  readonly #identity: Uint8Array;

  constructor(clientId: string) {
    this.#identity = encoded(["client_id", clientId]);
  }

  encode(request: Request): void {
    const writer = this.#writer;
    writer.begin();
    try {
      this.#item(request);
    } catch (error) {
      writer.discard();
      throw error;
    }
    request.source = writer.bytes;
    // A chunk that was outgrown has moved the begin.
    request.start = writer.start;
    request.end = writer.at;
    if (request.plainEnd === 0) request.plainEnd = request.end;
    else request.plainEnd += request.start;
  }

  #item(request: Request): void {
    const writer = this.#writer;
    writer.mapHead(request.isNumbered ? 4 : 2);
    writer.raw(this.#prefix(request.command));
    writer.value(request.payload, 1);
    // Relative until the chunk is known; 0 stands for the end.
    request.plainEnd = 0;
    if (!request.isNumbered) return;
    request.plainEnd = writer.at - writer.start;
    writer.raw(REQUEST_ID);
    writer.number(request.id);
    writer.raw(IDEMPOTENT);
  }

  single(request: Request, id: number, isNumbered: boolean): Frame {
    const source = bytesOf(request);
    const tail = this.#envelope;
    tail.begin();
    let { end } = request;
    let fieldCount = 5;
    if (isNumbered && request.isNumbered) {
      tail.raw(this.#identity);
    } else {
      end = request.plainEnd;
      fieldCount = 3;
      tail.raw(REQUEST_ID);
      tail.number(id);
    }
    const bytes = end - request.start;
    const frame = new Uint8Array(bytes + tail.at - tail.start);
    frame.set(source.subarray(request.start, end));
    frame[0] = FIXMAP | fieldCount;
    frame.set(tail.bytes.subarray(tail.start, tail.at), bytes);
    tail.discard();
    return frame;
  }

  batch(requests: readonly Request[], id: number, isNumbered: boolean, isAtomic: boolean): Frame {
    const head = this.#envelope;
    head.begin();
    // An atomic batch has one number for all of it; else its writes have theirs.
    const isNumberedWhole = isAtomic && isNumbered;
    const isItemNumbered = isNumbered && !isAtomic;
    const isIdentified = isNumberedWhole || (isItemNumbered && requests.some((request) => request.isNumbered));
    head.mapHead(3 + (isAtomic ? 1 : 0) + (isNumberedWhole ? 1 : 0) + (isIdentified ? 1 : 0));
    head.raw(BATCH);
    if (isAtomic) head.raw(ATOMIC);
    if (isNumberedWhole) head.raw(IDEMPOTENT);
    if (isIdentified) head.raw(this.#identity);
    head.raw(REQUEST_ID);
    head.number(id);
    head.raw(COMMANDS);
    head.arrayHead(requests.length);
    let size = head.at - head.start;
    for (const request of requests) size += itemEnd(request, isItemNumbered) - request.start;
    const frame = new Uint8Array(size);
    frame.set(head.bytes.subarray(head.start, head.at));
    copyItems(requests, isItemNumbered, frame, head.at - head.start);
    head.discard();
    return frame;
  }

  decode(frame: Frame): Message {
    if (typeof frame === "string") throw new ProtocolError("text came on a connection that speaks MessagePack");
    let message: unknown;
    try {
      message = this.#reader.read(frame);
    } catch (cause) {
      throw new ProtocolError("what came is not MessagePack", { cause });
    }
    if (typeof message !== "object" || message === null) throw new ProtocolError("what came is not a message");
    return message;
  }

  #prefix(command: string): Uint8Array {
    const known = this.#prefixes.get(command);
    if (known !== undefined) return known;
    const made = encoded(["command", command, "payload"]);
    this.#prefixes.set(command, made);
    return made;
  }
}

/** Where a request ends in its frame: before what makes it a numbered write, or after. */
function itemEnd(request: Request, isNumbered: boolean): number {
  return isNumbered ? request.end : request.plainEnd;
}

/** Requests whose bytes follow each other in one chunk are copied together. */
function copyItems(requests: readonly Request[], isNumbered: boolean, frame: Uint8Array, offset: number): void {
  let at = offset;
  let index = 0;
  while (index < requests.length) {
    const source = bytesOf(requests[index]);
    const { start } = requests[index];
    let end = itemEnd(requests[index], isNumbered);
    if (end !== requests[index].end) {
      frame.set(source.subarray(start, end), at);
      frame[at] = FIXMAP | 2;
      at += end - start;
      index++;
      continue;
    }
    index++;
    while (index < requests.length && requests[index].source === source && requests[index].start === end) {
      if (itemEnd(requests[index], isNumbered) !== requests[index].end) break;
      end = requests[index].end;
      index++;
    }
    frame.set(source.subarray(start, end), at);
    at += end - start;
  }
}

function bytesOf(request: Request): Uint8Array {
  // This codec has encoded it.
  return request.source as Uint8Array;
}

function encoded(parts: readonly unknown[]): Uint8Array {
  const writer = new MessagePackWriter();
  writer.begin();
  for (const part of parts) writer.value(part, 0);
  return writer.bytes.slice(writer.start, writer.at);
}

const REQUEST_ID = encoded(["request_id"]);
const IDEMPOTENT = encoded(["idempotent", true]);
const BATCH = encoded(["type", "batch"]);
const ATOMIC = encoded(["atomic", true]);
const COMMANDS = encoded(["commands"]);
