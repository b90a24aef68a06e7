/**
 * The MessagePack codec. A message is read twice: once by the envelope decoder, which checks all of it, and once by the
 * argument decoder, which then trusts lengths and text and follows the command's shape.
 */
import type { ArgumentShape } from "../../commands/argument-shape.ts";
import type { CommandError } from "../../commands/errors.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import type { Codec, EncodedValue, Envelope } from "../codec.ts";
import type { CodecLimits } from "../codec-limits.ts";
import { OutputBuffer } from "../output-buffer.ts";
import { SCRATCH_BYTES, SCRATCH_BYTES_MAX } from "../scratch.ts";
import { decodeUtf8 } from "../utf8.ts";
import { JsonToMessagePack } from "./json-to-message-pack.ts";
import { MessagePackArgumentDecoder } from "./message-pack-arguments.ts";
import { MessagePackEnvelopeDecoder } from "./message-pack-envelope.ts";
import {
  FALSE,
  FIXMAP,
  headerLength,
  isFloat,
  isInteger,
  readFloat,
  readInteger,
  TRUE,
} from "./message-pack-format.ts";
import { writeArrayHeader, writeMapHeader } from "./message-pack-header.ts";
import { encodeText, MessagePackWriter, writeText } from "./message-pack-writer.ts";

const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

const SUCCESS = concat(encodeText("success"), Uint8Array.of(TRUE));
const FAILURE = concat(encodeText("success"), Uint8Array.of(FALSE));
/** What comes before the result in nearly every reply of a batch. */
const BARE_SUCCESS = concat(Uint8Array.of(FIXMAP | 2), SUCCESS, encodeText("payload"));
const BATCH = concat(encodeText("type"), encodeText("batch_response"), SUCCESS);
const REQUEST_ID = encodeText("request_id");
const PAYLOAD = encodeText("payload");
const ERROR = encodeText("error");
const CODE = encodeText("code");
const DETAILS = encodeText("details");
const RESULTS = encodeText("results");

export class MessagePackCodec implements Codec {
  readonly name = "msgpack";
  readonly contentType = "application/msgpack";
  readonly #scratch = new OutputBuffer(SCRATCH_BYTES, SCRATCH_BYTES_MAX);
  readonly #envelopes: MessagePackEnvelopeDecoder;
  readonly #arguments: MessagePackArgumentDecoder;
  readonly #writer = new MessagePackWriter();
  readonly #fromJson = new JsonToMessagePack();

  constructor(limits: CodecLimits) {
    this.#envelopes = new MessagePackEnvelopeDecoder(limits.batchCommandsMax);
    this.#arguments = new MessagePackArgumentDecoder(this.#scratch, limits.valueBytesMax);
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
    if (isInteger(bytes[start])) return readInteger(bytes, start);
    if (isFloat(bytes[start])) return readFloat(bytes, start);
    return decodeUtf8(bytes, start + headerLength(bytes[start]), end);
  }

  encodeSuccess(out: OutputBuffer, requestId: ByteRange | undefined, result: unknown, payload?: ByteRange): void {
    if (requestId === undefined) {
      write(out, BARE_SUCCESS);
    } else {
      writeMapHeader(out, 3);
      write(out, SUCCESS);
      writeRequestId(out, requestId);
      write(out, PAYLOAD);
    }
    const start = out.length;
    this.#writer.write(out, result);
    payload?.place(out.bytes, start, out.length);
  }

  encodeFailure(out: OutputBuffer, requestId: ByteRange | undefined, error: CommandError): void {
    writeMapHeader(out, 3 + (requestId === undefined ? 0 : 1) + (error.details === undefined ? 0 : 1));
    write(out, FAILURE);
    writeRequestId(out, requestId);
    write(out, ERROR);
    writeText(out, error.message);
    write(out, CODE);
    writeText(out, error.code);
    if (error.details === undefined) return;
    write(out, DETAILS);
    this.#writer.write(out, error.details);
  }

  beginBatch(out: OutputBuffer, requestId: ByteRange | undefined, count: number): number {
    writeBatchHead(out, requestId);
    const start = out.length;
    writeArrayHeader(out, count);
    return start;
  }

  separateBatchItem(_out: OutputBuffer, _index: number): void {}

  endBatch(out: OutputBuffer): number {
    return out.length;
  }

  encodeSuccessAgain(out: OutputBuffer, requestId: ByteRange | undefined, payload: EncodedValue): void {
    writeMapHeader(out, requestId === undefined ? 2 : 3);
    write(out, SUCCESS);
    writeRequestId(out, requestId);
    write(out, PAYLOAD);
    this.#writeEncoded(out, payload);
  }

  encodeBatchAgain(out: OutputBuffer, requestId: ByteRange | undefined, results: EncodedValue): void {
    writeBatchHead(out, requestId);
    this.#writeEncoded(out, results);
  }

  #writeEncoded(out: OutputBuffer, { format, bytes: { bytes, start, end } }: EncodedValue): void {
    if (format === "msgpack") out.writeBytes(bytes, start, end);
    else this.#fromJson.write(out, bytes, start, end);
  }

  encodeValue(out: OutputBuffer, value: unknown): void {
    this.#writer.write(out, value);
  }
}

function write(out: OutputBuffer, encoded: Uint8Array): void {
  out.writeBytes(encoded, 0, encoded.length);
}

function writeBatchHead(out: OutputBuffer, requestId: ByteRange | undefined): void {
  writeMapHeader(out, requestId === undefined ? 3 : 4);
  write(out, BATCH);
  writeRequestId(out, requestId);
  write(out, RESULTS);
}

function writeRequestId(out: OutputBuffer, requestId: ByteRange | undefined): void {
  if (requestId === undefined) return;
  write(out, REQUEST_ID);
  out.writeBytes(requestId.bytes, requestId.start, requestId.end);
}
