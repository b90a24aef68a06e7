/** The words by which Redis commands say when a key expires. */
import { flag, type NumberRule, type Option } from "./resp-command.ts";

const EXPIRY = "expiry";

/** The error for an instant or a time to live that is out of range; `name` is the Redis command's. */
export function invalidExpiry(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}

/** What a number of a command must be whose fields have to be above zero. */
export function aboveZero(name: string): NumberRule {
  return { minimum: 1, outside: invalidExpiry(name) };
}

/** EX, PX, EXAT and PXAT, and the word that leaves it or takes it away: one of them. */
export function expiryOptions(name: string, without: string, field: string): readonly Option[] {
  const rule = { takes: "integer", group: EXPIRY, ...aboveZero(name) } as const;
  return [
    { word: "EX", field: "ttl", ...rule },
    { word: "PX", field: "ttl_ms", ...rule },
    { word: "EXAT", field: "at_ms", times: 1000, ...rule },
    { word: "PXAT", field: "at_ms", ...rule },
    flag(without, field, true, EXPIRY),
  ];
}
