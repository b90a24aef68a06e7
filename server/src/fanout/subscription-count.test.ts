import { expect, it } from "vitest";
import { SubscriptionCount } from "./subscription-count.ts";

it("gives all that it takes, or nothing, and never more than there may be", () => {
  const subscriptions = new SubscriptionCount(3);
  expect(subscriptions.take(2)).toBe(true);
  expect(subscriptions.take(2)).toBe(false);
  expect(subscriptions.count).toBe(2);
  expect(subscriptions.take(1)).toBe(true);
  subscriptions.give(3);
  expect(subscriptions.count).toBe(0);
  expect(() => subscriptions.give(1)).toThrow("more subscriptions ended");
  expect(subscriptions.refusal()).toMatchObject({ code: "SERVICE_UNAVAILABLE", details: { subscriptions_max: 3 } });
});
