import { describe, expect, it } from "vitest";
import { Grant } from "./grant.ts";
import { NEVER_MS, type RatedPeer, type RateLimitOptions, RateLimits, rateLimitsOf } from "./rate-limits.ts";

const NONE = { requestsPerSec: 0, bytesPerSec: 0 };

function limits(options: Partial<RateLimitOptions>): RateLimits {
  return new RateLimits({ connection: NONE, token: NONE, address: NONE, burstSecs: 2, ...options });
}

function peer(name = "app", address = "10.0.0.1"): RatedPeer {
  return { address, grant: new Grant(name, []), protocol: "websocket" };
}

/** How many of single requests pass at one instant. */
function passing(rates: RateLimits, from: RatedPeer, nowMs: number, bytes = 1): number {
  let count = 0;
  while (rates.admit(from, 1, bytes, nowMs) === 0 && count < 10_000) count++;
  return count;
}

describe("a rate", () => {
  it("lets a burst through, and then as much as it says", () => {
    const rates = limits({ connection: { requestsPerSec: 10, bytesPerSec: 0 } });
    const from = peer();
    expect([passing(rates, from, 0), passing(rates, from, 99), passing(rates, from, 100)]).toEqual([20, 0, 1]);
    expect(rates.admit(from, 1, 1, 150)).toBe(50);
    expect([passing(rates, from, 1100), passing(rates, from, 60_000)]).toEqual([10, 20]);
    expect(rates.refusedCount).toBeGreaterThan(0);
  });

  it("counts the commands of a batch, and bytes", () => {
    const rates = limits({ token: { requestsPerSec: 10, bytesPerSec: 1000 } });
    expect(rates.admit(peer(), 15, 1, 0)).toBe(0);
    expect(passing(rates, peer(), 0)).toBe(5);
    const large = peer("large");
    // More than a burst, where nothing was used: it is paid for afterwards.
    expect(rates.admit(large, 1, 10_000, 0)).toBe(0);
    expect(rates.admit(large, 1, 1, 0)).toBe(8001);
    expect(rates.admit(large, 1, 1, 8000)).toBe(1);
    expect(rates.admit(large, 1, 1, 8001)).toBe(0);
  });

  it("has what costs more than is left wait for that, or for the full bucket, and keeps nobody else out for it", () => {
    const rates = limits({ address: { requestsPerSec: 10, bytesPerSec: 0 } });
    expect(passing(rates, peer(), 0)).toBe(20);
    expect([rates.admit(peer(), 10, 1, 0), rates.admit(peer(), 100, 1, 0)]).toEqual([1000, 2000]);
    expect([rates.admit(peer("other"), 1, 1, 100), rates.admit(peer(), 100, 1, 1900)]).toEqual([0, 200]);
    expect(rates.admit(peer(), 10, 1, 1100)).toBe(0);
    expect(rates.admit(peer(), 100, 1, 3100)).toBe(0);
  });

  it("owes no more than five bursts, and lets nothing through that costs more than six", () => {
    const rates = limits({ token: { requestsPerSec: 10, bytesPerSec: 1000 } });
    expect([rates.admit(peer(), 121, 1, 0), rates.admit(peer(), 1, 12_001, 0)]).toEqual([NEVER_MS, NEVER_MS]);
    expect(rates.admit(peer(), 120, 12_000, 0)).toBe(0);
    expect(rates.admit(peer(), 1, 0, 0)).toBe(10_100);
    expect([rates.admit(peer(), 120, 1, 0), rates.admit(peer(), 120, 1, 12_000)]).toEqual([12_000, 0]);
  });

  it("is each connection's, each token's and each address' own", () => {
    const rate = { requestsPerSec: 10, bytesPerSec: 0 };
    const byConnection = limits({ connection: rate });
    expect([passing(byConnection, peer(), 0), passing(byConnection, peer(), 0)]).toEqual([20, 20]);
    const byToken = limits({ token: rate });
    expect([
      passing(byToken, peer(), 0),
      passing(byToken, peer("app", "b"), 0),
      passing(byToken, peer("b"), 0),
    ]).toEqual([20, 0, 20]);
    const byAddress = limits({ address: rate });
    expect([
      passing(byAddress, peer(), 0),
      passing(byAddress, peer("b"), 0),
      passing(byAddress, peer("app", "10.0.0.2"), 0),
      passing(byAddress, peer("app", "2001:db8::1"), 0),
      passing(byAddress, peer("app", "2001:db8::2"), 0),
    ]).toEqual([20, 0, 20, 20, 0]);
  });

  it("does not count a connection of HTTP, nor a token where there is none", () => {
    const rate = { requestsPerSec: 1, bytesPerSec: 0 };
    const rates = limits({ connection: rate, token: rate });
    expect(passing(rates, { ...peer(""), protocol: "http" }, 0)).toBe(10_000);
  });

  it("charges nobody for what another refuses", () => {
    const rates = limits({
      token: { requestsPerSec: 100, bytesPerSec: 0 },
      address: { requestsPerSec: 10, bytesPerSec: 0 },
    });
    expect(passing(rates, peer("app", "a"), 0)).toBe(20);
    for (let i = 0; i < 1000; i++) rates.admit(peer("app", "a"), 1, 1, 0);
    expect(passing(rates, peer("app", "b"), 0)).toBe(20);
  });

  it("is none where nothing is limited", () => {
    expect(rateLimitsOf({ connection: NONE, token: NONE, address: NONE, burstSecs: 2 })).toBeUndefined();
  });
});
