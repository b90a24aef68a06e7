import { expect, it } from "vitest";
import { replicaNames } from "./replica-address.ts";

it("replicas have names of their own, also where two announce one address", () => {
  const replicas = [
    { address: "http://a:1", nodeId: "first" },
    { address: "http://b:1", nodeId: "second" },
    { address: "http://a:1", nodeId: "third" },
  ];
  expect(replicaNames(replicas)).toEqual(["http://a:1 first", "http://b:1", "http://a:1 third"]);
});
