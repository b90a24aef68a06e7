/** Results to MessagePack, each value in its smallest form where that costs nothing. */
import { readInt64, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value } from "../../state/value.ts";
import { ByteRange } from "../../structures/byte-range.ts";
import { OutputBuffer } from "../output-buffer.ts";
import { isUtf8Range, utf8Length, writeUtf8 } from "../utf8.ts";
import { JsonToMessagePack } from "./json-to-message-pack.ts";
import { FALSE, FIXMAP, NIL, TRUE } from "./message-pack-format.ts";
import {
  writeArrayHeader,
  writeBinaryHeader,
  writeFloat,
  writeInteger,
  writeMapHeader,
  writeStringHeader,
} from "./message-pack-header.ts";

/** How many names are kept encoded. Names are those of our own results, so this is not reached. */
const NAMES_MAX = 1024;
const FIXMAP_COUNT_MAX = 15;

export class MessagePackWriter {
  readonly #json = new JsonToMessagePack();
  readonly #names = new Map<string, Uint8Array>();

  /** Errors: `OutputLimitError` of `out`; throws for a function or symbol, which no result has. */
  write(out: OutputBuffer, value: unknown): void {
    switch (typeof value) {
      case "object":
        this.#object(out, value);
        return;
      case "number":
        writeNumber(out, value);
        return;
      case "boolean":
        out.writeByte(value ? TRUE : FALSE);
        return;
      case "string":
        writeText(out, value);
        return;
      case "bigint":
        writeInteger(out, value);
        return;
      case "undefined":
        out.writeByte(NIL);
        return;
      default:
        throw new Error(`a result cannot be a ${typeof value}`);
    }
  }

  #object(out: OutputBuffer, value: object | null): void {
    if (value === null) out.writeByte(NIL);
    else if (value instanceof Value) this.#value(out, value);
    else if (value instanceof ByteRange) writeKey(out, value);
    else if (Array.isArray(value)) this.#list(out, value);
    // A result object is a plain one that a command made.
    else this.#fields(out, value as Record<string, unknown>);
  }

  /** A stored value as a MessagePack reader gets it. */
  #value(out: OutputBuffer, value: Value): void {
    const { tag, bytes, start, end } = value;
    if (tag === TAG_INTEGER) {
      writeInteger(out, readInt64(bytes, start));
    } else if (tag === TAG_JSON) {
      this.#json.write(out, bytes, start, end);
    } else {
      if (tag === TAG_TEXT) writeStringHeader(out, end - start);
      else writeBinaryHeader(out, end - start);
      out.writeBytes(bytes, start, end);
    }
  }

  #list(out: OutputBuffer, items: readonly unknown[]): void {
    writeArrayHeader(out, items.length);
    for (let i = 0; i < items.length; i++) this.write(out, items[i]);
  }

  /** Fields that are undefined are left out, so the count is known only at the end and put in afterwards. */
  #fields(out: OutputBuffer, fields: Record<string, unknown>): void {
    const headerAt = out.length;
    out.writeByte(FIXMAP);
    let count = 0;
    for (const name in fields) {
      const value = fields[name];
      if (value === undefined) continue;
      if (count === FIXMAP_COUNT_MAX) {
        // Rare and only in replies of our own making: start again, counting first.
        out.length = headerAt;
        this.#manyFields(out, fields);
        return;
      }
      count++;
      this.#name(out, name);
      this.write(out, value);
    }
    out.bytes[headerAt] = FIXMAP | count;
  }

  #manyFields(out: OutputBuffer, fields: Record<string, unknown>): void {
    const names = Object.keys(fields).filter((name) => fields[name] !== undefined);
    writeMapHeader(out, names.length);
    for (const name of names) {
      this.#name(out, name);
      this.write(out, fields[name]);
    }
  }

  #name(out: OutputBuffer, name: string): void {
    const encoded = this.#names.get(name) ?? this.#encodeName(name);
    out.writeBytes(encoded, 0, encoded.length);
  }

  #encodeName(name: string): Uint8Array {
    const encoded = encodeText(name);
    if (this.#names.size < NAMES_MAX) this.#names.set(name, encoded);
    return encoded;
  }
}

/** A JavaScript string in a buffer of its own. */
export function encodeText(text: string): Uint8Array {
  const out = new OutputBuffer(text.length + 16, Number.MAX_SAFE_INTEGER);
  writeText(out, text);
  return out.view();
}

export function writeText(out: OutputBuffer, text: string): void {
  const lengthBytes = utf8Length(text);
  writeStringHeader(out, lengthBytes);
  writeUtf8(out, text, lengthBytes);
}

/** A key is a string, unless a binary-safe protocol has made one that is not text. */
function writeKey(out: OutputBuffer, { bytes, start, end }: ByteRange): void {
  if (isUtf8Range(bytes, start, end)) writeStringHeader(out, end - start);
  else writeBinaryHeader(out, end - start);
  out.writeBytes(bytes, start, end);
}

/** What is not finite becomes nil, as it becomes null in JSON. */
function writeNumber(out: OutputBuffer, value: number): void {
  if (Number.isSafeInteger(value)) writeInteger(out, value);
  else if (Number.isFinite(value)) writeFloat(out, value);
  else out.writeByte(NIL);
}
