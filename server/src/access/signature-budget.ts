/**
 * How many signatures of an address are checked for nothing. To check one of Ed25519 takes 0.16 ms, a hundred times as long as to look
 * for a token by its hash, and a web server in between does not make that cheaper for whoever makes the tokens up: they need no key.
 *
 *     full at ..... the instant at which the budget would be whole again, as in rate-limits.ts
 *     wrong         moves it on by what each signature costs; none is checked while it is a second away
 *
 * Twenty a second take 3 ms of the loop, a third of a percent, and are twice as many as an address may guess before it has to
 * wait. What is right costs nothing, so all who share an address may log in at once.
 */
import { RecentMap } from "../structures/recent-map.ts";
import { networkOf } from "./failed-attempts.ts";

const SIGNATURES_PER_SEC = 20;
const SIGNATURE_MS = 1000 / SIGNATURES_PER_SEC;
const BURST_MS = 1000;
/** Those used longest ago are forgotten first. */
const NETWORKS_MAX = 10_000;

export class SignatureBudget {
  readonly #fullAtMs = new RecentMap<number>(NETWORKS_MAX);

  /** For how long nothing more is checked for the address; 0 where something is. */
  waitMs(address: string, nowMs: number): number {
    const fullAtMs = this.#fullAtMs.get(networkOf(address)) ?? nowMs;
    return Math.max(0, fullAtMs + SIGNATURE_MS - nowMs - BURST_MS);
  }

  /** So many signatures were checked, of a token that was none. */
  charge(address: string, signatures: number, nowMs: number): void {
    if (signatures === 0) return;
    const network = networkOf(address);
    const fullAtMs = Math.max(this.#fullAtMs.get(network) ?? nowMs, nowMs);
    this.#fullAtMs.set(network, fullAtMs + signatures * SIGNATURE_MS);
  }
}
