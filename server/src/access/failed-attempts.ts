/**
 * Addresses that have sent wrong tokens: after ten of them an address has to wait, a second at first, then twice as long after
 * each further one, up to a minute. Guessing is hopeless anyway (token.ts); this keeps it cheap, and makes it seen.
 *
 * Of an IPv6 address its network of 64 bits counts, which one machine can have whole. The table is bounded: where it is full,
 * those that failed longest ago go.
 */

import { RecentMap } from "../structures/recent-map.ts";

const FREE_FAILURES = 10;
const FIRST_WAIT_MS = 1000;
const WAIT_MS_MAX = 60_000;
/** An address that has not failed for so long is forgotten. */
const MEMORY_MS = 600_000;
const ADDRESSES_MAX = 10_000;

interface Failures {
  count: number;
  lastMs: number;
  blockedUntilMs: number;
}

export class FailedAttempts {
  readonly #byNetwork = new RecentMap<Failures>(ADDRESSES_MAX);

  get addressCount(): number {
    return this.#byNetwork.size;
  }

  /** For how long the address is to wait; 0 where it may try. */
  waitMs(address: string, nowMs: number): number {
    const failures = this.#byNetwork.get(networkOf(address));
    return failures === undefined ? 0 : Math.max(0, failures.blockedUntilMs - nowMs);
  }

  failed(address: string, nowMs: number): void {
    const network = networkOf(address);
    const known = this.#byNetwork.get(network);
    const isRecent = known !== undefined && nowMs - known.lastMs < MEMORY_MS;
    const count = (isRecent ? known.count : 0) + 1;
    const doublings = count - FREE_FAILURES;
    const waitMs = doublings < 0 ? 0 : Math.min(WAIT_MS_MAX, FIRST_WAIT_MS * 2 ** Math.min(doublings, 10));
    this.#byNetwork.set(network, { count, lastMs: nowMs, blockedUntilMs: nowMs + waitMs });
  }
}

/** `2001:db8:0:7:1:2:3:4` -> `2001:db8:0:7`; an IPv4 address is its own network. */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  return expanded(address).slice(0, 4).join(":");
}

/** The eight groups; `::` stands for as many zeros as are missing. */
function expanded(address: string): string[] {
  const [head, tail] = address.split("::", 2);
  const before = head === "" ? [] : head.split(":");
  if (tail === undefined) return before;
  const after = tail === "" ? [] : tail.split(":");
  const missing = Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array<string>(missing).fill("0"), ...after];
}
