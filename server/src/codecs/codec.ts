/**
 * What a wire format does: bytes to a request, a result to bytes. Two implementations, json/ and message-pack/; both are
 * pure and pass one conformance suite. A codec knows no command, only argument shapes.
 */
import type { ArgumentShape } from "../commands/argument-shape.ts";
import type { CommandError } from "../commands/errors.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import type { OutputBuffer } from "./output-buffer.ts";

/**
 * One request, as ranges over the message it came in. Reused by the decoder for the next message.
 *
 *     {"command": "kv.set", "request_id": "7", "payload": {"key": "a", "value": 1}}
 *                  ^^^^^^                 ^^^             ^^^^^^^^^^^^^^^^^^^^^^^^
 *                  command                requestId       payload
 */
export interface Envelope {
  /** The command's name; `undefined` in a batch. */
  command: ByteRange | undefined;
  /** The request id as it was encoded, so that it is echoed byte for byte; `undefined` where there was none. */
  requestId: ByteRange | undefined;
  /** The encoded payload; `undefined` where it was absent or null, which is an empty payload. */
  payload: ByteRange | undefined;
  /** The commands of a batch, read in the same pass; `undefined` for a single command. The array is reused too. */
  items: readonly Envelope[] | undefined;
  /** How many of `items` belong to this message. */
  itemCount: number;
  atomic: boolean;
  clientId: ByteRange | undefined;
  /** `undefined` where it does not say: then a command of a batch is what its batch is. */
  idempotent: boolean | undefined;
  /** Which command of the batch with its request id it was, or `NO_INDEX`. Of a command of a batch alone. */
  index: number;
  /** Some command of the batch says whose it is, which it is, or that it is idempotent: rare, and then looked at. */
  hasItemIds: boolean;
}

export const NO_INDEX = -1;

/** A value that was encoded before, in either format. */
export interface EncodedValue {
  readonly format: Codec["name"];
  readonly bytes: ByteRange;
}

/** One wire format. */
export interface Codec {
  readonly name: "json" | "msgpack";
  readonly contentType: string;

  /**
   * Reads the outer object of a message. Also checks that the whole message is well formed (UTF-8, syntax, depth at most
   * `DEPTH_MAX`, nothing after the end), and reads the items of a batch. Forgets the scratch memory of the message
   * before. `message` is a plain Uint8Array and not a Buffer, whose `slice` would not copy. Errors: INVALID_REQUEST; a
   * batch over `batchCommandsMax` (a constructor option) is INVALID_REQUEST too.
   */
  decodeEnvelope(message: Uint8Array): Envelope | CommandError;

  /**
   * Reads a payload as the arguments of a command. Errors: INVALID_PAYLOAD with `details.path`, PAYLOAD_TOO_LARGE where
   * a key or value is over its limit. Integers, escaped strings and base64 are unpacked into scratch memory that lives
   * until the next `decodeEnvelope`.
   */
  decodeArguments(payload: ByteRange | undefined, shape: ArgumentShape): Record<string, unknown> | CommandError;

  /** The value of a request id, for a reply in another format. */
  decodeId(requestId: ByteRange): string | number | bigint;

  /**
   * `{"success": true, "request_id": ..., "payload": ...}`
   * @param payload is told where in `out` the result has come to be, until `out` is written to again.
   */
  encodeSuccess(out: OutputBuffer, requestId: ByteRange | undefined, result: unknown, payload?: ByteRange): void;

  /** `{"success": false, "request_id": ..., "error": ..., "code": ..., "details": ...}` */
  encodeFailure(out: OutputBuffer, requestId: ByteRange | undefined, error: CommandError): void;

  /**
   * The frame of a batch reply; between the two calls come `count` results, each by `encodeSuccess` or `encodeFailure`
   * without a request id and each preceded by `separateBatchItem`.
   * @returns where the list of results begins, and where it has ended.
   */
  beginBatch(out: OutputBuffer, requestId: ByteRange | undefined, count: number): number;
  separateBatchItem(out: OutputBuffer, index: number): void;
  endBatch(out: OutputBuffer): number;

  /**
   * As `encodeSuccess` and as a whole batch, of a payload or a list of results that was encoded before: its bytes as they are,
   * or converted where the format is another. Converted, what JSON showed as text stays text, also where it was binary.
   */
  encodeSuccessAgain(out: OutputBuffer, requestId: ByteRange | undefined, payload: EncodedValue): void;
  encodeBatchAgain(out: OutputBuffer, requestId: ByteRange | undefined, results: EncodedValue): void;

  /** One value on its own, by the rules of a reply's payload. */
  encodeValue(out: OutputBuffer, value: unknown): void;
}

/** How deep a message may nest. */
export const DEPTH_MAX = 128;
