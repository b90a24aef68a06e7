/**
 * The address of a master as people write it: `10.0.0.5:15500`, or a URL with http, https, ws or wss. A bare name means the
 * port that Synap listens on by default; a URL without a port that of its scheme.
 */
import { DEFAULT_PORT } from "./setting.ts";

const LINK_PATH = "/api/v1/replication";
const PATTERN = /^(?:(https?|wss?):\/\/)?([^\s/?#@]+?)\/?$/i;
const PORT = /:\d+$/;

/** Where the link is opened: `ws://10.0.0.5:15500/api/v1/replication`. */
export function linkUrlOf(masterUrl: string): string {
  const { isSecure, host } = partsOf(masterUrl);
  return `${isSecure ? "wss" : "ws"}://${host}${LINK_PATH}`;
}

/** Where clients find it: `http://10.0.0.5:15500`. */
export function webUrlOf(masterUrl: string): string {
  const { isSecure, host } = partsOf(masterUrl);
  return `${isSecure ? "https" : "http"}://${host}`;
}

/** Before a host: `http://`, also of a scheme that is none here. */
const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;
const NO_HOST = /[^\p{L}\p{N}._:[\]% -]/u;

/**
 * What may be printed of an address that cannot be used: its scheme and its host, and `...` for what was left out. People put a
 * name and a password before a host, and a token into a query, and what is printed ends in logs. Where it cannot be told which part
 * is the host, since an `@` is behind what ends one, there is none.
 */
export function shownMasterUrl(given: string): string {
  const scheme = SCHEME.exec(given)?.[0] ?? "";
  const rest = given.slice(scheme.length);
  const authority = rest.split(/[/\\?#]/, 1)[0];
  const behindUser = authority.slice(authority.lastIndexOf("@") + 1);
  const isClear = authority.includes("@") || !rest.includes("@");
  const host = isClear ? behindUser.split(NO_HOST, 1)[0] : "";
  return host === rest ? given : `${scheme}${host}...`;
}

function partsOf(masterUrl: string): { readonly isSecure: boolean; readonly host: string } {
  const match = PATTERN.exec(masterUrl);
  if (match === null) throw new Error(`${shownMasterUrl(masterUrl)} is no address of a master`);
  const [, scheme, host] = match;
  if (scheme === undefined) return { isSecure: false, host: PORT.test(host) ? host : `${host}:${DEFAULT_PORT}` };
  return { isSecure: /^(?:https|wss)$/i.test(scheme), host };
}
