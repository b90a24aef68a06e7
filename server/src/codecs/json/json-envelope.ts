/** The outer object of a JSON message, read in the pass that checks the whole text. */
import { isUtf8 } from "node:buffer";
import { type CommandError, fail } from "../../commands/errors.ts";
import { clip } from "../argument-failure.ts";
import { parseInteger } from "../decimal.ts";
import type { OutputBuffer } from "../output-buffer.ts";
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
  CLOSE_BRACE,
  CLOSE_BRACKET,
  JsonScanner,
  LETTER_F,
  LETTER_N,
  LETTER_T,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from "./json-scanner.ts";
import { unescapeInto } from "./json-string.ts";

/** The depth inside the outer object; inside `commands`; inside one of them. */
const ROOT_DEPTH = 1;
const LIST_DEPTH = 2;
const ITEM_DEPTH = 3;

export class JsonEnvelopeDecoder {
  readonly #envelope = new RequestEnvelope();
  readonly #scanner = new JsonScanner();
  readonly #scratch: OutputBuffer;
  readonly #batchCommandsMax: number;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Why the request is refused although it is JSON; set where a step answers -1 and the scanner did not fail. */
  #refusal: CommandError | undefined = undefined;

  constructor(scratch: OutputBuffer, batchCommandsMax: number) {
    this.#scratch = scratch;
    this.#batchCommandsMax = batchCommandsMax;
  }

  decode(message: Uint8Array): RequestEnvelope | CommandError {
    const scanner = this.#scanner;
    this.#bytes = message;
    this.#refusal = undefined;
    this.#envelope.reset();
    if (!isUtf8(message)) return malformed("it is not UTF-8", undefined);
    scanner.begin(message);
    const open = scanner.space(0);
    if (!scanner.has(open, OPEN_BRACE)) return this.#notAnObject(open);
    const past = this.#fields(open, this.#envelope, ROOT_DEPTH);
    if (past < 0) return this.#refusal ?? this.#malformed();
    const end = scanner.space(past);
    if (end !== message.length) return malformed("something follows the request", end);
    return this.#envelope.contradiction() ?? this.#envelope;
  }

  #notAnObject(at: number): CommandError {
    const past = this.#scanner.value(at, 0);
    if (past < 0) return this.#malformed();
    return fail("INVALID_REQUEST", "a request must be an object");
  }

  #malformed(): CommandError {
    return malformed(this.#scanner.failure, this.#scanner.failedAt);
  }

  #refuse(refusal: CommandError): -1 {
    this.#refusal = refusal;
    return -1;
  }

  /** @returns past the closing brace, or -1. */
  #fields(open: number, envelope: RequestEnvelope, depth: number): number {
    const scanner = this.#scanner;
    let at = scanner.space(open + 1);
    while (!scanner.has(at, CLOSE_BRACE)) {
      const nameAt = at;
      at = scanner.string(nameAt);
      if (at < 0) return -1;
      const field = scanner.hasEscapes
        ? this.#escapedField(nameAt + 1, at - 1)
        : envelopeFieldOf(this.#bytes, nameAt + 1, at - 1);
      if (field === FIELD_UNKNOWN) return this.#unknown(nameAt + 1, at - 1);
      const refusal = envelope.admit(field, depth === ITEM_DEPTH);
      if (refusal !== undefined) return this.#refuse(refusal);
      at = scanner.colon(at);
      if (at < 0) return -1;
      at = this.#field(field, at, envelope, depth);
      if (at < 0) return -1;
      at = scanner.next(at, CLOSE_BRACE);
      if (at < 0) return -1;
    }
    return at + 1;
  }

  #escapedField(start: number, end: number): number {
    const mark = this.#scratch.length;
    unescapeInto(this.#scratch, this.#bytes, start, end);
    return envelopeFieldOf(this.#scratch.bytes, mark, this.#scratch.length);
  }

  #unknown(start: number, end: number): -1 {
    const mark = this.#scratch.length;
    unescapeInto(this.#scratch, this.#bytes, start, end);
    return this.#refuse(unknownField(clip(decodeUtf8(this.#scratch.bytes, mark, this.#scratch.length))));
  }

  /** Reads the value of a field. Null is as if the field were not there. */
  #field(field: number, at: number, envelope: RequestEnvelope, depth: number): number {
    const scanner = this.#scanner;
    if (field === FIELD_COMMANDS && scanner.has(at, OPEN_BRACKET)) return this.#commands(at, envelope);
    const end = scanner.value(at, depth);
    if (end < 0 || scanner.has(at, LETTER_N)) return end;
    switch (field) {
      case FIELD_COMMAND:
      case FIELD_CLIENT_ID:
        if (!scanner.has(at, QUOTE)) return this.#refuse(wrongFieldType(field, "a string"));
        this.#setText(field, envelope, at + 1, end - 1);
        return end;
      case FIELD_PAYLOAD:
        if (!scanner.has(at, OPEN_BRACE)) return this.#refuse(wrongFieldType(field, "an object"));
        envelope.setPayload(this.#bytes, at, end);
        return end;
      case FIELD_REQUEST_ID:
        if (!this.#isId(at, end)) {
          const expected = `a string or an integer of at most ${REQUEST_ID_BYTES_MAX} bytes`;
          return this.#refuse(wrongFieldType(field, expected));
        }
        envelope.setRequestId(this.#bytes, at, end);
        return end;
      case FIELD_ATOMIC:
      case FIELD_IDEMPOTENT: {
        const isTrue = scanner.has(at, LETTER_T);
        if (!isTrue && !scanner.has(at, LETTER_F)) return this.#refuse(wrongFieldType(field, "true or false"));
        if (field === FIELD_ATOMIC) envelope.atomic = isTrue;
        else envelope.idempotent = isTrue;
        return end;
      }
      case FIELD_INDEX: {
        const index = parseInteger(this.#bytes, at, end);
        if (typeof index !== "number" || !isIndex(index)) return this.#refuse(wrongIndex());
        envelope.index = index;
        return end;
      }
      case FIELD_COMMANDS:
        return this.#refuse(wrongFieldType(field, "a list"));
      case FIELD_TYPE:
        if (scanner.has(at, QUOTE)) envelope.setType(this.#bytes, at + 1, end - 1);
        return end;
      default:
        // `version`, which says nothing that is not known.
        return end;
    }
  }

  #setText(field: number, envelope: RequestEnvelope, start: number, end: number): void {
    let bytes = this.#bytes;
    let first = start;
    let past = end;
    if (this.#scanner.hasEscapes) {
      const scratch = this.#scratch;
      first = scratch.length;
      unescapeInto(scratch, bytes, start, end);
      bytes = scratch.bytes;
      past = scratch.length;
    }
    if (field === FIELD_COMMAND) envelope.setCommand(bytes, first, past);
    else envelope.setClientId(bytes, first, past);
  }

  /** A string, or an integer that every format can carry. */
  #isId(at: number, end: number): boolean {
    if (end - at > REQUEST_ID_BYTES_MAX) return false;
    if (this.#bytes[at] === QUOTE) return true;
    return parseInteger(this.#bytes, at, end) !== undefined;
  }

  #commands(open: number, envelope: RequestEnvelope): number {
    const scanner = this.#scanner;
    envelope.beginItems();
    let at = scanner.space(open + 1);
    while (!scanner.has(at, CLOSE_BRACKET)) {
      if (!scanner.has(at, OPEN_BRACE)) {
        if (scanner.value(at, LIST_DEPTH) < 0) return -1;
        return this.#refuse(wrongFieldType(FIELD_COMMANDS, "a list of objects"));
      }
      if (envelope.itemCount === this.#batchCommandsMax) return this.#refuse(tooManyCommands(this.#batchCommandsMax));
      at = this.#fields(at, envelope.addItem(), ITEM_DEPTH);
      if (at < 0) return -1;
      at = scanner.next(at, CLOSE_BRACKET);
      if (at < 0) return -1;
    }
    return at + 1;
  }
}

function malformed(reason: string, at: number | undefined): CommandError {
  if (at === undefined) return fail("INVALID_REQUEST", `the request is not JSON: ${reason}`);
  return fail("INVALID_REQUEST", `the request is not JSON: ${reason} (byte ${at})`, { position: at });
}
