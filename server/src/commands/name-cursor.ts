/** Where a page of names ended: its last name, in letters that no client changes; the first one says how it is written. */
import { ByteRange } from "../structures/byte-range.ts";
import { type CommandError, fail } from "./errors.ts";
import { NAME_BYTES_MAX, Text } from "./schema.ts";

/** base64url of the longest name, and the letter before it. */
const CURSOR_BYTES_MAX = 1 + Math.ceil(NAME_BYTES_MAX / 3) * 4;

export const cursorSchema = Text({
  maxBytes: CURSOR_BYTES_MAX,
  description: "The cursor of the page before; absent for the first page.",
});

export function encodeNameCursor(name: string): string {
  return `r${Buffer.from(name).toString("base64url")}`;
}

/** The name that the page comes after; `undefined` for the first page. Error: INVALID_PAYLOAD. */
export function decodeNameCursor(cursor: string | undefined, command: string): ByteRange | CommandError | undefined {
  if (cursor === undefined) return undefined;
  const bytes = Buffer.from(cursor.slice(1), "base64url");
  if (cursor[0] !== "r" || bytes.length === 0 || bytes.toString("base64url") !== cursor.slice(1)) {
    return fail("INVALID_PAYLOAD", `cursor is not one that ${command} gave`, { path: "cursor" });
  }
  return new ByteRange(bytes, 0, bytes.length);
}
