/**
 * What the transport talks to from the moment it listens. While the server reads its data every request is told so, under
 * its own id; then the dispatcher takes over.
 */
import type { Codec } from "../codecs/codec.ts";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import { CommandError, ERROR_STATUS, type ErrorCode, type ErrorDetails, fail } from "../commands/errors.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import type { Caller } from "./caller.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { EventsQuery } from "./event-streams.ts";
import type { Format, Reply } from "./reply.ts";

const OUTPUT_BYTES = 4096;
const OUTPUT_BYTES_MAX = 2 ** 20;

export class FrontDispatch {
  readonly #codecs: Readonly<Record<Format, Codec>>;
  readonly #out = new OutputBuffer(OUTPUT_BYTES, OUTPUT_BYTES_MAX);
  #dispatcher: Dispatcher | undefined;
  /** Why nothing is answered yet. */
  refusal = "The server is starting.";

  constructor(codecs: Readonly<Record<Format, Codec>>) {
    this.#codecs = codecs;
  }

  /** From here on requests are answered. */
  open(dispatcher: Dispatcher): void {
    this.#dispatcher = dispatcher;
  }

  handle(message: Uint8Array, format: Format, replyFormat: Format, caller: Caller): Reply | undefined {
    if (this.#dispatcher !== undefined) return this.#dispatcher.handle(message, format, replyFormat, caller);
    const envelope = this.#codecs[format].decodeEnvelope(message);
    if (envelope instanceof CommandError) return this.#failure(replyFormat, undefined, envelope);
    // In another format the id would have to be encoded anew; HTTP, where that can be, does not need it to know its reply.
    const requestId = format === replyFormat ? envelope.requestId : undefined;
    return this.#failure(replyFormat, requestId, fail("SERVICE_UNAVAILABLE", this.refusal));
  }

  openEvents(request: EventsQuery, caller: Caller): Reply | { readonly status: undefined; releaseOffset: number } {
    if (this.#dispatcher !== undefined) return this.#dispatcher.openEvents(request, caller);
    return this.#failure("json", undefined, fail("SERVICE_UNAVAILABLE", this.refusal));
  }

  refuse(code: ErrorCode, message: string, format: Format, details?: ErrorDetails): Reply {
    if (this.#dispatcher !== undefined) return this.#dispatcher.refuse(code, message, format, details);
    return this.#failure(format, undefined, fail(code, message, details));
  }

  closing(
    code: "UNAUTHORIZED" | "SLOW_CONSUMER" | "SHUTTING_DOWN" | "RATE_LIMIT_EXCEEDED",
    message: string,
    format: Format,
  ): Reply {
    if (this.#dispatcher !== undefined) return this.#dispatcher.closing(code, message, format);
    const codec = this.#codecs[format];
    this.#out.reset();
    codec.encodeValue(this.#out, { type: "closing", code, error: message });
    return this.#reply(codec, ERROR_STATUS.SERVICE_UNAVAILABLE);
  }

  stopping(): void {
    this.#dispatcher?.stopping();
  }

  #failure(format: Format, requestId: ByteRange | undefined, error: CommandError): Reply {
    const codec = this.#codecs[format];
    this.#out.reset();
    codec.encodeFailure(this.#out, requestId, error);
    return this.#reply(codec, ERROR_STATUS[error.code]);
  }

  #reply({ contentType }: Codec, status: number): Reply {
    const { bytes, length } = this.#out;
    return { status, bytes, length, contentType, releaseOffset: 0 };
  }
}
