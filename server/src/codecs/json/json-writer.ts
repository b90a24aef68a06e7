/** Results to JSON text, without a tree or a string in between. */
import { readInt64, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value } from "../../state/value.ts";
import { ByteRange } from "../../structures/byte-range.ts";
import { writeAscii, writeInteger } from "../decimal.ts";
import type { OutputBuffer } from "../output-buffer.ts";
import { CLOSE_BRACE, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET } from "./json-scanner.ts";
import { writeJsonString, writeJsonText, writeTextOrBytes } from "./json-string.ts";

/** How many names are kept encoded. Names are those of our own results, so this is not reached. */
const NAMES_MAX = 1024;

export class JsonWriter {
  /** Field name -> `"name":` */
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
        writeAscii(out, value ? "true" : "false");
        return;
      case "string":
        writeJsonText(out, value);
        return;
      case "bigint":
        writeInteger(out, value);
        return;
      case "undefined":
        writeAscii(out, "null");
        return;
      default:
        throw new Error(`a result cannot be a ${typeof value}`);
    }
  }

  #object(out: OutputBuffer, value: object | null): void {
    if (value === null) writeAscii(out, "null");
    else if (value instanceof Value) writeValue(out, value);
    else if (value instanceof ByteRange) writeTextOrBytes(out, value.bytes, value.start, value.end);
    else if (Array.isArray(value)) this.#list(out, value);
    // A result object is a plain one that a command made.
    else this.#fields(out, value as Record<string, unknown>);
  }

  #list(out: OutputBuffer, items: readonly unknown[]): void {
    out.writeByte(OPEN_BRACKET);
    for (let i = 0; i < items.length; i++) {
      if (i > 0) out.writeByte(COMMA);
      this.write(out, items[i]);
    }
    out.writeByte(CLOSE_BRACKET);
  }

  #fields(out: OutputBuffer, fields: Record<string, unknown>): void {
    out.writeByte(OPEN_BRACE);
    let isFirst = true;
    for (const name in fields) {
      const value = fields[name];
      if (value === undefined) continue;
      if (isFirst) isFirst = false;
      else out.writeByte(COMMA);
      const encoded = this.#names.get(name) ?? this.#encodeName(name);
      out.writeBytes(encoded, 0, encoded.length);
      this.write(out, value);
    }
    out.writeByte(CLOSE_BRACE);
  }

  #encodeName(name: string): Uint8Array {
    const encoded = new TextEncoder().encode(`${JSON.stringify(name)}:`);
    if (this.#names.size < NAMES_MAX) this.#names.set(name, encoded);
    return encoded;
  }
}

/** A stored value as a JSON reader gets it. */
function writeValue(out: OutputBuffer, value: Value): void {
  const { bytes, start, end } = value;
  if (value.tag === TAG_TEXT) writeJsonString(out, bytes, start, end);
  else if (value.tag === TAG_JSON) out.writeBytes(bytes, start, end);
  else if (value.tag === TAG_INTEGER) writeInteger(out, readInt64(bytes, start));
  else writeTextOrBytes(out, bytes, start, end);
}

/** As `JSON.stringify`: what is not finite becomes null. */
function writeNumber(out: OutputBuffer, value: number): void {
  if (Number.isSafeInteger(value)) writeInteger(out, value);
  else writeAscii(out, Number.isFinite(value) ? value.toString() : "null");
}
