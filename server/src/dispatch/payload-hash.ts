/**
 * A hash of what a request asks for: the command and its arguments as they were understood. So aliases, defaults that are
 * spelled out, the order of fields and the wire format make no difference, and every node computes the same one.
 *
 *     request   "1" command arguments  |  "*" command arguments command arguments ...     one command, or an atomic batch
 *     value     tag | length u32 | bytes      list   "[" count u32 | values      object   "{" | fields: name, value | "}"
 *
 * What is long goes in as its own hash, and so does all that came before once that is long. The hash tells mistakes apart, not
 * attacks: whoever makes two requests that have the same one has their own client told of the first one's success.
 *
 * JSON text is hashed as it came: white space inside a value makes it another. A client that repeats a request sends the
 * same bytes again, or encodes the same value in the other format, and encoders leave white space out.
 */
import { hash as hashOnce } from "node:crypto";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import { SCRATCH_BYTES_MAX } from "../codecs/scratch.ts";
import { utf8Length, writeUtf8 } from "../codecs/utf8.ts";
import { PAYLOAD_HASH_BYTES } from "../state/reply-operation.ts";
import { Value } from "../state/value.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { murmurHash } from "../structures/murmur-hash.ts";

const encoder = new TextEncoder();

const ONE_COMMAND = 0x31;
const MANY_COMMANDS = 0x2a;

const COMMAND = 0x63;
const FIELD = 0x2e;
const TEXT = 0x73;
/** Text that is still the bytes it came in, such as a key. */
const BYTES = 0x62;
const NUMBER = 0x23;
const TRUE = 0x74;
const FALSE = 0x66;
const NULL = 0x6e;
const LIST = 0x5b;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
/** Of a stored value; its tag is added. */
const STORED = 0x80;

/** In place of a value's bytes, and of what came before. */
const LONG = 0x21;
const BEFORE = 0x3c;

const SCRATCH_BYTES = 4096;
/** A value that is longer is not copied. */
const COPIED_BYTES_MAX = 64;
/** From here on SHA-256, which the processor has instructions for, takes less time than MurmurHash3. */
const LARGE_BYTES = 8 * 1024;

export class PayloadHash {
  /** What is not hashed yet: all of most requests. */
  readonly #pending = new OutputBuffer(SCRATCH_BYTES, SCRATCH_BYTES_MAX);
  /** The names of commands and of their fields, as they are hashed. The registry has so many. */
  readonly #names = new Map<string, Uint8Array>();
  readonly #digest = new ByteRange(new Uint8Array(PAYLOAD_HASH_BYTES), 0, PAYLOAD_HASH_BYTES);

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
    this.#pending.reset();
    this.#pending.writeByte(kind);
  }

  add(command: string, args: Readonly<Record<string, unknown>>): void {
    this.#name(COMMAND, command);
    this.#value(args);
  }

  /** The same range each time, with other bytes. */
  end(): ByteRange {
    const pending = this.#pending;
    murmurHash(pending.bytes, 0, pending.length, this.#digest.bytes, 0);
    return this.#digest;
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
    else if (value instanceof ByteRange) this.#bytes(BYTES, value.bytes, value.start, value.end);
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
      this.#name(FIELD, name);
      this.#value(value);
    }
    this.#pending.writeByte(OBJECT_END);
  }

  #name(tag: number, name: string): void {
    let encoded = this.#names.get(name);
    if (encoded === undefined) {
      encoded = encoder.encode(name);
      this.#names.set(name, encoded);
    }
    this.#bytes(tag, encoded, 0, encoded.length);
  }

  #text(tag: number, text: string): void {
    const lengthBytes = utf8Length(text);
    this.#head(tag, lengthBytes);
    writeUtf8(this.#pending, text, lengthBytes);
  }

  #bytes(tag: number, bytes: Uint8Array, start: number, end: number): void {
    this.#head(tag, end - start);
    if (end - start <= COPIED_BYTES_MAX) this.#pending.writeBytes(bytes, start, end);
    else this.#writeHash(LONG, bytes, start, end);
  }

  #head(tag: number, count: number): void {
    const pending = this.#pending;
    if (pending.length >= SCRATCH_BYTES) this.#shorten();
    pending.ensure(5);
    const { bytes, length } = pending;
    bytes[length] = tag;
    bytes[length + 1] = count;
    bytes[length + 2] = count >>> 8;
    bytes[length + 3] = count >>> 16;
    bytes[length + 4] = count >>> 24;
    pending.length = length + 5;
  }

  #shorten(): void {
    const { bytes, length } = this.#pending;
    this.#pending.length = 0;
    this.#writeHash(BEFORE, bytes, 0, length);
  }

  #writeHash(tag: number, bytes: Uint8Array, start: number, end: number): void {
    const pending = this.#pending;
    pending.ensure(1 + PAYLOAD_HASH_BYTES);
    const at = pending.length;
    // The bytes may be those of the buffer: they are read before it is written to.
    if (end - start < LARGE_BYTES) murmurHash(bytes, start, end, pending.bytes, at + 1);
    else writeSha256(bytes.subarray(start, end), pending.bytes, at + 1);
    pending.bytes[at] = tag;
    pending.length = at + 1 + PAYLOAD_HASH_BYTES;
  }
}

function writeSha256(bytes: Uint8Array, out: Uint8Array, at: number): void {
  const digest = hashOnce("sha256", bytes, "binary");
  for (let i = 0; i < PAYLOAD_HASH_BYTES; i++) out[at + i] = digest.charCodeAt(i);
}
