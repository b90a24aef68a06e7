import { expect, test } from "vitest";
import { Request } from "../wire/request.ts";
import { type Flight, Flights } from "./flights.ts";

function flight(name: string, { isShared = false, isWriting = false } = {}): Flight {
  return { requests: [new Request(name, {}, "read", undefined)], isShared, isWriting, bytes: name.length };
}

const names = (flights: Flights): string[] => [...flights.requests()].map(({ command }) => command);

test("frames are found by their ids in any order, and the others keep theirs", () => {
  const flights = new Flights();
  for (const [index, name] of ["a", "b", "c", "d"].entries()) flights.add(index + 1, flight(name));
  expect(names(flights)).toEqual(["a", "b", "c", "d"]);
  expect(flights.take(2)?.requests[0].command).toBe("b");
  expect(flights.take(4)?.requests[0].command).toBe("d");
  expect(names(flights)).toEqual(["a", "c"]);
  flights.add(5, flight("e"));
  expect(names(flights)).toEqual(["a", "c", "e"]);
  for (const id of [2, 4, 0, Number.NaN]) expect(flights.take(id)).toBeUndefined();
  expect([1, 3, 5].map((id) => flights.take(id)?.requests[0].command)).toEqual(["a", "c", "e"]);
  expect(flights.take(5)).toBeUndefined();
  expect(names(flights)).toEqual([]);
});

test("what is in flight is counted", () => {
  const flights = new Flights();
  flights.add(1, flight("one"));
  flights.add(2, flight("second", { isShared: true }));
  flights.add(3, flight("third", { isShared: true, isWriting: true }));
  const counts = () => [flights.commandCount, flights.bytes, flights.sharedCount, flights.writingCount];
  expect(counts()).toEqual([3, 14, 2, 1]);
  flights.take(3);
  expect(counts()).toEqual([2, 9, 1, 0]);
  flights.take(3);
  expect(counts()).toEqual([2, 9, 1, 0]);
  flights.clear();
  expect(counts()).toEqual([0, 0, 0, 0]);
  expect(flights.take(1)).toBeUndefined();
});
