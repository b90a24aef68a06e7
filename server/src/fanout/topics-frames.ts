/**
 * The frames of one message. Those for different subscriptions to the same pattern differ only in the subscription's id, so
 * the message is encoded once for each pattern and format, and copied with another id for each further subscription:
 *
 *     {"type":"message","subscription_id":7,"topic":"a.b","pattern":"a.*",...     encoded
 *                                         |
 *     {"type":"message","subscription_id":512,"topic":"a.b","pattern":"a.*",...   copied around the id
 *
 * So ten thousand connections whose lists have nothing in common but one busy pattern cost a copy each and not an encoding.
 */
import { writeInteger as writeDecimal } from "../codecs/decimal.ts";
import { writeInteger as writePacked } from "../codecs/msgpack/message-pack-header.ts";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import type { PushFormat } from "../dispatch/caller.ts";
import type { Value } from "../state/value.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import type { PushEncoder } from "./push-encoder.ts";
import type { FrameSource } from "./subscribers.ts";

/** In the order of the contract, section 5. */
export interface MessagePush {
  readonly type: "message";
  subscription_id: number;
  readonly topic: ByteRange;
  readonly pattern: ByteRange;
  readonly message_id: string;
  readonly data: Value;
  readonly headers: Value | undefined;
  readonly timestamp: number;
}

/** A message encoded for the first subscription of a pattern. */
interface Encoded {
  readonly frame: Uint8Array;
  readonly subscriptionId: number;
  /** Where the id ends. */
  readonly idEnd: number;
}

const ID_BYTES_MAX = 32;

export class MessageFrames implements FrameSource {
  readonly #encoder: PushEncoder;
  readonly #id = new OutputBuffer(ID_BYTES_MAX, ID_BYTES_MAX);
  /** Where a subscription's id begins in a frame; the same in every message. */
  readonly #idStarts = new Map<PushFormat, number>();
  readonly #encoded = new Map<PushFormat, Encoded>();
  #push: MessagePush | undefined;

  constructor(encoder: PushEncoder) {
    this.#encoder = encoder;
  }

  /** What `encode` encodes, until `end`; the caller changes its subscription's id, and says when its pattern changes. */
  begin(push: MessagePush): void {
    this.#push = push;
  }

  patternChanged(): void {
    this.#encoded.clear();
  }

  end(): void {
    this.#push = undefined;
    this.#encoded.clear();
  }

  encode(format: PushFormat): Uint8Array {
    const push = this.#push;
    if (push === undefined) throw new Error("no message is being pushed");
    const encoded = this.#encoded.get(format);
    if (encoded !== undefined) return this.#relabelled(encoded, format, push.subscription_id);
    const frame = this.#encoder.encode(push, format);
    this.#writeId(format, push.subscription_id);
    const idEnd = this.#idStart(format) + this.#id.length;
    this.#encoded.set(format, { frame, subscriptionId: push.subscription_id, idEnd });
    return frame;
  }

  #relabelled({ frame, subscriptionId, idEnd }: Encoded, format: PushFormat, newId: number): Uint8Array {
    if (newId === subscriptionId) return frame;
    const idStart = this.#idStart(format);
    this.#writeId(format, newId);
    const { bytes, length } = this.#id;
    const copy = Buffer.allocUnsafe(idStart + length + frame.length - idEnd);
    copy.set(frame.subarray(0, idStart));
    for (let i = 0; i < length; i++) copy[idStart + i] = bytes[i];
    copy.set(frame.subarray(idEnd), idStart + length);
    return copy;
  }

  #writeId(format: PushFormat, id: number): void {
    this.#id.reset();
    if (format === "msgpack") writePacked(this.#id, id);
    else writeDecimal(this.#id, id);
  }

  /** Two frames that differ in a short id alone show where it is. */
  #idStart(format: PushFormat): number {
    const known = this.#idStarts.get(format);
    if (known !== undefined) return known;
    const [one, two] = [1, 2].map((id) => this.#encoder.encode({ type: "message", subscription_id: id }, format));
    const start = one.findIndex((byte, at) => byte !== two[at]);
    this.#idStarts.set(format, start);
    return start;
  }
}
