/**
 * A token as it is made, kept and recognised.
 *
 * It is 32 random bytes, so nobody can guess one, and nobody can try all that a hash may stand for: that is what slow hashes
 * (scrypt, argon2id) are against, and only where a person has chosen the secret. None is chosen here. So SHA-256 keeps it,
 * and a check is so cheap that wrong tokens sent at full speed cost the server next to nothing.
 */
import { createHash, randomBytes } from "node:crypto";
import { type Permission, parsePermissions, showPermission } from "./permission.ts";

const TOKEN_BYTES = 32;
/** Says what it is to whoever finds it somewhere, and to scanners that look for secrets in code. */
const TOKEN_START = "synap_";
export const TOKEN_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const NAME_RULE = "a name has 1 to 64 letters, digits and . _ -, and begins with a letter or a digit";
/** Longer ones are not looked at. */
export const TOKEN_BYTES_MAX = 4096;

/** What is kept of a token. */
export interface TokenRecord {
  readonly name: string;
  /** Of the token's text, in hex. */
  readonly sha256: string;
  readonly permissions: readonly Permission[];
  readonly createdAtMs: number;
  /** Infinite for one that does not expire. */
  readonly expiresAtMs: number;
}

export interface NewToken {
  readonly name: string;
  /** Permissions, as people write them. */
  readonly allow: readonly string[];
  readonly expiresAtMs: number;
}

/** Makes a token; its text is not kept anywhere. Answers with a sentence where that cannot be. */
export function makeToken(
  { name, allow, expiresAtMs }: NewToken,
  nowMs: number,
): { readonly text: string; readonly record: TokenRecord } | string {
  if (!TOKEN_NAME.test(name)) return NAME_RULE;
  const permissions = parsePermissions(allow);
  if (typeof permissions === "string") return permissions;
  const text = TOKEN_START + randomBytes(TOKEN_BYTES).toString("base64url");
  return { text, record: { name, sha256: digestOf(text), permissions, createdAtMs: nowMs, expiresAtMs } };
}

export function digestOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** A token without its hash, for lists. */
export interface ShownToken {
  readonly name: string;
  readonly allow: readonly string[];
  readonly created_at: number;
  /** Null for one that does not expire. */
  readonly expires_at: number | null;
}

export function shownToken({ name, permissions, createdAtMs, expiresAtMs }: TokenRecord): ShownToken {
  const expires = Number.isFinite(expiresAtMs) ? expiresAtMs : null;
  return { name, allow: permissions.map(showPermission), created_at: createdAtMs, expires_at: expires };
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LIFE_MS_MAX = 100 * 365 * 86_400_000;

/** `30d`, `12h`, `15m` or `90s` in milliseconds; undefined for anything else. */
export function parseLife(text: string): number | undefined {
  const match = /^([1-9]\d{0,9})([smhd])$/.exec(text);
  if (match === null) return undefined;
  const lifeMs = Number(match[1]) * UNITS_MS[match[2]];
  return lifeMs <= LIFE_MS_MAX ? lifeMs : undefined;
}
