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

/** Stands behind such an error where the connection ends with it. */
export const ENDS_CONNECTION = "; a connection that begins with this line, or speaks HTTP, ends";

/**
 * Whether a request with an unknown name is of another protocol: then the connection ends, or what follows would be read as
 * commands, which a web page can have a browser send. Redis ends what it takes for HTTP. Here the first line of a connection
 * has to name a command as well: clients send arrays, and who types has made a typo in the first word.
 * @param hasRun the connection has run a command before.
 */
export function isForeign(request: RespRequest, hasRun: boolean): boolean {
  return (request.isInline && !hasRun) || isHttp(request);
}

/** Whether it is a line of the head of an HTTP request. `GET /` is no such line, but its `Host:` is. */
function isHttp(request: RespRequest): boolean {
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
