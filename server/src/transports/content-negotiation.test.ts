import { describe, expect, it } from "vitest";
import { acceptsGzip, bodyEncoding, bodyFormat, replyFormat } from "./content-negotiation.ts";

describe("bodyFormat", () => {
  it.each([
    ["application/json", "json"],
    ["application/json;charset=utf-8", "json"],
    [" APPLICATION/JSON ; charset=UTF-8", "json"],
    ["application/msgpack", "msgpack"],
    ["application/x-msgpack", "msgpack"],
    ["application/vnd.msgpack", "msgpack"],
    ["", undefined],
    ["text/plain", undefined],
    ["text/plain; application/json", undefined],
    ["application/json2", undefined],
    ["json", undefined],
  ])("of %j is %s", (type, format) => {
    expect(bodyFormat(type)).toBe(format);
  });
});

describe("replyFormat", () => {
  it.each([
    ["", "msgpack", "msgpack"],
    ["*/*", "msgpack", "msgpack"],
    ["application/json", "msgpack", "json"],
    ["application/msgpack", "json", "msgpack"],
    ["text/html, application/*;q=0.5", "msgpack", "msgpack"],
    ["application/msgpack;q=0.2, application/json;q=0.9", "msgpack", "json"],
    ["application/json, application/msgpack", "msgpack", "json"],
    ["application/json;q=0", "msgpack", "msgpack"],
    ["image/png", "json", "json"],
    [",;q=,,", "json", "json"],
  ] as const)("of Accept %j to %s is %s", (accept, request, format) => {
    expect(replyFormat(accept, request)).toBe(format);
  });
});

describe("acceptsGzip", () => {
  it.each([
    ["", false],
    ["gzip", true],
    ["deflate, GZIP;q=0.5, br", true],
    ["gzip;q=0", false],
    ["*", true],
    ["*;q=0", false],
    ["*, gzip;q=0", false],
    ["br", false],
    ["identity", false],
  ])("of %j is %s", (acceptEncoding, accepted) => {
    expect(acceptsGzip(acceptEncoding)).toBe(accepted);
  });
});

describe("bodyEncoding", () => {
  it.each([
    ["", "identity"],
    ["identity", "identity"],
    ["gzip", "gzip"],
    ["x-gzip", "gzip"],
    [" GZip ", "gzip"],
    ["br", undefined],
    ["gzip, gzip", undefined],
  ])("of %j is %s", (contentEncoding, encoding) => {
    expect(bodyEncoding(contentEncoding)).toBe(encoding);
  });
});
