/** What the HTTP headers about bodies mean: formats and compressions of requests and replies (wire contract, section 1). */
import type { WireFormat } from "./transport.ts";

const FORMATS: ReadonlyMap<string, WireFormat> = new Map([
  ["application/json", "json"],
  ["application/msgpack", "msgpack"],
  ["application/x-msgpack", "msgpack"],
  ["application/vnd.msgpack", "msgpack"],
]);

/**
 * The format that a `Content-Type` names, whatever its parameters; undefined for any other type and for none. A browser
 * sends none of these types across sites without asking first, so that a refusal here also stops cross-site posts.
 */
export function bodyFormat(contentType: string): WireFormat | undefined {
  // What nearly all clients send, compared without hashing.
  if (contentType === "application/json") return "json";
  return FORMATS.get(contentType) ?? FORMATS.get(withoutParameters(contentType));
}

/** The format of the reply: the best in `Accept` that there is, else that of the request. */
export function replyFormat(accept: string, requestFormat: WireFormat): WireFormat {
  if (accept === "" || accept === "*/*") return requestFormat;
  let best: WireFormat = requestFormat;
  let bestQuality = 0;
  for (const range of accept.split(",")) {
    const format = FORMATS.get(withoutParameters(range));
    const quality = qualityOf(range);
    if (format !== undefined && quality > bestQuality) {
      best = format;
      bestQuality = quality;
    }
  }
  return best;
}

/** Whether a reply may be sent gzipped. */
export function acceptsGzip(acceptEncoding: string): boolean {
  if (acceptEncoding === "") return false;
  let any = false;
  for (const range of acceptEncoding.split(",")) {
    const name = withoutParameters(range);
    if (name === "gzip" || name === "x-gzip") return qualityOf(range) > 0;
    if (name === "*") any = qualityOf(range) > 0;
  }
  return any;
}

/** How a request's body is compressed; undefined for what is not supported. */
export function bodyEncoding(contentEncoding: string): "identity" | "gzip" | undefined {
  if (contentEncoding === "") return "identity";
  const name = contentEncoding.trim().toLowerCase();
  if (name === "gzip" || name === "x-gzip") return "gzip";
  return name === "identity" ? "identity" : undefined;
}

function withoutParameters(value: string): string {
  const end = value.indexOf(";");
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase();
}

/** The `q` of one element of an Accept header, 1 where there is none or it is no number. */
function qualityOf(range: string): number {
  const match = /;\s*q\s*=\s*([0-9.]+)/i.exec(range);
  const quality = match === null ? 1 : Number(match[1]);
  return Number.isNaN(quality) ? 1 : quality;
}
