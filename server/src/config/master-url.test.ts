import { describe, expect, it } from "vitest";
import { linkUrlOf, shownMasterUrl, webUrlOf } from "./master-url.ts";

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

describe("what is shown of an unusable address", () => {
  it.each([
    ["a b", "a b"],
    ["http://[::1]:99999", "http://[::1]:99999"],
    ["https://me:secret@m.example:1", "https://m.example:1..."],
    ["me:secret@m.example", "m.example..."],
    ["redis://:secret@m.example/0", "redis://m.example..."],
    ["http:me:secret@m.example", "m.example..."],
    ["m.example/?api_key=secret", "m.example..."],
    ["m.example?api_key=secret@x", "..."],
    ["ws://m.example#secret", "ws://m.example..."],
    ["m.example&api_key=secret", "m.example..."],
    ["http://me:sec/ret@m.example", "http://..."],
    ["http:/me:secret@m.example", "..."],
    ["http:\\\\me:secret@m.example", "..."],
    ["http://me:secret@more@m.example", "http://m.example..."],
  ])("%s: %s", (given, shown) => {
    expect(shownMasterUrl(given)).toBe(shown);
    expect(shownMasterUrl(given)).not.toMatch(/sec|ret|more/);
  });
});
