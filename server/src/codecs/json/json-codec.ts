/**
 * The JSON codec. A message is read twice: once by the envelope decoder, which checks all of it, and once by the argument
 * decoder, which then trusts the syntax and follows the command's shape. No `JSON.parse` and no string on the way.
 */
import type { ArgumentShape } from "../../commands/argument-shape.ts";
import type { CommandError } from "../../commands/errors.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import type { Codec, EncodedValue, Envelope } from "../codec.ts";
import type { CodecLimits } from "../codec-limits.ts";
import { parseInteger } from "../decimal.ts";
import { MessagePackToJson } from "../msgpack/message-pack-to-json.ts";
import { OutputBuffer } from "../output-buffer.ts";
import { SCRATCH_BYTES, SCRATCH_BYTES_MAX } from "../scratch.ts";
import { decodeUtf8 } from "../utf8.ts";
import { JsonArgumentDecoder } from "./json-arguments.ts";
import { JsonEnvelopeDecoder } from "./json-envelope.ts";
import { CLOSE_BRACKET, COMMA, OPEN_BRACKET, QUOTE } from "./json-scanner.ts";
import { writeJsonText, writeTextOrBytes } from "./json-string.ts";
import { JsonWriter } from "./json-writer.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const SUCCESS = encode('{"success":true,');
/** What comes before the result in nearly every reply of a batch. */
const BARE_SUCCESS = encode('{"success":true,"payload":');
const FAILURE = encode('{"success":false,');
const BATCH = encode('{"type":"batch_response","success":true,');
const REQUEST_ID = encode('"request_id":');
const PAYLOAD = encode('"payload":');
const ERROR = encode('"error":');
const CODE = encode(',"code":"');
const CODE_END = encode('"');
const DETAILS = encode(',"details":');
const RESULTS = encode('"results":');
const END = encode("}");

export class JsonCodec implements Codec {
  readonly name = "json";
  readonly contentType = "application/json";
  readonly #scratch = new OutputBuffer(SCRATCH_BYTES, SCRATCH_BYTES_MAX);
  readonly #envelopes: JsonEnvelopeDecoder;
  readonly #arguments: JsonArgumentDecoder;
  readonly #writer = new JsonWriter();
  readonly #fromMessagePack = new MessagePackToJson(writeTextOrBytes);

  constructor(limits: CodecLimits) {
    this.#envelopes = new JsonEnvelopeDecoder(this.#scratch, limits.batchCommandsMax);
    this.#arguments = new JsonArgumentDecoder(this.#scratch, limits.valueBytesMax);
  }

  decodeEnvelope(message: Uint8Array): Envelope | CommandError {
    this.#scratch.reset();
    return this.#envelopes.decode(message);
  }

  decodeArguments(payload: ByteRange | undefined, shape: ArgumentShape): Record<string, unknown> | CommandError {
    return this.#arguments.decode(payload, shape);
  }

  decodeId(requestId: ByteRange): string | number | bigint {
    const { bytes, start, end } = requestId;
    if (bytes[start] !== QUOTE) {
      const integer = parseInteger(bytes, start, end);
      if (integer === undefined) throw new Error("a request id that is neither a string nor an integer");
      return integer;
    }
    // The envelope decoder has seen that it is a JSON string.
    return JSON.parse(decodeUtf8(bytes, start, end)) as string;
  }

  encodeSuccess(out: OutputBuffer, requestId: ByteRange | undefined, result: unknown, payload?: ByteRange): void {
    if (requestId === undefined) {
      write(out, BARE_SUCCESS);
    } else {
      write(out, SUCCESS);
      writeRequestId(out, requestId);
      write(out, PAYLOAD);
    }
    const start = out.length;
    this.#writer.write(out, result);
    const end = out.length;
    write(out, END);
    payload?.place(out.bytes, start, end);
  }

  encodeFailure(out: OutputBuffer, requestId: ByteRange | undefined, error: CommandError): void {
    write(out, FAILURE);
    writeRequestId(out, requestId);
    write(out, ERROR);
    writeJsonText(out, error.message);
    write(out, CODE);
    for (let i = 0; i < error.code.length; i++) out.writeByte(error.code.charCodeAt(i));
    write(out, CODE_END);
    if (error.details !== undefined) {
      write(out, DETAILS);
      this.#writer.write(out, error.details);
    }
    write(out, END);
  }

  beginBatch(out: OutputBuffer, requestId: ByteRange | undefined, _count: number): number {
    writeBatchHead(out, requestId);
    out.writeByte(OPEN_BRACKET);
    return out.length - 1;
  }

  separateBatchItem(out: OutputBuffer, index: number): void {
    if (index > 0) out.writeByte(COMMA);
  }

  endBatch(out: OutputBuffer): number {
    out.writeByte(CLOSE_BRACKET);
    write(out, END);
    return out.length - END.length;
  }

  encodeSuccessAgain(out: OutputBuffer, requestId: ByteRange | undefined, payload: EncodedValue): void {
    write(out, SUCCESS);
    writeRequestId(out, requestId);
    write(out, PAYLOAD);
    this.#writeEncoded(out, payload);
    write(out, END);
  }

  encodeBatchAgain(out: OutputBuffer, requestId: ByteRange | undefined, results: EncodedValue): void {
    writeBatchHead(out, requestId);
    this.#writeEncoded(out, results);
    write(out, END);
  }

  #writeEncoded(out: OutputBuffer, { format, bytes: { bytes, start, end } }: EncodedValue): void {
    if (format === "json") {
      out.writeBytes(bytes, start, end);
      return;
    }
    const past = this.#fromMessagePack.write(out, bytes, start, Number.MAX_SAFE_INTEGER);
    if (past !== end) throw new Error("a value of our own encoding cannot be read back");
  }

  encodeValue(out: OutputBuffer, value: unknown): void {
    this.#writer.write(out, value);
  }
}

function write(out: OutputBuffer, encoded: Uint8Array): void {
  out.writeBytes(encoded, 0, encoded.length);
}

function writeBatchHead(out: OutputBuffer, requestId: ByteRange | undefined): void {
  write(out, BATCH);
  writeRequestId(out, requestId);
  write(out, RESULTS);
}

function writeRequestId(out: OutputBuffer, requestId: ByteRange | undefined): void {
  if (requestId === undefined) return;
  write(out, REQUEST_ID);
  out.writeBytes(requestId.bytes, requestId.start, requestId.end);
  out.writeByte(COMMA);
}
