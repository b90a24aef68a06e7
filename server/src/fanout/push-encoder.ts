/**
 * Pushes to frames (wire contract, section 5): one encoding per format and push, however many subscribers get it.
 *
 *     json      {"type":"event",...}
 *     msgpack   the same as a map
 *     sse       id: 7-41                    only where the stream can be resumed from here
 *               data: {"type":"event",...}
 *               (an empty line)
 *     resp      >2 event %{...}, or for channels >3 message CHANNEL DATA     a list in RESP2
 */
import type { Codec } from "../codecs/codec.ts";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import { writeRespPush } from "../codecs/resp/resp-push.ts";
import type { PushFormat } from "../dispatch/caller.ts";

const BUFFER_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const DATA = new TextEncoder().encode("data: ");
const NEXT_LINE = new TextEncoder().encode("\ndata: ");
const END = new TextEncoder().encode("\n\n");
const ID = new TextEncoder().encode("id: ");

export class PushEncoder {
  readonly #codecs: Readonly<Record<"json" | "msgpack", Codec>>;
  readonly #out: OutputBuffer;
  readonly #lines: OutputBuffer;

  /** @param frameBytesMax a larger push cannot be; it is twice that as an event of a stream. */
  constructor(codecs: Readonly<Record<"json" | "msgpack", Codec>>, frameBytesMax: number) {
    this.#codecs = codecs;
    this.#out = new OutputBuffer(BUFFER_BYTES, frameBytesMax);
    this.#lines = new OutputBuffer(BUFFER_BYTES, frameBytesMax * 2);
  }

  /**
   * A frame of its own memory, to be kept and shared.
   * @param push a plain object whose fields are what a reply may hold: text, numbers, ranges and values of the store.
   * @param eventId where an event stream resumes after this push; empty for none.
   */
  encode(push: object, format: PushFormat, eventId = ""): Uint8Array {
    const out = this.#out;
    out.reset();
    if (format === "resp2" || format === "resp3") writeRespPush(out, push, format === "resp2" ? 2 : 3);
    else this.#codecs[format === "msgpack" ? "msgpack" : "json"].encodeValue(out, push);
    const { bytes, length } = format === "sse" ? this.#asLines(eventId) : out;
    const frame = Buffer.allocUnsafe(length);
    frame.set(bytes.subarray(0, length));
    return frame;
  }

  /** A stored JSON value may have line breaks between its tokens; each line of the data is one of the event. */
  #asLines(eventId: string): OutputBuffer {
    const { bytes, length } = this.#out;
    const lines = this.#lines;
    lines.reset();
    if (eventId !== "") {
      lines.writeBytes(ID, 0, ID.length);
      const id = Buffer.from(eventId);
      lines.writeBytes(id, 0, id.length);
      lines.writeByte(NEWLINE);
    }
    lines.writeBytes(DATA, 0, DATA.length);
    let from = 0;
    for (let at = 0; at < length; at++) {
      if (bytes[at] !== NEWLINE && bytes[at] !== RETURN) continue;
      lines.writeBytes(bytes, from, at);
      lines.writeBytes(NEXT_LINE, 0, NEXT_LINE.length);
      from = at + 1;
    }
    lines.writeBytes(bytes, from, length);
    lines.writeBytes(END, 0, END.length);
    return lines;
  }
}
