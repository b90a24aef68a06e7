/**
 * MessagePack frames. A command is written by hand, once, as the item of a batch that it most often becomes:
 *
 *     82 "command" name "payload" {...}
 *
 * A frame is a head, which says whose the numbers are if there are any, and the items, copied; items that were written one
 * after the other are copied in one piece. A frame with a single command is the item with more fields, which are written behind it
 * where nothing is yet; and so is the item of a write that is sent again under the number it has: nothing is encoded twice.
 */
import { ProtocolError } from "../errors.ts";
import type { Frame } from "../transport/socket.ts";
import { addendumOf, type Codec, type Message, type Numbering } from "./codec.ts";
import { MessagePackReader } from "./message-pack-reader.ts";
import { MessagePackWriter } from "./message-pack-writer.ts";
import type { Request } from "./request.ts";

const FIXMAP = 0x80;
/** Of an item without a number: the command and its payload. */
const ITEM_FIELDS = 2;
/** What the id and the flag take behind an item at the most, and more. */
const TAIL_BYTES_MAX = 64;

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
      writer.mapHead(ITEM_FIELDS);
      writer.raw(this.#prefix(request.command));
      writer.value(request.payload, 1);
    } catch (error) {
      writer.discard();
      throw error;
    }
    request.source = writer.bytes;
    // A chunk that was outgrown has moved the begin.
    request.start = writer.start;
    request.end = writer.at;
  }

  single(request: Request, id: number, isNumbered: boolean): Frame {
    const { start, end } = request;
    const item = bytesOf(request);
    const writer = this.#writer;
    const head = FIXMAP | (isNumbered ? 5 : 3);
    // Most often nothing was written behind it yet: then the frame is where the item is.
    if (item === writer.bytes && end === writer.at && item.length - end >= TAIL_BYTES_MAX + this.#identity.length) {
      this.#writeTail(writer, id, isNumbered);
      item[start] = head;
      return writer.bytes.subarray(start, writer.at);
    }
    const tail = this.#envelope;
    tail.begin();
    this.#writeTail(tail, id, isNumbered);
    const bytes = end - start;
    const frame = new Uint8Array(bytes + tail.at - tail.start);
    frame.set(item.subarray(start, end));
    frame[0] = head;
    frame.set(tail.bytes.subarray(tail.start, tail.at), bytes);
    tail.discard();
    return frame;
  }

  #writeTail(writer: MessagePackWriter, id: number, isNumbered: boolean): void {
    writer.raw(REQUEST_ID);
    writer.number(id);
    if (!isNumbered) return;
    writer.raw(IDEMPOTENT);
    writer.raw(this.#identity);
  }

  batch(requests: readonly Request[], id: number, numbering: Numbering, isAtomic: boolean): Frame {
    // One that was sent alone before has got another head.
    for (const request of requests) bytesOf(request)[request.start] = FIXMAP | ITEM_FIELDS;
    const items = numbering === "none" ? requests : this.#withAddenda(requests, id, numbering);
    const head = this.#envelope;
    head.begin();
    const isWhole = numbering === "whole";
    const isIdentified = numbering !== "none";
    head.mapHead(3 + (isAtomic ? 1 : 0) + (isWhole ? 1 : 0) + (isIdentified ? 1 : 0));
    head.raw(BATCH);
    if (isAtomic) head.raw(ATOMIC);
    if (isWhole) head.raw(IDEMPOTENT);
    if (isIdentified) head.raw(this.#identity);
    head.raw(REQUEST_ID);
    head.number(id);
    head.raw(COMMANDS);
    head.arrayHead(items.length);
    let size = head.at - head.start;
    for (const item of items) size += item.end - item.start;
    const frame = new Uint8Array(size);
    frame.set(head.bytes.subarray(head.start, head.at));
    copyItems(items, frame, head.at - head.start);
    head.discard();
    return frame;
  }

  /** The items of a frame; nearly always the requests as they are. */
  #withAddenda(requests: readonly Request[], frameId: number, numbering: Numbering): readonly Item[] {
    let items: Item[] | undefined;
    for (let i = 0; i < requests.length; i++) {
      const addendum = addendumOf(requests[i], frameId, numbering);
      if (addendum === undefined) continue;
      items ??= [...requests];
      items[i] = this.#withAddendum(requests[i], addendum);
    }
    return items ?? requests;
  }

  #withAddendum(request: Request, addendum: "number" | "exemption"): Item {
    const { start, end, id, index } = request;
    const tail = this.#envelope;
    let fieldCount = 3;
    tail.begin();
    if (addendum === "exemption") tail.raw(EXEMPT);
    else {
      fieldCount = index >= 0 ? 5 : 4;
      tail.raw(REQUEST_ID);
      tail.number(id);
      tail.raw(IDEMPOTENT);
      if (index >= 0) {
        tail.raw(INDEX);
        tail.number(index);
      }
    }
    const bytes = end - start;
    const source = new Uint8Array(bytes + tail.at - tail.start);
    source.set(bytesOf(request).subarray(start, end));
    source[0] = FIXMAP | fieldCount;
    source.set(tail.bytes.subarray(tail.start, tail.at), bytes);
    tail.discard();
    return { source, start: 0, end: source.length };
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

/** An encoded command: its bytes from `start` to `end`. */
type Item = Pick<Request, "source" | "start" | "end">;

/** Items whose bytes follow each other in one chunk are copied together. */
function copyItems(items: readonly Item[], frame: Uint8Array, offset: number): void {
  let at = offset;
  let index = 0;
  while (index < items.length) {
    const source = bytesOf(items[index]);
    const { start } = items[index];
    let { end } = items[index];
    index++;
    while (index < items.length && items[index].source === source && items[index].start === end) {
      end = items[index].end;
      index++;
    }
    frame.set(source.subarray(start, end), at);
    at += end - start;
  }
}

function bytesOf({ source }: Item): Uint8Array {
  // This codec has encoded it.
  return source as Uint8Array;
}

function encoded(parts: readonly unknown[]): Uint8Array {
  const writer = new MessagePackWriter();
  writer.begin();
  for (const part of parts) writer.value(part, 0);
  return writer.bytes.slice(writer.start, writer.at);
}

const REQUEST_ID = encoded(["request_id"]);
const IDEMPOTENT = encoded(["idempotent", true]);
const EXEMPT = encoded(["idempotent", false]);
const BATCH = encoded(["type", "batch"]);
const ATOMIC = encoded(["atomic", true]);
const COMMANDS = encoded(["commands"]);
const INDEX = encoded(["index"]);
