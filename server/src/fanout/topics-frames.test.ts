import { describe, expect, it } from "vitest";
import { storedValue } from "../../test/engine.ts";
import { pushEncoder } from "../../test/push-connection.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { MessageFrames, type MessagePush } from "./topics-frames.ts";

const messageTo = (id: number, pattern = "a.*"): MessagePush => ({
  type: "message",
  subscription_id: id,
  topic: rangeOf("a.b"),
  pattern: rangeOf(pattern),
  message_id: "m-1",
  data: storedValue({ text: "žluť" }),
  headers: storedValue({ h: 1 }),
  timestamp: 1_700_000_000_000,
});

/** Each in another length than some other, in digits or in MessagePack. */
const IDS = [1, 9, 10, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];

describe.each(["json", "msgpack", "sse"] as const)("MessageFrames in %s", (format) => {
  const encoder = pushEncoder();

  it("are what the encoder makes of the message, whichever subscription was first", () => {
    const frames = new MessageFrames(encoder);
    for (const first of IDS) {
      const push = messageTo(first);
      frames.begin(push);
      for (const id of [first, ...IDS, first]) {
        push.subscription_id = id;
        expect(frames.encode(format)).toEqual(encoder.encode(messageTo(id), format));
      }
      frames.end();
    }
  });

  it("are encoded anew for another pattern and another message", () => {
    const frames = new MessageFrames(encoder);
    for (const pattern of ["a.*", "#"]) {
      frames.begin(messageTo(1, pattern));
      expect(frames.encode(format)).toEqual(encoder.encode(messageTo(1, pattern), format));
      const other = messageTo(2, "*.b");
      frames.begin(other);
      frames.patternChanged();
      expect(frames.encode(format)).toEqual(encoder.encode(other, format));
      frames.end();
    }
    expect(() => frames.encode(format)).toThrow("no message");
  });
});
