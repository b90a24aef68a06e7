/**
 * Which requests a browser may have been tricked into (wire contract, section 8). Two headers tell:
 *
 *   Host    must be a name of this server. A page of evil.example whose name now resolves to 127.0.0.1 (DNS rebinding)
 *           still says `Host: evil.example`.
 *   Origin  is sent by browsers with every POST and WebSocket handshake of a page. It must be the server's own or an
 *           allowed one. No Origin means no browser, or a GET whose answer the page cannot read.
 */

/** What to do with a request: `refusal` is a sentence, `allowOrigin` what CORS headers name; both empty when not needed. */
export interface OriginVerdict {
  readonly refusal: string;
  readonly allowOrigin: string;
}

export interface OriginOptions {
  /** The address the server is bound to. */
  readonly host: string;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}

const ACCEPTED: OriginVerdict = { refusal: "", allowOrigin: "" };
const FOREIGN_HOST: OriginVerdict = {
  refusal: "The Host header is not a name of this server; add it to access.allowed_hosts.",
  allowOrigin: "",
};
const FOREIGN_ORIGIN: OriginVerdict = {
  refusal: "This Origin may not call this server; add it to access.allowed_origins.",
  allowOrigin: "",
};
const ANY_ADDRESS: ReadonlySet<string> = new Set(["0.0.0.0", "::", ""]);

export class OriginRules {
  readonly #names: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #anyAddress: boolean;
  /** Clients repeat themselves: the last Host header that was accepted. */
  #lastHost = "";

  constructor(options: OriginOptions) {
    const names = ["localhost", "127.0.0.1", "[::1]", options.host, ...options.allowedHosts];
    this.#names = new Set(names.map(bracketed));
    this.#origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase()));
    this.#anyAddress = ANY_ADDRESS.has(options.host);
  }

  /** @param origin empty where there was no such header. */
  judge(host: string, origin: string): OriginVerdict {
    if (host !== this.#lastHost) {
      if (!this.#isOwnName(host)) return FOREIGN_HOST;
      this.#lastHost = host;
    }
    return origin === "" ? ACCEPTED : this.#judgeOrigin(host, origin);
  }

  #judgeOrigin(host: string, origin: string): OriginVerdict {
    const lower = origin.toLowerCase();
    const own = host.toLowerCase();
    if (lower === `http://${own}` || lower === `https://${own}`) return ACCEPTED;
    if (this.#origins.has(lower) || this.#origins.has("*")) return { refusal: "", allowOrigin: origin };
    return FOREIGN_ORIGIN;
  }

  #isOwnName(host: string): boolean {
    const name = hostName(host);
    if (name === undefined) return false;
    // A server on every interface cannot know its addresses. An address needs no DNS, so it cannot have been rebound.
    return this.#names.has(name) || (this.#anyAddress && isAddress(name));
  }
}

/** `Example.com.:8080` -> `example.com`, `[::1]:80` -> `[::1]`; undefined when it is no host with an optional port. */
export function hostName(header: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::\d{1,5})?$/.exec(header.toLowerCase());
  return match?.[1];
}

function isAddress(name: string): boolean {
  return name.startsWith("[") || /^\d{1,3}(\.\d{1,3}){3}$/.test(name);
}

/** IPv6 addresses are configured bare and sent in brackets. */
function bracketed(name: string): string {
  const lower = name.toLowerCase();
  return lower.includes(":") && !lower.startsWith("[") ? `[${lower}]` : lower;
}
