import { describe, expect, it } from "vitest";
import { hostName, OriginRules } from "./origin.ts";

const LOCAL = { host: "127.0.0.1", allowedHosts: [], allowedOrigins: [] };

function accepts(rules: OriginRules, host: string, origin = ""): boolean {
  return rules.judge(host, origin).refusal === "";
}

describe("hostName", () => {
  it.each([
    ["Example.COM:8080", "example.com"],
    ["example.com.", "example.com"],
    ["[::1]:15500", "[::1]"],
    ["[::FFFF:7f00:1]", "[::ffff:7f00:1]"],
    ["localhost", "localhost"],
    ["", undefined],
    [":80", undefined],
    ["a b", undefined],
    ["a:80:80", undefined],
    ["a@b", undefined],
    ["a/b", undefined],
    ["a:port", undefined],
    ["::1", undefined],
  ])("of %j is %j", (header, name) => {
    expect(hostName(header)).toBe(name);
  });
});

describe("Host", () => {
  it("is a loopback name or what the server was told", () => {
    const rules = new OriginRules({ host: "fe80::1", allowedHosts: ["Synap.Example", "10.1.2.3"], allowedOrigins: [] });
    for (const host of [
      "localhost:1",
      "127.0.0.1",
      "[::1]",
      "[fe80::1]:2",
      "synap.example",
      "SYNAP.example:3",
      "10.1.2.3",
    ]) {
      expect(accepts(rules, host), host).toBe(true);
    }
    for (const host of ["evil.example", "xlocalhost", "10.1.2.4", "synap.example.evil", ""]) {
      expect(accepts(rules, host), host).toBe(false);
    }
  });

  it("may be any address, but no name, where the server is on every interface", () => {
    for (const host of ["0.0.0.0", "::"]) {
      const rules = new OriginRules({ ...LOCAL, host });
      expect(accepts(rules, "10.1.2.3:15500")).toBe(true);
      expect(accepts(rules, "[2001:db8::1]:15500")).toBe(true);
      expect(accepts(rules, "rebound.example:15500")).toBe(false);
    }
    expect(accepts(new OriginRules(LOCAL), "10.1.2.3:15500")).toBe(false);
  });

  it("is judged anew after one that was accepted", () => {
    const rules = new OriginRules(LOCAL);
    expect(["localhost", "evil.example", "localhost", "", "evil.example"].map((host) => accepts(rules, host))).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
  });
});

describe("Origin", () => {
  it("is the server's own, with the port, by http or by https in front of it", () => {
    const rules = new OriginRules(LOCAL);
    expect(accepts(rules, "localhost:15500", "http://localhost:15500")).toBe(true);
    expect(accepts(rules, "localhost", "https://LOCALHOST")).toBe(true);
    expect(accepts(rules, "localhost:15500", "http://localhost")).toBe(false);
    expect(accepts(rules, "localhost:15500", "http://127.0.0.1:15500")).toBe(false);
    expect(accepts(rules, "localhost:15500", "null")).toBe(false);
  });

  it("does not make up for a foreign Host", () => {
    expect(accepts(new OriginRules(LOCAL), "evil.example", "http://evil.example")).toBe(false);
  });

  it("is named in CORS headers only where it is another one and allowed", () => {
    const rules = new OriginRules({ ...LOCAL, allowedOrigins: ["https://App.example"] });
    expect(rules.judge("localhost", "https://app.example")).toEqual({
      refusal: "",
      allowOrigin: "https://app.example",
    });
    expect(rules.judge("localhost", "http://localhost").allowOrigin).toBe("");
    expect(rules.judge("localhost", "https://evil.example").allowOrigin).toBe("");
    expect(rules.judge("localhost", "https://evil.example").refusal).toContain("access.allowed_origins");
  });

  it("may be any where * is allowed", () => {
    const rules = new OriginRules({ ...LOCAL, allowedOrigins: ["*"] });
    expect(rules.judge("localhost", "https://any.example").allowOrigin).toBe("https://any.example");
  });
});
