import { createHmac, generateKeyPairSync, randomBytes } from "node:crypto";
import { chmod, lstat, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { nodeFileSystem } from "../oplog/node-file-system.ts";
import { ManualClock } from "../runtime/clock.ts";
import { type Logger, silentLogger } from "../runtime/logger.ts";
import { StartError } from "../runtime/start-error.ts";
import { AccessControl, isRefusal } from "./access-control.ts";
import type { Grant } from "./grant.ts";
import { SignedTokens } from "./signed-tokens.ts";
import { TokenFile } from "./token-file.ts";

const PEER = { address: "10.0.0.1", protocol: "http" };

let directory: string;
let clock: ManualClock;
let lines: string[];
let ended: number;
let access: AccessControl;
let file: TokenFile;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "synap-access-"));
  file = new TokenFile(join(directory, "inner", "tokens.json"), nodeFileSystem.makeDirectory);
  clock = new ManualClock();
  lines = [];
  ended = 0;
  access = made(file);
});

afterEach(() => rm(directory, { recursive: true }));

function made(from: TokenFile | undefined, keysFile = ""): AccessControl {
  const note = (fields: unknown, sentence?: string) => lines.push(JSON.stringify([fields, sentence]));
  const signing = keysFile === "" ? undefined : { keysFile, issuer: "", audience: "" };
  const logger: Logger = { ...silentLogger, info: note, warn: note, error: note };
  const control = new AccessControl({ file: from, signing, logger, clock });
  control.onEnded = () => {
    ended++;
  };
  return control;
}

async function create(name: string, allow: string[], lifeMs = Number.POSITIVE_INFINITY): Promise<string> {
  const token = await access.create({ name, allow, expiresAtMs: clock.nowMs() + lifeMs });
  if (typeof token === "string") throw new Error(token);
  return token.text;
}

/** Makes `access` anew, with a key of signed tokens. */
async function trust(key: object): Promise<void> {
  const keysFile = join(directory, "keys.json");
  await writeFile(keysFile, JSON.stringify({ keys: [key] }));
  access = made(file, keysFile);
  await access.reload();
}

async function trustedSecret(): Promise<Buffer> {
  const secret = randomBytes(32);
  await trust({ kty: "oct", k: secret.toString("base64url") });
  return secret;
}

/** @returns what signs tokens that permit everything. */
async function trustedSigner(): Promise<(sub: string, lifeSecs?: number) => Promise<string>> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  await trust(publicKey.export({ format: "jwk" }));
  return (sub, lifeSecs = 600) => {
    const claims = { sub, allow: ["*"], exp: Math.floor(clock.nowMs() / 1000) + lifeSecs };
    return new SignJWT(claims).setProtectedHeader({ alg: "EdDSA" }).sign(privateKey);
  };
}

function login(token: string, name?: string): string {
  const answer = access.authenticate(token, name, PEER);
  return isRefusal(answer) ? answer.code : answer.name;
}

describe("tokens", () => {
  it("come in by their text, and are kept as a hash alone", async () => {
    const token = await create("app", ["kv:write:app:"]);
    expect(token).toMatch(/^synap_[A-Za-z0-9_-]{43}$/);
    expect([login(token), login(token), login(token, "app"), login(token, "default"), login(token, "other")]).toEqual([
      "app",
      "app",
      "app",
      "app",
      "UNAUTHORIZED",
    ]);
    const text = await readFile(file.path, "utf8");
    expect(text).not.toContain(token.slice(6));
    expect(JSON.parse(text)).toMatchObject({ format: 1, tokens: [{ name: "app", allow: ["kv:write:app:"] }] });
    expect(((await stat(file.path)).mode & 0o777).toString(8)).toBe("600");
    expect(access.list()).toEqual([
      { name: "app", allow: ["kv:write:app:"], created_at: clock.nowMs(), expires_at: null },
    ]);
  });

  it("are kept for their owner alone, whatever lies where the file is written", async () => {
    await create("one", ["*"]);
    const elsewhere = join(directory, "elsewhere");
    await writeFile(elsewhere, "untouched");
    await symlink(elsewhere, `${file.path}.new`);
    await create("two", ["*"]);
    expect([await readFile(elsewhere, "utf8"), (await lstat(file.path)).isFile()]).toEqual(["untouched", true]);
    await writeFile(`${file.path}.new`, "left");
    await chmod(`${file.path}.new`, 0o666);
    await create("three", ["*"]);
    expect(((await stat(file.path)).mode & 0o777).toString(8)).toBe("600");
  });

  it("are revoked for all who have a link to their file", async () => {
    const link = new TokenFile(join(directory, "link.json"), nodeFileSystem.makeDirectory);
    const token = await create("app", ["*"]);
    await symlink(file.path, link.path);
    await link.update((tokens) => tokens.filter(({ name }) => name !== "app"));
    expect([(await lstat(link.path)).isSymbolicLink(), (await lstat(file.path)).isFile()]).toEqual([true, true]);
    await access.reload();
    expect(login(token)).toBe("UNAUTHORIZED");
  });

  it("are made where a link leads to that was there first", async () => {
    const link = new TokenFile(join(directory, "link.json"), nodeFileSystem.makeDirectory);
    await symlink("between.json", link.path);
    await symlink(file.path, join(directory, "between.json"));
    expect(await link.update(() => [])).toMatchObject({ tokens: [] });
    expect([(await lstat(link.path)).isSymbolicLink(), (await lstat(file.path)).isFile()]).toEqual([true, true]);
  });

  it("that are wrong, cut short or longer do not", async () => {
    const token = await create("app", ["*"]);
    for (const wrong of ["", token.slice(0, -1), `${token}x`, token.toUpperCase(), "x".repeat(100_000)]) {
      expect(login(wrong)).toBe("UNAUTHORIZED");
    }
  });

  it("expire", async () => {
    const token = await create("short", ["*"], 1000);
    const grant = access.authenticate(token, undefined, PEER) as Grant;
    clock.advance(999);
    expect(login(token)).toBe("short");
    clock.advance(1);
    expect([login(token), grant.endAt(clock.nowMs())]).toEqual(["UNAUTHORIZED", "expired"]);
    // Told of and counted, by its name, though it was verified while it was valid.
    expect(lines.at(-1)).toContain('"audit":"login_refused","token":"short"');
    expect([lines.at(-1)?.includes("the token has expired"), access.refusedCount]).toEqual([true, 1]);
  });

  it("end when they are revoked, and those of the others do not", async () => {
    const [one, two] = [await create("one", ["*"]), await create("two", ["*"])];
    const grants = [one, two].map((token) => access.authenticate(token, undefined, PEER) as Grant);
    ended = 0;
    expect(await access.revoke("one")).toBeUndefined();
    expect([grants[0].end, grants[1].end, ended]).toEqual(["revoked", undefined, 1]);
    expect([login(one), login(two)]).toEqual(["UNAUTHORIZED", "two"]);
    expect(await access.revoke("one")).toBe("there is no token one");
  });

  it("have names of their own", async () => {
    await create("app", ["*"]);
    expect(await access.create({ name: "app", allow: ["*"], expiresAtMs: 1 })).toContain("revoke it first");
    expect(await access.create({ name: "a b", allow: ["*"], expiresAtMs: 1 })).toContain("a name has");
    expect(await access.create({ name: "b", allow: ["nonsense"], expiresAtMs: 1 })).toContain("nonsense");
  });
});

describe("a server", () => {
  it("is open until there is a token, and closed from then on", async () => {
    const before = access.newcomer;
    expect([access.isOn, before.isUnrestricted]).toEqual([false, true]);
    await create("app", ["*"]);
    expect([access.isOn, before.isUnrestricted, before.end, ended]).toEqual([true, false, "anonymous", 1]);
    await access.revoke("app");
    expect(access.isOn).toBe(true);
    await rm(file.path);
    await access.reload();
    expect(access.isOn).toBe(true);
  });

  it("sees what another process does to the file", async () => {
    await access.reload();
    expect(access.isOn).toBe(false);
    const other = access;
    const token = await create("app", ["kv:read:*"]);
    access = made(file);
    await access.reload();
    const grant = access.authenticate(token, undefined, PEER) as Grant;
    await access.reload();
    expect([grant.name, grant.end]).toEqual(["app", undefined]);
    await other.revoke("app");
    await access.reload();
    expect([grant.end, login(token)]).toEqual(["revoked", "UNAUTHORIZED"]);
  });

  it("ends what a token had when its permissions change", async () => {
    const token = await create("app", ["kv:read:*"]);
    const grant = access.authenticate(token, undefined, PEER) as Grant;
    const text = await readFile(file.path, "utf8");
    await writeFile(file.path, text.replace("kv:read:*", "kv:read:a"));
    await access.reload();
    expect(grant.end).toBe("revoked");
    expect(login(token)).toBe("app");
  });

  it("keeps its tokens where the file cannot be read, and does not start", async () => {
    const token = await create("app", ["*"]);
    await writeFile(file.path, '{"format": 1, "tokens": [{"name": "app"}]}');
    await access.reloadLater();
    await access.reloadLater();
    expect(login(token)).toBe("app");
    expect(lines.filter((line) => line.includes("cannot be read"))).toHaveLength(1);
    await expect(made(file).reload()).rejects.toThrow(StartError);
  });

  it("sees that a token was revoked though the keys of signed ones cannot be read", async () => {
    const other = access;
    const token = await create("app", ["*"]);
    access = made(file, join(directory, "keys.json"));
    await access.reloadLater();
    expect(login(token)).toBe("app");
    await other.revoke("app");
    await access.reloadLater();
    expect(login(token)).toBe("UNAUTHORIZED");
    expect(lines.filter((line) => line.includes("jwt_keys_file cannot be read"))).toHaveLength(1);
    await expect(access.reload()).rejects.toThrow(StartError);
  });

  it("does not undo a change by what it has read before it", async () => {
    const token = await create("app", ["*"]);
    await writeFile(file.path, `${await readFile(file.path, "utf8")} `);
    const read = file.read.bind(file);
    vi.spyOn(file, "read").mockImplementationOnce(async () => {
      const before = await read();
      // Long enough for a change that does not wait for its turn.
      for (let turns = 0; turns < 1000; turns++) await nextTurn();
      return before;
    });
    await Promise.all([access.reload(), access.revoke("app")]);
    expect([access.list(), login(token)]).toEqual([[], "UNAUTHORIZED"]);
  });

  it("tells who else could let themselves in, also when that has become so", async () => {
    const keysFile = join(directory, "keys.json");
    const told = () => lines.filter((line) => line.includes("chmod 600")).map((line) => /\w+\.json/.exec(line)?.[0]);
    const secret = { kty: "oct", k: randomBytes(32).toString("base64url") };
    await writeFile(keysFile, JSON.stringify({ keys: [secret] }), { mode: 0o600 });
    access = made(file, keysFile);
    await create("app", ["*"]);
    await access.reload();
    expect(told()).toEqual([]);
    await chmod(keysFile, 0o604);
    await chmod(file.path, 0o604);
    await access.reload();
    // Nobody can log in with a hash.
    expect(told()).toEqual(["keys.json"]);
    await chmod(file.path, 0o620);
    await access.reload();
    expect(told()).toEqual(["keys.json", "tokens.json"]);
    const { publicKey } = generateKeyPairSync("ed25519");
    await writeFile(keysFile, JSON.stringify({ keys: [publicKey.export({ format: "jwk" })] }));
    await access.reload();
    expect(told()).toHaveLength(2);
    await chmod(keysFile, 0o666);
    await access.reload();
    expect(told()).toHaveLength(3);
  });

  it("cannot keep tokens where it keeps nothing", async () => {
    access = made(undefined);
    expect(await access.create({ name: "a", allow: ["*"], expiresAtMs: 1 })).toContain("access.tokens_file");
  });
});

describe("wrong tokens", () => {
  it("have an address wait when it has sent too many, and keep nobody out who has a right one", async () => {
    const [known, late] = [await create("known", ["*"]), await create("late", ["*"])];
    expect(login(known)).toBe("known");
    for (let i = 0; i < 10; i++) expect(login(`wrong ${i}`)).toBe("UNAUTHORIZED");
    expect(access.authenticate("wrong", undefined, PEER)).toMatchObject({
      code: "RATE_LIMIT_EXCEEDED",
      retryAfterSecs: 1,
    });
    expect([login(known), login(late), login("wrong")]).toEqual(["known", "late", "RATE_LIMIT_EXCEEDED"]);
    const elsewhere = { ...PEER, address: "10.0.0.2" };
    expect(access.authenticate("wrong", undefined, elsewhere)).toMatchObject({ code: "UNAUTHORIZED" });
    clock.advance(1000);
    expect(login("wrong")).toBe("UNAUTHORIZED");
  });

  it("are not those that a known key has signed and that have expired", async () => {
    const secret = await trustedSecret();
    const claims = { sub: "ada", allow: ["*"], exp: Math.floor(clock.nowMs() / 1000) - 1 };
    const token = await new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(secret);
    for (let i = 0; i < 20; i++) expect(login(token)).toBe("UNAUTHORIZED");
    expect(login("wrong")).toBe("UNAUTHORIZED");
  });

  it("that look signed are checked so often alone, however many come, and right ones are let in again soon", async () => {
    const sign = await trustedSigner();
    const [known, late, over] = [await sign("known"), await sign("late"), await sign("over", -1)];
    expect(login(known)).toBe("jwt:known");
    const checks = vi.spyOn(SignedTokens.prototype, "verify");
    const madeUp = late.slice(0, late.lastIndexOf(".") + 1) + Buffer.alloc(64, 1).toString("base64url");
    const answers = Array.from({ length: 1000 }, (_, i) => login(i % 2 === 0 ? madeUp : over));
    // One that has expired is checked once, and costs nothing: somebody has signed it.
    expect(checks).toHaveBeenCalledTimes(21);
    const [madeUps, overs] = [0, 1].map((odd) => answers.filter((_, i) => i % 2 === odd));
    expect(madeUps.slice(20).every((code) => code === "RATE_LIMIT_EXCEEDED")).toBe(true);
    expect(overs.every((code) => code === "UNAUTHORIZED")).toBe(true);
    expect([login(known), login(late), checks.mock.calls.length]).toEqual(["jwt:known", "RATE_LIMIT_EXCEEDED", 21]);
    expect(access.authenticate(late, undefined, { ...PEER, address: "10.0.0.2" })).toMatchObject({ name: "jwt:late" });
    // The address has to wait still, and what is right comes in as soon as one may be checked.
    clock.advance(50);
    const others = await Promise.all(Array.from({ length: 100 }, (_, i) => sign(`other-${i}`)));
    expect(login("wrong")).toBe("RATE_LIMIT_EXCEEDED");
    expect(others.map((token) => login(token))).toEqual(others.map((_, i) => `jwt:other-${i}`));
    expect([login(madeUp), login(madeUp), login(over)]).toEqual([
      "RATE_LIMIT_EXCEEDED",
      "RATE_LIMIT_EXCEEDED",
      "UNAUTHORIZED",
    ]);
    expect(login(await sign("late-too"))).toBe("RATE_LIMIT_EXCEEDED");
    // A right one under another's name is a wrong one, also when it is in use.
    checks.mockClear();
    for (let i = 0; i < 100; i++) access.authenticate(known, "else", { ...PEER, address: "10.0.0.3" });
    expect(checks).toHaveBeenCalledTimes(20);
  });

  it("that look signed, of ever new addresses, have no more checked than a budget of all, and keep out nobody who is known", async () => {
    const sign = await trustedSigner();
    const [first, second, app] = [await sign("first"), await sign("second"), await create("app", ["*"])];
    expect(login(first)).toBe("jwt:first");
    const checks = vi.spyOn(SignedTokens.prototype, "verify");
    const madeUp = first.slice(0, first.lastIndexOf(".") + 1) + Buffer.alloc(64, 1).toString("base64url");
    const from = (token: string, address: string) => access.authenticate(token, undefined, { ...PEER, address });
    for (let i = 0; i < 1000; i++) from(madeUp, `2001:db8:1:${i.toString(16)}::1`);
    expect(checks).toHaveBeenCalledTimes(50);
    expect(from(second, "10.0.0.9")).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", retryAfterSecs: 1, isSlow: true });
    // Who is known, what is in use, and what is no signature, do not wait.
    expect([login(second), login(first), login(app)]).toEqual(["jwt:second", "jwt:first", "app"]);
    expect([from(second, "10.0.0.9"), from(app, "10.0.0.8")]).toMatchObject([{ name: "jwt:second" }, { name: "app" }]);
    clock.advance(2);
    expect(from(await sign("third"), "10.0.0.9")).toMatchObject({ name: "jwt:third" });
  });

  it("and right ones, however many, do not have one forgotten that is in use", async () => {
    const secret = await trustedSecret();
    const part = (content: object) => Buffer.from(JSON.stringify(content)).toString("base64url");
    const exp = Math.floor(clock.nowMs() / 1000) + 600;
    const sign = (sub: string) => {
      const signed = `${part({ alg: "HS256" })}.${part({ sub, allow: ["*"], exp })}`;
      return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
    };
    const inUse = sign("in-use");
    expect(login(inUse)).toBe("jwt:in-use");
    for (let i = 0; i < 20; i++) login(`${inUse.slice(0, -4)}AAAA`);
    for (let i = 0; i < 25_000; i++) {
      access.authenticate(sign(`other-${i}`), undefined, { ...PEER, address: "10.0.0.2" });
      if (i % 1000 === 0) expect(login(inUse)).toBe("jwt:in-use");
    }
    expect([login(inUse), login(sign("new"))]).toEqual(["jwt:in-use", "RATE_LIMIT_EXCEEDED"]);
  });

  it("are told in the audit log, without a token, and no more often than it takes", async () => {
    const token = await create("app", ["*"]);
    login(token);
    for (let i = 0; i < 1000; i++)
      access.authenticate(`secret ${i}`, undefined, { ...PEER, address: `10.0.${i >> 8}.${i & 255}` });
    expect(lines.filter((line) => line.includes("login_refused")).length).toBeLessThanOrEqual(200);
    clock.advance(1000);
    login("secret");
    expect(lines.at(-1)).toMatch(/"left_out":8\d\d/);
    expect(lines.join()).not.toContain("secret");
    expect(lines.join()).not.toContain(token);
    expect(lines.some((line) => line.includes('"audit":"login","token":"app","address":"10.0.0.1"'))).toBe(true);
    expect(access.refusedCount).toBe(1001);
  });
});
