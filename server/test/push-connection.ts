/** A connection without a socket: it keeps what is pushed to it, and can be closed or cut off when a test wants that. */
import { unrestrictedGrant } from "../src/access/grant.ts";
import { JsonCodec } from "../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../src/codecs/msgpack/message-pack-codec.ts";
import type { Caller, Outbox, PushFormat } from "../src/dispatch/caller.ts";
import { ClientSession } from "../src/fanout/client-session.ts";
import { PushEncoder } from "../src/fanout/push-encoder.ts";
import { json, msgpack } from "./conformance/format.ts";

export type Push = Readonly<Record<string, unknown>>;

const CODEC_LIMITS = { batchCommandsMax: 10, valueBytesMax: 2 ** 20 };

/** @param frameBytesMax as that of `PushEncoder`. */
export function pushEncoder(frameBytesMax = 2 ** 23): PushEncoder {
  return new PushEncoder(
    { json: new JsonCodec(CODEC_LIMITS), msgpack: new MessagePackCodec(CODEC_LIMITS) },
    frameBytesMax,
  );
}

export class PushConnection {
  readonly frames: Uint8Array[] = [];
  readonly outbox: Outbox;
  readonly caller: Caller;
  readonly session: ClientSession;
  /** What each of `frames` may not leave before. */
  readonly releaseOffsets: number[] = [];
  /** How many pushes it takes before it is cut off. */
  framesMax = Number.POSITIVE_INFINITY;
  /** Pushes after its end. */
  refusedCount = 0;
  isOpen = true;
  readonly #formats: PushFormat[] = [];

  constructor(id: number, pushFormat: PushFormat = "json") {
    this.outbox = { push: (frame, isBinary, releaseOffset) => this.#take(frame, isBinary, releaseOffset) };
    this.caller = {
      id,
      protocol: pushFormat === "sse" ? "sse" : "websocket",
      address: "127.0.0.1",
      connectedAtMs: 0,
      commandCount: 0,
      unreadBytes: () => 0,
      session: undefined,
      pushFormat,
      grant: unrestrictedGrant(),
      expel: () => {},
      answerLate: () => {},
      outbox: this.outbox,
    };
    this.session = ClientSession.of(this.caller);
  }

  /** What came since the last call, as its reader sees it. */
  take(): Push[] {
    const formats = this.#formats.splice(0);
    return this.frames.splice(0).map((frame, index) => decode(frame, formats[index]));
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.session.closed();
  }

  #take(frame: Uint8Array, isBinary: boolean, releaseOffset: number): boolean {
    if (!this.isOpen) {
      this.refusedCount++;
      return false;
    }
    if (this.frames.length >= this.framesMax) {
      this.close();
      return false;
    }
    this.frames.push(frame);
    this.releaseOffsets.push(releaseOffset);
    if (isBinary) this.#formats.push("msgpack");
    else this.#formats.push(Buffer.from(frame).toString().startsWith("data: ") ? "sse" : "json");
    return true;
  }
}

/** What an object from the wire is. */
function decode(frame: Uint8Array, format: PushFormat): Push {
  const bytes = Buffer.from(frame);
  if (format === "msgpack") return msgpack.decode(bytes) as Push;
  // One line of data, as nothing here has a line break in it.
  return json.decode(format === "sse" ? bytes.subarray("data: ".length) : bytes) as Push;
}
