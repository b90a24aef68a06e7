import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { socketPairs } from "../../../test/socket-pairs.ts";
import { readInto } from "./shared-input.ts";

const { pair, closeAll } = socketPairs();
afterEach(closeAll);

test("an accepted socket reads into the shared buffer, and says when its peer has ended", async () => {
  const { accepted, peer } = await pair();
  const buffer = new Uint8Array(16);
  let text = "";
  const isShared = readInto(accepted, buffer, (length) => {
    text += Buffer.from(buffer.subarray(0, length)).toString();
  });
  // Where this fails with a new Node the server still works, and RESP costs a tenth more: see shared-input.ts.
  expect(isShared).toBe(true);
  const ended = once(accepted, "end");
  peer.end("more than fits the buffer at once");
  await ended;
  expect(text).toBe("more than fits the buffer at once");
});

test("a paused socket reads nothing until it is resumed", async () => {
  const { accepted, peer } = await pair();
  const buffer = new Uint8Array(4);
  const read: string[] = [];
  const ended = once(accepted, "end");
  readInto(accepted, buffer, (length) => {
    read.push(Buffer.from(buffer.subarray(0, length)).toString());
    accepted.pause();
    // In a turn of its own, after whatever the socket would have read in this one.
    setImmediate(() => {
      read.push("|");
      accepted.resume();
    });
  });
  peer.end("abcdefgh");
  await ended;
  expect(read.join("")).toBe("abcd|efgh|");
});

test("a socket without the handle of a stream is left alone", async () => {
  const { accepted } = await pair();
  accepted.destroy();
  expect(readInto(accepted, new Uint8Array(1), () => {})).toBe(false);
});
