/** The outer map of a MessagePack message, read in the pass that checks the whole of it. */
import { type CommandError, fail } from "../../commands/errors.ts";
import { clip } from "../argument-failure.ts";
import {
  envelopeFieldOf,
  FIELD_ATOMIC,
  FIELD_CLIENT_ID,
  FIELD_COMMAND,
  FIELD_COMMANDS,
  FIELD_IDEMPOTENT,
  FIELD_INDEX,
  FIELD_PAYLOAD,
  FIELD_REQUEST_ID,
  FIELD_TYPE,
  FIELD_UNKNOWN,
  isIndex,
  REQUEST_ID_BYTES_MAX,
  RequestEnvelope,
  tooManyCommands,
  unknownField,
  wrongFieldType,
  wrongIndex,
} from "../request-envelope.ts";
import { decodeUtf8 } from "../utf8.ts";
import {
  FALSE,
  headerLength,
  isArray,
  isFloat,
  isInteger,
  isMap,
  isString,
  NIL,
  readFloat,
  readInteger,
  TRUE,
} from "./message-pack-format.ts";
import { MessagePackScanner } from "./message-pack-scanner.ts";

/** The depth inside the outer map; inside `commands`; inside one of them. */
const ROOT_DEPTH = 1;
const LIST_DEPTH = 2;
const ITEM_DEPTH = 3;

export class MessagePackEnvelopeDecoder {
  readonly #envelope = new RequestEnvelope();
  readonly #scanner = new MessagePackScanner();
  readonly #batchCommandsMax: number;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Why the request is refused although it is MessagePack; set where a step answers -1 and the scanner did not fail. */
  #refusal: CommandError | undefined = undefined;

  constructor(batchCommandsMax: number) {
    this.#batchCommandsMax = batchCommandsMax;
  }

  decode(message: Uint8Array): RequestEnvelope | CommandError {
    const scanner = this.#scanner;
    this.#bytes = message;
    this.#refusal = undefined;
    this.#envelope.reset();
    scanner.begin(message);
    if (!isMap(scanner.formatAt(0))) return this.#notAMap();
    const past = this.#fields(0, this.#envelope, ROOT_DEPTH);
    if (past < 0) return this.#refusal ?? this.#malformed();
    if (past !== message.length) return malformed("something follows the request", past);
    return this.#envelope.contradiction() ?? this.#envelope;
  }

  #notAMap(): CommandError {
    if (this.#scanner.value(0, 0) < 0) return this.#malformed();
    return fail("INVALID_REQUEST", "a request must be a map");
  }

  #malformed(): CommandError {
    return malformed(this.#scanner.failure, this.#scanner.failedAt);
  }

  #refuse(refusal: CommandError): -1 {
    this.#refusal = refusal;
    return -1;
  }

  /** @returns past the map, or -1. */
  #fields(from: number, envelope: RequestEnvelope, depth: number): number {
    const scanner = this.#scanner;
    const bytes = this.#bytes;
    const count = scanner.count(from, 2);
    if (count < 0) return -1;
    let at = from + headerLength(bytes[from]);
    for (let i = 0; i < count; i++) {
      const nameAt = at;
      if (!isString(scanner.formatAt(at))) return this.#noName(at, depth);
      at = scanner.stringEnd(at);
      if (at < 0) return -1;
      const field = envelopeFieldOf(bytes, scanner.textStart, at);
      if (field === FIELD_UNKNOWN) return this.#unknown(nameAt);
      const refusal = envelope.admit(field, depth === ITEM_DEPTH);
      if (refusal !== undefined) return this.#refuse(refusal);
      at = this.#field(field, at, envelope, depth);
      if (at < 0) return -1;
    }
    return at;
  }

  #noName(at: number, depth: number): -1 {
    if (this.#scanner.value(at, depth) < 0) return -1;
    return this.#refuse(fail("INVALID_REQUEST", "the names of a request's fields must be strings"));
  }

  #unknown(at: number): -1 {
    const past = this.#scanner.string(at);
    if (past < 0) return -1;
    return this.#refuse(unknownField(clip(decodeUtf8(this.#bytes, this.#scanner.textStart, past))));
  }

  /** Reads the value of a field. Nil is as if the field were not there. */
  #field(field: number, at: number, envelope: RequestEnvelope, depth: number): number {
    const scanner = this.#scanner;
    const bytes = this.#bytes;
    const format = scanner.formatAt(at);
    if (field === FIELD_COMMANDS && isArray(format)) return this.#commands(at, envelope);
    const end = scanner.value(at, depth);
    if (end < 0 || format === NIL) return end;
    switch (field) {
      case FIELD_COMMAND:
        if (!isString(format)) return this.#refuse(wrongFieldType(field, "a string"));
        envelope.setCommand(bytes, scanner.textStart, end);
        return end;
      case FIELD_CLIENT_ID:
        if (!isString(format)) return this.#refuse(wrongFieldType(field, "a string"));
        envelope.setClientId(bytes, scanner.textStart, end);
        return end;
      case FIELD_PAYLOAD:
        if (!isMap(format)) return this.#refuse(wrongFieldType(field, "a map"));
        envelope.setPayload(bytes, at, end);
        return end;
      case FIELD_REQUEST_ID:
        if (end - at > REQUEST_ID_BYTES_MAX || !this.#isId(format, at)) {
          const expected = `a string or an integer of at most ${REQUEST_ID_BYTES_MAX} bytes`;
          return this.#refuse(wrongFieldType(field, expected));
        }
        envelope.setRequestId(bytes, at, end);
        return end;
      case FIELD_ATOMIC:
      case FIELD_IDEMPOTENT:
        if (format !== TRUE && format !== FALSE) return this.#refuse(wrongFieldType(field, "true or false"));
        if (field === FIELD_ATOMIC) envelope.atomic = format === TRUE;
        else envelope.idempotent = format === TRUE;
        return end;
      case FIELD_INDEX: {
        const index = isInteger(format) ? readInteger(bytes, at) : -1;
        if (typeof index !== "number" || !isIndex(index)) return this.#refuse(wrongIndex());
        envelope.index = index;
        return end;
      }
      case FIELD_COMMANDS:
        return this.#refuse(wrongFieldType(field, "a list"));
      case FIELD_TYPE:
        if (isString(format)) envelope.setType(bytes, scanner.textStart, end);
        return end;
      default:
        // `version`, which says nothing that is not known.
        return end;
    }
  }

  /** A string or an integer; also a float that is one, which is how JavaScript encoders write integers over 32 bits. */
  #isId(format: number, at: number): boolean {
    if (isString(format) || isInteger(format)) return true;
    return isFloat(format) && Number.isSafeInteger(readFloat(this.#bytes, at));
  }

  #commands(from: number, envelope: RequestEnvelope): number {
    const scanner = this.#scanner;
    const count = scanner.count(from, 1);
    if (count < 0) return -1;
    if (count > this.#batchCommandsMax) return this.#refuse(tooManyCommands(this.#batchCommandsMax));
    envelope.beginItems();
    let at = from + headerLength(this.#bytes[from]);
    for (let i = 0; i < count; i++) {
      const format = scanner.formatAt(at);
      if (!isMap(format)) {
        if (scanner.value(at, LIST_DEPTH) < 0) return -1;
        return this.#refuse(wrongFieldType(FIELD_COMMANDS, "a list of maps"));
      }
      at = this.#fields(at, envelope.addItem(), ITEM_DEPTH);
      if (at < 0) return -1;
    }
    return at;
  }
}

function malformed(reason: string, at: number): CommandError {
  return fail("INVALID_REQUEST", `the request is not MessagePack: ${reason} (byte ${at})`, { position: at });
}
