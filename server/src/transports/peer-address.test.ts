import { expect, it } from "vitest";
import { addressText } from "./peer-address.ts";

it.each([
  [[10, 0, 0, 1], "10.0.0.1"],
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1], "127.0.0.1"],
  [[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "2001:db8:0:0:0:0:0:1"],
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "0:0:0:0:0:0:0:1"],
  [[], ""],
])("%j is %s", (bytes, text) => {
  expect(addressText(new Uint8Array(bytes).buffer)).toBe(text);
});
