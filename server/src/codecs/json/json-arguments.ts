/**
 * JSON payload to arguments, by the command's shape. The envelope's pass has checked the syntax, so this one trusts it and
 * looks only at what the shape asks about. Keys and values stay where they are in the message; only escaped strings,
 * integers and base64 are unpacked, into scratch memory.
 *
 * A failure is kept in `#failure` and not returned, so that the value of a field and an error need not be told apart by
 * their type for every field.
 */
import type { ArgumentShape, FieldShape } from "../../commands/argument-shape.ts";
import type { CommandError } from "../../commands/errors.ts";
import { INTEGER_BYTES, TAG_BYTES, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value, writeInt64 } from "../../state/value.ts";
import { ByteRange } from "../../structures/byte-range.ts";
import {
  ArgumentPath,
  duplicateArgument,
  missingArgument,
  notOneOf,
  outOfRange,
  unknownArgument,
  unusableValue,
  valueTooLarge,
  wrongItemCount,
  wrongLength,
  wrongType,
} from "../argument-failure.ts";
import { findArgumentName, findWord } from "../argument-name.ts";
import { decodeBase64 } from "../base64.ts";
import { fitsInt64, parseInteger } from "../decimal.ts";
import type { OutputBuffer } from "../output-buffer.ts";
import { decodeUtf8 } from "../utf8.ts";
import { BytesObject } from "./json-bytes-object.ts";
import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  LETTER_F,
  LETTER_N,
  LETTER_T,
  MINUS,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipPlain,
  skipSpace,
  skipString,
  skipValue,
} from "./json-scanner.ts";
import { unescapeInto } from "./json-string.ts";

const ZERO = 0x30;
const NINE = 0x39;
const NO_BYTES = new Uint8Array(0);

export class JsonArgumentDecoder {
  readonly #scratch: OutputBuffer;
  readonly #valueBytesMax: number;
  readonly #path = new ArgumentPath();
  readonly #bytesObject = new BytesObject();
  #bytes: Uint8Array = NO_BYTES;
  #end = 0;
  /** The next byte to read. */
  #at = 0;
  #failure: CommandError | undefined = undefined;
  /** The inside of the string read last, unescaped. */
  #text: Uint8Array = NO_BYTES;
  #textStart = 0;
  #textEnd = 0;

  constructor(scratch: OutputBuffer, valueBytesMax: number) {
    this.#scratch = scratch;
    this.#valueBytesMax = valueBytesMax;
  }

  decode(payload: ByteRange | undefined, shape: ArgumentShape): Record<string, unknown> | CommandError {
    this.#path.reset();
    if (payload === undefined) {
      return shape.requiredMask === 0 ? shape.create() : missingArgument(this.#path, shape, 0);
    }
    this.#failure = undefined;
    this.#bytes = payload.bytes;
    this.#end = payload.end;
    this.#at = payload.start;
    const args = this.#object(shape);
    return this.#failure ?? args;
  }

  /** Reads from the opening brace to past the closing one. */
  #object(shape: ArgumentShape): Record<string, unknown> {
    const bytes = this.#bytes;
    const args = shape.create();
    let seen = 0;
    this.#at = skipSpace(bytes, this.#at + 1);
    while (bytes[this.#at] !== CLOSE_BRACE) {
      this.#string();
      const index = findArgumentName(shape, this.#text, this.#textStart, this.#textEnd);
      if (index < 0) {
        const name = decodeUtf8(this.#text, this.#textStart, this.#textEnd);
        this.#failure = unknownArgument(this.#path, shape, name);
        return args;
      }
      // Over the colon.
      this.#at = skipSpace(bytes, skipSpace(bytes, this.#at) + 1);
      const { field } = shape.names[index];
      if (field === null) {
        this.#at = skipValue(bytes, this.#at, this.#end);
      } else {
        const bit = 1 << field.index;
        if ((seen & bit) !== 0) {
          this.#failure = duplicateArgument(this.#path.of(field));
          return args;
        }
        if (bytes[this.#at] === LETTER_N && !field.required && field.kind !== "value") {
          this.#at += 4;
        } else {
          args[field.name] = this.#field(field);
          if (this.#failure !== undefined) return args;
        }
        seen |= bit;
      }
      this.#next();
    }
    this.#at++;
    if ((seen & shape.requiredMask) !== shape.requiredMask) {
      this.#failure = missingArgument(this.#path, shape, seen);
    }
    return args;
  }

  /** After a value: to the next one, or to the closing byte. */
  #next(): void {
    const bytes = this.#bytes;
    const at = skipSpace(bytes, this.#at);
    this.#at = bytes[at] === COMMA ? skipSpace(bytes, at + 1) : at;
  }

  #field(field: FieldShape): unknown {
    switch (field.kind) {
      case "key":
        return this.#key(field);
      case "value":
      case "any":
        return this.#value(field);
      case "integer":
        return this.#integer(field);
      case "int64":
        return this.#int64(field);
      case "boolean":
        return this.#boolean(field);
      case "text":
        return this.#word(field);
      case "id":
        return this.#id(field);
      case "array":
        return this.#list(field);
      case "object":
        return this.#nested(field);
    }
  }

  #fail(failure: CommandError): undefined {
    this.#failure = failure;
    return undefined;
  }

  #wrongType(field: FieldShape): undefined {
    return this.#fail(wrongType(this.#path.of(field), field));
  }

  /** Reads a string into `#text`. */
  #string(): void {
    const bytes = this.#bytes;
    const start = this.#at + 1;
    const at = skipPlain(bytes, start, this.#end);
    if (bytes[at] === BACKSLASH) {
      this.#escapedString();
      return;
    }
    this.#text = bytes;
    this.#textStart = start;
    this.#textEnd = at;
    this.#at = at + 1;
  }

  #escapedString(): void {
    const bytes = this.#bytes;
    const scratch = this.#scratch;
    const past = skipString(bytes, this.#at, this.#end);
    this.#textStart = scratch.length;
    unescapeInto(scratch, bytes, this.#at + 1, past - 1);
    this.#text = scratch.bytes;
    this.#textEnd = scratch.length;
    this.#at = past;
  }

  /** Reads a string whose length its field allows; false after a failure. */
  #boundedString(field: FieldShape): boolean {
    if (this.#bytes[this.#at] !== QUOTE) {
      this.#wrongType(field);
      return false;
    }
    this.#string();
    const length = this.#textEnd - this.#textStart;
    if (length >= field.bytesMin && length <= field.bytesMax) return true;
    this.#fail(wrongLength(this.#path.of(field), field, length));
    return false;
  }

  #key(field: FieldShape): ByteRange | undefined {
    if (!this.#boundedString(field)) return undefined;
    return new ByteRange(this.#text, this.#textStart, this.#textEnd);
  }

  #word(field: FieldShape): string | undefined {
    if (!this.#boundedString(field)) return undefined;
    if (field.words === undefined) return decodeUtf8(this.#text, this.#textStart, this.#textEnd);
    const word = findWord(field.words, this.#text, this.#textStart, this.#textEnd);
    return word ?? this.#fail(notOneOf(this.#path.of(field), field.words));
  }

  #id(field: FieldShape): string | number | undefined {
    if (this.#bytes[this.#at] === QUOTE) return this.#word(field);
    return this.#integer(field);
  }

  /** Past a number. */
  #numberEnd(): number {
    return skipValue(this.#bytes, this.#at, this.#end);
  }

  #isNumber(): boolean {
    const byte = this.#bytes[this.#at];
    return (byte >= ZERO && byte <= NINE) || byte === MINUS;
  }

  #integer(field: FieldShape): number | undefined {
    if (!this.#isNumber()) return this.#wrongType(field);
    const end = this.#numberEnd();
    const value = parseInteger(this.#bytes, this.#at, end);
    if (value === undefined) return this.#notAnInteger(field, end);
    if (typeof value === "bigint" || value < field.minimum || value > field.maximum) {
      return this.#fail(outOfRange(this.#path.of(field), field));
    }
    this.#at = end;
    return value;
  }

  #int64(field: FieldShape): number | bigint | undefined {
    if (!this.#isNumber()) return this.#wrongType(field);
    const end = this.#numberEnd();
    const value = parseInteger(this.#bytes, this.#at, end);
    if (value === undefined || !fitsInt64(value)) return this.#wrongType(field);
    this.#at = end;
    return value;
  }

  /** A number that is too large to be read at all is out of range; one with a fraction is of the wrong type. */
  #notAnInteger(field: FieldShape, end: number): undefined {
    for (let i = this.#at; i < end; i++) {
      const byte = this.#bytes[i];
      if (byte !== MINUS && (byte < ZERO || byte > NINE)) return this.#wrongType(field);
    }
    return this.#fail(outOfRange(this.#path.of(field), field));
  }

  #boolean(field: FieldShape): boolean | undefined {
    const byte = this.#bytes[this.#at];
    if (byte === LETTER_T) {
      this.#at += 4;
      return true;
    }
    if (byte !== LETTER_F) return this.#wrongType(field);
    this.#at += 5;
    return false;
  }

  /** By the table of state/value.ts. */
  #value(field: FieldShape): Value | undefined {
    const bytes = this.#bytes;
    const start = this.#at;
    if (bytes[start] === QUOTE) {
      this.#string();
      return this.#bounded(field, new Value(TAG_TEXT, this.#text, this.#textStart, this.#textEnd));
    }
    const end = skipValue(bytes, start, this.#end);
    this.#at = end;
    if (bytes[start] <= NINE) {
      // A digit or a minus: nothing else that begins a value is so low, but the quote.
      const integer = parseInteger(bytes, start, end);
      const isMinusZero = integer === 0 && bytes[start] === MINUS;
      if (integer !== undefined && fitsInt64(integer) && !isMinusZero) return this.#integerValue(integer);
    } else if (bytes[start] === OPEN_BRACE && this.#bytesObject.match(bytes, start, end, this.#scratch)) {
      return this.#bytesValue(field);
    }
    return this.#bounded(field, new Value(TAG_JSON, bytes, start, end));
  }

  #bounded(field: FieldShape, value: Value): Value | undefined {
    const length = value.end - value.start;
    if (length <= this.#valueBytesMax) return value;
    return this.#fail(valueTooLarge(this.#path.of(field), this.#valueBytesMax, length));
  }

  #integerValue(integer: number | bigint): Value {
    const scratch = this.#scratch;
    scratch.ensure(INTEGER_BYTES);
    const at = scratch.length;
    writeInt64(scratch.bytes, at, integer);
    scratch.length = at + INTEGER_BYTES;
    return new Value(TAG_INTEGER, scratch.bytes, at, at + INTEGER_BYTES);
  }

  #bytesValue(field: FieldShape): Value | undefined {
    const { bytes, start, decodedLength } = this.#bytesObject;
    if (decodedLength < 0) {
      return this.#fail(unusableValue(this.#path.of(field), "has $bytes that are not base64 with padding"));
    }
    if (decodedLength > this.#valueBytesMax) {
      return this.#fail(valueTooLarge(this.#path.of(field), this.#valueBytesMax, decodedLength));
    }
    const scratch = this.#scratch;
    const at = scratch.length;
    decodeBase64(scratch, bytes, start, decodedLength);
    return new Value(TAG_BYTES, scratch.bytes, at, at + decodedLength);
  }

  #list(field: FieldShape): unknown[] | undefined {
    const bytes = this.#bytes;
    const { item } = field;
    if (bytes[this.#at] !== OPEN_BRACKET || item === undefined) return this.#wrongType(field);
    const items: unknown[] = [];
    this.#path.enter(field);
    this.#at = skipSpace(bytes, this.#at + 1);
    while (bytes[this.#at] !== CLOSE_BRACKET) {
      if (items.length === field.itemsMax) break;
      this.#path.moveTo(items.length);
      items.push(this.#field(item));
      if (this.#failure !== undefined) return undefined;
      this.#next();
    }
    this.#path.leave();
    if (bytes[this.#at] !== CLOSE_BRACKET) {
      return this.#fail(wrongItemCount(this.#path.of(field), field, items.length + 1));
    }
    if (items.length < field.itemsMin) {
      return this.#fail(wrongItemCount(this.#path.of(field), field, items.length));
    }
    this.#at++;
    return items;
  }

  #nested(field: FieldShape): Record<string, unknown> | undefined {
    if (this.#bytes[this.#at] !== OPEN_BRACE || field.object === undefined) return this.#wrongType(field);
    const isItem = this.#path.isItem(field);
    if (!isItem) this.#path.enter(field);
    const args = this.#object(field.object);
    // After a failure the path is not used again.
    if (!isItem) this.#path.leave();
    return args;
  }
}
