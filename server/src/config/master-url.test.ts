import { describe, expect, it } from "vitest";
import { linkUrlOf, webUrlOf } from "./master-url.ts";

describe("the address of a master", () => {
  it.each([
    ["10.0.0.5:15500", "ws://10.0.0.5:15500/api/v1/replication", "http://10.0.0.5:15500"],
    ["master.example", "ws://master.example:15500/api/v1/replication", "http://master.example:15500"],
    ["[::1]", "ws://[::1]:15500/api/v1/replication", "http://[::1]:15500"],
    ["http://master.example", "ws://master.example/api/v1/replication", "http://master.example"],
    ["https://master.example:443/", "wss://master.example:443/api/v1/replication", "https://master.example:443"],
    ["wss://[::1]:1", "wss://[::1]:1/api/v1/replication", "https://[::1]:1"],
  ])("%s", (given, link, web) => {
    expect([linkUrlOf(given), webUrlOf(given)]).toEqual([link, web]);
  });
});
