/** Replies of HTTP on a raw socket: each is shown by its body; another status than 200 ends the client with what it says. */
import type { Framing } from "./client-socket.ts";

const BLANK_LINE = Buffer.from("\r\n\r\n");
const LENGTH = "content-length: ";

export const httpReplies: Framing = (socket, bytes, from, to) => {
  const headEnd = bytes.subarray(0, to).indexOf(BLANK_LINE, from);
  if (headEnd < 0) return -1;
  const head = bytes.toString("latin1", from, headEnd).toLowerCase();
  const start = headEnd + BLANK_LINE.length;
  const end = start + Number.parseInt(head.slice(head.indexOf(LENGTH) + LENGTH.length), 10);
  if (end > to) return -1;
  if (!head.startsWith("http/1.1 200")) {
    throw new Error(`the server refused a request: ${bytes.toString("utf8", start, end)}`);
  }
  socket.onMessage(bytes, start, end);
  return end;
};
