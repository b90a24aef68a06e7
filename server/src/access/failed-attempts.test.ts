import { describe, expect, it } from "vitest";
import { FailedAttempts, networkOf } from "./failed-attempts.ts";

describe("an address that sends wrong tokens", () => {
  it("waits after ten, longer each time, and not for ever", () => {
    const attempts = new FailedAttempts();
    const waits: number[] = [];
    for (let count = 1; count <= 18; count++) {
      attempts.failed("10.0.0.1", 0);
      waits.push(attempts.waitMs("10.0.0.1", 0));
    }
    expect(waits).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(attempts.waitMs("10.0.0.2", 0)).toBe(0);
    expect([attempts.waitMs("10.0.0.1", 59_999), attempts.waitMs("10.0.0.1", 60_000)]).toEqual([1, 0]);
    attempts.failed("10.0.0.1", 600_000);
    expect(attempts.waitMs("10.0.0.1", 600_000)).toBe(0);
  });

  it("is one with its network of 64 bits", () => {
    expect(["10.0.0.1", "2001:db8:0:7:1:2:3:4", "2001:db8:0:7::9", "::1", "fe80::1"].map(networkOf)).toEqual([
      "10.0.0.1",
      "2001:db8:0:7",
      "2001:db8:0:7",
      "0:0:0:0",
      "fe80:0:0:0",
    ]);
  });

  it("is forgotten for others, where there are too many", () => {
    const attempts = new FailedAttempts();
    for (let i = 0; i < 10; i++) attempts.failed("10.0.0.1", 0);
    for (let i = 0; i < 9_999; i++) attempts.failed(`10.1.${i >> 8}.${i & 255}`, 0);
    expect(attempts.waitMs("10.0.0.1", 0)).toBe(1000);
    for (let i = 0; i < 20_001; i++) attempts.failed(`10.2.${i >> 8}.${i & 255}`, 0);
    expect(attempts.waitMs("10.0.0.1", 0)).toBe(0);
    expect(attempts.addressCount).toBeLessThanOrEqual(20_000);
  });
});
