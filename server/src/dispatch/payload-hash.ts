/**
 * A hash of what a request asks for: the command and its arguments as they were understood. So aliases, defaults that are
 * spelled out, the order of fields and the wire format make no difference, and every node computes the same one.
 *
 *     request   "1" command arguments  |  "*" command arguments command arguments ...     one command, or an atomic batch
 *     value     block: tag, name of the field, length in bytes | the bytes, in blocks
 *     list      block: "[", name, count | values              object   block: "{", name | fields | block: "}"
 *
 * Names of commands and fields are numbers, by their own hashes. The hash tells mistakes apart, not attacks: whoever makes two
 * requests that have the same one has their own client told of the first one's success.
 *
 * JSON text is hashed as it came: white space inside a value makes it another. A client that repeats a request sends the
 * same bytes again, or encodes the same value in the other format, and encoders leave white space out.
 */
import { hash as hashOnce } from "node:crypto";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import { SCRATCH_BYTES_MAX } from "../codecs/scratch.ts";
import { utf8Length, writeUtf8 } from "../codecs/utf8.ts";
import type { FieldReader } from "../commands/argument-shape.ts";
import type { Command } from "../commands/command.ts";
import { PAYLOAD_HASH_BYTES } from "../state/reply-operation.ts";
import { Value } from "../state/value.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { MurmurHash, nameNumber } from "../structures/murmur-hash.ts";

type Hashed = Pick<Command, "name" | "shape">;

const ONE_COMMAND = 0x31;
const MANY_COMMANDS = 0x2a;

const COMMAND = 0x63;
const TEXT = 0x73;
/** Text that is still the bytes it came in, such as a key. */
const BYTES = 0x62;
const INTEGER = 0x69;
const NUMBER = 0x23;
const TRUE = 0x74;
const FALSE = 0x66;
const NULL = 0x6e;
const LIST = 0x5b;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
/** Of a stored value; its tag is added. */
const STORED = 0x80;
/** Added for bytes that are there as their own hash. */
const LONG = 0x100;

/** The name of what has none. */
const UNNAMED = 0;

const SCRATCH_BYTES = 256;
/** From here on SHA-256, which the processor has instructions for, takes less time than MurmurHash3. */
const LARGE_BYTES = 8 * 1024;

export class PayloadHash implements FieldReader {
  readonly #hash = new MurmurHash();
  /** By name. The registry has so many, and messages have none of their own. */
  readonly #names = new Map<string, number>();
  readonly #text = new OutputBuffer(SCRATCH_BYTES, SCRATCH_BYTES_MAX);
  readonly #digest = new ByteRange(new Uint8Array(PAYLOAD_HASH_BYTES), 0, PAYLOAD_HASH_BYTES);

  /** Of a request that is one command. The same range each time, with other bytes. */
  ofCommand(command: Hashed, args: Readonly<Record<string, unknown>>): ByteRange {
    this.writeCommand(command, args, this.#digest.bytes, 0);
    return this.#digest;
  }

  /** As `ofCommand`: writes the hash to `out` at `at`. */
  writeCommand(command: Hashed, args: Readonly<Record<string, unknown>>, out: Uint8Array, at: number): void {
    this.#hash.begin();
    this.#hash.block(ONE_COMMAND, this.#number(command.name), 0, 0);
    command.shape.show(args, this);
    this.#hash.end(out, at);
  }

  /** Of an atomic batch: then `add` follows for each command, and `end`. */
  beginBatch(): void {
    this.#hash.begin();
    this.#hash.block(MANY_COMMANDS, 0, 0, 0);
  }

  add({ name, shape }: Hashed, args: Readonly<Record<string, unknown>>): void {
    this.#hash.block(COMMAND, this.#number(name), 0, 0);
    shape.show(args, this);
  }

  /** The same range each time, with other bytes. */
  end(): ByteRange {
    this.#hash.end(this.#digest.bytes, 0);
    return this.#digest;
  }

  key(name: number, { bytes, start, end }: ByteRange): void {
    this.#bytes(BYTES, name, bytes, start, end);
  }

  stored(name: number, { tag, bytes, start, end }: Value): void {
    this.#bytes(STORED + tag, name, bytes, start, end);
  }

  #number(name: string): number {
    let number = this.#names.get(name);
    if (number === undefined) {
      number = nameNumber(name);
      this.#names.set(name, number);
    }
    return number;
  }

  field(name: number, value: unknown): void {
    switch (typeof value) {
      case "string":
        this.#string(TEXT, name, value);
        return;
      case "number":
        if (value === (value | 0)) this.#hash.block(INTEGER, name, value, 0);
        else this.#string(NUMBER, name, String(value));
        return;
      case "bigint":
        // An integer may come as either, by its size.
        if (value === BigInt.asIntN(32, value)) this.#hash.block(INTEGER, name, Number(value), 0);
        else this.#string(NUMBER, name, String(value));
        return;
      case "boolean":
        this.#hash.block(value ? TRUE : FALSE, name, 0, 0);
        return;
      case "object":
        this.#object(name, value);
        return;
      default:
        throw new Error(`an argument cannot be a ${typeof value}`);
    }
  }

  #object(name: number, value: object | null): void {
    if (value === null) this.#hash.block(NULL, name, 0, 0);
    else if (value instanceof Value) this.stored(name, value);
    else if (value instanceof ByteRange) this.key(name, value);
    else if (Array.isArray(value)) this.#list(name, value);
    else this.#fields(name, value);
  }

  #list(name: number, items: readonly unknown[]): void {
    this.#hash.block(LIST, name, items.length, 0);
    for (const item of items) this.field(UNNAMED, item);
  }

  /** In the order of the shape that made the object, whatever that of the message was. */
  #fields(name: number, fields: object): void {
    this.#hash.block(OBJECT, name, 0, 0);
    for (const [field, value] of Object.entries(fields))
      if (value !== undefined) this.field(this.#number(field), value);
    this.#hash.block(OBJECT_END, 0, 0, 0);
  }

  #string(tag: number, name: number, text: string): void {
    const scratch = this.#text;
    scratch.reset();
    writeUtf8(scratch, text, utf8Length(text));
    this.#bytes(tag, name, scratch.bytes, 0, scratch.length);
  }

  #bytes(tag: number, name: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length < LARGE_BYTES) {
      this.#hash.block(tag, name, length, 0);
      this.#hash.bytes(bytes, start, end);
      return;
    }
    const digest = Buffer.from(hashOnce("sha256", bytes.subarray(start, end), "binary"), "binary");
    this.#hash.block(tag + LONG, name, length, 0);
    this.#hash.bytes(digest, 0, PAYLOAD_HASH_BYTES);
  }
}
