/**
 * How much a connection, a token and an address may send, in requests and in bytes a second: token buckets, each a single number.
 *
 *     full at ..... the instant at which a bucket would be full again, if nothing more came
 *     a request     moves it on by what it costs; it is refused where that instant would be more than the burst away
 *
 * So a bucket that nobody has used for the burst is a full one, and can be forgotten. A request that costs more than is left waits
 * for that, or for the full bucket: there one that costs more than a whole burst passes too, and is paid for afterwards. That
 * debt is of all who share the bucket, so it has a bound: what costs more than six bursts never passes, and after any
 * other everybody may come again within five.
 *
 * A request that one bucket refuses is charged to none. The address comes first, and also for who has no token: what is over at
 * its headers (no token, a page, a handshake) is a request of the address, and nothing of it is looked at while that has to wait.
 *
 * With no limit configured there is no object of this class.
 */

import { RecentMap } from "../structures/recent-map.ts";
import { networkOf } from "./failed-attempts.ts";
import type { Grant } from "./grant.ts";

export interface Rate {
  /** 0 = no limit. */
  readonly requestsPerSec: number;
  readonly bytesPerSec: number;
}

export interface RateLimitOptions {
  readonly connection: Rate;
  readonly token: Rate;
  readonly address: Rate;
  /** How many seconds' worth may come at once. */
  readonly burstSecs: number;
}

/** Who sends, and the buckets that it has as a connection: made by the first request of one. */
export interface RatedPeer {
  readonly address: string;
  readonly grant: Grant;
  /** HTTP requests have none: there the token and the address count. */
  rate?: Buckets | undefined;
  readonly protocol: string;
}

/** The instants at which the two buckets are full again. */
export interface Buckets {
  requestsFullAtMs: number;
  bytesFullAtMs: number;
}

/** So many bursts may one request cost. */
const COST_BURSTS_MAX = 6;
/** Instead of a time to wait: it would not pass then either. */
export const NEVER_MS = Number.POSITIVE_INFINITY;
/** Of tokens and of addresses each; those used longest ago are forgotten first. */
const BUCKETS_MAX = 10_000;

/** The limits, or none where nothing is limited. */
export function rateLimitsOf(options: RateLimitOptions): RateLimits | undefined {
  const rates = [options.connection, options.token, options.address];
  const isLimited = rates.some(({ requestsPerSec, bytesPerSec }) => requestsPerSec > 0 || bytesPerSec > 0);
  return isLimited ? new RateLimits(options) : undefined;
}

export class RateLimits {
  /** Requests that were refused. Grows; for the metrics. */
  refusedCount = 0;
  readonly #options: RateLimitOptions;
  readonly #burstMs: number;
  readonly #tokens = new RecentMap<Buckets>(BUCKETS_MAX);
  readonly #addresses = new RecentMap<Buckets>(BUCKETS_MAX);

  constructor(options: RateLimitOptions) {
    this.#options = options;
    this.#burstMs = options.burstSecs * 1000;
  }

  /** Charges a message; answers with how long to wait where it may not come now, perhaps `NEVER_MS`, and 0 where it may. */
  admit(peer: RatedPeer, requests: number, bytes: number, nowMs: number): number {
    const { connection, token, address } = this.#options;
    let waitMs = 0;
    if (peer.protocol !== "http" && isLimited(connection)) peer.rate ??= emptyBuckets();
    const own = peer.rate;
    if (own !== undefined) waitMs = this.#waitMs(own, connection, requests, bytes, nowMs);
    const { owner } = peer.grant;
    const ofToken = owner !== "" && isLimited(token) ? bucketsOf(this.#tokens, owner) : undefined;
    if (ofToken !== undefined) waitMs = Math.max(waitMs, this.#waitMs(ofToken, token, requests, bytes, nowMs));
    const ofAddress = isLimited(address) ? bucketsOf(this.#addresses, networkOf(peer.address)) : undefined;
    if (ofAddress !== undefined) waitMs = Math.max(waitMs, this.#waitMs(ofAddress, address, requests, bytes, nowMs));
    if (waitMs > 0) {
      this.refusedCount++;
      return waitMs;
    }
    if (own !== undefined) charge(own, connection, requests, bytes, nowMs);
    if (ofToken !== undefined) charge(ofToken, token, requests, bytes, nowMs);
    if (ofAddress !== undefined) charge(ofAddress, address, requests, bytes, nowMs);
    return 0;
  }

  /**
   * How long an address has to wait before anything of it is looked at. Counts as a refusal where that is so.
   * @param isForeign sent by a page of somebody else in a browser there: that has buckets of its own, and uses up nothing of whose
   * browser it is.
   */
  addressWaitMs(address: string, nowMs: number, isForeign: boolean): number {
    const rate = this.#options.address;
    if (!isLimited(rate)) return 0;
    const waitMs = this.#waitMs(this.#ofAddress(address, isForeign), rate, 1, 0, nowMs);
    if (waitMs > 0) this.refusedCount++;
    return waitMs;
  }

  /** Charges an address for a request that is no command. One that has to wait is not charged more. */
  chargeAddress(address: string, nowMs: number, isForeign: boolean): void {
    const rate = this.#options.address;
    if (!isLimited(rate)) return;
    const buckets = this.#ofAddress(address, isForeign);
    if (this.#waitMs(buckets, rate, 1, 0, nowMs) === 0) charge(buckets, rate, 1, 0, nowMs);
  }

  #ofAddress(address: string, isForeign: boolean): Buckets {
    const network = networkOf(address);
    return bucketsOf(this.#addresses, isForeign ? `${network} page` : network);
  }

  /** How long until the buckets take so much. */
  #waitMs({ requestsFullAtMs, bytesFullAtMs }: Buckets, rate: Rate, requests: number, bytes: number, nowMs: number) {
    const { requestsPerSec, bytesPerSec } = rate;
    const ofRequests = requestsPerSec > 0 ? this.#bucketWaitMs(requestsFullAtMs, requests / requestsPerSec, nowMs) : 0;
    const ofBytes = bytesPerSec > 0 ? this.#bucketWaitMs(bytesFullAtMs, bytes / bytesPerSec, nowMs) : 0;
    return Math.max(ofRequests, ofBytes);
  }

  /** @param costSecs what the request takes of the rate, in seconds of it. */
  #bucketWaitMs(fullAtMs: number, costSecs: number, nowMs: number): number {
    const costMs = costSecs * 1000;
    if (costMs > COST_BURSTS_MAX * this.#burstMs) return NEVER_MS;
    const untilFullMs = Math.max(0, fullAtMs - nowMs);
    const untilEnoughMs = Math.max(0, untilFullMs + costMs - this.#burstMs);
    return Math.min(untilFullMs, untilEnoughMs);
  }
}

function charge(buckets: Buckets, rate: Rate, requests: number, bytes: number, nowMs: number): void {
  const { requestsPerSec, bytesPerSec } = rate;
  if (requestsPerSec > 0) {
    buckets.requestsFullAtMs = Math.max(buckets.requestsFullAtMs, nowMs) + (requests * 1000) / requestsPerSec;
  }
  if (bytesPerSec > 0) buckets.bytesFullAtMs = Math.max(buckets.bytesFullAtMs, nowMs) + (bytes * 1000) / bytesPerSec;
}

function isLimited({ requestsPerSec, bytesPerSec }: Rate): boolean {
  return requestsPerSec > 0 || bytesPerSec > 0;
}

function emptyBuckets(): Buckets {
  return { requestsFullAtMs: 0, bytesFullAtMs: 0 };
}

function bucketsOf(all: RecentMap<Buckets>, name: string): Buckets {
  const known = all.get(name);
  if (known !== undefined) return known;
  const buckets = emptyBuckets();
  all.set(name, buckets);
  return buckets;
}
