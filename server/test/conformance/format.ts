/**
 * The two wire formats as a client sees them, independent of the server's codecs. Plain values on both sides: integers
 * are a `number` where that is exact and else a `bigint`, raw bytes are a `Uint8Array`.
 */
import { Packr, Unpackr } from "msgpackr";

export interface WireFormat {
  readonly name: "json" | "msgpack";
  readonly contentType: string;
  encode(value: unknown): Buffer;
  /** Throws on anything that is not one well-formed value. */
  decode(bytes: Buffer): unknown;
  /** How this format shows a stored byte string to its reader (wire contract, section 4). */
  bytes(stored: Uint8Array): unknown;
}

export const json: WireFormat = {
  name: "json",
  contentType: "application/json",
  encode: (value) => Buffer.from(toJson(value)),
  decode: (bytes) => new JsonReader(new TextDecoder("utf-8", { fatal: true }).decode(bytes)).whole(),
  bytes(stored) {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(stored);
    } catch {
      return bytesObject(stored);
    }
  },
};

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false });

export const msgpack: WireFormat = {
  name: "msgpack",
  contentType: "application/msgpack",
  encode: (value) => Buffer.from(packr.pack(value)),
  decode: (bytes) => fromMaps(unpackr.unpack(bytes)),
  bytes: (stored) => new Uint8Array(stored),
};

export function bytesObject(stored: Uint8Array): { $bytes: string } {
  return { $bytes: Buffer.from(stored).toString("base64") };
}

/**
 * A MessagePack map with these fields as they come, also twice or with names that are no strings. A `Buffer` is spliced
 * in as the value it encodes; anything else is encoded.
 */
export function msgpackMap(fields: readonly (readonly [unknown, unknown])[]): Buffer {
  if (fields.length > 15) throw new Error("a fixmap has at most 15 fields");
  const encoded = fields.flat().map((part) => (Buffer.isBuffer(part) ? part : msgpack.encode(part)));
  return Buffer.concat([Buffer.from([0x80 | fields.length]), ...encoded]);
}

/** `JSON.stringify` that keeps every digit of a bigint and writes bytes by the contract's rule. */
function toJson(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return toJson(bytesObject(value));
  if (Array.isArray(value)) return `[${value.map(toJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${fields.map(([name, each]) => `${JSON.stringify(name)}:${toJson(each)}`).join(",")}}`;
}

/**
 * msgpackr makes a `Map` of every map here, because an object would lose a field named `__proto__`; and a bigint of every
 * integer of 64 bits.
 */
function fromMaps(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof Map) return objectOf([...value].map(([name, each]) => [String(name), fromMaps(each)]));
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(fromMaps);
  return value;
}

function objectOf(fields: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const object = {};
  for (const [name, value] of fields) {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const SPACE = /[ \t\n\r]*/y;

/** `JSON.parse` that keeps every digit of an integer and refuses an object that has a name twice. */
class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): unknown {
    const value = this.#value();
    if (this.#at !== this.#text.length) throw new Error(`something follows the JSON value: ${this.#text}`);
    return value;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match[0];
  }

  #skip(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #value(): unknown {
    this.#take(SPACE);
    const value = this.#bare();
    this.#take(SPACE);
    return value;
  }

  #bare(): unknown {
    for (const [word, value] of [
      ["null", null],
      ["true", true],
      ["false", false],
    ] as const) {
      if (this.#skip(word)) return value;
    }
    const text = this.#take(STRING);
    if (text !== undefined) return JSON.parse(text);
    const number = this.#take(NUMBER);
    if (number !== undefined) return readNumber(number);
    if (this.#skip("[")) return this.#items("]", () => this.#value());
    if (this.#skip("{")) return this.#object();
    throw new Error(`not JSON at ${this.#at}: ${this.#text}`);
  }

  #object(): Record<string, unknown> {
    const fields = this.#items("}", () => {
      const name = this.#value();
      if (typeof name !== "string" || !this.#skip(":")) throw new Error(`not a field at ${this.#at}: ${this.#text}`);
      return [name, this.#value()] as const;
    });
    if (new Set(fields.map(([name]) => name)).size < fields.length)
      throw new Error(`a name is there twice: ${this.#text}`);
    return objectOf(fields);
  }

  #items<T>(close: string, read: () => T): T[] {
    const items: T[] = [];
    this.#take(SPACE);
    if (this.#skip(close)) return items;
    do items.push(read());
    while (this.#skip(","));
    if (!this.#skip(close)) throw new Error(`${close} is missing at ${this.#at}: ${this.#text}`);
    return items;
  }
}

function readNumber(text: string): number | bigint {
  const number = Number(text);
  return /^-?[0-9]+$/.test(text) && !Number.isSafeInteger(number) ? BigInt(text) : number;
}
