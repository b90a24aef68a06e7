/**
 * Who may come in, and as whom: the tokens of this node and what they grant. One for the life of a server; every transport
 * asks it, and nothing of it knows a socket.
 *
 *     token --> verified? --------------------------------> its grant         a look into a map
 *           --> signed, and too many that are wrong? -----> RATE_LIMIT_EXCEEDED   signature-budget.ts
 *           --> SHA-256 or signature --> known? ----------> its grant         and verified from then on
 *           --> address has failed too often? ------------> RATE_LIMIT_EXCEEDED
 *           --> counted ----------------------------------> UNAUTHORIZED
 *
 * Only what is wrong has to wait: somebody else at the same address, or a web page in somebody's browser, would otherwise keep
 * out who has a right token. But for signed tokens that are new: to know a right one from a wrong one is the work that is to be saved.
 *
 * While there is no token, everybody has the one unrestricted grant, and nothing is ever looked at. The first token ends that,
 * also while the server runs; that there are none any more does not bring it back.
 *
 * Nothing here takes longer the more of a token is right. Maps compare the hashes of strings first, which are seeded anew in each
 * process; the text of a token is compared only where all bits of its hash are equal. And what is not in the
 * first map is known by its SHA-256 alone.
 */
import type { Logger } from "../runtime/logger.ts";
import { RecentMap } from "../structures/recent-map.ts";
import { Audit } from "./audit.ts";
import { FailedAttempts } from "./failed-attempts.ts";
import { anonymousGrant, END_TEXTS, Grant, type GrantEnd, unrestrictedGrant } from "./grant.ts";
import { showPermission } from "./permission.ts";
import { SignatureBudget } from "./signature-budget.ts";
import { KEYS_TRIED_MAX, SIGNED_TOKEN, SignedTokens, type SignedTokenTerms, UNKNOWN_TOKEN } from "./signed-tokens.ts";
import {
  digestOf,
  makeToken,
  type NewToken,
  type ShownToken,
  shownToken,
  TOKEN_BYTES_MAX,
  type TokenRecord,
} from "./token.ts";
import { TOKENS_MAX, type TokenFile } from "./token-file.ts";
import { type FileStamp, opennessOf, readNamed, stampOf } from "./watched-file.ts";

/** Who sends a token. Only what fails or is new asks for the address. */
export interface Peer {
  readonly address: string;
  readonly protocol: string;
}

/** Nobody comes in. */
export interface AccessRefusal {
  readonly code: "UNAUTHORIZED" | "FORBIDDEN" | "RATE_LIMIT_EXCEEDED";
  readonly message: string;
  /** When it is worth trying again; 0 for never. */
  readonly retryAfterSecs: number;
  /** Whoever sends so many wrong tokens is to be answered slowly. */
  readonly isSlow?: true;
}

/** How long who has sent too many wrong tokens waits for its answer, at least. */
export const HELD_BACK_MS = 1000;

export interface AccessControlParts {
  /** Where tokens are kept; undefined where nothing is, since there is no directory. */
  readonly file: TokenFile | undefined;
  /** Those who sign tokens, and what these have to say; undefined for none. */
  readonly signing?: (SignedTokenTerms & { readonly keysFile: string }) | undefined;
  readonly logger: Logger;
  readonly clock: { nowMs(): number; monotonicMs(): number };
}

/** Redis' name for who has not said another. */
const DEFAULT_NAME = "default";
/** Why no token can be made or ended here. */
export const KEEPS_NO_TOKENS = "this server keeps nothing on disk: set access.tokens_file to keep tokens there";
const WRONG: AccessRefusal = { code: "UNAUTHORIZED", message: UNKNOWN_TOKEN, retryAfterSecs: 0 };

interface KnownToken {
  readonly record: TokenRecord;
  readonly grant: Grant;
}

export class AccessControl {
  readonly audit: Audit;
  readonly failures = new FailedAttempts();
  readonly #signatures = new SignatureBudget();
  /** Wrong tokens, requests without one, and commands that were not permitted. Grows; for the metrics. */
  refusedCount = 0;
  /** Grants have ended, or may have: whoever knows the connections looks after those that have one. */
  onEnded: () => void = () => {};
  readonly #parts: AccessControlParts;
  /** Of everybody who has not said who they are. */
  #newcomer = unrestrictedGrant();
  #byDigest = new Map<string, KnownToken>();
  /** By the token's text. All of the file fit; of those that were signed the ones in use stay, however many others come. */
  readonly #verified = new RecentMap<Grant>(TOKENS_MAX);
  #stamp: FileStamp | undefined;
  #lastFailure = "";
  #lastTurn: Promise<unknown> = Promise.resolve();
  /** Undefined where no keys are configured. */
  #signed: SignedTokens | undefined;
  #keysStamp: FileStamp | undefined;

  constructor(parts: AccessControlParts) {
    this.#parts = parts;
    this.audit = new Audit(parts.logger, () => parts.clock.monotonicMs());
  }

  /** Whether there is a file to keep tokens in. */
  get keepsTokens(): boolean {
    return this.#parts.file !== undefined;
  }

  /** Whether anybody has to log in. */
  get isOn(): boolean {
    return !this.#newcomer.isUnrestricted;
  }

  /** What a connection has before it has said who it is. */
  get newcomer(): Grant {
    return this.#newcomer;
  }

  /** From now on one has to log in. What connections have without it ends. */
  turnOn(): void {
    if (this.isOn) return;
    const open = this.#newcomer;
    this.#newcomer = anonymousGrant();
    open.isUnrestricted = false;
    open.end = "anonymous";
    this.onEnded();
  }

  /**
   * Answers at once, in a time that does not depend on how much of a token is right.
   * @param name that came with it, where one did: it has to be the token's.
   */
  authenticate(token: string, name: string | undefined, peer: Peer): Grant | AccessRefusal {
    const nowMs = this.#parts.clock.nowMs();
    const verified = this.#verified.get(token);
    if (verified !== undefined && isNamed(verified, name)) {
      const end = verified.endAt(nowMs);
      return end === undefined ? verified : this.#refused(peer, ended(end), verified.name);
    }
    const found = token.length > TOKEN_BYTES_MAX ? UNKNOWN_TOKEN : this.#find(token, name, nowMs, peer);
    if (typeof found !== "string" && isRefusal(found)) return found;
    // Of what somebody has signed it may be told what is wrong: it is no guess.
    if (typeof found === "string" && found !== UNKNOWN_TOKEN) return this.#refused(peer, { ...WRONG, message: found });
    if (typeof found === "string" || !isNamed(found, name)) return this.#failed(peer);
    // Also one that has expired: whoever goes on sending it has its signature checked once.
    this.#verified.set(token, found);
    const end = found.endAt(nowMs);
    if (end !== undefined) return this.#refused(peer, ended(end), found.name);
    this.#loggedIn(found, peer);
    return found;
  }

  /** The grant of a token that was not seen before, or what is wrong with it; a refusal where it was not looked at. */
  #find(token: string, name: string | undefined, nowMs: number, { address }: Peer): Grant | string | AccessRefusal {
    const signed = this.#signed;
    if (signed === undefined || !SIGNED_TOKEN.test(token)) {
      return this.#byDigest.get(digestOf(token))?.grant ?? UNKNOWN_TOKEN;
    }
    const monotonicMs = this.#parts.clock.monotonicMs();
    const waitMs = this.#signatures.waitMs(address, monotonicMs);
    if (waitMs > 0) return tooMany(waitMs);
    const waitOfAllMs = this.#signatures.waitOfAllMs(address, monotonicMs);
    if (waitOfAllMs > 0) return tooMany(waitOfAllMs, "too many wrong tokens come from addresses that are new here");
    const before = signed.signaturesChecked;
    const found = signed.verify(token, nowMs);
    if (typeof found === "string" || !isNamed(found, name)) {
      this.#signatures.charge(address, signed.signaturesChecked - before, monotonicMs);
    } else if (found.endAt(nowMs) === undefined) this.#signatures.wasRight(address);
    return found;
  }

  /** Tells the audit log of a token that was not known before; those in use are not told of again. */
  #loggedIn({ name }: Grant, { address, protocol }: Peer): void {
    this.audit.record("login", { token: name, address, protocol }, "logged in");
  }

  /** A guess, or one of somebody who has to wait: that is neither counted nor told of, or it would never be over. */
  #failed(peer: Peer): AccessRefusal {
    const nowMs = this.#parts.clock.monotonicMs();
    const waitMs = this.failures.waitMs(peer.address, nowMs);
    if (waitMs > 0) return tooMany(waitMs);
    this.failures.failed(peer.address, nowMs);
    return this.#refused(peer, WRONG);
  }

  /** @param token the name of one that was right once: that is no guess, and does not count as one. */
  #refused({ address, protocol }: Peer, refusal: AccessRefusal, token?: string): AccessRefusal {
    this.refusedCount++;
    this.audit.record("login_refused", { token, address, protocol, reason: refusal.message }, "a token was refused");
    return refusal;
  }

  turnedAway({ address, protocol }: Peer, reason: string, grant?: Grant): void {
    this.refusedCount++;
    this.audit.record("refused", { token: grant?.name, address, protocol, reason }, "a request was refused");
  }

  /** The tokens that there are now: those that are there no more, or mean something else, end. */
  load(records: readonly TokenRecord[]): void {
    const before = this.#byDigest;
    this.#byDigest = new Map();
    for (const record of records) {
      const known = before.get(record.sha256);
      const isSame = known !== undefined && meansTheSame(known.record, record);
      const grant = isSame ? known.grant : new Grant(record.name, record.permissions, record.expiresAtMs);
      this.#byDigest.set(record.sha256, { record, grant });
      if (isSame) before.delete(record.sha256);
    }
    for (const { grant } of before.values()) grant.end = "revoked";
    this.#forgetEnded();
    this.turnOn();
    if (before.size > 0) this.onEnded();
  }

  /** Reads the files where they have changed since they were last read. Throws `StartError` where that cannot be done. */
  async reload(): Promise<void> {
    const [failure] = await this.#reloadBoth();
    if (failure !== undefined) throw failure;
  }

  /** Each for itself, so that a broken file does not keep what the other one ends. Answers with what has failed. */
  #reloadBoth(): Promise<readonly Error[]> {
    return this.#inTurn(async () => {
      const settled = await Promise.allSettled([this.#reloadKeys(), this.#reloadTokens()]);
      return settled.flatMap((each) => (each.status === "rejected" ? [errorOf(each.reason)] : []));
    });
  }

  async #reloadKeys(): Promise<void> {
    const { signing } = this.#parts;
    if (signing === undefined) return;
    const { keysFile } = signing;
    const stamp = await stampOf(keysFile);
    if (stamp !== undefined && stamp === this.#keysStamp) return;
    const text = (await readNamed(keysFile, "access.jwt_keys_file")).toString();
    this.#signed ??= new SignedTokens(signing, await import("jose"));
    const haveEnded = this.#signed.load(text, keysFile);
    this.#keysStamp = stamp;
    this.turnOn();
    this.audit.record("tokens", {}, `the keys of signed tokens were read from ${keysFile}`);
    if (haveEnded) {
      this.#forgetEnded();
      this.onEnded();
    }
    await this.#warnOfKeys(this.#signed, keysFile);
  }

  async #warnOfKeys(signed: SignedTokens, keysFile: string): Promise<void> {
    const { logger } = this.#parts;
    if (signed.needsKeyIds) {
      logger.warn(
        `${keysFile} holds more than ${KEYS_TRIED_MAX} keys of one kind: give each a kid, and have tokens name theirs, or they are refused`,
      );
    }
    const { mayWrite, mayRead } = await opennessOf(keysFile);
    if (mayWrite || (mayRead && signed.hasSecrets)) {
      logger.warn(`${keysFile} is open to others than its owner, who could sign tokens themselves: chmod 600 it`);
    }
  }

  #forgetEnded(): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#verified.forget((grant) => grant.endAt(nowMs) !== undefined);
  }

  async #reloadTokens(): Promise<void> {
    const { file, logger } = this.#parts;
    if (file === undefined) return;
    const stamp = await file.stamp();
    if (stamp === this.#stamp) return;
    const records = await file.read();
    this.#stamp = stamp;
    if (records === undefined) {
      logger.warn(`${file.path} is gone: its tokens are not valid any more, and one still has to log in`);
      this.load([]);
      return;
    }
    if (await file.isOpenToOthers()) {
      logger.warn(`${file.path} can be written by others than its owner, who could let themselves in: chmod 600 it`);
    }
    if (records.length === 0) logger.warn(`${file.path} holds no token: nobody can log in until one is created`);
    this.load(records);
    this.audit.record("tokens", { tokens: records.length }, `${records.length} tokens read from ${file.path}`);
  }

  /** The same for a server that runs: what cannot be read changes nothing, and is told once. */
  async reloadLater(): Promise<void> {
    const failures = await this.#reloadBoth();
    const told = failures.map(({ message }) => message).join(" ");
    if (told !== "" && told !== this.#lastFailure) this.#parts.logger.error(`${told} What it held stays as it was.`);
    this.#lastFailure = told;
  }

  list(): readonly ShownToken[] {
    return [...this.#byDigest.values()].map(({ record }) => shownToken(record));
  }

  /** Makes a token and keeps its hash; answers with its text, or with a sentence. */
  async create(wanted: NewToken): Promise<{ readonly text: string; readonly record: TokenRecord } | string> {
    const made = makeToken(wanted, this.#parts.clock.nowMs());
    if (typeof made === "string") return made;
    const failure = await this.#change((tokens) => withToken(tokens, made.record));
    return failure ?? made;
  }

  /** Ends a token by its name; answers with a sentence where that cannot be. */
  async revoke(name: string): Promise<string | undefined> {
    return this.#change((tokens) => withoutToken(tokens, name));
  }

  async #change(
    change: (tokens: readonly TokenRecord[]) => readonly TokenRecord[] | string,
  ): Promise<string | undefined> {
    const { file } = this.#parts;
    if (file === undefined) return KEEPS_NO_TOKENS;
    return this.#inTurn(async () => {
      const written = await file.update(change);
      if (typeof written === "string") return written;
      this.#stamp = written.stamp;
      // Last: whoever has made the first token is to be told it, though nobody without one gets an answer from here on.
      this.load(written.tokens);
      return undefined;
    });
  }

  /** What is read before a change and loaded after it would undo it: so readings and changes come one after the other. */
  #inTurn<Outcome>(work: () => Promise<Outcome>): Promise<Outcome> {
    const outcome = this.#lastTurn.then(work);
    this.#lastTurn = Promise.allSettled([outcome]);
    return outcome;
  }
}

export function withToken(tokens: readonly TokenRecord[], record: TokenRecord): readonly TokenRecord[] | string {
  if (tokens.some(({ name }) => name === record.name)) return `there is a token ${record.name}: revoke it first`;
  if (tokens.length >= TOKENS_MAX) return `there are ${TOKENS_MAX} tokens, the most there may be`;
  return [...tokens, record];
}

export function withoutToken(tokens: readonly TokenRecord[], name: string): readonly TokenRecord[] | string {
  const left = tokens.filter((each) => each.name !== name);
  return left.length === tokens.length ? `there is no token ${name}` : left;
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

function isNamed(grant: Grant, name: string | undefined): boolean {
  if (name === undefined || name === DEFAULT_NAME || name === grant.name) return true;
  return grant.name === `jwt:${name}`;
}

function meansTheSame(a: TokenRecord, b: TokenRecord): boolean {
  const shown = (record: TokenRecord) => record.permissions.map(showPermission).join(",");
  return a.name === b.name && a.expiresAtMs === b.expiresAtMs && shown(a) === shown(b);
}

function ended(end: GrantEnd): AccessRefusal {
  return { ...WRONG, message: END_TEXTS[end] };
}

function tooMany(waitMs: number, message = "too many wrong tokens came from this address"): AccessRefusal {
  const retryAfterSecs = Math.ceil(waitMs / 1000);
  return { code: "RATE_LIMIT_EXCEEDED", message, retryAfterSecs, isSlow: true };
}

export function isRefusal(answer: Grant | AccessRefusal): answer is AccessRefusal {
  return !(answer instanceof Grant);
}
