import { describe, expect, it } from "vitest";
import { DeliveryLedger } from "./delivery-ledger.ts";
import { priorityOf } from "./message-plan.ts";

const MESSAGES = 200;

/** The order that the contract asks for: priority, then publish order. */
function inOrder(): number[] {
  const numbers = Array.from({ length: MESSAGES }, (_, number) => number);
  return numbers.sort((a, b) => priorityOf(b, "uniform") - priorityOf(a, "uniform") || a - b);
}

function problemsOf(deliveries: readonly number[]): string[] {
  const ledger = new DeliveryLedger(MESSAGES, "uniform");
  // They arrive in another order than they were delivered in, as over several connections.
  const arrivals = deliveries.map((number, position) => ({ number, id: 1_000 + position }));
  for (const { number, id } of arrivals.reverse()) ledger.add(number, id, priorityOf(number, "uniform"));
  return ledger.problems();
}

describe("DeliveryLedger", () => {
  it("finds nothing wrong where nothing is", () => {
    expect(problemsOf(inOrder())).toEqual([]);
  });

  it("finds a message that was lost", () => {
    expect(problemsOf(inOrder().slice(0, -1))).toEqual(["1 messages were never delivered"]);
  });

  it("finds a message that came twice", () => {
    const order = inOrder();
    expect(problemsOf([...order, order[order.length - 1]])).toEqual(["1 messages were delivered more than once"]);
  });

  it("finds two of one priority in the wrong order", () => {
    const order = inOrder();
    const at = order.findIndex((number, i) => priorityOf(number, "uniform") === priorityOf(order[i + 1], "uniform"));
    [order[at], order[at + 1]] = [order[at + 1], order[at]];
    expect(problemsOf(order)).toEqual(["1 deliveries were out of order"]);
  });

  it("finds a priority that came too late", () => {
    const [first, ...rest] = inOrder();
    expect(problemsOf([...rest, first])).toEqual(["1 deliveries were out of order"]);
  });

  it("finds another priority than was published, and messages that nobody published", () => {
    const ledger = new DeliveryLedger(1, "equal");
    ledger.add(0, 1, 9);
    ledger.add(7, 2, 5);
    expect(ledger.problems()).toEqual([
      "1 deliveries were of messages that nobody published",
      "1 deliveries had another priority than was published",
    ]);
  });

  it("knows an order of what one connection published, and none of what two did", () => {
    const lanes = { count: 2, messagesPerCommand: 2 };
    const problemsOf = (numbers: readonly number[]) => {
      const ledger = new DeliveryLedger(numbers.length, "equal", lanes);
      for (const [position, number] of numbers.entries()) ledger.add(number, position, priorityOf(number, "equal"));
      return ledger.problems();
    };
    expect(problemsOf([0, 1, 4, 5, 2, 3, 6, 7])).toEqual([]);
    expect(problemsOf([2, 0, 3, 6, 1, 4, 7, 5])).toEqual([]);
    expect(problemsOf([4, 0, 1, 5, 2, 3, 6, 7])).toEqual(["1 deliveries were out of order"]);
    expect(problemsOf([0, 1, 4, 5, 3, 2, 6, 7])).toEqual(["1 deliveries were out of order"]);
  });
});
