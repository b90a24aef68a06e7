/**
 * MessagePack payload to arguments, by the command's shape. The envelope's pass has checked the message, so this one
 * trusts lengths and UTF-8 and looks only at what the shape asks about. Keys and values stay where they are in the
 * message; integers are unpacked, and maps, arrays and the like transcoded to JSON text, in scratch memory.
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
  namesMustBeStrings,
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
import { fitsInt64 } from "../decimal.ts";
import { BytesObject } from "../json/json-bytes-object.ts";
import type { OutputBuffer } from "../output-buffer.ts";
import { decodeUtf8 } from "../utf8.ts";
import {
  FALSE,
  headerLength,
  isArray,
  isBinary,
  isFloat,
  isInteger,
  isMap,
  isString,
  NIL,
  numberLength,
  readFloat,
  readInteger,
  readLength,
  TRUE,
} from "./message-pack-format.ts";
import { MessagePackScanner } from "./message-pack-scanner.ts";
import { MessagePackToJson } from "./message-pack-to-json.ts";

const NO_BYTES = new Uint8Array(0);

export class MessagePackArgumentDecoder {
  readonly #scratch: OutputBuffer;
  readonly #valueBytesMax: number;
  readonly #path = new ArgumentPath();
  readonly #scanner = new MessagePackScanner();
  readonly #toJson = new MessagePackToJson();
  readonly #bytesObject = new BytesObject();
  #bytes: Uint8Array = NO_BYTES;
  /** The next byte to read. */
  #at = 0;
  #failure: CommandError | undefined = undefined;
  /** The content of the string or binary read last. */
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
    this.#at = payload.start;
    const args = this.#map(shape);
    return this.#failure ?? args;
  }

  /** Reads a map as the arguments of `shape`. */
  #map(shape: ArgumentShape): Record<string, unknown> {
    const bytes = this.#bytes;
    const args = shape.create();
    const count = readLength(bytes, this.#at);
    this.#at += headerLength(bytes[this.#at]);
    let seen = 0;
    for (let i = 0; i < count; i++) {
      if (!isString(bytes[this.#at])) {
        this.#failure = namesMustBeStrings(this.#path.ofName(""));
        return args;
      }
      this.#content();
      const index = findArgumentName(shape, bytes, this.#textStart, this.#textEnd);
      if (index < 0) {
        const name = decodeUtf8(bytes, this.#textStart, this.#textEnd);
        this.#failure = unknownArgument(this.#path, shape, name);
        return args;
      }
      const { field } = shape.names[index];
      if (field === null) {
        this.#skip();
        continue;
      }
      const bit = 1 << field.index;
      if ((seen & bit) !== 0) {
        this.#failure = duplicateArgument(this.#path.of(field));
        return args;
      }
      seen |= bit;
      if (bytes[this.#at] === NIL && !field.required && field.kind !== "value") {
        this.#at++;
      } else {
        args[field.name] = this.#field(field);
        if (this.#failure !== undefined) return args;
      }
    }
    if ((seen & shape.requiredMask) !== shape.requiredMask) {
      this.#failure = missingArgument(this.#path, shape, seen);
    }
    return args;
  }

  /** Steps over a value whose meaning is not asked for. */
  #skip(): void {
    this.#scanner.begin(this.#bytes);
    this.#at = this.#scanner.value(this.#at, 0);
  }

  /** Reads a string or binary into `#textStart` and `#textEnd`. */
  #content(): void {
    const format = this.#bytes[this.#at];
    if (format < NIL) {
      this.#textStart = this.#at + 1;
      this.#textEnd = this.#textStart + (format & 0x1f);
    } else {
      this.#textStart = this.#at + headerLength(format);
      this.#textEnd = this.#textStart + readLength(this.#bytes, this.#at);
    }
    this.#at = this.#textEnd;
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

  /** Reads a string whose length its field allows; false after a failure. */
  #boundedString(field: FieldShape): boolean {
    if (!isString(this.#bytes[this.#at])) {
      this.#wrongType(field);
      return false;
    }
    this.#content();
    const length = this.#textEnd - this.#textStart;
    if (length >= field.bytesMin && length <= field.bytesMax) return true;
    this.#fail(wrongLength(this.#path.of(field), field, length));
    return false;
  }

  #key(field: FieldShape): ByteRange | undefined {
    if (!this.#boundedString(field)) return undefined;
    return new ByteRange(this.#bytes, this.#textStart, this.#textEnd);
  }

  #word(field: FieldShape): string | undefined {
    if (!this.#boundedString(field)) return undefined;
    if (field.words === undefined) return decodeUtf8(this.#bytes, this.#textStart, this.#textEnd);
    const word = findWord(field.words, this.#bytes, this.#textStart, this.#textEnd);
    return word ?? this.#fail(notOneOf(this.#path.of(field), field.words));
  }

  #id(field: FieldShape): string | number | undefined {
    return isString(this.#bytes[this.#at]) ? this.#word(field) : this.#integer(field);
  }

  /**
   * Reads an integer, or a float that is one: a JavaScript client cannot always say the difference. `undefined` where
   * there is none, and then nothing is read.
   */
  #wholeNumber(): number | bigint | undefined {
    const bytes = this.#bytes;
    const format = bytes[this.#at];
    let value: number | bigint;
    if (isInteger(format)) {
      value = readInteger(bytes, this.#at);
    } else {
      if (!isFloat(format)) return undefined;
      value = readFloat(bytes, this.#at);
      if (!Number.isSafeInteger(value)) return undefined;
      // Minus zero is zero where an integer is asked for.
      if (value === 0) value = 0;
    }
    this.#at += 1 + numberLength(format);
    return value;
  }

  #integer(field: FieldShape): number | undefined {
    const value = this.#wholeNumber();
    if (value === undefined) return this.#wrongType(field);
    if (typeof value === "bigint" || value < field.minimum || value > field.maximum) {
      return this.#fail(outOfRange(this.#path.of(field), field));
    }
    return value;
  }

  #int64(field: FieldShape): number | bigint | undefined {
    const value = this.#wholeNumber();
    if (value === undefined || !fitsInt64(value)) return this.#wrongType(field);
    return value;
  }

  #boolean(field: FieldShape): boolean | undefined {
    const format = this.#bytes[this.#at];
    if (format !== TRUE && format !== FALSE) return this.#wrongType(field);
    this.#at++;
    return format === TRUE;
  }

  /** By the table of state/value.ts. */
  #value(field: FieldShape): Value | undefined {
    const bytes = this.#bytes;
    const format = bytes[this.#at];
    const isText = isString(format);
    if (isText || isBinary(format)) {
      this.#content();
      const length = this.#textEnd - this.#textStart;
      if (length > this.#valueBytesMax) return this.#tooLarge(field, length);
      return new Value(isText ? TAG_TEXT : TAG_BYTES, bytes, this.#textStart, this.#textEnd);
    }
    const start = this.#at;
    const integer = this.#wholeNumber();
    if (integer !== undefined && fitsInt64(integer) && !this.#isMinusZero(start)) return this.#integerValue(integer);
    this.#at = start;
    return this.#jsonValue(field);
  }

  /** A float -0 is kept as JSON, like the literal `-0`. */
  #isMinusZero(at: number): boolean {
    return isFloat(this.#bytes[at]) && Object.is(readFloat(this.#bytes, at), -0);
  }

  #integerValue(integer: number | bigint): Value {
    const scratch = this.#scratch;
    scratch.ensure(INTEGER_BYTES);
    const at = scratch.length;
    writeInt64(scratch.bytes, at, integer);
    scratch.length = at + INTEGER_BYTES;
    return new Value(TAG_INTEGER, scratch.bytes, at, at + INTEGER_BYTES);
  }

  #jsonValue(field: FieldShape): Value | undefined {
    const scratch = this.#scratch;
    const start = scratch.length;
    const isObject = isMap(this.#bytes[this.#at]);
    const past = this.#toJson.write(scratch, this.#bytes, this.#at, this.#valueBytesMax);
    if (past < 0) {
      if (this.#toJson.isTooLong) return this.#tooLarge(field, undefined);
      return this.#fail(unusableValue(this.#path.of(field), this.#toJson.failure));
    }
    this.#at = past;
    const end = scratch.length;
    const text = scratch.bytes;
    if (isObject && this.#bytesObject.match(text, start, end, scratch)) return this.#bytesValue(field);
    return new Value(TAG_JSON, text, start, end);
  }

  /** A map that is the bytes object of JSON means bytes here too, so that both formats store the same. */
  #bytesValue(field: FieldShape): Value | undefined {
    const { bytes, start, decodedLength } = this.#bytesObject;
    if (decodedLength < 0) {
      return this.#fail(unusableValue(this.#path.of(field), "has $bytes that are not base64 with padding"));
    }
    const scratch = this.#scratch;
    const at = scratch.length;
    decodeBase64(scratch, bytes, start, decodedLength);
    return new Value(TAG_BYTES, scratch.bytes, at, at + decodedLength);
  }

  #tooLarge(field: FieldShape, lengthBytes: number | undefined): undefined {
    return this.#fail(valueTooLarge(this.#path.of(field), this.#valueBytesMax, lengthBytes));
  }

  #list(field: FieldShape): unknown[] | undefined {
    const bytes = this.#bytes;
    const { item } = field;
    if (!isArray(bytes[this.#at]) || item === undefined) return this.#wrongType(field);
    const count = readLength(bytes, this.#at);
    if (count < field.itemsMin || count > field.itemsMax) {
      return this.#fail(wrongItemCount(this.#path.of(field), field, count));
    }
    this.#at += headerLength(bytes[this.#at]);
    const items: unknown[] = [];
    this.#path.enter(field);
    for (let i = 0; i < count; i++) {
      this.#path.moveTo(i);
      items.push(this.#field(item));
      if (this.#failure !== undefined) return undefined;
    }
    this.#path.leave();
    return items;
  }

  #nested(field: FieldShape): Record<string, unknown> | undefined {
    if (!isMap(this.#bytes[this.#at]) || field.object === undefined) return this.#wrongType(field);
    const isItem = this.#path.isItem(field);
    if (!isItem) this.#path.enter(field);
    const args = this.#map(field.object);
    // After a failure the path is not used again.
    if (!isItem) this.#path.leave();
    return args;
  }
}
