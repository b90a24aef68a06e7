/** What Redis 7 says to names it does not know, byte for byte (server.c, commandCheckExistence). */
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import { ByteRange } from "../structures/byte-range.ts";
import type { RespEntry } from "./resp-table.ts";

const SHOWN_BYTES_MAX = 128;

export function unknownCommand(request: RespRequest): string {
  let args = "";
  let argsBytes = 0;
  for (let word = 1; word < request.count && argsBytes < SHOWN_BYTES_MAX; word++) {
    const shown = shownWord(request, word, SHOWN_BYTES_MAX - argsBytes);
    args += `'${shown}' `;
    argsBytes += shown.length + 3;
  }
  return `ERR unknown command '${shownWord(request, 0, SHOWN_BYTES_MAX)}', with args beginning with: ${args}`;
}

/**
 * Whether a line is the head of an HTTP request: what a web page can have a browser send to a local port. Its body must not
 * be read as commands, so the connection ends, as in Redis. `GET /` is no such line, but its `Host:` is.
 */
export function isHttp(request: RespRequest): boolean {
  if (request.is(0, "POST") || request.is(0, "HOST:")) return true;
  // PUT, OPTIONS and whatever else there may be.
  return request.count === 3 && /^HTTP\/\d/.test(request.text(2));
}

export function unknownSubcommand(container: RespEntry, request: RespRequest): string {
  const name = container.description.name.toUpperCase();
  return `ERR unknown subcommand '${shownWord(request, 1, SHOWN_BYTES_MAX)}'. Try ${name} HELP.`;
}

/** The first bytes of a word, up to a zero byte. */
function shownWord(request: RespRequest, word: number, bytesMax: number): string {
  const start = request.start(word);
  const end = Math.min(request.end(word), start + bytesMax);
  const zero = request.bytes.subarray(start, end).indexOf(0);
  return new ByteRange(request.bytes, start, zero < 0 ? end : start + zero).toString();
}
