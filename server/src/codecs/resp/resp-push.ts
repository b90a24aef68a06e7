/**
 * Pushes to Redis clients. Those of channels are lists as Redis has them; others say their type and what they hold:
 *
 *     {type: "pmessage", pattern, channel, data}       >4 pmessage PATTERN CHANNEL DATA
 *     {type: "event", room, offset, ...}               >2 event %{room, offset, ...}
 *
 * In RESP2 both are arrays, and the map a list.
 */
import { writePlain } from "../../commands/resp/reply-shapes.ts";
import type { OutputBuffer } from "../output-buffer.ts";
import { RespWriter } from "./resp-writer.ts";

export function writeRespPush(out: OutputBuffer, push: object, version: 2 | 3): void {
  const writer = new RespWriter(out);
  writer.version = version;
  const fields: [string, unknown][] = Object.entries(push);
  if (fields.some(([name]) => name === "channel")) {
    writer.push(fields.length);
    for (const [, each] of fields) writePlain(each, writer);
    return;
  }
  const [[, type], ...rest] = fields;
  writer.push(2);
  writePlain(type, writer);
  writePlain(Object.fromEntries(rest), writer);
}
