import { createHmac, generateKeyPairSync, randomBytes } from "node:crypto";
import * as jose from "jose";
import { describe, expect, it } from "vitest";
import { END_TEXTS } from "./grant.ts";
import { SignedTokens } from "./signed-tokens.ts";

const NOW = 1_800_000_000_000;
const SECRET = randomBytes(32);
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const OCT = { kty: "oct", k: SECRET.toString("base64url"), kid: "shared" };
const OKP = { ...(publicKey.export({ format: "jwk" }) as object), kid: "service" };

function tokens(keys: unknown = { keys: [OCT, OKP] }, terms = { issuer: "", audience: "" }): SignedTokens {
  const signed = new SignedTokens(terms, jose);
  signed.load(JSON.stringify(keys), "keys.json");
  return signed;
}

type Claims = Readonly<Record<string, unknown>>;

function sign(
  claims: Claims = {},
  header: Partial<jose.JWTHeaderParameters> = {},
  key: unknown = SECRET,
): Promise<string> {
  const all = { sub: "ada", allow: ["kv:read:app:"], exp: NOW / 1000 + 60, ...claims };
  return new jose.SignJWT(all).setProtectedHeader({ alg: "HS256", ...header }).sign(key as jose.CryptoKey);
}

function outcome(signed: SignedTokens, token: string, nowMs = NOW): string {
  const grant = signed.verify(token, nowMs);
  if (typeof grant === "string") return grant;
  const end = grant.endAt(nowMs);
  return end === undefined ? grant.name : END_TEXTS[end];
}

const INVALID = "the token is not valid";

describe("a signed token", () => {
  it("carries its permissions and its end", async () => {
    const grant = tokens().verify(await sign(), NOW);
    expect(grant).toMatchObject({
      name: "jwt:ada",
      permissions: [{ subsystem: "kv", level: "read", prefix: "app:" }],
      expiresAtMs: NOW + 60_000,
    });
    expect(outcome(tokens(), await sign({ allow: "kv:read:*,queue:write:jobs" }))).toBe("jwt:ada");
    expect(outcome(tokens(), await sign({}, { alg: "EdDSA" }, privateKey))).toBe("jwt:ada");
    expect(outcome(tokens(), await sign({}, { alg: "EdDSA", kid: "service" }, privateKey))).toBe("jwt:ada");
  });

  it("is none when somebody else has signed it, or it was changed", async () => {
    const token = await sign();
    const [header, payload, signature] = token.split(".");
    const forged = Buffer.from(JSON.stringify({ sub: "eve", allow: ["*"], exp: NOW })).toString("base64url");
    for (const bad of [
      await sign({}, {}, randomBytes(32)),
      await sign({}, { alg: "EdDSA" }, generateKeyPairSync("ed25519").privateKey),
      await sign({}, { kid: "other" }),
      await sign({}, { alg: "HS512" }, randomBytes(64)),
      `${header}.${forged}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${payload}.${signature.slice(0, -2)}`,
      `${header}.${payload}`,
      "a.b.c",
      "",
    ]) {
      expect(outcome(tokens(), bad)).toBe(INVALID);
    }
  });

  it("is none where it has crit, of which nothing is understood", async () => {
    const [header, payload] = (await sign()).split(".");
    const critical = { ...JSON.parse(Buffer.from(header, "base64url").toString()), crit: ["exp"] };
    const signed = `${Buffer.from(JSON.stringify(critical)).toString("base64url")}.${payload}`;
    const signature = createHmac("sha256", SECRET).update(signed).digest("base64url");
    expect(outcome(tokens(), `${signed}.${signature}`)).toContain("crit");
  });

  it("cannot choose how it is checked", async () => {
    const [, payload] = (await sign()).split(".");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    expect(outcome(tokens(), `${none}.${payload}.`)).toBe(INVALID);
    // The public key as if it were a shared secret.
    const header = Buffer.from('{"alg":"HS256","kid":"service"}').toString("base64url");
    for (const secret of [
      publicKey.export({ format: "pem", type: "spki" }),
      Buffer.from((OKP as { x?: string }).x ?? "", "base64url"),
    ]) {
      const signature = createHmac("sha256", secret).update(`${header}.${payload}`).digest("base64url");
      expect(outcome(tokens(), `${header}.${payload}.${signature}`)).toBe(INVALID);
    }
  });

  it.each([
    [{ exp: undefined }, "no exp"],
    [{ exp: NOW / 1000 }, "has expired"],
    [{ exp: NOW }, "ten years away"],
    [{ nbf: NOW / 1000 + 60 }, "not valid yet"],
    [{ sub: undefined }, "no sub"],
    [{ sub: "a\n" }, "no sub"],
    [{ allow: undefined }, "the token has no allow"],
    [{ allow: [1] }, "no list of permissions"],
    [{ allow: ["nonsense"] }, "nonsense"],
    [{ allow: [] }, "good for nothing"],
  ])("with %j is refused, with the reason", async (claims, reason) => {
    expect(outcome(tokens(), await sign(claims))).toContain(reason);
  });

  it("has to be of the issuer and for the audience that are configured", async () => {
    const signed = tokens({ keys: [OCT] }, { issuer: "login", audience: "synap" });
    expect(outcome(signed, await sign({ iss: "login", aud: "synap" }))).toBe("jwt:ada");
    expect(outcome(signed, await sign({ iss: "login", aud: ["web", "synap"] }))).toBe("jwt:ada");
    expect(outcome(signed, await sign({ iss: "other", aud: "synap" }))).toContain("another issuer");
    expect(outcome(signed, await sign({ iss: "login", aud: "web" }))).toContain("another audience");
    expect(outcome(signed, await sign({ iss: "login" }))).toContain("another audience");
  });

  it("without a kid is checked with eight keys of its kind at most, and has to name one where there are more", async () => {
    const secrets = Array.from({ length: 9 }, () => randomBytes(32));
    const keys = secrets.map((secret, i) => ({ kty: "oct", k: secret.toString("base64url"), kid: `k${i}` }));
    const [unnamed, named] = [await sign({}, {}, secrets[7]), await sign({}, { kid: "k7" }, secrets[7])];
    const eight = tokens({ keys: [...keys.slice(0, 8), OKP] });
    expect([eight.needsKeyIds, outcome(eight, unnamed), eight.signaturesChecked]).toEqual([false, "jwt:ada", 8]);
    const nine = tokens({ keys: [...keys, OKP] });
    expect([nine.needsKeyIds, outcome(nine, unnamed), nine.signaturesChecked]).toEqual([true, INVALID, 0]);
    expect([outcome(nine, named), nine.signaturesChecked]).toEqual(["jwt:ada", 1]);
    expect(outcome(nine, await sign({}, { alg: "EdDSA" }, privateKey))).toBe("jwt:ada");
  });

  it("is its signer's: two that name the same sub own nothing in common", async () => {
    const other = randomBytes(32);
    const keys = [OCT, { kty: "oct", k: other.toString("base64url"), kid: "k2" }];
    const owners = async (signed: SignedTokens, claims: readonly [Claims, Buffer][]) => {
      const grants = await Promise.all(
        claims.map(async ([each, key]) => signed.verify(await sign(each, {}, key), NOW)),
      );
      return grants.map((grant) => (typeof grant === "string" ? grant : grant.owner));
    };
    const [one, again, two] = await owners(tokens({ keys }), [
      [{}, SECRET],
      [{ exp: NOW / 1000 + 99, iss: "x" }, SECRET],
      [{}, other],
    ]);
    expect([again, one.startsWith("jwt:ada ")]).toEqual([one, true]);
    expect(two).not.toBe(one);
    // A key without a kid is its own signer, whatever it says of itself.
    const unnamed = keys.map((key) => ({ ...key, kid: undefined }));
    const [x, alike, y] = await owners(tokens({ keys: unnamed }), [
      [{ iss: "shared" }, SECRET],
      [{}, SECRET],
      [{ iss: "shared" }, other],
    ]);
    expect([alike, new Set([one, two, x, y]).size]).toEqual([x, 4]);
    const renewed = [{ kty: "oct", k: other.toString("base64url"), kid: "shared" }];
    expect(await owners(tokens({ keys: renewed }), [[{}, other]])).toEqual([one]);
    const [longest] = await owners(tokens(), [[{ sub: "s".repeat(128) }, SECRET]]);
    expect(longest.length).toBeLessThanOrEqual(255);
  });

  it("ends with its key, and not with another", async () => {
    const signed = tokens();
    const shared = signed.verify(await sign(), NOW);
    const service = signed.verify(await sign({}, { alg: "EdDSA" }, privateKey), NOW);
    if (typeof shared === "string" || typeof service === "string") throw new Error("both are valid");
    expect(signed.load(JSON.stringify({ keys: [OKP] }), "keys.json")).toBe(true);
    expect([shared.endAt(NOW), service.endAt(NOW)]).toEqual(["revoked", undefined]);
    expect(outcome(signed, await sign())).toBe(INVALID);
    expect(signed.load(JSON.stringify({ keys: [OKP, OCT] }), "keys.json")).toBe(false);
    expect(outcome(signed, await sign())).toBe("jwt:ada");
  });
});

describe("a key set", () => {
  it.each([
    ["not json", "it is not JSON"],
    ["[]", "it is no key set"],
    ['{"keys": [1]}', "it is no object"],
    ['{"keys": [{"kty": "RSA"}]}', "neither kty oct nor kty OKP"],
    ['{"keys": [{"kty": "oct"}]}', "the secret, is missing"],
    ['{"keys": [{"kty": "oct", "k": "c2hvcnQ"}]}', "less than 32 bytes"],
    ['{"keys": [{"kty": "oct", "alg": "HS512", "k": "x"}]}', "alg is not HS256"],
    ['{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "short"}]}', "x is no public key"],
    [JSON.stringify({ keys: [privateKey.export({ format: "jwk" })] }), "it is a private key"],
  ])("%s is refused", (text, reason) => {
    expect(() => new SignedTokens({ issuer: "", audience: "" }, jose).load(text, "keys.json")).toThrow(reason);
  });
});
