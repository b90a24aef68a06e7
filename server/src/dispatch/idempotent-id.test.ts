/** Ids are in the log and on replicas: the bytes that an earlier version wrote are those that a later one looks for. */
import { expect, it } from "vitest";
import { OutputBuffer } from "../codecs/output-buffer.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { writeId } from "./idempotent-id.ts";

const NOWHERE = new ByteRange(new Uint8Array(), 0, 0);
const OWNER = `o${"w".repeat(199)}`;

it.each<[owner: string, id: string | number | bigint, bytes: readonly (string | number)[]]>([
  ["", 7, [3, "abc", 0x69, "7"]],
  ["", -7, [3, "abc", 0x69, "-7"]],
  ["", 2 ** 53 - 1, [3, "abc", 0x69, "9007199254740991"]],
  ["", 2n ** 63n - 1n, [3, "abc", 0x69, "9223372036854775807"]],
  ["", "7", [3, "abc", 0x73, "7"]],
  ["", "", [3, "abc", 0x73]],
  ["", "ünïcödé 🙂", [3, "abc", 0x73, "ünïcödé 🙂"]],
  ["", "half a pair \ud83d", [3, "abc", 0x73, "half a pair \ufffd"]],
  ["", "x".repeat(250), [3, "abc", 0x73, "x".repeat(250)]],
  ["owner", 7, [3, "abc", 0x49, 5, "owner", "7"]],
  [OWNER, "ü", [3, "abc", 0x53, 200, OWNER, "ü"]],
])("of owner %s and request %s", (owner, id, bytes) => {
  const clientId = new ByteRange(Buffer.from("-abc-"), 1, 4);
  const out = new OutputBuffer(4, 1000);
  writeId(out, owner, clientId, NOWHERE, { decodeId: () => id });
  const expected = Buffer.concat(bytes.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part))));
  expect(Buffer.from(out.view()).toString("hex")).toBe(expected.toString("hex"));
});
