import { expect, it } from "vitest";
import { editDistance } from "./edit-distance.ts";

it.each([
  ["", "", 0],
  ["abc", "", 3],
  ["", "abc", 3],
  ["port", "port", 0],
  ["prot", "port", 2],
  ["kitten", "sitting", 3],
  ["flaw", "lawn", 2],
])("from %j to %j is %d", (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
  expect(editDistance(b, a)).toBe(distance);
});
