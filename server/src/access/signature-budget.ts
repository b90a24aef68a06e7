/**
 * How many signatures are checked for nothing. To check one of Ed25519 takes 0.16 ms, a hundred times as long as to look
 * for a token by its hash, and a web server in between does not make that cheaper for whoever makes the tokens up: they need no key.
 *
 *     full at ..... the instant at which a budget would be whole again, as in rate-limits.ts
 *     wrong         moves it on by what each signature costs; none is checked while it is a burst away
 *
 * Of one address twenty a second take 3 ms of the loop, a third of a percent, and are twice as many as it may guess before it has to
 * wait. Who has many addresses, as anybody has with IPv6, would have twenty of each, so all together have a budget too: 500 a second
 * take 80 ms at most. That one alone would let such a one keep everybody out, and so addresses from which a right token has come
 * have nothing to do with it: they have their own, and when all their clients go on with tokens of a key that was taken away, they
 * keep nobody else out. What is right, or was until it expired, costs nothing, so all who share an address may log in at once.
 */
import { RecentMap } from "../structures/recent-map.ts";
import { networkOf } from "./failed-attempts.ts";

/** Those used longest ago are forgotten first. */
const NETWORKS_MAX = 10_000;

interface Rate {
  readonly signatureMs: number;
  readonly burstMs: number;
}

const OF_NETWORK: Rate = { signatureMs: 1000 / 20, burstMs: 1000 };
/** Its burst of 50 would hold the loop for 8 ms. */
const OF_ALL: Rate = { signatureMs: 1000 / 500, burstMs: 100 };

export class SignatureBudget {
  readonly #fullAtMs = new RecentMap<number>(NETWORKS_MAX);
  /** A right token that was new has come from there. */
  readonly #known = new RecentMap<true>(NETWORKS_MAX);
  #allFullAtMs = Number.NEGATIVE_INFINITY;

  /** For how long nothing more is checked for the address; 0 where something is, if `waitOfAllMs` says so too. */
  waitMs(address: string, nowMs: number): number {
    return waitMs(this.#fullAtMs.get(networkOf(address)) ?? nowMs, OF_NETWORK, nowMs);
  }

  /** For how long nothing more is checked for addresses from which nothing right has come; 0 for others. */
  waitOfAllMs(address: string, nowMs: number): number {
    const wait = waitMs(this.#allFullAtMs, OF_ALL, nowMs);
    return wait > 0 && !this.#isKnown(networkOf(address)) ? wait : 0;
  }

  /** So many signatures were checked, of a token that was none. */
  charge(address: string, signatures: number, nowMs: number): void {
    if (signatures === 0) return;
    const network = networkOf(address);
    this.#fullAtMs.set(network, charged(this.#fullAtMs.get(network) ?? nowMs, OF_NETWORK, signatures, nowMs));
    if (!this.#isKnown(network)) this.#allFullAtMs = charged(this.#allFullAtMs, OF_ALL, signatures, nowMs);
  }

  /** A token was right, and had not been seen before. */
  wasRight(address: string): void {
    this.#known.set(networkOf(address), true);
  }

  #isKnown(network: string): boolean {
    return this.#known.get(network) !== undefined;
  }
}

function waitMs(fullAtMs: number, { signatureMs, burstMs }: Rate, nowMs: number): number {
  return Math.max(0, fullAtMs + signatureMs - nowMs - burstMs);
}

function charged(fullAtMs: number, { signatureMs }: Rate, signatures: number, nowMs: number): number {
  return Math.max(fullAtMs, nowMs) + signatures * signatureMs;
}
