import { expect, it } from "vitest";
import { SignatureBudget } from "./signature-budget.ts";

/** Charges one for each that may be checked, as often as an address may; answers with how many those were. */
function checks(budget: SignatureBudget, address: string, nowMs: number, most = 1000): number {
  let count = 0;
  while (count < most && budget.waitMs(address, nowMs) === 0 && budget.waitOfAllMs(address, nowMs) === 0) {
    budget.charge(address, 1, nowMs);
    count++;
  }
  return count;
}

it("lets an address have twenty at once, and twenty a second", () => {
  const budget = new SignatureBudget();
  expect([checks(budget, "10.0.0.1", 0), checks(budget, "10.0.0.1", 0), checks(budget, "10.0.0.2", 0)]).toEqual([
    20, 0, 20,
  ]);
  let count = 0;
  for (let ms = 1; ms <= 10_000; ms++) count += checks(budget, "10.0.0.1", ms);
  expect(count).toBe(200);
});

it("lets all addresses together have 500 a second, however many there are", () => {
  const budget = new SignatureBudget();
  let count = 0;
  for (let ms = 0; ms < 10_000; ms++) {
    for (let i = 0; i < 10; i++) count += checks(budget, `2001:db8:${ms.toString(16)}:${i}::1`, ms, 1);
  }
  expect(count).toBeGreaterThan(4_990);
  expect(count).toBeLessThanOrEqual(5_050);
});

it("does not have those wait for others' wrong tokens from whose address a right one has come", () => {
  const budget = new SignatureBudget();
  budget.wasRight("2001:db8::1");
  for (let i = 0; i < 50; i++) budget.charge(`10.0.0.${i}`, 1, 0);
  expect(budget.waitOfAllMs("10.0.1.1", 0)).toBe(2);
  expect(budget.waitOfAllMs("2001:db8::2", 0)).toBe(0);
  // Its own are still counted.
  expect([checks(budget, "2001:db8::2", 0), budget.waitMs("2001:db8::1", 0)]).toEqual([20, 50]);
});

it("does not have others wait for wrong tokens from where a right one has come, nor long after", () => {
  const budget = new SignatureBudget();
  for (let i = 0; i < 200; i++) budget.wasRight(`10.0.0.${i}`);
  for (let i = 0; i < 200; i++) budget.charge(`10.0.0.${i}`, 8, 0);
  expect(budget.waitOfAllMs("10.0.1.1", 0)).toBe(0);
  expect(budget.waitOfAllMs("10.0.0.1", 0)).toBe(0);
});
