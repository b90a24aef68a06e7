/**
 * A hash of what a request asks for: the command and its arguments as they were understood. So aliases, defaults that are
 * spelled out, the order of fields and the wire format make no difference, and every node computes the same one.
 *
 *     request   "1" command arguments  |  "*" command arguments command arguments ...     one command, or an atomic batch
 *     value     tag | length u32 | bytes      list   "[" count u32 | values      object   "{" | fields: name, value | "}"
 *
 * JSON text is hashed as it came: white space inside a value makes it another. A client that repeats a request sends the
 * same bytes again, or encodes the same value in the other format, and encoders leave white space out.
 */
import { createHash, type Hash, hash as hashOnce } from "node:crypto";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import { SCRATCH_BYTES_MAX } from "../codecs/scratch.ts";
import { utf8Length, writeUtf8 } from "../codecs/utf8.ts";
import { PAYLOAD_HASH_BYTES } from "../state/reply-operation.ts";
import { Value } from "../state/value.ts";
import { ByteRange } from "../structures/byte-range.ts";

const ONE_COMMAND = 0x31;
const MANY_COMMANDS = 0x2a;

const COMMAND = 0x63;
const FIELD = 0x2e;
const TEXT = 0x73;
const NUMBER = 0x23;
const TRUE = 0x74;
const FALSE = 0x66;
const NULL = 0x6e;
const LIST = 0x5b;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
/** Of a stored value; its tag is added. */
const STORED = 0x80;

const SCRATCH_BYTES = 4096;
/** What is larger goes to the hash without a copy. */
const COPIED_BYTES_MAX = 1024;

export class PayloadHash {
  /** What is not hashed yet. Most requests are hashed in one call: that takes a third of the time that a hash object does. */
  readonly #pending = new OutputBuffer(SCRATCH_BYTES, SCRATCH_BYTES_MAX);
  #hash: Hash | undefined = undefined;

  /** Of a request that is one command. */
  ofCommand(command: string, args: Readonly<Record<string, unknown>>): ByteRange {
    this.#begin(ONE_COMMAND);
    this.add(command, args);
    return this.end();
  }

  /** Of an atomic batch: then `add` follows for each command, and `end`. */
  beginBatch(): void {
    this.#begin(MANY_COMMANDS);
  }

  #begin(kind: number): void {
    this.#hash = undefined;
    this.#pending.reset();
    this.#pending.writeByte(kind);
  }

  add(command: string, args: Readonly<Record<string, unknown>>): void {
    this.#text(COMMAND, command);
    this.#value(args);
  }

  /** In memory of its own. */
  end(): ByteRange {
    const pending = this.#pending.view();
    const digest = this.#hash === undefined ? digestOf(pending) : this.#hash.update(pending).digest();
    return new ByteRange(digest, 0, PAYLOAD_HASH_BYTES);
  }

  #value(value: unknown): void {
    switch (typeof value) {
      case "string":
        this.#text(TEXT, value);
        return;
      case "number":
      case "bigint":
        // An integer may come as either, by its size.
        this.#text(NUMBER, String(value));
        return;
      case "boolean":
        this.#pending.writeByte(value ? TRUE : FALSE);
        return;
      case "object":
        this.#object(value);
        return;
      default:
        throw new Error(`an argument cannot be a ${typeof value}`);
    }
  }

  #object(value: object | null): void {
    if (value === null) this.#pending.writeByte(NULL);
    else if (value instanceof Value) this.#bytes(STORED + value.tag, value.bytes, value.start, value.end);
    else if (value instanceof ByteRange) this.#bytes(TEXT, value.bytes, value.start, value.end);
    else if (Array.isArray(value)) this.#list(value);
    else this.#fields(value);
  }

  #list(items: readonly unknown[]): void {
    this.#head(LIST, items.length);
    for (const item of items) this.#value(item);
  }

  /** In the order of the shape that made the object, whatever that of the message was. */
  #fields(fields: object): void {
    this.#pending.writeByte(OBJECT);
    for (const name of Object.keys(fields)) {
      const value = (fields as Readonly<Record<string, unknown>>)[name];
      if (value === undefined) continue;
      this.#text(FIELD, name);
      this.#value(value);
    }
    this.#pending.writeByte(OBJECT_END);
  }

  #text(tag: number, text: string): void {
    const lengthBytes = utf8Length(text);
    this.#head(tag, lengthBytes);
    writeUtf8(this.#pending, text, lengthBytes);
  }

  #bytes(tag: number, bytes: Uint8Array, start: number, end: number): void {
    this.#head(tag, end - start);
    if (end - start <= COPIED_BYTES_MAX) {
      this.#pending.writeBytes(bytes, start, end);
      return;
    }
    this.#flush().update(bytes.subarray(start, end));
  }

  #head(tag: number, count: number): void {
    const pending = this.#pending;
    if (pending.length >= SCRATCH_BYTES) this.#flush();
    pending.writeByte(tag);
    for (let shift = 0; shift < 32; shift += 8) pending.writeByte((count >>> shift) & 0xff);
  }

  #flush(): Hash {
    this.#hash ??= createHash("sha256");
    this.#hash.update(this.#pending.view());
    this.#pending.reset();
    return this.#hash;
  }
}

/** As text, of which a small array is made: Node takes twice as long for a Buffer, whose memory is not in the heap. */
function digestOf(bytes: Uint8Array): Uint8Array {
  const text = hashOnce("sha256", bytes, "binary");
  const digest = new Uint8Array(PAYLOAD_HASH_BYTES);
  for (let i = 0; i < PAYLOAD_HASH_BYTES; i++) digest[i] = text.charCodeAt(i);
  return digest;
}
