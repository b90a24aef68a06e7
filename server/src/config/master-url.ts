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

function partsOf(masterUrl: string): { readonly isSecure: boolean; readonly host: string } {
  const match = PATTERN.exec(masterUrl);
  if (match === null) throw new Error(`${masterUrl} is no address of a master`);
  const [, scheme, host] = match;
  if (scheme === undefined) return { isSecure: false, host: PORT.test(host) ? host : `${host}:${DEFAULT_PORT}` };
  return { isSecure: /^(?:https|wss)$/i.test(scheme), host };
}
