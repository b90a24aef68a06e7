/**
 * Short-lived tokens that somebody else signs (JWT): a login service that shares a key with this server, or whose public key the
 * server has. They carry their permissions themselves, and nothing of them is kept.
 *
 *     {"sub": "ada", "allow": ["kv:read:app:", "stream:write:chat."], "exp": 1767225600}
 *
 * The keys are a JSON Web Key Set: `oct` keys for HS256, public `OKP` keys (Ed25519) for EdDSA. What kind a key is decides how a
 * signature is checked, and never the token: one that says otherwise, or `none`, is refused. jose reads what is not checked yet;
 * the signature is checked by Node itself, since a request has to be judged before its body comes, and jose's check has no
 * answer within the same step.
 *
 * A token may leave out the `kid` of its key, as RFC 7515 has it, and many signers do. It is then checked with each key of its
 * algorithm, of which there may be eight: the old and the new one of four signers. Where there are more, the token has to say which,
 * so that one that somebody has made up costs no more the more keys there are.
 */
import { createHash, createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from "node:crypto";
import { StartError } from "../runtime/start-error.ts";
import { isObject } from "../structures/json-object.ts";
import { Grant, type GrantIssuer } from "./grant.ts";
import { parsePermissions } from "./permission.ts";

/** The part of jose that is used; loaded only where keys are configured. */
export type TokenReader = Pick<typeof import("jose"), "decodeJwt" | "decodeProtectedHeader">;

export interface SignedTokenTerms {
  /** What `iss` has to be; empty for anything. */
  readonly issuer: string;
  /** What `aud` has to name; empty for anything. */
  readonly audience: string;
}

interface Key extends GrantIssuer {
  /** The JSON that it was read from. */
  readonly text: string;
  readonly id: string | undefined;
  /** Whose it is, for `Grant#owner`: a new key with the same `kid` is the same signer's. */
  readonly signer: string;
  readonly algorithm: "HS256" | "EdDSA";
  readonly secret: Buffer | undefined;
  readonly publicKey: KeyObject | undefined;
}

const SECRET_BYTES_MIN = 32;
/** So many keys are tried for a token that does not say which is its own. */
export const KEYS_TRIED_MAX = 8;
/** Clocks differ. */
const TOLERANCE_MS = 5000;
/** Nobody can revoke one, and who gives milliseconds for seconds means less. */
const LIFE_MS_MAX = 10 * 366 * 86_400_000;
/** 132 bits. */
const SIGNER_CHARACTERS = 22;
const SUBJECT = /^[!-~]{1,128}$/;
/** All that is told of a token which nobody is known to have given. */
export const UNKNOWN_TOKEN = "the token is not valid";
export const SIGNED_TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

export class SignedTokens {
  /** Grows. */
  signaturesChecked = 0;
  #keys: readonly Key[] = [];
  readonly #terms: SignedTokenTerms;
  readonly #reader: TokenReader;

  constructor(terms: SignedTokenTerms, reader: TokenReader) {
    this.#terms = terms;
    this.#reader = reader;
  }

  /** The keys that there are now. What was signed with one that is there no more has ended; answers whether there is such. */
  load(text: string, path: string): boolean {
    const keys = parseKeys(text, path);
    const before = this.#keys;
    this.#keys = keys.map((key) => before.find((known) => known.text === key.text) ?? key);
    const gone = before.filter((key) => !this.#keys.includes(key));
    for (const key of gone) key.end = "revoked";
    return gone.length > 0;
  }

  /**
   * The grant of a token, which may have expired, or a sentence: never more than `UNKNOWN_TOKEN`, unless its signature is right.
   */
  verify(token: string, nowMs: number): Grant | string {
    const read = this.#read(token);
    if (read === undefined) return UNKNOWN_TOKEN;
    const { header, claims } = read;
    const key = this.#signerOf(token, header.kid, header.alg);
    if (key === undefined) return UNKNOWN_TOKEN;
    // It is the signer's: what is wrong with it may be told.
    const { exp, nbf, iss, sub, aud } = claims;
    if (typeof exp !== "number") return "the token has no exp: a signed token has to expire";
    if (exp * 1000 > nowMs + LIFE_MS_MAX) return "the token's exp is more than ten years away: it is in seconds";
    if (header.crit !== undefined) return "the token has crit, of which nothing is understood here";
    if (typeof nbf === "number" && nbf * 1000 > nowMs + TOLERANCE_MS) return "the token is not valid yet";
    const { issuer, audience } = this.#terms;
    if (issuer !== "" && iss !== issuer) return "the token is of another issuer";
    if (audience !== "" && ![aud].flat().includes(audience)) return "the token is for another audience";
    if (typeof sub !== "string" || !SUBJECT.test(sub)) return "the token has no sub of 1 to 128 printable characters";
    if (claims.allow === undefined) return "the token has no allow: a list of what it may do";
    const permissions = permissionsOf(claims.allow);
    if (typeof permissions === "string") return `of the token's allow, ${permissions}`;
    // No sub has a space.
    return new Grant(`jwt:${sub}`, permissions, exp * 1000, key, `jwt:${sub} ${key.signer}`);
  }

  /** Whether there are so many keys that a token which names none is refused. */
  get needsKeyIds(): boolean {
    const shared = this.#keys.filter(({ algorithm }) => algorithm === "HS256").length;
    return Math.max(shared, this.#keys.length - shared) > KEYS_TRIED_MAX;
  }

  /** Whether who reads the keys could sign tokens, too. */
  get hasSecrets(): boolean {
    return this.#keys.some(({ secret }) => secret !== undefined);
  }

  #signerOf(token: string, kid: unknown, alg: unknown): Key | undefined {
    const keys = this.#keys.filter((each) => isFor(each, kid, alg));
    if (keys.length > KEYS_TRIED_MAX) return undefined;
    return keys.find((each) => {
      this.signaturesChecked++;
      return isSignedBy(each, token);
    });
  }

  /** What the token says, which nobody has checked yet. */
  #read(token: string) {
    try {
      return { header: this.#reader.decodeProtectedHeader(token), claims: this.#reader.decodeJwt(token) };
    } catch (error) {
      if (error instanceof TypeError || (error instanceof Error && error.name.startsWith("JWT"))) return undefined;
      throw error;
    }
  }
}

/** The hash of what one signer has and no other: the `kid`, or else the key. Not `iss`, which each may say of itself as it likes. */
function signerOf(kid: string | undefined, key: string): string {
  const signer = kid === undefined ? `key ${key}` : `kid ${kid}`;
  return createHash("sha256").update(signer).digest("base64url").slice(0, SIGNER_CHARACTERS);
}

function permissionsOf(allow: unknown) {
  const list: unknown = typeof allow === "string" ? allow.split(",") : allow;
  if (!Array.isArray(list) || !list.every((each) => typeof each === "string")) return "it is no list of permissions";
  return parsePermissions(list);
}

function isFor({ id, algorithm }: Key, kid: unknown, alg: unknown): boolean {
  return alg === algorithm && (kid === undefined || id === undefined || kid === id);
}

function isSignedBy({ secret, publicKey }: Key, token: string): boolean {
  const dot = token.lastIndexOf(".");
  const signed = Buffer.from(token.slice(0, dot));
  const signature = Buffer.from(token.slice(dot + 1), "base64url");
  if (publicKey !== undefined) return verify(null, signed, publicKey, signature);
  if (secret === undefined) return false;
  const expected = createHmac("sha256", secret).update(signed).digest();
  return signature.length === expected.length && timingSafeEqual(signature, expected);
}

/** Throws `StartError`. */
function parseKeys(text: string, path: string): readonly Key[] {
  const bad = (what: string, cause?: unknown) =>
    new StartError(`The keys in ${path} cannot be used: ${what}.`, cause === undefined ? {} : { cause });
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (cause) {
    throw bad("it is not JSON", cause);
  }
  const keys = isObject(read) ? read.keys : undefined;
  if (!Array.isArray(keys)) throw bad('it is no key set: {"keys": [...]}');
  return keys.map((key: unknown, index) => {
    const parsed = parseKey(key);
    if (typeof parsed === "string") throw bad(`of key ${index + 1}, ${parsed}`);
    return parsed;
  });
}

function parseKey(given: unknown): Key | string {
  if (!isObject(given)) return "it is no object";
  const { kty, k, crv, d, x, kid, alg } = given;
  if (kid !== undefined && typeof kid !== "string") return "kid is no string";
  const text = JSON.stringify(given);
  const common = { text, id: kid, end: undefined };
  if (kty === "oct") {
    if (alg !== undefined && alg !== "HS256") return "alg is not HS256, the only one with a shared secret";
    if (typeof k !== "string") return "k, the secret, is missing";
    const secret = Buffer.from(k, "base64url");
    if (secret.length < SECRET_BYTES_MIN) return `k has less than ${SECRET_BYTES_MIN} bytes`;
    return { ...common, signer: signerOf(kid, k), algorithm: "HS256", secret, publicKey: undefined };
  }
  if (kty !== "OKP" || crv !== "Ed25519") return "it is neither kty oct nor kty OKP with crv Ed25519";
  if (alg !== undefined && alg !== "EdDSA") return "alg is not EdDSA";
  if (d !== undefined) return "it is a private key: only who signs should have that, and the server its public part";
  try {
    const publicKey = createPublicKey({ key: { kty, crv, x: String(x) }, format: "jwk" });
    return { ...common, signer: signerOf(kid, String(x)), algorithm: "EdDSA", secret: undefined, publicKey };
  } catch (cause) {
    return `x is no public key: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}
