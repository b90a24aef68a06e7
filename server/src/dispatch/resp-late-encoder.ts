/** Encodes the late reply of a RESP command that waited; `Waits` knows it as it knows a codec. */
import type { OutputBuffer } from "../codecs/output-buffer.ts";
import { RespWriter } from "../codecs/resp/resp-writer.ts";
import type { CommandError } from "../commands/errors.ts";
import { errorText } from "../commands/resp/error-texts.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import type { ReplyEncoder } from "./command-runner.ts";
import type { RespClient } from "./resp-client.ts";
import type { RespEntry } from "./resp-table.ts";

export class RespLateEncoder implements ReplyEncoder {
  readonly contentType = "";
  readonly #entry: RespEntry;
  readonly #client: RespClient;

  constructor(entry: RespEntry, client: RespClient) {
    this.#entry = entry;
    this.#client = client;
  }

  encodeSuccess(out: OutputBuffer, _requestId: ByteRange | undefined, result: unknown): void {
    // Only registry commands wait, and those have a reply, declared for what they answer.
    (this.#entry.reply as NonNullable<RespEntry["reply"]>)(result as never, this.#writer(out), {});
  }

  encodeFailure(out: OutputBuffer, _requestId: ByteRange | undefined, error: CommandError): void {
    this.#writer(out).error(errorText(error, this.#entry.errors));
  }

  #writer(out: OutputBuffer): RespWriter {
    const writer = new RespWriter(out);
    writer.version = this.#client.version;
    return writer;
  }
}
